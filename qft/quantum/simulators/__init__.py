"""Circuits evaluated on this machine: exact, for many rows at once, differentiable."""
