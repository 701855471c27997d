"""Tensor networks: factorisations, cores and contractions. Knows nothing of adapters."""
