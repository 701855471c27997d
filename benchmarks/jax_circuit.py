"""The circuit layer in JAX, in an environment of its own: plain lines, or TensorCircuit-NG, with jit.

Reads requests from standard input and answers on standard output, a line of JSON each, so that it is timed in turn with
what runs in another process; started by rivals.py.

    {"how": "plain", "qubits": 4, "groups": [...], "data": "inputs.npz", "steps": 5} -> {"step": 0, "compile": 4.9}
    {"step": 0} -> {"seconds": 0.012}
"""

import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import plain


def tensorcircuit(qubits: int, groups: list[Any]) -> Callable[[Any, Any], Any]:
    """The same circuit gate by gate, one row vectorised over all."""
    import tensorcircuit as tc

    tc.set_backend("jax")
    tc.set_dtype("complex64")

    def one(z: Any, w: Any) -> Any:
        built = tc.Circuit(qubits)
        for kind, on, angles in groups:
            for where, k in zip(on, angles):
                if kind == "phases":
                    built.crz(*where, theta=w[k])
                else:
                    built.ry(*where, theta=z[k] if kind == "upload" else w[k])
        return jnp.stack([jnp.real(built.expectation_ps(z=[q])) for q in range(qubits)])

    return jax.vmap(one, (1, None), 1)


def main() -> None:
    steps: list[Callable[[], Any]] = []
    for line in sys.stdin:
        asked = json.loads(line)
        if "versions" in asked:
            names = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in asked["versions"])
            print(json.dumps({"versions": names}), flush=True)
            continue
        if "step" in asked:
            start = time.process_time()
            steps[asked["step"]]()
            print(json.dumps({"seconds": time.process_time() - start}), flush=True)
            continue
        with np.load(asked["data"]) as data:
            z, w, upstream = (jnp.asarray(data[name]) for name in ("z", "w", "upstream"))
        make = {"plain": lambda q, g: plain.circuit(jnp, lambda a: jnp.asarray(a, "float32"), q, g)}
        run = make.get(asked["how"], tensorcircuit)(asked["qubits"], asked["groups"])
        both = jax.jit(jax.grad(lambda z, w, upstream, run=run: jnp.vdot(run(z, w), upstream), (0, 1)))
        start = time.perf_counter()
        grads = jax.block_until_ready(both(z, w, upstream))
        seconds = time.perf_counter() - start
        np.savez(asked["data"] + ".out.npz", z=grads[0], w=grads[1])

        def step(both: Any = both, given: Any = (z, w, upstream), times: int = asked["steps"]) -> None:
            for _ in range(times):
                jax.block_until_ready(both(*given))

        steps.append(step)
        print(json.dumps({"step": len(steps) - 1, "compile": seconds}), flush=True)


if __name__ == "__main__":
    main()
