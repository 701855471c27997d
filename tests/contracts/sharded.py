"""Called in two processes: trains every adapter of ours with its layers sharded over both (FSDP), and saves it.

SoRA, which shrinks its gates after each step, is trained with whole layers (DDP) as well: to start two processes takes
longer than either.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "adapters"))
import sora_ddp
import tiny
from peft import get_peft_model

from qft.adapters import METHODS

STEPS = 3


def trained(name: str) -> Any:
    """A model to train with a method's adapter; its weights depend on nothing else."""
    return get_peft_model(tiny.build("qwen2"), METHODS[name](init_seed=0)).train()


def train(model: nn.Module, rank: int = 0, ranks: int = 1) -> list[torch.Tensor]:
    """Losses of a few steps on this process's share of each batch of four."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    losses = []
    for step in range(STEPS):
        rows = tiny.tokens(4, 7, seed=step).chunk(ranks)[rank]
        loss = model(input_ids=rows, labels=rows).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


def main(out: Path) -> None:
    """Write OUT/METHOD/ and OUT/METHOD.json, the losses averaged over the processes."""
    import torch.distributed as dist
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor

    torch.set_num_threads(1)
    sora_ddp.main(out)  # starts the process group
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for name in METHODS:
        model = trained(name)
        for layer in model.get_base_model().model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        assert all(isinstance(p, DTensor) for p in model.parameters())
        losses = torch.stack(train(model, dist.get_rank(), dist.get_world_size()))
        dist.all_reduce(losses)
        whole = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
        if dist.get_rank() == 0:
            model.save_pretrained(out / name, state_dict=whole)
            (out / f"{name}.json").write_text(json.dumps((losses / dist.get_world_size()).tolist()))
        dist.barrier()
    dist.destroy_process_group()
