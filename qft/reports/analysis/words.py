"""Numbers in words, the same in sentences and tables."""

Interval = tuple[float, float]
NONE = "–"


def minus(text: str) -> str:
    """The text with real minus signs."""
    return text.replace("-", "−")


def signed(value: float, digits: int) -> str:
    """A number with its sign."""
    return minus(f"{value:+.{digits}f}")


def interval(ends: Interval | None, digits: int) -> str:
    """[low, high], or a dash."""
    return NONE if ends is None else minus(f"[{ends[0]:+.{digits}f}, {ends[1]:+.{digits}f}]")


def p_value(value: float | None) -> str:
    """A p value, or a dash."""
    if value is None:
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
