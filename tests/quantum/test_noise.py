"""Noise as data: what is refused, what scale multiplies, and both forms of a channel against the definition."""

import numpy as np
import pytest

from qft.errors import QftError
from qft.quantum.noise import NoiseModel

PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
READOUT = [[0.95, 0.05], [0.1, 0.9]]
MODELS = {
    "ideal": NoiseModel(),
    "joint": NoiseModel(p1=0.01, p2=0.1, readout=READOUT),
    "per qubit": NoiseModel(p1=0.3, p2=0.2, joint=False),
    "certain": NoiseModel(p1=1.0, p2=1.0),
    "T1 and T2": NoiseModel(t1=5.0, t2=3.0, time1=400, time2=2000),
    "T1 alone": NoiseModel(p2=0.1, t1=5.0, time2=2000),
    "T2 alone": NoiseModel(t2=5.0, time1=700),
    "dead": NoiseModel(t1=0.001, t2=0.001, time1=4e6),
    "all": NoiseModel(0.02, 0.07, False, 9.0, 11.0, 300, 900, READOUT, scale=1.5),
}


def strings(m):
    return PAULIS if m == 1 else np.array([np.kron(a, b) for a in PAULIS for b in PAULIS])


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_kraus_matrices_and_transfer_matrix_are_one_channel(name, m):
    kraus = MODELS[name].kraus(m)
    np.testing.assert_allclose(sum(k.conj().T @ k for k in kraus), np.eye(2**m), atol=1e-14)
    moved = [sum(k.conj().T @ s @ k for k in kraus) for s in strings(m)]
    expected = [[np.trace(a @ s).real / 2**m for s in strings(m)] for a in moved]
    np.testing.assert_allclose(MODELS[name].transfer(m), expected, atol=1e-14)


def density(seed, m):
    draw = np.random.default_rng(seed)
    a = draw.normal(size=(2**m, 2**m)) + 1j * draw.normal(size=(2**m, 2**m))
    rho = a @ a.conj().T
    return rho / np.trace(rho)


def apply(kraus, rho):
    return sum(k @ rho @ k.conj().T for k in kraus)


def test_depolarising_is_what_it_says():
    rho = density(0, 1)
    out = apply(NoiseModel(p1=0.3).kraus(1), rho)
    np.testing.assert_allclose(out, 0.7 * rho + 0.3 * np.eye(2) / 2, atol=1e-14)
    rho = density(1, 2)
    joint = apply(NoiseModel(p2=0.3).kraus(2), rho)
    np.testing.assert_allclose(joint, 0.7 * rho + 0.3 * np.eye(4) / 4, atol=1e-14)
    apart = apply(NoiseModel(p2=0.3, joint=False).kraus(2), rho)
    four = rho.reshape(2, 2, 2, 2)  # row a b, column c d
    for _ in range(2):  # the first qubit, then, with the two exchanged, the other
        left = np.einsum("abad->bd", four)
        four = 0.7 * four + 0.3 * np.einsum("ac,bd->abcd", np.eye(2) / 2, left)
        four = four.transpose(1, 0, 3, 2)
    np.testing.assert_allclose(apart, four.reshape(4, 4), atol=1e-14)


def test_decay_is_exponential_in_the_gates_time():
    noise = NoiseModel(t1=50.0, t2=30.0, time1=500)  # microseconds, nanoseconds
    one = apply(noise.kraus(1), np.diag([0, 1.0]))
    assert one[1, 1].real == pytest.approx(np.exp(-0.5 / 50), abs=1e-14)
    plus = apply(noise.kraus(1), np.full((2, 2), 0.5))
    assert plus[0, 1].real == pytest.approx(0.5 * np.exp(-0.5 / 30), abs=1e-14)


def test_scale_multiplies_each_error_exactly():
    full = NoiseModel(0.01, 0.1, True, 5.0, 3.0, 40, 200, READOUT)
    half = NoiseModel(0.01, 0.1, True, 5.0, 3.0, 40, 200, READOUT, scale=0.5)
    assert half.depolarising(1) == (0.005, True) and half.depolarising(2) == (0.05, True)
    assert half.decay(2) == pytest.approx(np.sqrt(full.decay(2)), abs=1e-15)
    assert half.confusion() == ((0.975, 0.025), (0.05, 0.95))
    none = NoiseModel(0.01, 0.1, True, 5.0, 3.0, 40, 200, READOUT, scale=0)
    assert none.ideal and not half.ideal and NoiseModel().ideal


@pytest.mark.parametrize(
    "options, words",
    [
        ({"p1": 1.2}, r"p1=1.2.*\[0, 1\]"),
        ({"p2": -0.1}, "p2=-0.1.*negative"),
        ({"p2": float("nan")}, "p2=nan"),
        ({"p1": "much"}, "p1=much"),
        ({"t1": 10.0, "t2": 20.1}, "t2=20.1.*twice t1=10"),
        ({"t1": 0}, "t1=0.*null"),
        ({"time1": -1.0}, "time1=-1"),
        ({"readout": [[1, 0]]}, "readout"),
        ({"readout": [[0.9, 0.2], [0, 1]]}, "add up to 1"),
        ({"readout": [[1.1, -0.1], [0, 1]]}, "readout"),
        ({"p2": 0.4, "scale": 3.0}, "scale=3.0.*p2=0.4.*2.5"),
        ({"readout": READOUT, "scale": 11}, "scale=11.*at most 10"),
        ({"scale": -1}, "scale=-1"),
    ],
)
def test_what_no_machine_does_is_refused(options, words):
    with pytest.raises(QftError, match=words):
        NoiseModel(**options)


def test_an_unknown_key_is_refused_with_the_nearest():
    with pytest.raises(QftError, match="Did you mean 'readout'"):
        NoiseModel.of({"readot": READOUT})
