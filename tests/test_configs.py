"""Every yaml is composed into every command that takes its group, and what it names is built."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from qft.adapters import methods
from qft.cli.main import commands, load_command
from qft.compose import configs

ROOT = configs.packaged()
FILES = sorted(str(p.relative_to(ROOT).with_suffix("")) for p in ROOT.rglob("*.yaml"))
MAIN = [f for f in FILES if "/" not in f]
CHOICES = [f for f in FILES if "/" in f and not f.startswith("claim/")]  # claims are all read, none is chosen


def composed(command: str, *overrides: str) -> Any:
    ConfigStore.instance().store(name=f"{command}_schema", node=load_command(command).config)
    with initialize_config_dir(str(ROOT), version_base="1.3"):
        return OmegaConf.to_object(compose(command, overrides=list(overrides)))


def groups_of(command: str) -> set[str]:
    defaults = OmegaConf.load(ROOT / f"{command}.yaml").defaults
    return {g for d in defaults if not isinstance(d, str) for g in d if "/" not in g}


def first_of(group: str) -> str:
    return next(choice for choice in CHOICES if choice.rpartition("/")[0] == group)


def test_every_command_has_a_config_and_a_schema() -> None:
    assert set(MAIN) == set(commands())


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_composes(choice: str) -> None:
    """In one command that takes its group; the first choice of a group in every one, which compose all alike."""
    group, _, name = choice.rpartition("/")
    users = [c for c in MAIN if group.partition("/")[0] in groups_of(c)]
    users = users if choice == first_of(group) else users[:1]
    host = ["backend=noisy"] if group == "backend/noise" else []  # a group within a group needs its host
    host += ["adapter.type=HIRA"] if choice == "adapter/peft" else []
    if group == "metric":
        spec = OmegaConf.load(ROOT / f"{choice}.yaml")
        module, _, function = spec._target_.rpartition(".")
        assert callable(getattr(importlib.import_module(module), function))
        return
    assert users, f"no command takes the group {group}"
    for command in users:
        config = composed(command, f"{group}={name}", *host, *(["model.path=x"] if choice == "model/local" else []))
        options = getattr(config, group.partition("/")[0])
        if isinstance(options, dict) and options.get("_target_"):  # null: full tuning, nothing to build
            module, _, target = options["_target_"].rpartition(".")
            assert callable(getattr(importlib.import_module(module), target))
            if group == "adapter":
                assert methods.of(options).config().peft_type


@pytest.mark.parametrize("file", FILES)
def test_the_first_line_says_what_a_file_is_for(file: str) -> None:
    first = (ROOT / f"{file}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert re.search(r"# \S.{8}", first), first


# keys whose own comment explains what is inside: words of another library, of docs/adapters.md or of docs/sweeps.md
WHOLE = {"config", "card", "published", "rows", "scales", "words"}
HYDRA = {"defaults", "hydra", "_target_"}  # Hydra's own keys


def unexplained(text: str) -> list[str]:
    """The keys of a yaml that have no comment behind them, on the line where their value ends or their block begins."""
    lines = text.splitlines()

    def missing(node: yaml.Node) -> Iterator[str]:
        for key, value in node.value:
            block = isinstance(value, yaml.MappingNode) and not value.flow_style
            end = key.end_mark if block else value.end_mark
            if key.value not in HYDRA and not re.search(r"#.*\w", lines[end.line][end.column :]):
                yield key.value
            if block and key.value not in HYDRA | WHOLE:
                yield from missing(value)

    root = yaml.compose(text)
    return list(missing(root)) if root.value else []


@pytest.mark.parametrize("file", FILES)
def test_every_key_is_explained(file: str) -> None:
    assert unexplained((ROOT / f"{file}.yaml").read_text(encoding="utf-8")) == []


def test_a_key_without_a_comment_is_noticed() -> None:
    text = '# What it is for.\nr: 4 # rank\nname: "#1"\nlist: [1, 2]  #\nnoise: # of the chip\n  p1: 0.1\n'
    assert unexplained(text) == ["name", "list", "p1"]
    assert unexplained("{}  # No options.\n") == []


def test_all_models_declare_the_same_keys() -> None:
    keys = {f: set(OmegaConf.load(ROOT / f"{f}.yaml")) for f in CHOICES if f.startswith("model/")}
    assert len({frozenset(k) for k in keys.values()}) == 1, keys


def test_configs_ship_with_the_package() -> None:
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    assert 'configs = "qft/configs"' in text
