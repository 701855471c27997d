"""Claims as files: the packaged ones are whole, and what is wrong with one is a sentence."""

from pathlib import Path

import pytest
import yaml

from qft.claims import claim
from qft.compose import configs
from qft.errors import QftError
from qft.evaluation import metrics
from qft.reports.analysis import measures


def test_every_packaged_claim_can_be_held_against_a_sweep() -> None:
    claims = claim.load([configs.packaged()])
    assert len(claims) >= 11
    choices = configs.groups()["adapter"]
    for known in claims:
        assert {known.row.adapter, known.against.adapter} <= {"", *choices}, known.name
        assert known.measure == measures.HELDOUT.name or known.measure in metrics.measures(), known.name
        for word in known.words:
            assert word in known.sentence, f"{known.name}: the sentence does not say '{word}'"
        assert known.setting and known.distance and known.place, known.name
    assert [c.name for c in claims if not c.testable_here] == ["qpa"]
    assert "claim" not in configs.groups(), "all are read, none is chosen"


def write(path: Path, **changes: object) -> Path:
    """A claim that is right but for ``changes``; a key that becomes None is left out."""
    content = {
        "source": "s",
        "place": "p",
        "sentence": "A is better than B",
        "row": {"adapter": "qwthn"},
        "against": {"label": "LoRA r=4"},
        "measure": "heldout_loss",
        "says": "better",
        "words": {"better": "lower"},
        "setting": "theirs",
        "distance": "far",
    } | changes
    file = path / "claim" / "mine.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}))
    return file


def test_a_file_of_the_first_directory_wins(tmp_path: Path) -> None:
    write(tmp_path / "users", says="not worse")
    write(tmp_path / "packaged")
    (found,) = claim.load([tmp_path / "users", tmp_path / "packaged", tmp_path / "none"])
    assert (found.name, found.says) == ("mine", "not worse")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sentence": " "}, "'sentence' is empty; what cannot be quoted is no claim"),
        ({"sentence": None}, "sentence"),
        ({"says": "best"}, "says"),
        ({"rwo": {}}, "Did you mean 'row'"),
        ({"against": {}}, "each need an adapter or a label"),
        ({"testable_here": False}, "'reason' is missing"),
        ({"name": "other"}, "its name is that of the file"),
        ({"ratio": "small"}, "ratio"),
        ({"ratio": 0}, "'ratio' is 0; it must be a number above 0"),
        ({"ratio": float("nan")}, "'ratio' is nan"),
        ({"controls": [{"circuit": "none"}, {}]}, "'controls' has one that changes nothing"),
        ({"row": {"label": "LoRA r=4"}}, "'row' and 'against' are the same"),
    ],
)
def test_what_is_wrong_is_said(changes: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(QftError, match="claim mine") as error:
        claim.read(write(tmp_path, **changes))
    assert words in str(error.value)


@pytest.mark.parametrize(
    "text", ["[", "- a", "", "a: !!python/object:os.system {}", "\x00", pytest.param("[" * 5000, id="deep")]
)
def test_what_is_no_claim_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(text)
    with pytest.raises(QftError, match="claim odd"):
        claim.read(file)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_text(file.read_text() + "says: not worse\n")
    with pytest.raises(QftError, match=r"claim mine: .*'says' stands there twice"):
        claim.read(file)
    file = write(tmp_path, words=None)
    file.write_text(file.read_text() + "words: {better: lower, better: higher}\n")
    with pytest.raises(QftError, match="'better' stands there twice"):
        claim.read(file)
