"""Base models and tokenizers, with an adapter put in; counting without weights."""
