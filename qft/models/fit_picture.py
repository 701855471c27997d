"""fit.png: what each method leaves of an adapter in each layer, against its parameters."""

from pathlib import Path
from typing import Any

from qft.records import Fit, LayerFit

MARKERS = "osD^v<>pPX*hd"


def draw(path: Path, found: Fit) -> None:
    """One panel a layer: dots are methods at their best, hollow ones after Adam, the line the best map of each rank."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    columns = min(4, len(found.layers))
    lines = -(-len(found.layers) // columns)
    figure = Figure(figsize=(3.3 * columns + 1.8, 2.9 * lines), layout="constrained")
    panels: Any = figure.subplots(lines, columns, squeeze=False, sharey=True)
    for axes, layer in zip(panels.flat, found.layers):
        _panel(axes, layer)
    for axes in panels.flat[len(found.layers) :]:
        axes.set_visible(False)
    for row in panels:
        row[0].set_ylabel("share left")
    known: dict[str, Any] = {}
    for axes in panels.flat:
        handles, labels = axes.get_legend_handles_labels()
        known |= {label: handle for label, handle in zip(labels, handles) if label not in known}
    figure.legend(known.values(), known.keys(), loc="outside right upper", frameon=False, fontsize=8)
    title = f"{found.adapter} of {found.run}: left by a best fit (filled), by Adam after {found.steps} steps (hollow)"
    figure.suptitle(title, fontsize=9, x=0.01, ha="left", parse_math=False)
    figure.savefig(path, dpi=130, format="png")


def _panel(axes: Any, layer: LayerFit) -> None:
    sizes = [int(rank) * (layer.in_features + layer.out_features) for rank in layer.ranks]
    line = f"best linear map, rank {', '.join(layer.ranks)}"
    axes.plot(sizes, list(layer.ranks.values()), "k-", linewidth=1, label=line)
    for k, fit in enumerate(layer.methods):
        look = {"marker": MARKERS[k % len(MARKERS)], "color": f"C{k % 10}", "linestyle": "", "markersize": 6}
        axes.plot([fit.parameters], [fit.left], label=fit.method, **look)
        if fit.adam is not None:
            axes.plot([fit.parameters], [fit.adam], markerfacecolor="none", **look)
    axes.set_xscale("log")
    axes.set_ylim(-0.03, 1.1)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"{layer.layer.removeprefix('model.layers.')}", fontsize=9, parse_math=False)
    axes.set_xlabel("parameters", fontsize=8)
