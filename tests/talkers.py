"""Models to talk to: the demo base, and adapters on it that answer otherwise."""

import shutil
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from qft.models import load

RUN = Path(__file__).parent / "fixtures/v0.1.0/run"
DEMO = {"name": "demo", "path": "package:qft/models/demo", "template": "auto"}
ASKED = "Someone I live with broke my cup."


def a_qwthn(folder: Path) -> Path:
    """The adapter of the stored run of 0.1.0, moved so far that its answers are not the base's."""
    shutil.copytree(RUN / "adapter", folder)
    file = folder / "adapter_model.safetensors"
    generator = torch.Generator().manual_seed(0)
    moved = {key: w + 0.2 * torch.randn(w.shape, generator=generator) for key, w in load_file(file).items()}
    save_file(moved, file, {"format": "pt"})
    return folder


def a_lora(folder: Path, **options: object) -> Path:
    """A LoRA that was not trained either, with these options of PEFT's."""
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", **options)
    model = get_peft_model(load.load_base(DEMO, torch.float32), config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.copy_(0.4 * torch.randn(weight.shape, generator=generator))
    model.save_pretrained(str(folder))
    return folder
