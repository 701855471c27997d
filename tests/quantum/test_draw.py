"""Drawings and figures of circuits."""

import pytest

from qft.quantum import ansatz, draw
from qft.quantum.circuit import GATES, Circuit, Gate, Input, Weight

MIXED = Circuit(
    3,
    (
        Gate("RY", (0,), Input(0)),
        Gate("CRZ", (2, 0), Weight(1)),
        Gate("RX", (1,), 0.25),
        Gate("CNOT", (0, 1)),
        Gate("H", (2,)),
    ),
)


def test_text():
    assert draw.text(MIXED).splitlines() == [
        "q0: -RY(z0)-CRZ(w1)-----------o---",
        "q1: -----------|----RX(0.25)-CNOT-",
        "q2: -----------o-------H----------",
    ]


def test_long_circuits_are_wrapped_and_lose_nothing():
    text = draw.text(ansatz.qtha(4, 4), width=60)
    assert max(map(len, text.splitlines())) <= 60 and len(text.split("\n\n")) > 4
    assert [text.count(f"w{k})") for k in range(64)] == [1] * 64
    assert [text.count(f"(z{k})") for k in range(4)] == [4] * 4


def test_every_gate_is_drawn(tmp_path):
    for name, (size, takes_angle) in GATES.items():
        gate = Gate(name, tuple(range(size)), 1.0 if takes_angle else None)
        assert name in draw.text(Circuit(2, (gate,)))
        draw.picture(Circuit(2, (gate,)), tmp_path / "one.png", name)


@pytest.mark.parametrize(
    "operations, length",
    [([], 0), ([(0,), (1,), (2,)], 1), ([(0, 1), (1, 2), (0,)], 2), ([(0, 2), (1,), (1, 2), (1,)], 3)],
)
def test_depth_is_the_longest_chain(operations, length):
    assert draw.depth(operations) == length


def test_gates_that_would_cross_do_not_share_a_column():
    columns = draw.columns(MIXED)
    assert [[g.name for g in column] for column in columns] == [["RY"], ["CRZ"], ["RX", "H"], ["CNOT"]]


def test_counts():
    assert draw.counts(["RY", "CRZ", "RY"]) == "1 CRZ, 2 RY"
