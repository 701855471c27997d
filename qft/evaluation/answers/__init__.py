"""Answers to problems: the value that a text states, and whether two of them are the same."""
