"""The circuit of Quantum-PEFT against gates written out as dense matrices, and PennyLane's template."""

import pytest
import torch

from qft.tensor.orthogonal import cayley
from qft.tensor.two_design import TwoDesign, columns

# (wires, layers) -> angles and CZ gates of PennyLane 0.45's SimplifiedTwoDesign.shape
COUNTS = {(12, 1): (34, 11), (9, 1): (25, 8), (8, 3): (50, 21), (5, 2): (21, 8)}


def dense(numbers, plan):
    """Every gate as a matrix on the whole space."""
    u, place = torch.eye(plan.width, dtype=numbers.dtype), 0
    for number, wires in enumerate(plan.bricks):
        if number:
            for a, b in zip(wires[::2], wires[1::2]):
                digits = torch.cartesian_prod(*[torch.arange(m) for m in plan.levels]).view(plan.width, -1)
                both = (digits[:, a] == plan.levels[a] - 1) & (digits[:, b] == plan.levels[b] - 1)
                u = torch.where(both, -1.0, 1.0).to(numbers.dtype)[:, None] * u
        for wire in wires:
            m = plan.levels[wire]
            if m == 2:
                half = numbers[place] / 2
                gate = torch.stack([half.cos(), -half.sin(), half.sin(), half.cos()]).view(2, 2)
                place += 1
            else:
                gate = cayley(numbers[place : place + m * (m - 1) // 2], m)
                place += m * (m - 1) // 2
            full = torch.ones(1, 1, dtype=numbers.dtype)
            for other, size in enumerate(plan.levels):
                full = torch.kron(full, gate if other == wire else torch.eye(size, dtype=numbers.dtype))
            u = full @ u
    assert place == plan.count
    return u


@pytest.mark.parametrize(
    "n, layers, sizes",
    [(8, 2, "truncate"), (16, 1, "mixed"), (28, 2, "mixed"), (28, 1, "truncate"), (2, 3, "mixed"), (7, 1, "mixed")],
)
def test_columns_are_those_of_the_gates(n, layers, sizes):
    plan = TwoDesign.for_width(n, layers, sizes)
    numbers = torch.randn(plan.count, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    expected = dense(numbers, plan)
    torch.testing.assert_close(columns(numbers, plan, 2), expected[:, :2].T, rtol=0, atol=1e-12)
    whole = columns(numbers, plan, plan.width).T
    torch.testing.assert_close(whole.T @ whole, torch.eye(plan.width, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("wires, layers", COUNTS)
def test_counts_are_those_of_the_template(wires, layers):
    plan = TwoDesign((2,) * wires, layers)
    assert (plan.count, plan.entanglers) == COUNTS[wires, layers]


def test_it_is_pennylanes_template():
    qml = pytest.importorskip("pennylane")
    plan = TwoDesign((2,) * 5, 2)
    numbers = torch.randn(plan.count, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = numbers[5:].view(2, -1, 2)

    def circuit():
        qml.SimplifiedTwoDesign(numbers[:5].numpy(), weights.numpy(), wires=range(5))

    theirs = torch.as_tensor(qml.matrix(circuit, wire_order=range(5))()).real
    torch.testing.assert_close(columns(numbers, plan, 32).T, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "n, sizes, levels", [(224, "mixed", (7, 2, 2, 2, 2, 2)), (224, "truncate", (2,) * 8), (512, "mixed", (2,) * 9)]
)
def test_a_width_is_split_into_wires(n, sizes, levels):
    assert TwoDesign.for_width(n, 1, sizes).levels == levels


@pytest.mark.parametrize("sizes", ["truncate", "mixed"])
def test_several_circuits_at_a_time_are_each_alone_bit_for_bit_with_gradients_or_without(sizes):
    plan = TwoDesign.for_width(28, 2, sizes)
    one = torch.randn(plan.count, generator=torch.Generator().manual_seed(5))
    other = torch.randn(plan.count, generator=torch.Generator().manual_seed(6))
    twice = columns(torch.stack([one, other, one]).requires_grad_(), plan, 4).detach()
    assert torch.equal(twice[0], twice[2])
    torch.testing.assert_close(twice[1], columns(other, plan, 4), rtol=0, atol=1e-6)
