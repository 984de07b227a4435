"""A stored configuration, which may be anybody's: what it names runs only if it is known here or trusted by name."""

import importlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.grammar.gen.OmegaConfGrammarParser import OmegaConfGrammarParser
from omegaconf.grammar_parser import parse

from litmus.project import ROOT
from litmus.trial.identity import as_today

# Classes of these are known; LightningCLI is one that would make others by their names.
KNOWN = ("src", "litmus", "answers", "torch.nn", "torch.optim", "pytorch_lightning", "torchmetrics")
UNKNOWN = ("pytorch_lightning.cli",)
# What is written into .hydra; other files and folders there Hydra would find as parts of the configuration.
OF_HYDRA = ("config.yaml", "hydra.yaml", "overrides.yaml")
# A $ that opens no interpolation could become one: `instantiate` resolves what has been resolved once more.
LONE_DOLLAR = re.compile(r"\\\$|\$(?!\{)")
PACKAGE = re.compile(r"^\s*#.*@", re.MULTILINE)


class Named(NamedTuple):
    """What a configuration would have called: `_target_`s, and resolvers of its interpolations."""

    targets: frozenset[str]
    resolvers: frozenset[str]


def read_stored(directory: Path, trust: bool = False) -> DictConfig:
    """The configuration of the run in `directory`, from which nothing has been made yet.

    Raises:
        ValueError: if it is damaged, or names what is not known here and is not trusted.
    """
    path = directory / ".hydra" / "config.yaml"
    try:
        text = path.read_text(encoding="utf-8")
        plain: Any = as_today(OmegaConf.to_container(OmegaConf.create(text), resolve=False))
        config = OmegaConf.create(plain)
    except (OSError, ValueError, yaml.YAMLError, OmegaConfBaseException, RecursionError) as problem:
        raise ValueError(f"{path}: expected a run's configuration, found none: {_line(problem)}") from None
    if not isinstance(config, DictConfig) or not isinstance(plain, dict) or not plain:
        raise ValueError(f"{path}: expected a run's configuration, found {_line(text) or 'an empty file'}")
    found = [] if trust else [*_beside(path.parent), *strangers(plain, text)]
    if found:
        raise ValueError(
            f"{path} asks for {found[0]}, which this project does not know and which could do anything; if you know "
            "where it comes from, add trust=true"
        )
    return config


def typed_where(directory: Path) -> Path:
    """Where the run in `directory` was typed, as Hydra has noted it; here, where nobody has."""
    try:
        noted: Any = OmegaConf.to_container(OmegaConf.load(directory / ".hydra" / "hydra.yaml"), resolve=False)
        return Path(noted["hydra"]["runtime"]["cwd"])
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError, OmegaConfBaseException, RecursionError):
        return Path()


def strangers(config: Mapping[str, Any], text: str = "") -> list[str]:
    """What in a configuration would run, or compose more of it, and is not known here; in words.

    Args:
        config: as plain data, not resolved.
        text: of its file, as far as it is read from one.
    """
    composed = [f"the node {node}:" for node in ("hydra", "defaults") if node in config]
    composed += ["a package of its own in its first lines"] if PACKAGE.search(text) else []
    try:
        named = named_in(config)
    except (OmegaConfBaseException, RecursionError) as problem:
        return [*composed, f"a value that cannot be read ({_line(problem)})"]
    composed += [f"the text {_line(text)}" for _, text in _leaves(config) if LONE_DOLLAR.search(str(text))]
    targets = [target for target in sorted(named.targets) if not is_known(target)]
    resolvers = sorted(named.resolvers - named_here().resolvers)
    return [*composed, *targets, *(f"the resolver ${{{name}:…}}" for name in resolvers)]


def is_known(target: str) -> bool:
    """Whether it may be called: this checkout's configs/ name it, or it is a class of a package that is known."""
    return target in named_here().targets or is_known_class(target)


def is_known_class(target: str) -> bool:
    """Whether a dotted name is that of a class in a package of `KNOWN`; nothing outside of these is imported."""
    package = next((known for known in KNOWN if target.startswith(f"{known}.")), None)
    if package is None:
        return False
    try:
        found: Any = importlib.import_module(package)
        for name in target.removeprefix(f"{package}.").split("."):
            found = _inside(found, name)
            if not _is_within(found):
                return False
    except (ImportError, AttributeError, ValueError):
        return False
    return isinstance(found, type)


def _inside(found: Any, name: str) -> Any:
    if isinstance(found, ModuleType) and not hasattr(found, name):
        return importlib.import_module(f"{found.__name__}.{name}")
    return getattr(found, name)


def _is_within(found: Any) -> bool:
    # What an attribute leads to may be at home elsewhere: litmus.trial.run.os is the module os.
    if isinstance(found, ModuleType):
        home = found.__name__
    elif isinstance(found, type):
        home = found.__module__
    else:
        return False
    return _among(home, KNOWN) and not _among(home, UNKNOWN)


def _among(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@cache
def named_here() -> Named:
    """What the configuration files of this checkout name."""
    found: list[Named] = []
    for folder in (ROOT / "configs", *ROOT.glob("*/configs")):
        for path in sorted(folder.rglob("*.yaml")):
            text = path.read_text(encoding="utf-8")
            if "_target_" in text or "${" in text:
                found.append(named_in(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))))
    return Named(*(frozenset().union(*names) for names in zip(*found, strict=True)))


def named_in(config: Any) -> Named:
    """Everything that a configuration, as plain data, names.

    Raises:
        OmegaConfBaseException: for a text that would be no interpolation.
    """
    targets, resolvers = set(), set()
    for key, value in _leaves(config):
        if key == "_target_":
            targets.add(str(value))
        if isinstance(value, str) and "${" in value:
            resolvers |= set(_resolvers(parse(value)))
    return Named(frozenset(targets), frozenset(resolvers))


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, entry in value.items():
            yield from _leaves(entry, str(name))
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _leaves(entry)
    else:
        yield key, value


def _resolvers(node: Any) -> Iterator[str]:
    """The names of all resolvers in a text as OmegaConf reads it; one that is itself composed is its own text."""
    if isinstance(node, OmegaConfGrammarParser.InterpolationResolverContext):
        yield node.resolverName().getText()
    if hasattr(node, "getChildren"):  # a rule of the grammar, and no word; 2.4 has a parser of its own
        for child in node.getChildren():
            yield from _resolvers(child)


def _beside(folder: Path) -> list[str]:
    others = sorted(path for path in folder.iterdir() if path.name not in OF_HYDRA and not path.name.startswith("."))
    return [f"{path.name} beside it" for path in others if path.is_dir() or path.suffix in (".yaml", ".yml")]


def _line(problem: object) -> str:
    text = " ".join(str(problem).split())
    return text if len(text) <= 120 else f"{text[:119]}…"
