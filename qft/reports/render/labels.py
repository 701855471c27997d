"""Names beside the points of a picture, placed so that none covers another name or a point."""

from collections.abc import Iterator, Sequence
from math import cos, pi, sin
from typing import NamedTuple

DISTANCES = (6, 11, 17, 24, 32, 42, 54, 68, 84, 102, 122, 145)  # of a name from its point, nearest first
DIRECTIONS = 16  # tried at each distance, to the right first
MARKER = 4.5  # half the width of a point


class Box(NamedTuple):
    """A rectangle, all in the units of the picture."""

    left: float
    bottom: float
    right: float
    top: float

    def shared(self, other: "Box") -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)


def place(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], frame: Box, taken: Sequence[Box] = ()
) -> list[Box]:
    """Where the names go, in the order of the points.

    The crowded points choose first; each name takes the nearest free place, or the one that covers least.

    Args:
        points: Where the points are.
        sizes: Width and height of each name.
        frame: What the names stay inside.
        taken: What else they leave free, such as error bars.
    """
    filled = [*taken, *(Box(x - MARKER, y - MARKER, x + MARKER, y + MARKER) for x, y in points)]
    placed: dict[int, Box] = {}
    for k in sorted(range(len(points)), key=lambda k: (_room(points, k), k)):
        best, least = None, float("inf")
        for box in _candidates(points[k], sizes[k]):
            outside = sizes[k][0] * sizes[k][1] - box.shared(frame)
            covered = 10 * outside + sum(map(box.shared, filled)) + sum(map(box.shared, placed.values()))
            if covered < least - 1e-9:
                best, least = box, covered
            if covered <= 1e-9:
                break
        assert best is not None  # there are candidates
        placed[k] = best
    return [placed[k] for k in range(len(points))]


def _candidates(point: tuple[float, float], size: tuple[float, float]) -> Iterator[Box]:
    """Boxes around a point, the nearest first; each touches the ray from the point with its nearest side."""
    (x, y), (width, height) = point, size
    for distance in DISTANCES:
        for step in range(DIRECTIONS):
            turn = (step + 1) // 2 * (1 if step % 2 else -1)  # right, a little up, a little down, ...
            dx, dy = cos(2 * pi * turn / DIRECTIONS), sin(2 * pi * turn / DIRECTIONS)
            cx, cy = x + dx * (distance + width / 2), y + dy * (distance + height / 2)
            yield Box(cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)


def _room(points: Sequence[tuple[float, float]], k: int) -> float:
    """The distance to the third nearest point: small in a crowd."""
    x, y = points[k]
    away = sorted((px - x) ** 2 + (py - y) ** 2 for px, py in points)
    return away[min(3, len(away) - 1)]
