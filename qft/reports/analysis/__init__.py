"""What the numbers of a sweep say: comparisons, claims, contributions. Pure functions of what was read."""
