"""What a row changes of its method, in words: the names of controls in tables, pictures and sentences."""

from collections.abc import Mapping
from typing import Any

_WORDS: Mapping[tuple[str, Any], str] = {
    ("circuit", "none"): "no circuit",
    ("circuit", "constants"): "constants for the circuit",
    ("circuit", "silu"): "SiLU for the circuit",
    ("circuit", "polynomial"): "free polynomial for the circuit",
    ("entangle", False): "no entanglement",
    ("train_angles", False): "angles frozen at random",
    ("mpo", False): "no MPO",
    ("classical_path", False): "no classical path",
    ("bias_start", "zero"): "biases from zero",
    ("shuffle", True): "outputs shuffled",
    ("trained", "exact"): "trained without noise",
    ("trained", "noisy"): "trained with noise",
    ("shots", None): "exact expectations",
}


def describe(key: str, value: Any) -> str:
    """One change in words: ``circuit``, ``none`` is *no circuit*, ``blocks``, 2 is *blocks 2*."""
    try:
        known = _WORDS.get((key, value))
    except TypeError:  # a list or dict
        known = None
    return known or f"{key.replace('_', ' ')} {value}"
