"""Names of points: none covers another or a point while there is room, and none is left out where there is none."""

from itertools import combinations

import numpy as np

from qft.reports.render.labels import MARKER, Box, place

FRAME = Box(0, 0, 400, 280)


def test_names_of_many_points_lie_apart() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        points = [(float(x), float(y)) for x, y in rng.uniform((5, 5), (395, 275), (20, 2))]
        sizes = [(float(w), 10.0) for w in rng.uniform(25, 90, 20)]
        bar = Box(100, 0, 102, 280)
        made = place(points, sizes, FRAME, [bar])
        for box, (width, height) in zip(made, sizes, strict=True):
            assert abs(box.right - box.left - width) < 1e-9 and abs(box.top - box.bottom - height) < 1e-9
            assert box.left >= 0 and box.bottom >= 0 and box.right <= 400 and box.top <= 280 and not box.shared(bar)
            assert not any(box.shared(Box(x - MARKER, y - MARKER, x + MARKER, y + MARKER)) for x, y in points)
        assert not [pair for pair in combinations(made, 2) if pair[0].shared(pair[1]) > 1e-6]


def test_a_lone_name_stands_at_the_right_of_its_point() -> None:
    (box,) = place([(100, 100)], [(40, 10)], FRAME)
    assert 100 + MARKER < box.left < 110 and (box.bottom + box.top) / 2 == 100
    (box,) = place([(398, 100)], [(40, 10)], FRAME)
    assert box.right <= 400, "at the edge of the picture it gives way"


def test_where_there_is_no_room_every_name_still_stands() -> None:
    made = place([(20.0, 10.0)] * 9, [(39.0, 9.0)] * 9, Box(0, 0, 40, 20))
    assert len(made) == 9
