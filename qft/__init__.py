"""qft: quantum-enhanced parameter-efficient fine-tuning of language models.

Importing this package is cheap: neither torch nor peft is loaded. ``import qft.adapters`` registers
the adapters with PEFT.
"""

__version__ = "0.1.0"
