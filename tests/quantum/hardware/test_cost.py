"""The formulas of qft cost against counting every pass through a model, and against a model that generates."""

import pytest
import tiny
import torch
from peft import get_peft_model

from qft.adapters import QWTHNConfig
from qft.models import inject
from qft.quantum import ansatz
from qft.quantum.backends.statevector import Statevector
from qft.quantum.hardware import cost

CASES = [(3, 10, 5, 7, 4, 2), (0, 1, 1, 9, 1, 16), (16, 20, 33, 5, 6, 16), (1, 8, 2, 3, 2, 1)]


def passes_one_by_one(v: int, v_tokens: int, a: int, p: int, g: int, b: int) -> list[int]:
    """Rows of every pass, by walking through the evaluation."""
    out = [len(range(start, min(start + b, v))) * v_tokens for start in range(0, v, b)]
    for start in range(0, a, b):
        batch = min(b, a - start)
        out.append(batch * p)
        out += [batch] * (g - 1)
    return out


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("apart", [False, True])
def test_circuits_jobs_and_round_trips(case: tuple[int, ...], apart: bool) -> None:
    circuits = [ansatz.qwthn(4), ansatz.qwthn(2), ansatz.qwthn(4)]
    terms = cost.Terms(batch_size=3, shots=10, price=0.5, per="shot", rate=4.0, round_trip=2.0)
    found = cost.direct("x", circuits, cost.Work(*case), terms, apart)
    rows = passes_one_by_one(*case)
    each = [n * (c.qubits if apart else 1) for c in circuits for n in rows]
    assert found.circuits == sum(each)
    assert found.jobs == sum(-(-n // 3) for n in each)
    assert found.round_trips == len(each)
    assert found.shots == 10 * sum(each) and found.money == pytest.approx(5.0 * sum(each))
    assert found.seconds == pytest.approx(sum(each) / 4 + 2 * len(each))


def test_the_surrogate_is_one_round_trip() -> None:
    found = cost.surrogate([ansatz.qwthn(4)] * 3, cost.Terms(batch_size=50, shots=1000, price=2.0))
    assert (found.circuits, found.jobs, found.round_trips) == (3 * 97, 6, 1)
    assert found.seconds is None and found.money == 2 * 3 * 97


def test_a_model_evaluates_as_many_circuits_as_are_counted() -> None:
    model = get_peft_model(tiny.build("qwen2"), QWTHNConfig(r=2, width=8, bond_dim=2))
    backend = Statevector()
    inject.set_backend(model, backend)
    circuits = [circuit for circuit, _ in inject.circuits(model)]
    assert len(circuits) == 4  # query and value of two layers
    ids = tiny.tokens(rows=3, length=7)
    for start in (0, 2):  # three prompts, two side by side
        model.eval().generate(
            input_ids=ids[start : start + 2],
            attention_mask=torch.ones_like(ids[start : start + 2]),
            max_new_tokens=5,
            do_sample=False,
            pad_token_id=0,
        )
    work = cost.Work(0, 1, 3, 7, 5, 2)
    assert backend.evaluations == cost.direct("x", circuits, work, cost.Terms(50, 1000), False).circuits
