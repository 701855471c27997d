"""The text behind the demo set and the demo model, generated from templates and seeds alone."""
