"""Origin's quantum cloud: circuits in the chip's basis, sent in batches, every job in the run's journal.

The key is in the environment (QFT_QCLOUD_KEY), nowhere else. What is measured and how: ``hardware/backend.py``.
"""

from collections.abc import Mapping
from typing import Any

from qft.errors import QftError
from qft.quantum.hardware.backend import HardwareBackend, HardwareOptions
from qft.quantum.hardware.clients import qcloud
from qft.quantum.hardware.clients.base import canonical
from qft.quantum.hardware.poller import Waiting
from qft.quantum.mitigation import OFF, Mitigation

OPTIONS = {"amend_flag": 0, "mapping": True, "optimization": False}  # of the service, where none are given


class QCloud(HardwareBackend):
    """Options are those of configs/backend/qcloud.yaml. Raises QftError for values that make no sense."""

    name = "qcloud"
    transient = (*HardwareBackend.transient, "url", "plain_http")

    def __init__(
        self,
        url: str | None = None,
        plain_http: bool = False,
        chip: str = "origin_wukong",
        max_qubits: int = 72,
        shots: int = 1000,
        options: dict[str, Any] | None = None,
        mode: str = "direct",
        grouping: str = "grouped",
        fresh_shots: bool = False,
        batch_size: int = 50,
        max_circuits: int | None = 10_000,
        journal: str | None = None,
        moved: bool = False,
        deadline: float = 86_400.0,
        poll: float = 2.0,
        poll_max: float = 60.0,
        seed: int = 0,
        mitigation: Mapping[str, Any] | None = None,
    ) -> None:
        checked = HardwareOptions(
            chip=chip,
            max_qubits=max_qubits,
            shots=shots,
            options=OPTIONS | (options or {}),
            mode=mode,
            grouping=grouping,
            fresh_shots=fresh_shots,
            batch_size=batch_size,
            max_circuits=max_circuits,
            journal=journal,
            moved=moved,
            waiting=Waiting(deadline, poll, poll_max),
            seed=seed,
            mitigation=Mitigation.of(mitigation),
        )
        if checked.mitigation != OFF and checked.options["optimization"]:
            raise QftError("backend.mitigation needs backend.options.optimization=false: folded gates must stay.")
        if checked.mitigation.readout and checked.options["mapping"] and not checked.options.get("specified_block"):
            raise QftError(
                "backend.mitigation.readout=true calibrates qubits that must stay the same: name them with "
                "backend.options.specified_block=[...], or set backend.options.mapping=false."
            )
        if mode == "surrogate" and checked.options["optimization"]:
            raise QftError("backend.mode=surrogate needs backend.options.optimization=false: all settings run alike.")
        client = qcloud.QCloud(url, plain_http)
        client.check_options(canonical(checked.options))  # here and not only when sending
        super().__init__(client, checked)


BACKEND = QCloud
