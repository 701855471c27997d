"""Methods that stand behind a block of a decoder layer, attention or feed-forward, and change what it gives out."""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn
from transformers import PreTrainedModel

from qft.adapters.config import QftConfig
from qft.adapters.targets import base_modules
from qft.errors import QftError, nearest

# what model families call the two blocks of a decoder layer
PLACES = {
    "attention": ("self_attn", "attn", "attention", "self_attention"),
    "feed_forward": ("mlp", "feed_forward", "ffn"),
}


@dataclass
class BlockConfig(QftConfig):
    """What all of them share: which blocks, and that ``target_modules`` of a model mean nothing to them."""

    wraps: ClassVar[str] = "attention and feed-forward blocks"
    takes_targets: ClassVar[bool] = False

    placement: str = field(
        default="feed_forward", metadata={"help": "After which block of a layer: attention, feed_forward or both."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.placement not in (*PLACES, "both"):
            raise QftError(f"placement={self.placement} does not exist.{nearest(self.placement, (*PLACES, 'both'))}")
        if self.wants_all_linear:
            raise QftError(
                f"{self.method} adapts blocks, not linear layers: leave target_modules=null and set placement."
            )

    def candidates(self, model: nn.Module) -> dict[str, tuple[int, int]]:
        """Attention and feed-forward blocks of the decoder layers, with the hidden size."""
        if not isinstance(model, PreTrainedModel):  # no config states its hidden size
            return {}
        size: int = model.config.get_text_config().hidden_size
        return {name: (size, size) for name in blocks(model)}

    def choose_targets(self, model: nn.Module) -> None:
        if self.target_modules is not None:
            return
        leaves = {name.rpartition(".")[2] for name in blocks(model)}
        wanted = PLACES if self.placement == "both" else [self.placement]
        targets: list[str] = []
        for place in wanted:
            names = leaves.intersection(PLACES[place])
            if not names:
                raise QftError(f"placement={self.placement}: the model has no {place} block.{nearest(place, leaves)}")
            targets += names
        self.target_modules = sorted(targets)


def blocks(model: nn.Module) -> list[str]:
    """Names of the blocks: known leaf names, directly below a numbered layer."""
    known = {leaf for leaves in PLACES.values() for leaf in leaves}
    split = (name.rpartition(".") for name in base_modules(model))
    return [f"{layer}.{leaf}" for layer, _, leaf in split if leaf in known and layer.rpartition(".")[2].isdigit()]
