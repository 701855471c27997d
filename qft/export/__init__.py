"""The way out: a trained adapter as a plain model, as an ordinary LoRA, on a hub."""
