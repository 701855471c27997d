"""Gates on pairs of qubits against the whole matrix of the circuit, forward and backward."""

import pytest
import torch

from qft.quantum import ansatz
from qft.quantum.simulators import pair_gates

CASES = {
    "one group": (3, ((0, 1), (1, 2), (0, 2))),
    "a gap": (6, ((0, 5), (1, 4), (2, 3), (0, 1), (4, 5))),
    "apc": (7, ansatz.apc_pairs(7)),
}


def unitaries(count, seed=3):
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randn(2, count, 4, 4, dtype=torch.float64, generator=generator)
    return torch.linalg.qr(torch.complex(*parts))[0]


def whole(qubits, pairs, gates):
    """U (2^n, 2^n), one gate after the other on every basis state."""
    u = torch.eye(2**qubits, dtype=torch.complex128).reshape(*[2] * qubits, -1)
    for (a, b), gate in zip(pairs, gates, strict=True):
        u = torch.tensordot(gate.view(2, 2, 2, 2), u, dims=([2, 3], [a, b]))
        u = u.movedim((0, 1), (a, b))
    return u.reshape(2**qubits, -1)


def expected(qubits, pairs, gates, u, read):
    p = (whole(qubits, pairs, gates) @ torch.complex(u, torch.zeros_like(u))).abs().square()
    p = p.reshape(*[2] * qubits, -1)
    return torch.stack(
        [
            p.select(k, 0).flatten(0, -2).sum(0) - p.select(k, 1).flatten(0, -2).sum(0)
            for k in range(qubits - read, qubits)
        ]
    )


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_circuit_gate_by_gate(case, monkeypatch):
    monkeypatch.setattr(pair_gates, "AT_ONCE", {"cpu": 1})  # several chunks of 16 rows
    qubits, pairs = CASES[case]
    plan, gates = pair_gates.plan(qubits, pairs), unitaries(len(pairs)).requires_grad_()
    assert sorted(place for group in plan.groups for place in group.gates) == list(range(len(pairs)))
    assert all(len(group.qubits) <= pair_gates.GROUP for group in plan.groups)
    u = torch.randn(2**qubits, 37, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).requires_grad_()
    got = pair_gates.expectations(plan, u, pair_gates.fuse(plan, pairs, gates), 2)
    want = expected(qubits, pairs, gates, u, 2)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-11)  # sums of 2^n products of order 1
    upstream = torch.randn_like(want)
    for a, b in zip(*(torch.autograd.grad((z * upstream).sum(), (u, gates)) for z in (got, want)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)


def test_the_backward_keeps_no_state_of_each_gate():
    """Saved for it: amplitudes and matrices, whatever the number of gates."""
    qubits, rows, kept = 7, 50, []
    pairs = ansatz.apc_pairs(qubits)
    plan = pair_gates.plan(qubits, pairs)
    u = torch.randn(2**qubits, rows, dtype=torch.float64, requires_grad=True)
    matrices = pair_gates.fuse(plan, pairs, unitaries(len(pairs)))
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        pair_gates.expectations(plan, u, matrices, 2)
    assert sum(kept) == u.numel() + sum(m.numel() for m in matrices)


def test_a_pair_that_is_not_ascending_is_refused():
    with pytest.raises(ValueError, match="two qubits of 3 each, ascending"):
        pair_gates.plan(3, ((1, 0),))
