"""The demo set is the same everywhere, honest in its sums, and apart from test and pre-training."""

import hashlib
import re
from pathlib import Path

import pytest

from qft.data import general
from qft.data.datasets.demo import CELLS, load
from qft.data.demo.arithmetic import ANSWERS, APPLY
from qft.data.demo.arithmetic import LEAD as LEAD_OF_SET
from qft.data.demo.arithmetic_words import FAMILIES
from qft.data.demo.chat_words import TOPICS as TOPICS_OF_CHATS
from qft.data.demo.counselling_templates import TEMPLATES
from qft.data.demo.counselling_words import FEELINGS, PERSONS, TOPICS
from qft.data.demo.pretraining import chatml, pretraining_texts
from qft.data.demo.sums_words import LEAD
from qft.data.prepare import split
from qft.errors import QftError

MODEL = Path(__file__).parents[2] / "qft" / "models" / "demo"
# of load() as a whole; a change of the set needs a new demo model
FINGERPRINT = "6f2bfcf8fddbeb0388c96e6c44d3aa06f0f5caa0d13c048749e99c06f4b6f114"
PRETRAINING = "6591318d9f67c16ddddf118299fdb65c088e9b639f090e79d11588d4b6633d3a"  # of its texts
SLOTS = re.compile(r"\{\w+\}")


pytestmark = pytest.mark.xdist_group("demo")  # one worker, or each would make what is shared again


@pytest.fixture(scope="module")
def source():
    return load()


@pytest.fixture(scope="module")
def texts():
    return pretraining_texts()


def cell(sample):
    *_, task, language, _ = sample.id.split("-")
    return task, language


def test_same_content_every_time(source, texts):
    assert load().fingerprint() == source.fingerprint() == FINGERPRINT
    assert hashlib.sha256("\n".join(texts).encode()).hexdigest() == PRETRAINING
    assert pretraining_texts(1, 100) != pretraining_texts(0, 100) == pretraining_texts(0, 100)


def test_general_text_is_none_of_pretraining_or_of_the_set(source, texts):
    general_texts = set(general.read("demo").texts)
    assert len(general_texts) == general.DEMO_COUNT and not general_texts & set(texts)
    spoken = "\n".join(m.text for sample in (*source.pool, *source.test) for m in sample.messages)
    assert not [text for text in general_texts if text in spoken]


def test_sizes_balance_and_contract(source):
    assert (len(source.pool), len(source.test)) == (1280, 50)
    for part in (source.pool, source.test):
        sizes = [sum(cell(s) == c for s in part) for c in CELLS]
        assert max(sizes) - min(sizes) <= 1
    everything = source.pool + source.test
    assert not [s.id for s in everything if s.problem()]
    assert len({s.id for s in everything}) == len({s.messages for s in everything}) == len(everything)
    assert {len(s.messages) for s in everything if cell(s)[0] == "talk"} == {2, 4, 6}


def test_rows_choose_from_the_pool(source):
    assert load(rows="10:14").pool == source.pool[10:14]
    assert load(rows="10:14").test == source.test
    with pytest.raises(QftError):
        load(rows="5:5")


@pytest.mark.parametrize("where", [{"path": "x"}, {"hub": "x/y"}])
def test_reads_nothing(where):
    with pytest.raises(QftError, match="generated"):
        load(**where)


def test_test_set_is_apart_from_the_pool(source):
    openings = {s.messages[0].content for s in source.pool}
    answers = {m.content for s in source.pool if cell(s)[0] == "talk" for m in s.messages}
    for s in source.test:
        assert s.messages[0].content not in openings
        if cell(s)[0] == "talk":
            assert not answers & {m.content for m in s.messages}


def test_families_are_apart():
    for language in ("en", "zh"):
        for column in (0, 2):  # name, question
            pool, test = ({family[column] for family in FAMILIES[language][part]} for part in ("pool", "test"))
            assert not pool & test
        for place, pool in TEMPLATES[language]["pool"].items():
            assert not set(pool) & set(TEMPLATES[language]["test"][place])


def test_leading_numbers_are_apart(source):
    def leading(part):
        return {int(re.search(r"\d+", s.messages[1].reasoning)[0]) for s in part if cell(s)[0] == "math"}

    assert not leading(source.pool) & leading(source.test)


def test_sums_are_right(source):
    for s in source.pool + source.test:
        if cell(s)[0] != "math":
            continue
        (a, one, b, x), (x2, two, c, y) = re.findall(r"(\d+) ([-+*]) (\d+) = (\d+)", s.messages[1].reasoning)
        assert APPLY[one](int(a), int(b)) == int(x) == int(x2)
        assert APPLY[two](int(x), int(c)) == int(y) > 1
        assert f"\\boxed{{{y}}}" in s.messages[1].content
        assert sorted((a, b, c)) == sorted(re.findall(r"\d+", s.messages[0].content))


def test_answers_reflect_the_client(source):
    for s in source.pool + source.test:
        task, language = cell(s)
        if task == "talk":
            named = [f for f in FEELINGS[language] if f in s.messages[0].content.lower()]
            assert len(named) == 1 and named[0] in s.messages[1].content


def test_no_text_of_fine_tuning_is_in_pretraining(source, texts):
    assert len(texts) == len(set(texts)) > 40_000
    blob = "\n".join(texts)
    told = {m.content for s in source.pool + source.test for m in s.messages}
    told |= {m.reasoning for s in source.pool + source.test for m in s.messages if m.reasoning}
    assert not [text for text in told if text in blob]


def test_no_template_of_fine_tuning_is_in_pretraining(texts):
    blob = "\n".join(texts).lower()
    for language in ("en", "zh"):
        templates = [ANSWERS[language].replace("{{", "{").replace("}}", "}")]
        for part in ("pool", "test"):
            templates += [t for place in TEMPLATES[language][part].values() for t in place]
            templates += [text for family in FAMILIES[language][part] for text in family[2:]]
        for template in templates:
            # The longest fixed piece stands for the template; a short one is an ordinary phrase.
            piece = max(SLOTS.split(template), key=len).strip().lower()
            assert len(piece) < (12 if language == "en" else 5) or piece not in blob, piece


def test_chats_are_most_of_pretraining_and_of_other_things(texts):
    chats = [t for t in texts if "<|im_start|>" in t]
    assert sum(map(len, chats)) > sum(map(len, texts)) / 2
    sums = [t for t in chats if re.search(r"assistant\n[^<]*\d|<think>", t)]
    thoughts = [t for t in sums if "<think>" in t]
    assert thoughts == [t for t in texts if "<think>" in t] == [t for t in texts if "\\boxed" in t]
    assert 0.12 < len(thoughts) / len(sums) < 0.18
    blob = "\n".join(chats)
    for language in ("en", "zh"):
        assert not TOPICS[language].keys() & TOPICS_OF_CHATS[language].keys()
        for _, situations, details, _, steps in TOPICS[language].values():
            said = [s.format(**person) for s in situations for person in PERSONS[language].values()]
            assert not [phrase for phrase in said + details + steps if phrase in blob]


def test_problems_of_pretraining_have_other_leading_numbers():
    for part in LEAD_OF_SET.values():
        for sign, (least, most) in part.items():
            assert not [n for low, high in LEAD[sign] for n in range(low, high + 1) if least <= n <= most]


def test_sums_of_pretraining_are_right(texts):
    found = re.findall(r"(?<![-+*\d] )\b(\d+) ([-+*]) (\d+) = (\d+)", "\n".join(texts))
    assert len(found) > 40_000
    assert not [row for row in found if APPLY[row[1]](int(row[0]), int(row[2])) != int(row[3])]


def test_the_shipped_model_reads_every_sample_in_200_tokens(source):
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
    assert [tokenizer.convert_tokens_to_ids(t) for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")] == [0, 1, 2]
    for s in source.pool + source.test:
        turns = [{"role": m.role, "content": m.text} for m in s.messages]
        assert tokenizer.apply_chat_template(turns, tokenize=False) == chatml(s.messages)
        read = tokenizer.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
        assert len(read["input_ids"]) <= 200, s.id
        answered = [i for i, mine in zip(read["input_ids"], read["assistant_masks"], strict=True) if mine]
        assert tokenizer.decode(answered) == "".join(m.text + "<|im_end|>" for m in s.messages if m.role == "assistant")


def test_the_shipped_model_is_small():
    files = {f.name: f.stat().st_size for f in MODEL.iterdir()}
    assert {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "README.md",
    } <= set(files)
    assert sum(files.values()) <= 8_000_000


# of the subsets the recorded numbers were made with; three samples that ask what earlier ones ask changed sides in 1000
SUBSETS = {
    300: "f6649e63cd5190d05bdf167db6e6c545c5a709bf55f6bca8519ebb33a9b747a1",
    600: "4d51790036b805ff4be248df8f55ed4f28245bd2d978e1ef8a215b6b856a8e04",
    1000: "8f45a0119a80336e648171d60ce771c5beb7459d641bf96f4419a08963b1186b",
}


def test_the_set_is_the_one_the_recorded_numbers_were_made_with(source):
    assert source.fingerprint() == "6f2bfcf8fddbeb0388c96e6c44d3aa06f0f5caa0d13c048749e99c06f4b6f114"
    assert {n: split(source, n, {"name": "demo"}).summary.subset for n in SUBSETS} == SUBSETS
