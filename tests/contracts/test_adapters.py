"""What every adapter of ours must do, on three model families. Methods are found by the walk of qft.adapters."""

import copy
import itertools
import pickle
from dataclasses import fields
from pathlib import Path

import pytest
import tiny
import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers.pytorch_utils import Conv1D

from qft.adapters import METHODS, QftLayer
from qft.adapters.hybrid.config import MIDDLES
from qft.adapters.method_card import MethodCard
from qft.adapters.shared import sites_of
from qft.errors import QftError

# switches that change what a method can do; a method without an entry is tested as it is
SWITCHES = {
    "cua": [{"readout": "sign_constrained"}],
    "qwthn": [{"circuit": "none"}, {"circuit": "constants"}, {"mpo": False}],
    "qtha": [
        {"circuit": "none"},
        {"circuit": "constants"},
        {"circuit": "silu"},
        {"circuit": "polynomial", "mpo": False},
        {"entangle": False, "classical_path": False},
        {"train_angles": False},
    ],
}
# every control: too many for the tests on whole models
_SHARED = [
    *({"circuit": c, "mpo": m} for c in MIDDLES for m in (True, False)),
    *({"circuit": c, "classical_path": False} for c in MIDDLES if c != "none"),
    {"entangle": False},
    {"train_angles": False},
    {"shuffle": True},
]
ALL_SWITCHES = {
    "qwthn": [*_SHARED, {"blocks": 2}],
    "qtha": [*_SHARED, {"encode": "once"}, {"order": "ry_first"}, {"layers": 1}],
    "quanta": [{"num_axes": 2}, {"num_axes": 3}],
    "cua": [{"readout": "sign_constrained"}, {"block": 2}],
    "quic": [{"num_adapters": 2}, {"order": 1, "offset": False, "num_adapters": 2}],
    "butterfly": [{"stages": 1}, {"stages": 6}],
    "quantum_peft": [{"start": "difference"}, {"sizes": "mixed"}, {"layers": 0}],
}
CASES = {
    "-".join([name, *(f"{key}={value}" for key, value in options.items())]): (name, options)
    for name in METHODS
    for options in [{}, *SWITCHES.get(name, [])]
}


def config(case, **more):
    name, options = CASES[case]
    return METHODS[name](**options, **more)


def is_linear(case):
    settings = config(case)
    settings.resolve([(32, 32)])
    return settings.delta_class(32, 32, settings, None).linear


def has_bias(case):
    settings = config(case)
    settings.resolve([(32, 32)])
    return settings.delta_class(32, 32, settings, None).has_bias


LINEAR = [case for case in CASES if is_linear(case)]

pytestmark = pytest.mark.filterwarnings(
    "error",
    "ignore:.*gradient_checkpointing.* is deprecated:FutureWarning",  # PEFT itself still uses the old names
)


# standard deviation by which `perturb` moves weights, where 0.3 is too much: the eight maps of qpa multiply up
MOVED = {"qpa": 0.1}
DRAW_NOTHING = ("bitfit", "butterfly", "cua", "metatt", "quic")  # all their weights start at zero or at the identity
ALL = [pytest.mark.extended]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# what only the layer, tuner and cache that all share can get wrong is left to `make test-all` for most methods, as are
# further families; tiny.EVERY_FAMILY names those that always run
OF_SHARED_CODE = (
    "test_a_mixed_batch_takes_one_adapter_a_row",
    "test_all_linear_reaches_every_linear_but_the_head",
    "test_cached_generation_is_uncached_generation",
    "test_copies_and_pickles_after_evaluation_stand_alone",
    "test_gpt2_layers_are_adapted_like_linear_ones",
    "test_nothing_kept_survives",
    "test_saved_and_loaded_on_a_fresh_base",  # test_two_adapters_side_by_side saves and loads too
    "test_targets_and_exclusions_are_obeyed",
    "test_training_and_evaluating_in_turn_equals_uncached_evaluation",
    "test_what_cannot_be_wrapped_is_named",
)


def pytest_generate_tests(metafunc):
    """Every method on every family and dtype; a method with switches set on one family in float32 only."""
    marks = metafunc.definition.iter_markers("parametrize")
    taken = {name.strip() for mark in marks for name in mark.args[0].split(",")}
    names = [n for n in ("case", "family", "dtype") if n in metafunc.fixturenames and n not in taken]
    rows = []
    for case, family, dtype in itertools.product(CASES, tiny.CONFIGS, DTYPES):
        if CASES[case][1] and "case" in names and (family, dtype) != ("qwen2", "float32"):
            continue
        row = {"case": case, "family": family, "dtype": dtype}
        rows.append(tuple(row[n] for n in names))
    if names:
        values = []
        for row in dict.fromkeys(rows):
            method = CASES[row[0]][0] if "case" in names else tiny.EVERY_FAMILY[0]
            rare = method not in tiny.EVERY_FAMILY and metafunc.definition.name in OF_SHARED_CODE
            marks = [] if all(tiny.runs_on(method, word) for word in {*row} & {*tiny.CONFIGS}) and not rare else ALL
            values.append(pytest.param(*(DTYPES.get(v, v) for v in row), id="-".join(row), marks=marks))
        metafunc.parametrize(names, values)


def wraps_blocks(case):
    return config(case).wraps != "linear layers"


def adapted(case, family, dtype=torch.float32, name="default", **more):
    return get_peft_model(tiny.build(family, dtype), config(case, **more), adapter_name=name).eval()


def trainable(model):
    return {n: p for n, p in model.named_parameters() if p.requires_grad}


def perturb(model, seed=5):
    """Move every trainable weight; the result differs visibly from the base model."""
    generator = torch.Generator().manual_seed(seed)
    method = model.active_peft_config.method if isinstance(model, PeftModel) else None
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * MOVED.get(method, 0.3))
    return model.eval()


@torch.no_grad()
def logits(model):
    return model(tiny.tokens()).logits


def loss(model):
    return (model(tiny.tokens()).logits.float() ** 2).mean()


def layers(model):
    return {n: m for n, m in model.named_modules() if isinstance(m, QftLayer)}


@pytest.mark.parametrize("name", METHODS)
def test_what_the_documentation_says_of_a_method_is_stated_beside_it(name):
    card = vars(METHODS[name]).get("card")
    assert isinstance(card, MethodCard), (
        f"{METHODS[name].__name__} does not state `card: ClassVar[MethodCard] = MethodCard(...)`, "
        "its row of docs/adapters.md; see docs/add-an-adapter.md"
    )
    assert all(getattr(card, field.name) for field in fields(MethodCard) if field.type is str and field.name != "merge")


@pytest.mark.parametrize("case", CASES)
def test_a_config_says_what_its_deltas_do(case):
    """What is asked before any weight is loaded is what the layers then do."""
    settings = config(case)
    settings.resolve([(32, 32)])
    delta = settings.delta_class(32, 32, settings, None)
    assert settings.linear == settings.describe().mergeable == delta.linear
    assert settings.build_circuit() == delta.circuit
    assert [circuit for circuit, _ in delta.circuits()] == ([delta.circuit] if delta.circuit else [])
    assert delta.is_quantum or delta.circuit is None
    turned = [name for name in delta.circuit_parameters if name in dict(delta.named_parameters())]
    trained = delta.is_quantum and CASES[case][1].get("train_angles", True)
    assert settings.shares or bool(turned) == (trained or settings.has_hardware_form)
    assert settings.has_hardware_form == (settings.on_hardware([(32, 32)]) is not None)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_a_yaml_of_its_name(name):
    file = Path(__file__).parents[2] / "configs" / "adapter" / f"{name}.yaml"
    target = f"{METHODS[name].__module__}.{METHODS[name].__name__}"
    assert file.is_file(), f"configs/adapter/{name}.yaml is missing; see docs/add-an-adapter.md"
    assert f"_target_: {target}\n" in file.read_text(encoding="utf-8")


def test_the_delta_starts_at_exactly_zero(case, family, dtype):
    model = adapted(case, family, dtype)
    assert layers(model)
    assert torch.equal(logits(model), logits(tiny.build(family, dtype)))


def test_disabled_is_the_base_bit_for_bit(case, family, dtype):
    model = perturb(adapted(case, family, dtype))
    base, moved = logits(tiny.build(family, dtype)), logits(model)
    # far above rounding, so that a delta of zero cannot pass for a small one
    assert (moved - base).abs().max() > 0.05 * base.abs().max()
    with model.disable_adapter():
        assert torch.equal(logits(model), base)
    assert torch.equal(logits(model), moved)


@pytest.mark.parametrize("saved_as, loaded_as", [("default", "default"), ("default", "other"), ("mine", "default")])
def test_saved_and_loaded_on_a_fresh_base(case, family, dtype, saved_as, loaded_as, tmp_path):
    torch.manual_seed(11)
    model = perturb(adapted(case, family, dtype, name=saved_as))
    model.save_pretrained(tmp_path)
    folder = tmp_path if saved_as == "default" else tmp_path / saved_as
    torch.manual_seed(12)
    loaded = PeftModel.from_pretrained(tiny.build(family, dtype), folder, adapter_name=loaded_as)
    assert torch.equal(logits(loaded), logits(model))
    assert not trainable(loaded)


def test_saved_files_hold_tensors_and_json_only(case, family, tmp_path):
    model = adapted(case, family)
    model.save_pretrained(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    saved = load_file(tmp_path / "adapter_model.safetensors")
    assert sum(t.numel() for t in saved.values()) >= model.get_nb_trainable_parameters()[0]
    assert all("qft_" in key and "default" not in key for key in saved)


def no_merge(model, case):
    """Why a merge of this case is refused, as a pattern; None where it is not."""
    if case not in LINEAR:
        return r"'default' is not linear.*cannot be merged"
    bare = any(layer.base_layer.bias is None for layer in layers(model).values())
    return r"'default' adds a constant.*cannot be merged" if bare and has_bias(case) else None


def test_merging_equals_the_forward_or_is_refused(case, family, tmp_path):
    model = perturb(adapted(case, family))
    before, weights = logits(model), copy.deepcopy(model.state_dict())
    if refused := no_merge(model, case):
        for merge in (model.merge_adapter, model.merge_and_unload):
            with pytest.raises(ValueError, match=refused):
                merge()
            assert not any(layer.merged for layer in layers(model).values())
            after = model.state_dict()
            assert after.keys() == weights.keys() and all(torch.equal(after[k], weights[k]) for k in weights)
            assert torch.equal(logits(model), before)
        return
    # the same products in another order: float32 rounding, some hundred times 6e-8 of the largest logit
    close = {"rtol": 0, "atol": 1e-5 * before.abs().max().item()}
    model.merge_adapter()
    assert all(layer.merged for layer in layers(model).values())
    torch.testing.assert_close(logits(model), before, **close)
    model.unmerge_adapter()
    torch.testing.assert_close(logits(model), before, **close)
    model.merge_adapter()
    with model.disable_adapter():
        torch.testing.assert_close(logits(model), logits(tiny.build(family)), **close)
    torch.testing.assert_close(logits(model), before, **close)
    merged = model.merge_and_unload()
    assert type(merged) is type(tiny.build(family)) and not layers(merged)
    torch.testing.assert_close(logits(merged), before, **close)
    merged.save_pretrained(tmp_path)
    assert torch.equal(logits(type(merged).from_pretrained(tmp_path)), logits(merged))


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "bare"])
@pytest.mark.parametrize("name", [n for n in METHODS if METHODS[n].wraps == "linear layers" and not METHODS[n].shares])
def test_every_switch_merges_and_unmerges_or_is_refused_on_a_layer(name, bias, dtype):
    """Merged and taken off again a weight has been rounded twice: by half an epsilon of the merged and of its own."""
    merged = refused = 0
    for options in [{}, *ALL_SWITCHES.get(name, [])]:
        base = torch.nn.Linear(12, 14, bias=bias, dtype=dtype).requires_grad_(False)
        weights = copy.deepcopy(base.state_dict())
        layer = QftLayer(base, 12, 14)
        settings = METHODS[name](**options)
        settings.resolve([(12, 14)])
        layer.add("default", settings.delta_class(12, 14, settings, None))
        delta = perturb(layer).qft_delta["default"]
        x = torch.randn(5, 12, dtype=dtype)
        before = layer(x)
        if not delta.linear or (delta.has_bias and not bias):
            with pytest.raises(ValueError, match="cannot be merged"):
                layer.merge()
            assert not layer.merged and torch.equal(layer(x), before)
            assert all(torch.equal(v, weights[k]) for k, v in base.state_dict().items())
            refused += 1
            continue
        assert delta.has_bias == (delta.merged(base.weight)[1] is not None)
        layer.merge()
        eps, on = torch.finfo(dtype).eps, copy.deepcopy(base.state_dict())
        torch.testing.assert_close(layer(x), before, rtol=0, atol=(8 * eps * before.abs().max()).item())
        layer.unmerge()
        for key, value in base.state_dict().items():
            allowed = 0.51 * eps * (on[key].abs().float() + weights[key].abs().float())
            assert ((value.float() - weights[key].float()).abs() <= allowed + 1e-6 * (dtype == torch.float32)).all()
        merged += 1
    assert merged or not is_linear(name) or (has_bias(name) and not bias)
    assert refused or is_linear(name)


@pytest.mark.parametrize("case", LINEAR)
def test_a_merge_into_bfloat16_rounds_once(case):
    model = perturb(adapted(case, "qwen2", torch.bfloat16))
    expected = {}
    for name, layer in layers(model).items():
        weight, bias = layer.qft_delta["default"].merged(layer.base_layer.weight)
        zero = 0 if layer.base_layer.bias is None else layer.base_layer.bias.float()
        expected[name] = (layer.base_layer.weight.float() + weight), None if bias is None else zero + bias
    model.merge_adapter()
    for name, layer in layers(model).items():
        weight, bias = expected[name]
        assert torch.equal(layer.base_layer.weight, weight.bfloat16())
        assert bias is None or torch.equal(layer.base_layer.bias, bias.bfloat16())


@pytest.mark.parametrize("case", LINEAR)
def test_a_merge_of_weights_that_are_not_finite_is_refused_before_anything_changes(case):
    model = perturb(adapted(case, "qwen2"))
    with torch.no_grad():
        list(trainable(model).values())[-1].fill_(float("nan"))
    weights = copy.deepcopy(model.state_dict())
    for merge in (model.merge_adapter, model.merge_and_unload):
        with pytest.raises(ValueError, match=r"NaNs detected in the merged weights\. The adapter default seems"):
            merge(safe_merge=True)
        assert not any(layer.merged for layer in layers(model).values())
        after = model.state_dict()
        assert all(torch.equal(after[k], weights[k]) for k in weights if k != list(trainable(model))[-1])


def test_two_adapters_side_by_side(case, family, tmp_path):
    model = perturb(adapted(case, family), seed=1)
    first = logits(model)
    model.save_pretrained(tmp_path / "alone")
    model.add_adapter("second", config(case))
    assert torch.equal(logits(model.eval()), first)

    model.set_adapter("second")
    assert torch.equal(logits(model.eval()), logits(tiny.build(family)))
    perturb(model, seed=2)
    second = logits(model)
    assert not torch.equal(second, first)
    for active, other, expected in [("default", "second", first), ("second", "default", second)]:
        model.set_adapter(active)
        assert torch.equal(logits(model), expected)
        model.zero_grad()
        loss(model).backward()
        assert trainable(model) and all(f".{active}." in n for n in trainable(model))
        assert all(p.grad is None for n, p in model.named_parameters() if f".{other}." in n)

    model.save_pretrained(tmp_path / "both")
    alone = load_file(tmp_path / "alone" / "adapter_model.safetensors")
    beside = load_file(tmp_path / "both" / "adapter_model.safetensors")
    assert alone.keys() == beside.keys() and all(torch.equal(alone[k], beside[k]) for k in alone)
    fresh = PeftModel.from_pretrained(tiny.build(family), tmp_path / "both" / "second")
    assert torch.equal(logits(fresh), second)
    fresh.load_adapter(tmp_path / "both", "first")
    fresh.set_adapter("first", inference_mode=True)
    assert torch.equal(logits(fresh), first)

    model.set_adapter("default")
    model.delete_adapter("second")
    assert torch.equal(logits(model), first)


def test_a_name_is_given_once(case):
    model = adapted(case, "llama")
    before = list(model.state_dict())
    with pytest.raises(ValueError, match="'default' already exists"):
        model.add_adapter("default", config(case))
    assert list(model.state_dict()) == before


def test_a_linear_adapter_merges_beside_one_that_is_not():
    model = perturb(adapted("qwthn-circuit=none", "qwen2"))
    before = logits(model)
    model.add_adapter("circuit", METHODS["qwthn"]())
    model.merge_adapter(["default"])
    # one rounding of float32 a product, as in the merge test above
    torch.testing.assert_close(logits(model), before, rtol=0, atol=1e-5 * before.abs().max().item())
    model.unmerge_adapter()
    weights = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="'circuit' is not linear"):
        model.merge_adapter(["default", "circuit"])
    assert all(torch.equal(v, weights[k]) for k, v in model.state_dict().items())


def test_every_trainable_tensor_has_a_gradient_and_nothing_else_does(case, family, dtype):
    model = perturb(adapted(case, family, dtype)).train()
    loss(model).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert ".qft_delta.default." in name or ".qft_shared.default." in name
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name
        else:
            assert parameter.grad is None, name


def test_gradients_reach_the_input_of_a_layer(case):
    model = perturb(adapted(case, "llama")).double()
    layer = next(iter(layers(model).values()))
    x = torch.randn(2, layer.in_features, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)


def test_adapter_weights_stay_in_float32_on_a_bfloat16_base(case, family, tmp_path):
    model = perturb(adapted(case, family, torch.bfloat16))
    out = logits(model)
    assert out.dtype == torch.bfloat16
    model.save_pretrained(tmp_path)
    loaded = PeftModel.from_pretrained(tiny.build(family, torch.bfloat16), tmp_path)
    cast = model.to(torch.bfloat16)  # as a trainer may do with the whole model
    for each in (loaded, cast):
        assert {p.dtype for n, p in each.named_parameters() if "qft_" in n} == {torch.float32}
        assert torch.equal(logits(each), out)


def test_autocast_leaves_the_delta_alone(case, family):
    model = perturb(adapted(case, family))
    exact, base = logits(model), tiny.build(family)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, base_rounded = logits(model).float(), logits(base).float()
        for layer in layers(model).values():
            x = torch.randn(3, layer.in_features)
            with torch.no_grad(), torch.autocast("cpu", enabled=False):
                expected = layer.qft_delta["default"](x)
            with torch.no_grad():
                inside = layer.qft_delta["default"](x)
            assert inside.dtype == torch.float32 and torch.equal(inside, expected)
    assert not torch.equal(base_rounded, logits(base))  # autocast was on
    # bfloat16 keeps 8 bits: two layers of a few roundings of 2^-9 each, relative to the largest logit
    assert (rounded - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("reentrant", [False, True])
def test_gradient_checkpointing_gives_equal_gradients(case, family, reentrant):
    def gradients(checkpointing):
        model = perturb(adapted(case, family, init_seed=0)).train()
        calls = []
        next(iter(layers(model).values())).register_forward_pre_hook(lambda *_: calls.append(1))
        if checkpointing:
            model.enable_input_require_grads()
            model.activation_checkpointing_enable({"use_reentrant": reentrant})
        loss(model).backward()
        return len(calls), {n: p.grad for n, p in trainable(model).items()}

    (once, plain), (twice, checkpointed) = gradients(False), gradients(True)
    assert (once, twice) == (1, 2)
    for name, gradient in plain.items():
        # the same operations on the same numbers; what layers share sums up their gradients, in another order
        away = 1e-5 * gradient.abs().max().item() if ".qft_shared." in name else 0
        torch.testing.assert_close(checkpointed[name], gradient, rtol=0, atol=away)


def test_cached_generation_is_uncached_generation(case, family):
    model = perturb(adapted(case, family))
    cached, uncached = (
        model.generate(
            input_ids=tiny.tokens(),
            attention_mask=torch.ones_like(tiny.tokens()),
            max_new_tokens=10,
            do_sample=False,
            use_cache=use_cache,
            output_logits=True,
            return_dict_in_generate=True,
        )
        for use_cache in (True, False)
    )
    assert torch.equal(cached.sequences, uncached.sequences)
    for a, b in zip(cached.logits, uncached.logits, strict=True):
        # float32 products over other shapes
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5 * b.abs().max().item())


def test_parameters_are_counted_by_the_formula(case, family):
    model = adapted(case, family)
    total = 0
    for layer in layers(model).values():
        delta = layer.qft_delta["default"]
        expected = delta.count(layer.in_features, layer.out_features, model.peft_config["default"])
        assert sum(p.numel() for p in delta.parameters()) == expected
        total += expected
    settings = model.peft_config["default"]
    if settings.shares:
        sites = sites_of({n: (m.in_features, m.out_features) for n, m in layers(model.base_model.model).items()})
        total += settings.shared_count(list(sites.values()))
    assert total > 0
    assert model.get_nb_trainable_parameters()[0] == total


def test_init_seed_decides_the_initial_weights(case, family):
    def initial(torch_seed, **more):
        torch.manual_seed(torch_seed)
        state = adapted(case, family, **more).state_dict()  # with what is frozen
        return {n: p.detach() for n, p in state.items() if ".qft_" in n}

    def differ(a, b):
        return any(not torch.equal(a[n], b[n]) for n in a)

    one = initial(1, init_seed=3)
    assert torch.equal(torch.get_rng_state(), torch.manual_seed(1).get_state())  # nothing was drawn from it
    assert not differ(one, initial(2, init_seed=3))
    drawn = CASES[case][0] not in DRAW_NOTHING
    assert differ(one, initial(1, init_seed=4)) == drawn
    assert differ(initial(1), initial(2)) == drawn
    by_layer = [{k.split(".qft_delta.")[1]: v for k, v in one.items() if f".{i}." in k} for i in (0, 1)]
    assert differ(*by_layer) == (drawn and not config(case).shares)


def fresh_logits(model):
    """Logits of a copy that has kept nothing."""
    return logits(copy.deepcopy(model).train().eval())


def test_training_and_evaluating_in_turn_equals_uncached_evaluation(case, family):
    model = perturb(adapted(case, family))
    # fused, because its steps do not show in the tensors' version counters
    optimizer = torch.optim.AdamW(trainable(model).values(), lr=0.05, fused=True)
    seen = [logits(model)]
    for _ in range(3):
        model.train()
        optimizer.zero_grad()
        loss(model).backward()
        optimizer.step()
        model.eval()
        seen.append(logits(model))
        assert not torch.equal(seen[-1], seen[-2])
        assert torch.equal(seen[-1], fresh_logits(model))
        assert torch.equal(logits(model), seen[-1])


def test_a_step_in_evaluation_mode_is_seen(case):
    model = perturb(adapted(case, "qwen2"))
    optimizer = torch.optim.AdamW(trainable(model).values(), lr=0.05, fused=True)
    logits(model)
    loss(model).backward()
    logits(model)
    optimizer.step()
    assert torch.equal(logits(model), fresh_logits(model))


DROPS = {
    "train": lambda model: model.train(),
    "eval": lambda model: model.eval(),
    "to": lambda model: model.to("cpu", torch.float64).to(torch.float32),
    "load_state_dict": lambda model: model.load_state_dict(model.state_dict()),
    "set_adapter": lambda model: model.set_adapter("default"),
    "gradients": lambda model: model(tiny.tokens()),
}


@pytest.mark.parametrize("drop", DROPS)
def test_nothing_kept_survives(case, drop):
    model = perturb(adapted(case, "qwen2"))
    logits(model)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.data.mul_(1.5)
    DROPS[drop](model)
    assert torch.equal(logits(model), fresh_logits(model))


@pytest.mark.parametrize("training", [False, True])
def test_inference_mode_does_not_break_a_later_backward(case, family, training):
    model = perturb(adapted(case, family))
    with torch.inference_mode():
        kept = model(tiny.tokens()).logits
    assert torch.equal(logits(model), kept)
    loss(model.train(training)).backward()
    assert all(p.grad.abs().max() > 0 for p in trainable(model).values())


def test_copies_and_pickles_after_evaluation_stand_alone(case):
    model = perturb(adapted(case, "qwen2"))
    out = logits(model)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(logits(twin), out)
        perturb(twin)
        assert not torch.equal(logits(twin), out)
    assert torch.equal(logits(model), out)


def test_all_linear_reaches_every_linear_but_the_head(case, family):
    if wraps_blocks(case):
        with pytest.raises(QftError, match="adapts blocks, not linear layers"):
            config(case, target_modules="all-linear")
        return
    model = adapted(case, family, target_modules="all-linear")
    linear = [m for n, m in tiny.build(family).named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"]
    assert len(layers(model)) == len(linear)
    model.add_adapter("second", config(case, target_modules="all-linear"))
    assert all(set(layer.qft_delta) == {"default", "second"} for layer in layers(model).values())


def test_targets_and_exclusions_are_obeyed(case):
    one, other = ("self_attn", "mlp") if wraps_blocks(case) else ("self_attn.q_proj", "mlp.down_proj")
    targets = [name.rpartition(".")[2] for name in (one, other)]
    model = adapted(case, "qwen2", target_modules=targets, exclude_modules=[f"model.layers.1.{other}"])
    names = [n.removeprefix("base_model.model.model.layers.") for n in layers(model)]
    assert names == [f"0.{one}", f"0.{other}", f"1.{one}"]


def test_what_cannot_be_wrapped_is_named(case):
    with pytest.raises(QftError, match=r"selects model.norm, a Qwen2RMSNorm; only (linear layers|.* blocks) can"):
        adapted(case, "qwen2", target_modules=["norm"])
    with pytest.raises(QftError, match=r"matches no layer.*Choices: "):
        adapted(case, "qwen2", target_modules=["no_such_module"])


def test_gpt2_layers_are_adapted_like_linear_ones(case, tmp_path):
    model = perturb(adapted(case, "gpt2"))
    kinds = {type(layer.get_base_layer()) for layer in layers(model).values()}
    assert wraps_blocks(case) or Conv1D in kinds
    base, moved = logits(tiny.build("gpt2")), logits(model)
    assert (moved - base).abs().max() > 0.05 * base.abs().max()
    with model.disable_adapter():
        assert torch.equal(logits(model), base)
    model.save_pretrained(tmp_path / "adapter")
    loaded = PeftModel.from_pretrained(tiny.build("gpt2"), tmp_path / "adapter")
    assert torch.equal(logits(loaded), moved)
    if case not in LINEAR:
        with pytest.raises(ValueError, match="is not linear"):
            model.merge_and_unload()
        return
    # the same products in another order
    close = {"rtol": 0, "atol": 1e-5 * moved.abs().max().item()}
    model.merge_adapter()
    torch.testing.assert_close(logits(model), moved, **close)
    model.unmerge_adapter()
    merged = model.merge_and_unload(safe_merge=True)
    merged.save_pretrained(tmp_path / "merged")
    reloaded = type(merged).from_pretrained(tmp_path / "merged").eval()
    assert torch.equal(logits(reloaded), logits(merged))
    torch.testing.assert_close(logits(merged), moved, **close)


@pytest.mark.parametrize("case", METHODS)
def test_all_linear_reaches_gpt2_layers(case):
    if wraps_blocks(case):
        return
    model = adapted(case, "gpt2", target_modules="All-Linear")  # PEFT minds no case
    conv1d = [m for m in tiny.build("gpt2").modules() if isinstance(m, Conv1D)]
    assert len(layers(model)) == len(conv1d) > 0


def test_a_mixed_batch_takes_one_adapter_a_row(case):
    model = perturb(adapted(case, "qwen2"), seed=1)
    model.add_adapter("second", config(case))
    model.set_adapter("second")
    perturb(model, seed=2)
    names = ["second", "__base__", "default", "second", "default"]
    batch = tiny.tokens(rows=len(names))
    alone = {}
    with torch.no_grad():
        for name in ("default", "second"):
            model.set_adapter(name)
            alone[name] = model.eval()(batch).logits
        with model.disable_adapter():
            alone["__base__"] = model(batch).logits
            assert torch.equal(model(batch, adapter_names=names).logits, alone["__base__"])
        mixed = model(batch, adapter_names=names).logits
        after = model(batch).logits
    expected = torch.stack([alone[name][i] for i, name in enumerate(names)])
    # float32 products over other shapes
    torch.testing.assert_close(mixed, expected, rtol=0, atol=1e-5 * expected.abs().max().item())
    assert torch.equal(after, alone["second"])  # nothing is left behind

    beams = {"num_beams": 2, "max_new_tokens": 3, "do_sample": False, "attention_mask": torch.ones_like(batch)}
    rows = model.generate(input_ids=batch, adapter_names=names, **beams)
    model.set_adapter("default")
    assert torch.equal(rows[[2, 4]], model.eval().generate(input_ids=batch, **beams)[[2, 4]])


@pytest.mark.parametrize("case", METHODS)
def test_a_mixed_batch_that_cannot_be_is_refused(case):
    model = adapted(case, "qwen2")
    two = ["default", "__base__"]
    with pytest.raises(ValueError, match="in training mode"):
        model.train()(tiny.tokens(), adapter_names=two)
    model.eval()
    with pytest.raises(ValueError, match=r"non-existing adapter\(s\): other"):
        model(tiny.tokens(), adapter_names=["default", "other"])
    with pytest.raises(ValueError, match=r"Length of `adapter_names` should be the same .* got 3 and 2"):
        model(tiny.tokens(), adapter_names=[*two, "default"])
    assert torch.equal(logits(model), logits(tiny.build("qwen2")))
    if case in LINEAR:
        model.merge_adapter()
        with pytest.raises(ValueError, match="when there are merged adapters"):
            model(tiny.tokens(), adapter_names=two)


@pytest.mark.parametrize("case", METHODS)
def test_layers_to_transform_are_the_layers_adapted(case):
    number = [
        ({"layers_to_transform": 1}, {"1"}),
        ({"layers_to_transform": [0]}, {"0"}),
        ({"layers_to_transform": [0, 1], "layers_pattern": "layers"}, {"0", "1"}),
    ]
    for options, expected in number:
        model = adapted(case, "qwen2", **options)
        assert {n.split(".layers.")[1].split(".")[0] for n in layers(model)} == expected
    for options in ({"layers_to_transform": 7}, {"layers_to_transform": 0, "layers_pattern": "blocks"}):
        with pytest.raises(ValueError, match=r"with layers_to_transform=\d.* matches no layer"):
            adapted(case, "qwen2", **options)
    for options in ({"layers_to_transform": 0}, {"layers_to_transform": 0, "layers_pattern": "layers"}):
        with pytest.raises(ValueError, match="`layers_to_transform` cannot be used when `target_modules` is a str"):
            config(case, target_modules=".*v_proj", **options)
    with pytest.raises(ValueError, match="`layers_to_transform` must also be specified"):
        config(case, layers_pattern="layers")


def test_without_autocast_weights_have_the_dtype_of_the_base_and_float32_computes(case, tmp_path):
    half = torch.bfloat16

    def build(**more):
        return get_peft_model(tiny.build("qwen2", half), config(case), autocast_adapter_dtype=False, **more).eval()

    def kept(model):
        tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        return {t.dtype for n, t in tensors.items() if ".qft_" in n and t.is_floating_point()}

    model = build()
    assert kept(model) == {half}
    assert torch.equal(logits(model), logits(tiny.build("qwen2", half)))  # still exactly zero at the start
    perturb(model)
    twin = copy.deepcopy(model)
    twin.base_model._cast_adapter_dtype("default", True)
    assert kept(twin) == {torch.float32} and kept(model) == {half}
    assert torch.equal(logits(twin), logits(model))  # the same numbers in float32: the same bits

    loss(model.train()).backward()
    assert all(p.grad.dtype == half and p.grad.isfinite().all() for p in trainable(model).values())
    assert kept(model) == {half}
    model.eval().save_pretrained(tmp_path)
    for lazily in (False, True):
        base = tiny.build("qwen2", half)
        loaded = PeftModel.from_pretrained(base, tmp_path, autocast_adapter_dtype=False, low_cpu_mem_usage=lazily)
        loaded.load_adapter(tmp_path, "wide", low_cpu_mem_usage=lazily)
        assert torch.equal(logits(loaded), logits(model))
        loaded.delete_adapter("wide")
        assert kept(loaded) == {half}
    if case in LINEAR:
        model.merge_adapter()
        twin.merge_adapter()
        assert torch.equal(logits(twin), logits(model))
