"""Counts on the meta device from the packaged configs, as published or as the models' own pages state."""

from pathlib import Path

import pytest
import tiny
from omegaconf import OmegaConf

from qft.adapters.targets import default_targets
from qft.models.count import count
from qft.models.load import meta_base

CONFIGS = Path(__file__).parents[2] / "configs"
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")


def spec(adapter, model, **options):
    both = OmegaConf.create(
        {
            "model": OmegaConf.load(CONFIGS / "model" / f"{model}.yaml"),
            "adapter": OmegaConf.load(CONFIGS / "adapter" / f"{adapter}.yaml"),
        }
    )
    resolved = OmegaConf.to_container(both, resolve=True)
    return resolved["model"], {"name": adapter} | resolved["adapter"] | options


@pytest.mark.parametrize(
    "adapter, options, model, trainable",
    [
        ("lora", {}, "qwen2_7b_instruct", 1_261_568),
        ("lora", {"r": 1}, "qwen2_7b_instruct", 315_392),
        ("quanta", {}, "qwen2_7b_instruct", 1_376_256),
        ("quanta", {}, "deepseek_r1_distill_qwen_7b", 1_376_256),
        ("qwthn", {}, "qwen2_7b_instruct", 299_264),
        ("qtha", {}, "qwen2_7b_instruct", 308_784),
        ("sora", {}, "qwen2_7b_instruct", 1_261_568 + 4 * 56),
        ("dora", {}, "qwen2_7b_instruct", 1_261_568 + 28 * (3584 + 512)),
        ("full", {}, "gpt_neo_125m", 125_198_592),
        ("lora", {}, "gpt_neo_125m", 147_456),
        ("prefix", {}, "gpt_neo_125m", 552_960),
        ("qaa", {}, "gpt_neo_125m", 123_000),
        ("qaa", {"placement": "attention"}, "gpt_neo_125m", 123_000),
        ("qaa", {"placement": "both"}, "gpt_neo_125m", 246_000),
        ("ln_tuning", {}, "qwen2_7b_instruct", 204_288),
        ("vera", {}, "qwen2_7b_instruct", 129_024),
        ("fourierft", {"n_frequency": 1000}, "gpt_neo_125m", 24_000),
        # PEFT draws a permutation of all weights of each layer, on any device
        pytest.param("fourierft", {"n_frequency": 1000}, "qwen2_7b_instruct", 56_000, marks=pytest.mark.extended),
        ("c3a", {"block_size": 512}, "qwen2_7b_instruct", 802_816),
        ("randlora", {}, "qwen2_7b_instruct", 11_583_488),
        ("lokr", {}, "qwen2_7b_instruct", 163_072),
        ("oft", {}, "qwen2_7b_instruct", 301_056),
        ("ia3", {}, "qwen2_7b_instruct", 28 * (3584 + 512)),
        ("frozen_frames", {}, "qwen2_7b_instruct", 4 * 56),
        ("lora_last", {}, "qwen2_7b_instruct", 2 * 315_392 // 28),
    ],
)
def test_trainable_parameters(adapter, options, model, trainable):
    assert count(*spec(adapter, model, **options)).trainable == trainable


@pytest.mark.parametrize(
    "model, total",
    [
        ("gpt_neo_125m", 125_198_592),
        ("qwen2_7b_instruct", 7_615_616_512),
        ("deepseek_r1_distill_qwen_7b", 7_615_616_512),
        ("qwen2_5_0_5b_instruct", 494_032_768),
        ("qwen2_5_7b_instruct", 7_615_616_512),
        ("qwen3_0_6b", 596_049_920),
        ("qwen3_8b", 8_190_735_360),
        ("llama_3_8b_instruct", 8_030_261_248),
        ("llama_3_2_1b_instruct", 1_235_814_400),
        ("glm_4_9b_chat", 9_399_951_360),
    ],
)
def test_the_architectures_have_the_sizes_of_the_models(model, total):
    base = meta_base(spec("lora", model)[0])
    assert sum(p.numel() for p in base.parameters()) == total
    assert default_targets(base) == ["q_proj", "v_proj"]
    assert all(p.device.type == "meta" for p in base.parameters())


ADAPTERS = sorted(f.stem for f in (CONFIGS / "adapter").glob("*.yaml") if "_target_" in OmegaConf.load(f))


def on_kinds():
    """Every method on one kind of model; those that stand for what methods share, and LoRA, on all in `make test`."""
    for adapter in ADAPTERS:
        for model in ("demo", "llama_3_2_1b_instruct", "qwen3_0_6b"):
            usual = model == "demo" or adapter in (*tiny.EVERY_FAMILY, "lora")
            yield pytest.param(adapter, model, marks=() if usual else pytest.mark.extended)


@pytest.mark.parametrize("adapter, model", list(on_kinds()))
def test_every_method_counts_on_every_kind_of_model(adapter, model):
    counts = count(*spec(adapter, model))
    assert 0 < counts.trainable <= counts.base and counts.lora_r4 > 0
    listed = sum(m.layers * m.trainable for m in counts.modules)
    assert listed + counts.shared in (0, counts.trainable)  # 0: a prefix belongs to no layer


@pytest.mark.parametrize(
    "adapter, options, angles",
    [
        ("qwthn", {}, 224),  # 28 layers, 2 blocks of 4 qubits
        ("qwthn", {"train_angles": False}, 0),
        ("qaa", {}, 4 * 7),  # 7 qubits for a width of 128, in each of 4 blocks
        ("quantum_peft", {}, 1_224 - 28 * 4),  # all but the K = 4 values of each layer
        ("cua", {}, 6_720),
        ("qpa", {}, 8 * 5),  # of the one generator: 8 layers of 5 qubits
        ("lora", {}, 0),
    ],
)
def test_angles_of_circuits_are_counted_among_the_parameters(adapter, options, angles):
    assert count(*spec(adapter, "demo", **options)).recorded().circuit == angles


def test_a_norm_is_as_wide_as_its_weight():
    kinds = {m.module: (m.in_features, m.out_features, m.layers) for m in count(*spec("ln_tuning", "demo")).modules}
    assert kinds == {"input_layernorm": (128, 128, 4), "post_attention_layernorm": (128, 128, 4), "norm": (128, 128, 1)}
