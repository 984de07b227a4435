"""Parts made from their nodes of the configuration, and what their constructors refuse in one sentence of ours."""

import functools
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra import utils
from omegaconf import DictConfig, ListConfig, OmegaConf

from litmus.project import ROOT
from litmus.trial.command_line import innermost
from litmus.trial.hydra_versions import allowing
from litmus.trial.kinds import shown, words
from litmus.trial.knobs import OF_HYDRA, check_part, origin, parts_in, unknown_argument
from litmus.trial.signatures import MISSING, signature_of

# What is raised to say something to the user, and what a wrapper must let through.
SAID = (ValueError, FileNotFoundError, FloatingPointError)
MOST_NAMED = 4


def make(node: DictConfig, **given: Any) -> Any:
    """The object that a node describes, its nested ones first; `given` are arguments that no configuration holds.

    Raises:
        ValueError: for an argument of another kind than the constructor takes, or one that it refuses.
    """
    if "_target_" not in node:
        return instantiate(node)
    check_part(node)
    within = "_recursive_" not in node or node["_recursive_"]
    for name in node:
        if within and name not in given and any(parts_in(node._get_node(name))):
            given[str(name)] = _made_within(node[name])
    # What lies within is made by now; plain data that are given may describe parts that a constructor makes itself.
    called = functools.partial(instantiate, _bare(node, given), recursive=False)
    try:
        made = called(**given)
    except Exception as problem:
        raise explained(problem, node, lambda changed: called(**given, **changed)) from problem
    return Later(made, node) if isinstance(made, functools.partial) else made


def _made_within(node: Any) -> Any:
    if isinstance(node, DictConfig):
        return make(node) if "_target_" in node else {name: _made_within(node[name]) for name in node}
    return [_made_within(one) for one in node] if isinstance(node, ListConfig) else node


def _bare(node: DictConfig, given: Mapping[str, Any]) -> DictConfig:
    """The node without what is given anyhow, with its place in the configuration, where its values may come from."""
    bare = node.copy()
    bare._set_parent(node._get_parent())
    OmegaConf.set_struct(bare, False)
    for name in given:
        bare.pop(name, None)
    return bare


class Later(functools.partial[Any]):
    """A constructor that is called later, and explains then what it refuses; `called` tells whether it was."""

    made: Callable[..., Any]
    node: DictConfig
    called = False

    def __new__(cls, made: functools.partial[Any], node: DictConfig) -> "Later":
        self = super().__new__(cls, made.func, *made.args, **made.keywords)
        self.made, self.node = made, node
        return self

    def __reduce__(self) -> Any:
        return type(self), (self.made, self.node)  # a net that holds it may be copied, as averaging does

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        self.called = True
        args = tuple(list(one) if isinstance(one, Iterator) else one for one in args)  # it may be called again
        try:
            return self.made(*args, **keywords)
        except Exception as problem:
            again = lambda changed: self.made(*args, **{**keywords, **changed})  # noqa: E731
            raise explained(problem, self.node, again) from problem


def explained(problem: Exception, node: DictConfig, again: Callable[[dict[str, Any]], Any]) -> Exception:
    """The problem itself where it speaks of knobs already, else a sentence that names knob, value and what is taken.

    Args:
        problem: what the constructor raised.
        node: of the configuration, that it was called with.
        again: calls it with some of the arguments changed.
    """
    cause = innermost(problem)
    if not isinstance(cause, Exception) or _speaks_for_itself(cause):
        return cause if isinstance(cause, Exception) else problem
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(cause))
    if unknown and unknown[1] in node:
        return ValueError(unknown_argument(node, unknown[1]))
    target, said = str(node["_target_"]), " ".join(str(cause).split()) or type(cause).__name__
    values = _plain(node)
    guilty = _guilty(node, values, again) or _mentioned(values, said)
    if not guilty and not isinstance(cause, SAID):
        return cause  # a mistake in the code, not in what it was given
    if len(guilty) == 1:
        named, taken = _named(node, guilty[0], values), _taken(target, guilty[0])
        return ValueError(f"{named} is not what {target} takes{taken}: {said}")
    named = ", ".join(_named(node, name, values) for name in (guilty or _changed(target, values))[:MOST_NAMED])
    return ValueError(f"{target} cannot be made{f' with {named}' if named else ''}: {said}")


def _speaks_for_itself(cause: Exception) -> bool:
    """Whether code of this project raised it to be read."""
    frames = traceback.extract_tb(cause.__traceback__)
    file = Path(frames[-1].filename) if frames else Path()
    own = file.is_relative_to(ROOT) and "site-packages" not in file.parts
    return isinstance(cause, SAID) and (own or not frames)


def _plain(node: DictConfig) -> dict[str, Any]:
    """The arguments of a node that are values."""
    plain: Any = OmegaConf.to_container(node, resolve=True)
    return {
        str(name): value
        for name, value in plain.items()
        if name not in OF_HYDRA and not any(parts_in(node._get_node(name)))
    }


def _changed(target: str, values: Mapping[str, Any]) -> list[str]:
    """Arguments that are not as the constructor has them."""
    known = signature_of(target).parameters
    return [name for name, value in values.items() if name not in known or known[name].default != value]


def _guilty(node: DictConfig, values: Mapping[str, Any], again: Callable[[dict[str, Any]], Any]) -> list[str]:
    """The arguments each of which, put back to its default alone, would have been enough."""
    known = signature_of(str(node["_target_"])).parameters
    found = []
    for name in _changed(str(node["_target_"]), values):
        if name in known and known[name].default is not MISSING:
            try:
                again({name: known[name].default})
            except Exception:
                continue
            found.append(name)
    return found


def _mentioned(values: Mapping[str, Any], said: str) -> list[str]:
    return [name for name in values if re.search(rf"\b{re.escape(name)}\b", said)]


def _named(node: DictConfig, name: str, values: Mapping[str, Any]) -> str:
    return f"{origin(node, name)[0]}={shown(values[name])}"


def _taken(target: str, name: str) -> str:
    parameter = signature_of(target).parameters.get(name)
    if parameter is None:
        return ""
    default = "" if parameter.default is MISSING else f" such as its default {shown(parameter.default)}"
    return f" ({words(parameter.kind)}{default})"


def instantiate(node: DictConfig | Mapping[str, Any], *, recursive: bool = True, **given: Any) -> Any:
    """What a node of the configuration describes, made of plain data.

    Only what the node itself names is called: nothing that an argument names, and nothing that Hydra knows to run
    whatever it is told (os.system). Whether a stored configuration may name it is told before, by `read_stored`.

    Args:
        node: with a `_target_`, or with nodes in it that have one.
        recursive: whether nodes within it are made too.
        given: arguments that no configuration holds.
    """
    config = node if OmegaConf.is_config(node) else OmegaConf.create(dict(node))
    named = sorted({str(part["_target_"]) for part in parts_in(config)})
    with allowing(named, reset=True):
        return utils.instantiate(config, _convert_="all", **({} if recursive else {"_recursive_": False}), **given)
