"""What repeated measurements say: arrays in, estimates and verdicts out. Knows nothing of files, runs or pages."""
