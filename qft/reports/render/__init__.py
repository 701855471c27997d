"""Writes a report as an HTML page, Markdown, CSV and LaTeX. Computes nothing."""
