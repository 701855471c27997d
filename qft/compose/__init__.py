"""Overrides -> typed config; with cli/ the only room that knows Hydra and OmegaConf."""
