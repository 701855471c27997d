"""The circuit layer as one compiled function: built on first use where a compiler is, equal to torch's to rounding."""
