"""What papers claim, as data: one yaml a claim in configs/claim. Knows nothing of sweeps or pages."""
