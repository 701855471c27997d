"""The circuit of Quantum-PEFT against gates written out as dense matrices, and PennyLane's template."""

import pytest
import torch

from qft.tensor.orthogonal import cayley
from qft.tensor.two_design import TwoDesign, columns

# (wires, layers) -> angles and CZ gates of PennyLane 0.45's SimplifiedTwoDesign.shape
COUNTS = {(12, 1): (34, 11), (9, 1): (25, 8), (8, 3): (50, 21), (5, 2): (21, 8)}
# PennyLane 0.45.1, rounded to 12 digits; column -> its entries, all real
PENNYLANE = {
    0: [-0.276897142212, -0.418897608241, 0.316550379911, -0.116289185336, 0.017294424758, 0.359246306386,
        -0.386123302683, -0.084039759879, -0.342381539619, -0.206913475573, 0.273644496204, 0.088208186991,
        -0.181369517398, 0.14541787082, -0.219402009625, 0.061120835061],
    5: [0.268802821869, -0.248738100889, 0.560534913792, -0.093630750759, -0.072751469056, -0.153140858265,
        0.427167291887, -0.140082804713, 0.032923311446, -0.164769471247, 0.341644090564, -0.013259091816,
        0.104522150859, -0.166417282835, 0.326400889345, -0.147586459621],
}  # fmt: skip


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
    """Columns 0 and 5 of qml.matrix of the template on 4 wires with 2 layers and the angles 0.1, 0.2, ..., 1.6."""
    numbers = torch.arange(1, 17, dtype=torch.float64) / 10
    found = columns(numbers, TwoDesign((2,) * 4, 2), 16)
    for column, theirs in PENNYLANE.items():
        torch.testing.assert_close(found[column], torch.tensor(theirs, dtype=torch.float64), rtol=0, atol=1e-11)


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
