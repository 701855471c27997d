"""``budget=N``: the largest count not above N, on the sizes of Qwen2-7B and of a small model of the same kind."""

import pytest
from omegaconf import OmegaConf
from test_published_counts import spec

from qft.adapters.knob import Knob
from qft.adapters.qpa import Plan, QPAConfig
from qft.compose.configs import packaged
from qft.errors import QftError
from qft.models.budget import OutOfReach, choose
from qft.models.count import count

SMALL = {
    "model_type": "qwen2",
    "hidden_size": 224,
    "intermediate_size": 576,
    "num_hidden_layers": 5,
    "num_attention_heads": 7,
    "num_key_value_heads": 1,
    "vocab_size": 6144,
}
BUDGETS = (300_000, 1_000, 4_000, 14_080)  # the first of Qwen2-7B
TABLE = {  # value and count; a number alone: the minimum that the refusal names
    "lora": (315_392, 3_520, (1, 3_520), (4, 14_080)),
    "dora": (430_080, 4_800, 4_800, (3, 11_840)),
    "sora": (315_448, 3_530, (1, 3_530), (3, 10_590)),
    "lora_last": ((26, 292_864), (1, 704), (5, 3_520), (5, 3_520)),
    "qwthn": ((5, 299_264), 2_510, (2, 3_740), (6, 11_460)),
    "qtha": ((4, 245_952), 2_850, (1, 2_850), (5, 10_890)),
    "quanta": ((6, 286_944), 5_820, 5_820, (9, 13_500)),
    "qaa": ((6, 294_984), 2_056, (1, 2_056), (5, 10_280)),
    "quantum_peft": ((130, 299_964), (3, 935), (15, 3_935), (55, 13_935)),
    "cua": ((2, 100_352), 1_120, (4, 3_360), (8, 7_840)),
    "oft": ((2, 100_352), 1_120, (4, 3_360), (8, 7_840)),
    "quic": ((2, 207_200), (1, 960), (4, 3_840), (14, 13_440)),
    "qpa": ((7917, 299_981), 39_328, 39_328, 39_328),
    "qpa generator=collapsed": ((37_494, 300_000), (93, 994), (565, 3_995), (2811, 14_079)),
    "apc": ((2, 277_760), 4_480, 4_480, (6, 14_080)),
    "tt_lora": ((12, 267_456), (1, 345), (4, 3_600), (8, 13_120)),
    "loretta": ((9, 262_584), (1, 670), (3, 3_690), (6, 12_420)),
    "loretta_adp": ((9, 286_608), 1_900, (2, 2_840), (6, 11_400)),
    "lotr": ((23, 288_696), (1, 714), (5, 3_770), (16, 13_824)),
    "lorta": ((79, 298_146), (3, 813), (14, 3_794), (51, 13_821)),
    "metatt": ((36, 296_928), (2, 924), (7, 3_479), (23, 14_007)),
    "metatt axes=5": ((46, 293_480), (3, 894), (10, 3_960), (23, 13_294)),
    "butterfly": ((5, 286_720), (1, 640), (6, 3_760), (23, 14_080)),
    "vera": ((3309, 299_992), 1_290, (272, 4_000), (1280, 14_080)),
    "fourierft": ((5357, 299_992), (100, 1_000), (400, 4_000), (1408, 14_080)),
    "c3a": (802_816, 8_960, 8_960, (32, 8_960)),
    "randlora": (315_392, 3_520, (272, 4_000), (1280, 14_080)),
    "lokr": ((29, 294_784), 1_540, (7, 3_220), (7, 3_220)),
}
SLOW = {"lora_last", "lokr", "qaa", "quanta", "randlora"}  # many values, or a model for each
CASES = [
    pytest.param(name, i, id=f"{name}-{BUDGETS[i]}", marks=pytest.mark.extended if name in SLOW else ())
    for name in TABLE
    for i in range(4)
]
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")


def method(row, i):
    name, *options = row.split()
    set_ = dict(option.split("=") for option in options)
    set_ = {key: int(value) if value.isdigit() else value for key, value in set_.items()}
    if i == 0:
        model, adapter = spec(name, "qwen2_7b_instruct")
        return model, adapter | set_
    stated = {"name": "small", "path": "x", "config": SMALL}
    model = OmegaConf.merge(OmegaConf.load(packaged() / "model" / "local.yaml"), stated)
    both = OmegaConf.create({"model": model, "adapter": OmegaConf.load(packaged() / "adapter" / f"{name}.yaml")})
    resolved = OmegaConf.to_container(both, resolve=True)
    return resolved["model"], {"name": name} | resolved["adapter"] | set_


@pytest.mark.parametrize(("name", "alpha"), [("lora", 8), ("lora lora_alpha=4", 4), ("dora", 6)])
def test_the_scale_stays_when_the_rank_moves(name, alpha):
    """alpha / r is that of the yaml, rank 4 and alpha 8, or of what the user gives."""
    chosen = choose(*method(name, 3), BUDGETS[3]).adapter
    assert chosen["lora_alpha"] == alpha and type(chosen["lora_alpha"]) is int
    assert choose(*method("lora", 2), BUDGETS[2]).options == {"r": 1, "lora_alpha": 2}


@pytest.mark.parametrize("name, i", CASES)
def test_the_largest_count_within_the_budget(name, i):
    expected = TABLE[name][i]
    if isinstance(expected, int):
        with pytest.raises(QftError, match=f"adapter={name.split()[0]} has at least {expected:,} parameters") as error:
            choose(*method(name, i), BUDGETS[i])
        assert error.value.minimum == expected
        return
    choice = choose(*method(name, i), BUDGETS[i])
    assert (choice.value, choice.trainable) == expected
    if i:
        assert count(method(name, i)[0], choice.adapter).trainable == choice.trainable, "what is trained has that size"


@pytest.mark.parametrize(
    "name, angles",
    [
        ("apc", 10 * 768),  # 24 for each of 32 pairs on 8 qubits
        ("cua", 3_360),
        ("qaa", 5 * 8),
        ("qpa", 8 * 3),  # the 14,080 numbers of A and B are 7 rows of 2,048
        ("qtha", 10 * 64),
        ("quantum_peft", 435 - 10 * 4),
        ("qwthn", 10 * 8),
        ("tt_lora", 0),
        ("lora", 0),
    ],
)
def test_the_angles_of_circuits_are_counted_apart(name, angles):
    assert count(*method(name, 1)).circuit == angles


def test_a_method_without_a_knob_is_refused_with_its_count():
    with pytest.raises(OutOfReach, match=r"adapter=ia3 has 1,280 parameters here .*target_modules") as error:
        choose(*method("ia3", 1), 1_000)
    assert error.value.minimum == 1_280


@pytest.mark.parametrize(
    ("row", "budget", "turned", "value", "trainable"),
    [
        ("lora r=1", 4_000, "layers", 5, 3_520),
        ("lora r=1", 1_500, "layers", 2, 1_408),
        ("lora r=1", 1_500, "layers_evenly", 2, 1_408),
        ("metatt r=4", 1_860, "layers", 2, 1_856),
        ("qwthn", 3_000, "layers", 4, 2_992),
        pytest.param("lora r=1", 300_000, "layers", 26, 292_864, marks=pytest.mark.extended),
    ],
)
def test_layers_can_be_what_is_turned(row, budget, turned, value, trainable):
    spec = method(row, int(budget < 300_000))
    choice = choose(*spec, budget, turned)
    assert (choice.option, choice.value, choice.trainable) == ("last_layers", value, trainable)
    assert choice.adapter.get("evenly", False) is (turned == "layers_evenly")
    counts = count(spec[0], choice.adapter)
    assert counts.trainable == trainable
    assert sum(m.layers for m in counts.modules) == 2 * value


def test_layers_are_turned_only_where_a_method_takes_some():
    with pytest.raises(QftError, match="adapter=ia3 cannot be put on some layers only; leave budget_knob out"):
        choose(*method("ia3", 1), 1_000, "layers")
    with pytest.raises(QftError, match=r"budget_knob=layer does not exist\. Did you mean 'layers'"):
        choose(*method("lora", 1), 1_000, "layer")
    with pytest.raises(OutOfReach, match=r"at least 2,816 parameters \(last_layers=1\), above the budget of 1,000\.$"):
        choose(*method("lora", 1), 1_000, "layers")


@pytest.mark.parametrize("budget", [0, -1])
def test_no_budget_is_too_small_to_be_told_the_minimum(budget):
    with pytest.raises(OutOfReach, match="adapter=cua has at least 1,120 parameters"):
        choose(*method("cua", 1), budget)


def test_pieces_are_where_quotients_change():
    """Within a piece ceil(n / value) is one number for every size, and the piece after it has another."""
    knob, shapes = Knob(falls="at quotients"), [(60, 17), (60, 60)]
    quotients = {v: tuple(-(-n // v) for n in (60, 17)) for v in range(1, 200)}
    expected = [1] + [v for v in range(2, 200) if quotients[v] != quotients[v - 1]]
    assert [piece.at_least for piece in knob.pieces(shapes)] == expected


@pytest.mark.parametrize("row", ["qpa", "qpa generator=collapsed", "qpa generator=collapsed depth=40"])
def test_a_chunk_is_the_best_of_all_chunks(row):
    """Against every value; the count falls where the rows need a qubit fewer."""
    model, adapter = method(row, 1)
    config = QPAConfig(**{k: v for k, v in adapter.items() if k in ("generator", "depth")})
    counts = {}
    for chunk in range(16, 14_080):
        rows = -(-14_080 // chunk)
        counts[chunk] = Plan(rows, chunk).count(config.depth, config.generator)
    assert any(counts[c] < counts[c - 1] for c in range(17, 14_080)) or row.endswith("collapsed")
    for budget in (2_500, 14_080, 45_000, 60_000):
        within = [n for n in counts.values() if n <= budget]
        if within:
            assert choose(model, adapter, budget).trainable == max(within)


@pytest.mark.extended
@pytest.mark.parametrize("budget", [3_700, 4_000, 9_000, 14_080])
def test_a_rank_of_randlora_is_the_best_of_all_ranks(budget):
    model, adapter = method("randlora", 1)
    counts = {r: 5 * (-(-224 // r) * (r + 224) + -(-32 // r) * (r + 32)) for r in range(1, 3_000)}
    assert choose(model, adapter, budget).trainable == max(n for n in counts.values() if n <= budget)
