"""Standard benchmarks through lm-evaluation-harness: which tasks, what their files may do, and their scores."""
