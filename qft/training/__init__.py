"""Assembles transformers' Trainer; no training loop of ours."""
