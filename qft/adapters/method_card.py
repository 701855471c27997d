"""The method card: what docs/adapters.md says of a method. Ours state it in their config, the libraries' in a yaml."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MethodCard:
    """One row of the table. Sizes: in and out of the layer, r the rank or number of qubits."""

    parameters: str  # trainable, of one layer unless it says otherwise
    token_cost: str  # products a token and layer, beside the layer's own
    hardware: str  # whether its circuit can be evaluated on a quantum computer: no, or how
    source: str  # where the method was published
    equation: str = ""  # what an adapted layer computes, in LaTeX
    start: str = ""  # what makes the delta zero before training, or why it is not
    circuit: str = ""  # qubits and gates; none for a classical method
    lora_rank: str = ""  # rank of the LoRA that a trained layer equals exactly, or why there is none
    mergeable: bool = False  # filled in from what the method can do
    merge: str = ""  # what "mergeable" depends on, where it is not always the same
