"""Sweeps: cells as data, their plan, their runs. Knows no Hydra: configs are composed by a function passed in."""
