"""A report set in type: the HTML page, Markdown, CSV and LaTeX. Computes no number."""
