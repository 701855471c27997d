"""IBM's chips: circuits in a chip's own gates, sent in batches, every job in the run's journal.

The account is the user's own (``clients/ibm.py``). What is measured and how: ``hardware/backend.py``.
"""

from collections.abc import Mapping

from qft.errors import QftError, nearest
from qft.quantum.hardware.backend import HardwareBackend, HardwareOptions
from qft.quantum.hardware.clients import ibm
from qft.quantum.hardware.poller import Waiting

OPTIONS: dict[str, int | bool] = {
    "optimization_level": 2,
    "seed_transpiler": 0,
    "dynamical_decoupling": False,
    "twirling": False,
}
MOST_EXECUTIONS = 5_000_000  # circuits times shots of a job


class IBM(HardwareBackend):
    """Options are those of configs/backend/ibm.yaml. Raises QftError for values that make no sense."""

    name = "ibm"
    transient = (*HardwareBackend.transient, "account", "instance")

    def __init__(
        self,
        chip: str | None = None,
        account: str | None = None,
        instance: str | None = None,
        max_qubits: int = 156,
        shots: int = 1000,
        options: Mapping[str, int | bool] | None = None,
        mode: str = "direct",
        grouping: str = "grouped",
        fresh_shots: bool = False,
        batch_size: int = 300,
        max_circuits: int | None = 10_000,
        journal: str | None = None,
        moved: bool = False,
        deadline: float = 86_400.0,
        poll: float = 2.0,
        poll_max: float = 60.0,
        seed: int = 0,
    ) -> None:
        if chip is None:
            raise QftError(
                "Name the chip: backend.chip=NAME. qft jobs backend=ibm action=devices lists those of your account; "
                "backend.chip=fake_torino rehearses on this machine, for nothing."
            )
        checked = HardwareOptions(
            chip=chip,
            max_qubits=max_qubits,
            shots=shots,
            options=_checked(options or {}),
            mode=mode,
            grouping=grouping,
            fresh_shots=fresh_shots,
            batch_size=batch_size,
            max_circuits=max_circuits,
            journal=journal,
            moved=moved,
            waiting=Waiting(deadline, poll, poll_max),
            seed=seed,
        )
        if batch_size * shots > MOST_EXECUTIONS:
            raise QftError(
                f"backend.batch_size={batch_size} times backend.shots={shots} is more than the {MOST_EXECUTIONS:,} "
                f"that IBM runs in a job: write backend.batch_size={max(1, MOST_EXECUTIONS // shots)}."
            )
        super().__init__(ibm.IBM(account, instance, chip.startswith(ibm.REHEARSAL)), checked)


def _checked(options: Mapping[str, int | bool]) -> dict[str, int | bool]:
    if unknown := [key for key in options if key not in OPTIONS]:
        raise QftError(f"backend.options.{unknown[0]} does not exist.{nearest(unknown[0], list(OPTIONS))}")
    chosen = {**OPTIONS, **options}
    if chosen["optimization_level"] not in (0, 1, 2, 3):
        raise QftError(f"backend.options.optimization_level={chosen['optimization_level']} must be 0, 1, 2 or 3.")
    if type(chosen["seed_transpiler"]) is not int or not 0 <= chosen["seed_transpiler"] < 2**31:
        raise QftError(f"backend.options.seed_transpiler={chosen['seed_transpiler']} must be a number from 0 to 2^31.")
    for key in ("dynamical_decoupling", "twirling"):
        if type(chosen[key]) is not bool:
            raise QftError(f"backend.options.{key}={chosen[key]} must be true or false.")
    return chosen


BACKEND = IBM
