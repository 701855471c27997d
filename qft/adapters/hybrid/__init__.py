"""What QWTHN and QTHA share: two tensor-train factors with a circuit, or a control in its place, between them."""

from qft.adapters.hybrid.config import DEEPEST, HybridConfig
from qft.adapters.hybrid.delta import HybridDelta

__all__ = ["DEEPEST", "HybridConfig", "HybridDelta"]
