"""Noise and circuits on which two implementations of one noisy chip are compared."""

import torch

from qft.quantum import ansatz

READOUT = [[0.95, 0.05], [0.1, 0.9]]
NOISE = {
    "ideal": {},
    "joint": {"p1": 0.01, "p2": 0.1},
    "per qubit": {"p1": 0.01, "p2": 0.1, "joint": False},
    "T1 and T2": {"t1": 30.0, "t2": 20.0, "time1": 400.0, "time2": 2000.0},
    "read-out": {"readout": READOUT},
    "all": {"p1": 0.02, "p2": 0.07, "t1": 9.0, "t2": 11.0, "time1": 300.0, "time2": 900.0, "readout": READOUT},
}
CIRCUITS = {"qwthn": ansatz.qwthn(4), "qtha": ansatz.qtha(3, 2)}


def case(name, rows):
    circuit = CIRCUITS[name]
    z = torch.randn(circuit.num_inputs, rows, dtype=torch.float64) * 2
    return circuit, z, torch.randn(circuit.num_weights, dtype=torch.float64) * 2
