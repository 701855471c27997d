"""Validation loss, generation and scores. Knows nothing of training."""
