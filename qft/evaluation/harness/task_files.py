"""Task yamls of a directory the user gives: what they may do without being trusted.

A real task over a local file::

    task: sums
    dataset_path: json
    dataset_kwargs: {data_files: {test: sums.jsonl}}
    test_split: test
    output_type: generate_until
    doc_to_text: "{{question}}"
    doc_to_target: "{{answer}}"
    metric_list: [{metric: exact_match}]

lm-evaluation-harness runs code for such a file in many ways: ``!function`` and ``class`` import a module beside it, a
metric it does not know is loaded as a script, ``dataset_path: pandas`` reads pickles, ``custom_generate`` of
transformers runs a file, and its templates are no sandbox. What is accepted here is therefore a list of what is known
to be data, and templates are rendered in Jinja's sandbox (``sandboxed``). All else needs ``evaluation.trust_tasks``.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from qft.errors import QftError, first_line
from qft.names import shortened

TRUST = "if you trust it, say so each time: evaluation.trust_tasks=true"
READERS = ("arrow", "csv", "json", "parquet", "text")  # of data sets' files; others run code or read pickles
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
TEXTS = {"doc_to_text", "doc_to_target", "doc_to_choice", "gen_prefix"}
SPLITS = {"training_split", "validation_split", "test_split", "fewshot_split"}
DELIMITERS = {"target_delimiter", "fewshot_delimiter"}
NAMES = {"task", "task_alias", "tag", "group", "group_alias", "include", "description", "metadata", "output_type"}
NUMBERS = {"num_fewshot", "repeats"}
CHECKED = {"dataset_path", "dataset_name", "dataset_kwargs", "fewshot_config", "metric_list", "filter_list"}
CHECKED |= {"generation_kwargs", "aggregate_metric_list"}
KEYS = TEXTS | SPLITS | DELIMITERS | NAMES | NUMBERS | CHECKED
DATA = {"data_files", "data_dir", "field", "revision", "split"}
FEWSHOT = {"sampler", "split", "samples", "fewshot_indices", *TEXTS, *DELIMITERS}
GENERATION = {"until", "do_sample", "temperature", "top_p", "top_k", "min_p", "num_beams", "repetition_penalty"}
GENERATION |= {"max_gen_toks", "max_new_tokens", "max_tokens", "max_length"}
METRICS = {"acc", "acc_all", "acc_bytes", "acc_mutual_info", "acc_norm", "bits_per_byte", "bleu", "brier_score"}
METRICS |= {"byte_perplexity", "chrf", "chrf++", "exact_match", "f1", "likelihood", "mcc", "perplexity", "ter"}
METRICS |= {"word_perplexity"}
FILTERS = {"format_span", "lowercase", "majority_vote", "map", "multi_choice_regex", "regex", "regex_pos"}
FILTERS |= {"remove_whitespace", "take_first", "take_first_k", "uppercase"}


class _Function(str):
    """What a ``!function`` tag names."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # its stubs are not installed
    """Reads plain data; a ``!function`` is kept to be refused, any other tag is an error."""


_Loader.add_constructor("!function", lambda loader, node: _Function(loader.construct_scalar(node)))


def find(directory: Path) -> dict[str, Path]:
    """Names of tasks and groups -> the file in a directory, or below it, that defines each.

    Raises:
        QftError: It holds none, or a file cannot be read.
    """
    found: dict[str, Path] = {}
    for file in _files(directory):
        content = _read(file)
        name = content.get("group") or content.get("task")
        if isinstance(name, str):
            found.setdefault(name, file)
    if not found:
        raise QftError(f"evaluation.harness_tasks={directory} holds no task: a .yaml file with the key task.")
    return found


def check(directory: Path) -> None:
    """Refuse what may run code in any task file of a directory: all of them are read, whichever is asked for.

    Raises:
        QftError: Names the file, what it says, and how to trust it.
    """
    for file in _files(directory):
        _check(file, directory, _read(file))


@contextmanager
def sandboxed() -> Iterator[None]:
    """While entered, lm-evaluation-harness renders templates in Jinja's sandbox: they reach nothing of Python's."""
    from jinja2 import BaseLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment
    from lm_eval import utils

    before = utils.env
    utils.env = SandboxedEnvironment(loader=BaseLoader(), undefined=StrictUndefined, keep_trailing_newline=True)
    utils.env.filters.update(before.filters)
    try:
        yield
    finally:
        utils.env = before


def _files(directory: Path) -> list[Path]:
    try:
        return sorted(file for file in directory.glob("**/*.yaml") if file.is_file())
    except OSError as error:
        raise QftError(f"evaluation.harness_tasks={directory} cannot be read: {error.strerror}.") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise QftError(f"{file} cannot be read: {shortened(first_line(error))}.") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise QftError(f"{file} is no task: a mapping with the key task is needed.")
    return content


def _check(file: Path, directory: Path, content: Mapping[str, Any], of: str = "") -> None:
    if function := next(_functions(content), None):
        raise _refused(file, f"!function {function}, which runs code")
    if unknown := next((key for key in content if key not in KEYS), None):
        raise _refused(file, f"{of}{unknown}, which is not known to be safe")
    for included in _listed(content.get("include")):
        place = (file.parent / str(included)).resolve()
        if not place.is_relative_to(directory.resolve()) or place.suffix != ".yaml":
            raise _refused(file, f"include: {included}, which is no .yaml file within the directory")
    _check_data(file, content)
    _check_keys(file, "fewshot_config", content.get("fewshot_config"), FEWSHOT)
    _check_keys(file, "generation_kwargs", content.get("generation_kwargs"), GENERATION)
    for entry in _listed(content.get("metric_list")):
        named = entry.get("metric") if isinstance(entry, dict) else entry
        if not isinstance(named, str) or named not in METRICS or (isinstance(entry, dict) and entry.get("hf_evaluate")):
            raise _refused(file, f"metric: {named}, which is not one of the harness's own")
    for pipeline in _listed(content.get("filter_list")):
        for step in _listed(pipeline.get("filter") if isinstance(pipeline, dict) else None):
            named = step.get("function") if isinstance(step, dict) else step
            if not isinstance(named, str) or named not in FILTERS:
                raise _refused(file, f"filter: {named}, which is not one of the harness's own")
    for member in _listed(content.get("task")):
        if isinstance(member, dict):
            _check(file, directory, member, of="task: ")


def _check_data(file: Path, content: Mapping[str, Any]) -> None:
    path, options = content.get("dataset_path"), content.get("dataset_kwargs") or {}
    if path is not None and str(path) not in READERS and not _on_a_hub(path):
        raise _refused(file, f"dataset_path: {path}, which is neither of {', '.join(READERS)} nor OWNER/NAME of a hub")
    _check_keys(file, "dataset_kwargs", options, DATA)
    for place in _texts([options.get("data_files"), options.get("data_dir")]):
        if "://" in place or "::" in place:
            raise _refused(file, f"data_files: {shortened(place)}, which is an address and no file")
        if path in READERS and not any(mark in place for mark in "*?[") and not _exists(place):
            raise QftError(f"{file}: {shortened(place)} does not exist; places are seen from the current directory.")


def _on_a_hub(path: Any) -> bool:
    return isinstance(path, str) and HUB_ID.fullmatch(path) is not None and not _exists(path)


def _exists(place: str) -> bool:
    try:
        return Path(place).exists()
    except (OSError, ValueError):  # too long, a NUL in it
        return False


def _check_keys(file: Path, name: str, options: Any, known: set[str]) -> None:
    if options is not None and not isinstance(options, dict):
        raise QftError(f"{file}: {name} is not a mapping.")
    if unknown := next((key for key in options or {} if key not in known), None):
        raise _refused(file, f"{name}: {unknown}, which is not known to be safe")


def _functions(content: Any) -> Iterator[str]:
    if isinstance(content, _Function):
        yield str(content)
    elif isinstance(content, (dict, list)):
        for inner in content.values() if isinstance(content, dict) else content:
            yield from _functions(inner)


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, (dict, list)):
        for inner in content.values() if isinstance(content, dict) else content:
            yield from _texts(inner)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _refused(file: Path, what: str) -> QftError:
    return QftError(f"{file} has {shortened(what)}; {TRUST}.")
