"""The recipes: train, evaluate, score. A typed config in, a run directory out."""
