"""Rows -> messages -> tokens. Knows nothing of models, adapters or Hydra."""
