"""A finished run as its directory tells it, checked before anything is made of it or written there."""

import hashlib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from litmus.legible import read_json
from litmus.trial.command_line import RESUMABLE
from litmus.trial.identity import NOT_IN_HASH, as_today
from litmus.trial.place import refuse_sweeps
from litmus.trial.stored import read_stored

# What an earlier or later start of the same run may have otherwise, but for what `RESUMABLE` lets it change.
ELSEWHERE = (*NOT_IN_HASH, "data.data_dir")


class Finished(NamedTuple):
    """`result` is the content of result.json, `config` the stored configuration, of which nothing has been made."""

    result: dict[str, Any]
    config: DictConfig

    @property
    def tested(self) -> dict[str, float | None]:
        """The test metrics that were recorded; None where one was not finite."""
        return {name: value for name, value in self.result["metrics"].items() if is_tested(name)}

    @property
    def threads(self) -> int | None:
        """The threads that the numbers were computed with."""
        threads = (self.result.get("numerics") or {}).get("threads") or (self.result.get("hardware") or {}).get(
            "threads"
        )
        return threads if isinstance(threads, int) and threads > 0 else None

    @property
    def device(self) -> str | None:
        """The kind of device that the numbers were computed on."""
        found = (self.result.get("numerics") or {}).get("device")
        return found if isinstance(found, str) else None


def is_tested(metric: str) -> bool:
    """Whether a metric is one of the test, by its name: test/loss here, test_loss or another in anybody's module."""
    return re.match(r"test[^a-z0-9]", metric) is not None


def test_metrics(trainer: Any) -> dict[str, float]:
    """What the trainer's test measured; what a module logs there under another name stands as test/NAME."""
    metrics = trainer.callback_metrics
    return {name if is_tested(name) else f"test/{name}": float(value) for name, value in metrics.items()}


def read_finished(directory: Path, trust: bool = False) -> Finished:
    """The run in `directory`, if it ran to its end and left its configuration, its result and its weights.

    Raises:
        ValueError: for whatever is missing, damaged or of another run.
    """
    if not directory.is_dir():
        raise ValueError(f"{directory}: expected the directory of a finished run, found none")
    refuse_sweeps(directory)
    for needed in (".hydra/config.yaml", "result.json"):
        if not (directory / needed).is_file():
            raise ValueError(f"{directory}: expected the directory of a finished run with {needed}, found none")
    result = read_result(directory / "result.json")
    if result["status"] != "completed":
        told = f": {result['error']}" if result.get("error") not in (None, result["status"]) else ""
        raise ValueError(f"{directory}: expected a run that has completed, found one that is {result['status']}{told}")
    config = read_stored(directory, trust)
    recorded_config = as_today(result["config"])
    difference = next(differences(as_run(config, recorded_config), recorded_config), None)
    if difference is not None:
        knob, stored, recorded = difference
        raise ValueError(
            f"{directory}: .hydra/config.yaml has {knob}={stored}, result.json {recorded}: they are of different runs; "
            "run it again in a directory of its own"
        )
    finished = Finished(result, config)
    if not finished.tested:
        raise ValueError(f"{directory}: {_untested(result)}")
    if not (directory / "checkpoints" / "best.ckpt").is_file():
        raise ValueError(
            f"{directory}: expected the directory of a finished run with checkpoints/best.ckpt, found none"
        )
    return finished


def read_result(path: Path) -> dict[str, Any]:
    """The content of a whole result.json.

    Raises:
        ValueError: for a damaged one, or another file.
    """
    try:
        result = read_json(path)
    except (OSError, ValueError) as problem:
        raise ValueError(f"{path}: expected the result of a run, found a damaged file: {problem}") from None
    parts = {"metrics": dict, "config": dict, "status": str}
    wrong = [
        part for part, kind in parts.items() if not isinstance(result, dict) or not isinstance(result.get(part), kind)
    ]
    if wrong:
        raise ValueError(f"{path}: expected the result of a run, found no {wrong[0]} in it; run it again")
    return dict(result)


def weights_in(directory: Path) -> dict[str, str]:
    """File → sha256 of the weights with which a run has ended, so that others are not taken for them."""
    best = directory / "checkpoints" / "best.ckpt"
    if not best.is_file():
        return {}
    with best.open("rb") as file:
        return {best.name: hashlib.file_digest(file, "sha256").hexdigest()}


def _untested(result: dict[str, Any]) -> str:
    data = result.get("data") or {}
    if data.get("sizes") and "test" not in data["sizes"]:
        return f"this split of {data.get('name')} has no test set; its result.json has the validation's metrics"
    return (
        "result.json has no test metrics, so there is nothing that a test could be compared with: its model has no "
        "test_step, or the file was changed; run it again"
    )


def as_run(config: DictConfig, recorded: dict[str, Any]) -> DictConfig:
    """The stored configuration with what the run was gone on with: a longer run keeps the one it began with."""
    changed = config.copy()
    OmegaConf.set_struct(changed, False)
    for knob in RESUMABLE:
        value: Any = recorded
        for name in knob.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None and OmegaConf.select(changed, knob.rpartition(".")[0] or "epochs") is not None:
            OmegaConf.update(changed, knob, value)
    changed.output_dir, changed.resume = ".", None
    return changed


def differences(stored: Any, recorded: Any, knob: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(knob, stored value, recorded value) of all that was recorded and is not stored so."""
    if knob in ELSEWHERE:
        return
    if isinstance(stored, DictConfig) and isinstance(recorded, dict):
        names = {str(name): name for name in stored}  # JSON has no names but texts
        for name, value in recorded.items():
            inner = f"{knob}.{name}" if knob else name
            if name not in names and inner not in ELSEWHERE:
                yield inner, "nothing", value
            elif name in names and _is_resolved(stored, names[name]):
                yield from differences(stored[names[name]], value, inner)
    elif isinstance(stored, ListConfig) and isinstance(recorded, list) and len(stored) == len(recorded):
        for place, value in enumerate(recorded):
            yield from differences(stored[place], value, knob)
    elif not _equal(stored, recorded):
        yield knob, stored, recorded


def _is_resolved(node: DictConfig, name: Any) -> bool:
    # Some values, as the file that was chosen for a group, only the running command knows.
    try:
        node[name]
    except (OmegaConfBaseException, ValueError):
        return False
    return True


def _equal(stored: Any, recorded: Any) -> bool:
    if isinstance(stored, float) and not math.isfinite(stored):
        return recorded is None  # as JSON has it
    return bool(stored == recorded) or (not isinstance(stored, int | float) and str(stored) == str(recorded))
