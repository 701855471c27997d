"""What would be trained and tested on: counts, lengths, irregularities, samples with the loss mask; trains nothing."""

import sys
from typing import TYPE_CHECKING, Any

from qft.cli._command import Command
from qft.cli._output import drawable, log, show
from qft.config import DataConfig
from qft.errors import QftError
from qft.names import place, shortened, slug, visible
from qft.progress import quiet_libraries, start_logging
from qft.records import Plain
from qft.runs import directories

if TYPE_CHECKING:
    from qft.data.datasets.base import Source
    from qft.data.prepare import Parts
    from qft.data.template import Encoded

MARKS = (("⟦", "[["), ("⟧", "]]"))  # around what is learned where there is no colour, and where there are no such
SHOWN = 1500  # characters of a stretch of text on the terminal; format=json gives all


def run(config: DataConfig) -> None:
    """Data -> tokens -> tables, histogram and samples."""
    start_logging(config.verbose)
    root = place("output_dir", config.output_dir)
    source, parts = _read(config)
    quiet_libraries()
    from qft.data import lengths, prepare, template

    tokenizer, chosen, whole, used = _encode(config, parts)
    sizes = {k: [len(r["input_ids"]) for r in e.rows] for k, e in whole.items()}
    model = directories.model_name(config.model)
    try:
        root.mkdir(parents=True, exist_ok=True)
        name = slug(f"data-{config.data['name']}-{parts.summary.subset[:8]}-{model}")
        title = f"{config.data['name']}, tokens by {model}"
        picture = lengths.draw(sizes, config.max_seq_len, title, root / f"{name}.png")
    except OSError as error:
        raise QftError(f"{root} cannot be written: {error.strerror}.") from error
    document = vars(parts.summary) | {
        "left_out": source.left_out,
        "tokenizer": model,
        "template": chosen,
        "max_seq_len": config.max_seq_len,
        "overlong": prepare.overlong(config.data),
        "parts": {k: used[k].counts | {"longest": max(sizes[k]), "whole": whole[k].counts["tokens"]} for k in used},
        "lengths": sizes,
        "picture": str(picture),
        "samples": _examples(next(iter(used.values())), tokenizer, config.samples),
    }
    if config.format == "json":
        show("json", document, "", [], [])
        return
    _print(document, parts, config.max_seq_len)
    for part, encoded in used.items():
        for sentence in template.report(encoded.counts, f"{part} samples", config.max_seq_len):
            log.info("%s", sentence)


def _read(config: DataConfig) -> "tuple[Source, Parts]":
    """The source, and n samples of it; all of them where there are fewer."""
    from qft.data import prepare

    prepare.overlong(config.data)
    source = prepare.load(config.data)
    n = config.n
    if n > len(source.pool) >= 2 and not prepare.only_test(config.data):
        most = len(source.pool)
        asked = shortened(str(n))
        log.warning("n=%s is more than there is: all %d samples are shown; train with n=%d at most", asked, most, most)
        n = most
    return source, prepare.split(source, n, config.data)


def _encode(config: DataConfig, parts: "Parts") -> "tuple[Any, str, dict[str, Encoded], dict[str, Encoded]]":
    """The tokenizer, the template's name, and the tokens of each part: whole, and as they are trained on."""
    from qft.data import prepare, template
    from qft.data.prepare import HELD_OUT
    from qft.models import load

    tokenizer = load.load_tokenizer(config.model)
    chosen = template.choose(tokenizer, config.model["template"])
    named = parts.named()
    whole = {k: template.encode(p, tokenizer, chosen, sys.maxsize) for k, p in named.items() if p}
    limits = (config.max_seq_len, prepare.overlong(config.data))
    used = {k: template.encode(named[k], tokenizer, chosen, *limits, needed=k != HELD_OUT) for k in whole}
    return tokenizer, chosen.name, whole, used


def _examples(training: "Encoded", tokenizer: Any, samples: int) -> list[Plain]:
    """Some samples, spread over all, in stretches that are learned or not."""
    from qft.data.template import spans

    step = max(1, len(training.rows) // max(1, samples))
    return [
        {"id": training.ids[k], "spans": [s._asdict() for s in spans(training.rows[k], tokenizer)]}
        for k in range(0, len(training.rows), step)
    ][:samples]


def _print(document: Plain, parts: "Parts", max_seq_len: int) -> None:
    """Tables, histogram and samples."""
    from qft.data import lengths

    _tables(document, parts.named())
    shown = [part for part in ("training", "validation") if part in document["lengths"]] or ["test"]
    print(f"  tokens a sample, {' and '.join(shown)} (picture: {visible(document['picture'])})\n")
    bars = lengths.histogram([size for part in shown for size in document["lengths"][part]], max_seq_len)
    print(bars.replace("█", drawable("█", "#")))
    _samples(document["samples"])


def _tables(document: Plain, named: Plain) -> None:
    columns = [
        "part",
        "samples",
        "turns",
        "tokens",
        "longest",
        "within max_seq_len",
        "of them learned",
        "cut",
        "dropped",
    ]
    rows = []
    for part, c in document["parts"].items():
        turns = sum(len(s.messages) for s in named[part])
        cut, dropped = c["truncated"], c["dropped"] + c["left_out"]
        tokens = [c["whole"], c["longest"], c["tokens"], c["supervised_tokens"]]
        rows.append([part, len(named[part]), turns, *tokens, cut, dropped])
    size = f"n={document['n']} of {document['available']}" if document["train"] else "for testing only"
    title = f"{document['name']}, {size}; tokens by {document['tokenizer']}"
    show("table", None, title, columns, rows)
    known = [[kind, number] for kind, number in document["counts"].items()]
    if known:
        show("table", None, "the source, as it was read", ["found", "times"], known)
    for row in document["left_out"]:
        print(f"  left out: {visible(str(row))}")
    if near := ", ".join(f"{parts} {number}" for parts, number in document["near_duplicates"].items()):
        print(f"  near-duplicates (same runs of 13 words, of characters in Chinese): {near}")
    print(f"  fingerprint {document['fingerprint']}\n  subset      {document['subset']}")
    print(f"  template    {visible(document['template'])}\n")


def _samples(examples: list[Plain]) -> None:
    """Print samples: green is learned; without a terminal, between markers."""
    colour = sys.stdout.isatty()
    opened, closed = ("\x1b[32m", "\x1b[0m") if colour else (drawable(*mark) for mark in MARKS)
    print(f"\n  samples; what is learned is {'green' if colour else f'between {opened} and {closed}'}")
    for example in examples:
        print(f"\n  {visible(example['id'])}")
        for span in example["spans"]:
            text = visible(span["text"], keep="\n\t")  # data never steers the terminal
            if len(text) > SHOWN:
                text = f"{text[:SHOWN]} … ({len(text) - SHOWN} characters more)"
            print(f"{opened}{text}{closed}" if span["learned"] else text, end="")
        print(end="\n" if not example["spans"][-1]["text"].endswith("\n") else "")


COMMAND = Command(DataConfig, run)
