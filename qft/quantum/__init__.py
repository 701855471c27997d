"""Circuits as data, their exact simulation and the backends that evaluate them. Knows nothing of adapters."""
