"""The run whose best weights another begins from: who it is, told by its result and its file, not by its place."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from litmus.paths import typed_path

# What is typed; and what is found where `from` leads, which is part of a run's hash in its place.
TYPED = ("from", "only", "frozen")
FOUND = ("config_hash", "sha256")


def told_weights(node: Any, read: bool = True) -> dict[str, Any]:
    """The knobs `weights` as plain data, with config_hash and sha256 of the weights that they name.

    Args:
        node: the knobs, resolved; a text or null is `from` alone.
        read: whether these are looked for where they are not known yet; else they are left out.

    Raises:
        ValueError: for another kind of value, prefixes without a use, or a directory without a finished run.
    """
    knobs = dict(node) if isinstance(node, Mapping) else {"from": node}
    unknown = [name for name in knobs if name not in (*TYPED, *FOUND)]
    if unknown:
        raise ValueError(f"there is no knob weights.{unknown[0]}: expected weights=DIR, weights.only or weights.frozen")
    source = knobs.get("from")
    if source is not None and (not isinstance(source, str) or not source):
        raise ValueError(f"weights must be the directory of a finished run, or null, got {source!r}")
    told = {"from": source, **{name: _prefixes(name, knobs.get(name)) for name in ("only", "frozen")}}
    if source is None and told["only"]:
        raise ValueError("weights.only says what is taken from another run's weights: expected weights=DIR beside it")
    if source is None or not read:
        return told
    known = {name: knobs[name] for name in FOUND if knobs.get(name) is not None}
    return {**told, **(known if "sha256" in known else _identity(source))}


def with_source(config: DictConfig) -> DictConfig:
    """The configuration with what `weights` names written into it, so that its run stays what it was."""
    if config.get("weights") is None or not (told := told_weights(_plain(config)))["from"]:
        return config
    changed = config.copy()
    with open_dict(changed):
        if not isinstance(changed.weights, DictConfig):
            changed.weights = {}
        for name, value in told.items():
            if name != "from" or "from" not in changed.weights:
                changed.weights[name] = value
    return changed


def refuse_own_source(config: DictConfig, directory: Path) -> None:
    """Refuses a new run in the directory of the run that it would begin from, which it clears first.

    Raises:
        ValueError: with the way out.
    """
    if config.get("weights") is None or config.resume is not None:
        return
    source = told_weights(_plain(config), read=False)["from"]
    if source is not None and typed_path(source).resolve() == directory.resolve():
        raise ValueError(
            f"weights={source} is the directory that this run would be written to, and clear first: expected another "
            "one; name it with hydra.run.dir=…, or hydra.sweep.dir=… of a multirun"
        )


def best_weights(weights: Mapping[str, Any]) -> Path:
    """The file that a run begins from.

    Raises:
        ValueError: if it is no longer what it was when the run was described.
    """
    source = str(weights["from"])
    if _identity(source)["sha256"] != weights["sha256"]:
        raise ValueError(
            f"weights={source}: expected the weights that this run was asked to begin from, sha256 "
            f"{weights['sha256'][:16]}…, found others; another run has been there: start a new run"
        )
    return typed_path(source) / "checkpoints" / "best.ckpt"


def _plain(config: DictConfig) -> Any:
    node = config.weights
    return OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else node


def _prefixes(name: str, given: Any) -> list[str] | None:
    found = [given] if isinstance(given, str) else given
    if found is None or found == []:
        return None
    if not isinstance(found, list) or not all(isinstance(one, str) and one.strip(".") for one in found):
        raise ValueError(f"weights.{name} must be prefixes of the names of parameters, as [net.0, net.2], got {given}")
    return [one.rstrip(".") for one in found]


def _identity(source: str) -> dict[str, Any]:
    # Imported where used: whoever reads a finished run imports what describes one.
    from litmus.trial.place import refuse_sweeps

    directory = typed_path(source)
    if not directory.is_dir():
        raise ValueError(f"weights={source}: expected the directory of a finished run, found none")
    refuse_sweeps(directory)
    best = directory / "checkpoints" / "best.ckpt"
    for needed in (directory / "result.json", best):
        if not needed.is_file():
            name = needed.relative_to(directory)
            raise ValueError(f"weights={source}: expected the directory of a finished run with {name}, found none")
    stats = [path.stat() for path in (directory / "result.json", best)]
    return _identity_of(directory.resolve(), source, tuple((one.st_mtime_ns, one.st_size) for one in stats))


# A study asks for every trial; a file that was not touched is what it was.
@lru_cache(maxsize=64)
def _identity_of(directory: Path, source: str, unchanged: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    from litmus.trial.finished import read_result, weights_in

    result = read_result(directory / "result.json")
    if result["status"] != "completed":
        raise ValueError(f"weights={source}: expected a run that has completed, found one that is {result['status']}")
    found = weights_in(directory)["best.ckpt"]
    recorded = (result.get("weights") or {}).get("best.ckpt")
    if recorded not in (None, found):
        raise ValueError(
            f"weights={source}: expected the weights that the run ended with, sha256 {recorded[:16]}…, found "
            f"{found[:16]}…; they are damaged or another run's: run it again"
        )
    return {"config_hash": result.get("config_hash"), "sha256": found}
