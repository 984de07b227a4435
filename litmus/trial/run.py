"""The course of one trial, from parts that are built to files that are whole."""

import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.signature_utils import is_param_in_hook_signature
from rich.console import Console
from rich.table import Table

from litmus.atomic import write_json
from litmus.contract import batch_sizes_of
from litmus.legible import read_object
from litmus.paths import typed_directory
from litmus.quiet import silence_lightning
from litmus.tasks.task import Task
from litmus.training.averaging import averaging_of
from litmus.training.overridden import overridden
from litmus.trial import devices
from litmus.trial.callbacks import Brought, refuse_callbacks, refuse_elsewhere
from litmus.trial.checkpoint import BestAndLast
from litmus.trial.command_line import sentence
from litmus.trial.course import numerics
from litmus.trial.curves import draw_curves
from litmus.trial.description import flat, identified
from litmus.trial.finished import is_tested, test_metrics, weights_in
from litmus.trial.history import History
from litmus.trial.memory import limit, limits_in, next_limit
from litmus.trial.movement import Movement
from litmus.trial.parts import Parts
from litmus.trial.processes import listen, one_story, own_rank
from litmus.trial.record import hardware, load, recorded
from litmus.trial.tail import Tail
from litmus.words import count, metric_text

# A best loss of so many times that of the best constant prediction is no loss of a net that still learns.
LOST = 1e6
# How the best constant prediction is called beside a net's.
SAYS = {"acc": "accuracy of the majority class", "mae": "mean absolute error of the best constant"}


def run(
    build: Callable[[], Parts],
    directory: Path,
    description: dict[str, Any],
    *,
    resume: bool = False,
    brief: bool = False,
    quiet: bool = False,
) -> float | None:
    """Fits, tests with the weights that were best on validation, and leaves result.json whatever happens.

    Args:
        build: makes data, model and trainer.
        directory: where everything goes.
        description: of the run, see `describe`.
        resume: goes on from `checkpoints/last.ckpt` if there is one.
        brief: one line instead of a table at the end.
        quiet: no word and no picture at the end: a study or a search speaks for its trials.

    Returns:
        The best value of the monitored metric.
    """
    silence_lightning()
    if resume:  # before anything is written: the earlier result stays what it was
        refuse_damaged(directory / "checkpoints" / "last.ckpt")
    earlier = read_object(directory / "result.json") if resume else {}
    path = (earlier.get("counters") or {}).get("path")
    parts: Parts | None = None
    tested: dict[str, float] = {}
    loggers: list[Logger] = []

    def reached() -> dict[str, Any] | None:
        refused = parts is None or parts.trainer.global_step == 0
        if resume and refused and (directory / "result.json").exists():
            return None  # it did not go on: what it had reached stands
        found = outcome(parts, tested, directory) if parts is None or parts.trainer.is_global_zero else None
        if found and found["counters"].get("path", "") is None:  # nothing was left to be trained
            found["counters"]["path"] = path
        if found and "tail" in found:
            found["tail"] = with_tests(found["tail"], earlier.get("tail") or {})
        if found and earlier.get("weights") != weights_in(directory):  # of other weights than these
            (directory / "predictions.csv").unlink(missing_ok=True)
        return found

    def several() -> bool:
        return parts is not None and parts.trainer.world_size > 1

    def rank() -> int:
        return own_rank() if parts is None else parts.trainer.global_rank

    def last_words(problem: Exception) -> None:
        error, so_far = f"{type(problem).__name__}: {problem}", reached() or {}
        who = identified(description, so_far.get("numerics"))
        write_json(directory / "result.json", {"status": "failed", "error": error, **so_far, **who})
        print(sentence(problem), file=sys.stderr, flush=True)

    with recorded(directory, description, reached, loggers) as result, one_story(directory, rank, several):
        parts = build()
        if several() and rank() == 0:
            listen(directory, last_words)
        asked = description["config"]["trainer"]
        told = None if quiet or brief else devices.told(asked, parts.data, parts.model, parts.trainer)
        if told and rank() == 0:
            print(told, flush=True)
        loggers += parts.trainer.loggers
        for logger in loggers:
            logger.log_hyperparams(flat(description["config"]))
        while (again := fit(build, parts, directory, resume)) is not None:
            parts, resume = again, True
        tested = test(parts)
    if (tail := callback_of(parts.trainer, Tail)) is not None and parts.trainer.is_global_zero:
        tail.clear()  # not before the result is whole: a test that was cut is made again
    if parts.trainer.is_global_zero and not quiet:
        checkpoint = callback_of(parts.trainer, BestAndLast)
        best_epoch = None if checkpoint is None else checkpoint.best_epoch
        if (directory / "metrics.csv").exists():
            draw_curves(
                directory / "metrics.csv",
                directory / "curves.png",
                best_epoch,
                tested,
                result["baseline"].get("test", {}).get("acc"),
                title_of(result["data"], description["config"]),
            )
        report(result, directory, brief)
        return None if checkpoint is None else checkpoint.best_score
    return None


def with_tests(tail: Mapping[str, list[float]], earlier: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """The tail with an earlier result's tests of the same epochs, whose weights are gone since, where it has fewer."""
    lost = {
        name: values for name, values in earlier.items() if is_tested(name) and len(tail.get(name, ())) < len(values)
    }
    return {**tail, **lost}


def title_of(data: dict[str, Any], config: dict[str, Any]) -> str:
    """The run in a few words: mnist1d · MLP · seed 0."""
    model = str(config["model"]["_target_"]).rpartition(".")[2]
    return " · ".join([*([data["name"]] if "name" in data else []), model, f"seed {config['seed']}"])


def fit(build: Callable[[], Parts], parts: Parts, directory: Path, resume: bool) -> Parts | None:
    """Fits, from the last checkpoint if resuming; where memory runs out, the parts to go on with instead."""
    data, model, trainer, task = parts
    refuse_callbacks(trainer.callbacks)
    refuse_elsewhere(trainer.callbacks, directory)
    refuse_several_loaders(data, model)
    trainer.callbacks.insert(0, movement := Movement())
    trainer.callbacks.insert(0, Brought(trainer.callbacks, directory, task.higher_is_better if task else {}))
    last = directory / "checkpoints" / "last.ckpt"
    if resume:
        limit(trainer, limits_in(last, trainer))
    elif trainer.is_global_zero:
        last.unlink(missing_ok=True)  # an earlier run's here: this one must not go on from it
    start = str(last) if resume and last.exists() else None
    try:
        trainer.fit(model, datamodule=data, ckpt_path=start, weights_only=True if start else None)
    except RuntimeError as problem:
        limits = next_limit(problem, trainer, model)
    else:
        if trainer.interrupted:
            raise KeyboardInterrupt
        movement.refuse_idle(trainer)
        if (checkpoint := callback_of(trainer, BestAndLast)) is not None:
            checkpoint.refuse_unjudged()
            refuse_lost(checkpoint, data, task)
        return None
    again = build()._replace(data=data)
    again.trainer.loggers = trainer.loggers
    limit(again.trainer, limits)
    return again


def refuse_several_loaders(data: Any, model: pl.LightningModule) -> None:
    """Refuses several loaders of a split for a step that is not told which one a batch is from.

    Raises:
        ValueError: before training; Lightning says it after the first epoch, or the last.
    """
    for split, step in (("val", "validation_step"), ("test", "test_step")):
        told = is_param_in_hook_signature(getattr(model, step), "dataloader_idx", min_args=3)
        if split in getattr(data, "several", ()) and not told and overridden(model, (step,), pl.LightningModule):
            raise ValueError(
                f"{data.name}.{split}_dataloader gives several loaders, and {type(model).__name__}.{step} takes no "
                "dataloader_idx: give one loader, or a step of your own the argument `dataloader_idx=0`"
            )


def refuse_lost(checkpoint: BestAndLast, data: Any, task: Task | None) -> None:
    """Refuses a fit whose best epoch is `LOST` times worse than guessing: kept finite by a norm, and lost all the same.

    A real target may lie a million deviations from where a fresh net's outputs lie, and is let pass.

    Raises:
        FloatingPointError: naming both losses.
    """
    best = checkpoint.best_score
    if task is None or task.kind == "real" or checkpoint.monitor not in ("val/loss", "train/loss") or best is None:
        return
    if best > LOST and best > LOST * (guess := baseline(data, task).get("train", {}).get("loss", math.inf)):
        raise FloatingPointError(
            f"{checkpoint.monitor} is {best:.3g} at best, over a million times what guessing gives ({guess:.3g}): the "
            "run has diverged; a smaller lr, trainer.gradient_clip_val=1 or inputs of a smaller scale may help"
        )


def test(parts: Parts) -> dict[str, float]:
    """Tests once with the weights that were best on validation; the test metrics, empty without a test set."""
    data, model, trainer, _ = parts
    if "test" not in getattr(data, "splits", {"test": None}) or not has_test(model):
        return {}
    checkpoint = callback_of(trainer, BestAndLast)
    if (tail := callback_of(trainer, Tail)) is not None:
        tail.test(trainer, model, data)
    callbacks = trainer.callbacks
    if checkpoint is None:
        trainer.test(model, datamodule=data, verbose=False)
    else:
        checkpoint.test(trainer, model, data)
    trainer.callbacks = callbacks  # a module may have brought others, which have seen no fit
    return test_metrics(trainer)


def has_test(model: pl.LightningModule) -> bool:
    """Whether a module of anybody's can be tested at all."""
    return overridden(model, ("test_step",), pl.LightningModule) is not None


def baseline(data: Any, task: Task | None) -> dict[str, dict[str, float]]:
    """Loss and mean, by split, of whoever always says what is best for the training's targets; empty if unknown."""
    splits = getattr(data, "splits", None) or {}
    targets = {name: y for name, (_, y) in splits.items() if y is not None}  # of some, nobody can tell
    return task.baseline(targets) if task is not None and "train" in targets else {}


def own_unit(metrics: dict[str, float], data: dict[str, Any]) -> dict[str, float]:
    """Errors of a real target in its own unit, where the run measured them in standard deviations of the train rows."""
    deviation = (data.get("target_scale") or {}).get("deviation", ())
    errors = {name: value for name, value in metrics.items() if name.rpartition("/")[2] in ("mae", "rmse")}
    return {name: value * deviation[0] for name, value in errors.items()} if len(deviation) == 1 else {}


def outcome(parts: Parts | None, tested: dict[str, float], directory: Path | None = None) -> dict[str, Any]:
    """Metrics at the best epoch, counters, data and hardware, as far as the run got."""
    if parts is None:
        empty: dict[str, Any] = {"metrics": {}, "best_epoch": None, "counters": {}, "data": {}, "hardware": {}}
        return {**empty, "task": None, "baseline": {}}
    data, model, trainer, task = parts
    checkpoint, history = callback_of(trainer, BestAndLast), callback_of(trainer, History)
    metrics = {} if checkpoint is None else dict(checkpoint.best_metrics)
    counters: dict[str, Any] = {"params": sum(parameter.numel() for parameter in model.parameters())}
    if history is not None:
        counters |= {"epochs": history.epochs, "updates": trainer.global_step}
        counters |= {"samples": history.samples, "seconds": history.seconds, "path": getattr(model, "path", "steps")}
    scheduler = batch_sizes_of(trainer)
    if scheduler is not None and scheduler.out_of_memory:
        counters["oom"] = scheduler.out_of_memory
    averaging, tail = averaging_of(trainer), callback_of(trainer, Tail)
    described = data.describe() if hasattr(data, "describe") and getattr(data, "splits", True) else {}
    errors = own_unit(metrics | tested, described)
    return {
        "metrics": metrics | tested,
        **({"own_unit": errors} if errors else {}),
        "best_epoch": None if checkpoint is None else checkpoint.best_epoch,
        "counters": counters,
        "data": described,
        "task": None if task is None else {**task.plain(), "higher_is_better": task.higher_is_better},
        "baseline": baseline(data, task),
        **({} if averaging is None else {"average": averaging.described()}),
        **({} if tail is None or directory is None else {"tail": tail.described(directory / "metrics.csv")}),
        "hardware": hardware(trainer),
        "load": load(),
        "numerics": numerics(trainer),
    }


def report(result: dict[str, Any], directory: Path, brief: bool) -> None:
    """Prints the result: a line in a sweep, else a table."""
    metrics = result["metrics"]
    if brief:
        words = [*result["overrides"], *(f"{name} {metric_text(value)}" for name, value in _shown(metrics).items())]
        print(" · ".join(words), flush=True)
        return
    console = Console()
    console.print(test_table(metrics, result["data"], result["baseline"]))
    facts = [count(result["counters"]["params"], "parameter")]
    if "epochs" in result["counters"]:
        facts += [
            count(result["counters"]["epochs"], "epoch"),
            count(result["counters"]["updates"], "update"),
            f"{result['counters']['seconds']:.1f} s of fit",
        ]
    if result["best_epoch"] is not None:
        facts.append(_judged(result["best_epoch"], result.get("average")))
    console.print(" · ".join(facts), soft_wrap=True, highlight=False)
    console.print(os.path.relpath(directory, typed_directory()), soft_wrap=True, highlight=False)


def _judged(epoch: int, average: dict[str, Any] | None) -> str:
    """Which weights the result is of."""
    if average is not None and "averaged_updates" in average:
        return f"mean of the weights after each of the last {count(average['averaged_updates'], 'update')}"
    return f"{'averaged ' if average else ''}weights of epoch {epoch + 1}, best on validation"


def test_table(metrics: dict[str, float], data: dict[str, Any], constant: dict[str, dict[str, float]]) -> Table:
    """The test metrics (the validation's where nothing was tested) beside the constant predictor's."""
    table = Table()
    table.add_column(data.get("name", "metric"))
    table.add_column("value", justify="right")
    shown = _shown(metrics)
    for name, value in shown.items():
        table.add_row(name, metric_text(value))
    for name, value in own_unit(shown, data).items():
        table.add_row(f"{name} in the target's unit", f"{value:.6g}")
    known = constant.get("test" if any(map(is_tested, shown)) else "val", {})
    for name, words in SAYS.items():
        if name in known:
            table.add_row(words, metric_text(known[name]), style="dim")
    return table


def _shown(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if is_tested(name)} or metrics


def refuse_damaged(checkpoint: Path) -> None:
    """Refuses a checkpoint that a full disk or a copy has cut."""
    # A checkpoint is a zip file, whose directory comes last: a cut one has none.
    if checkpoint.exists() and not is_zipfile(checkpoint):
        raise ValueError(
            f"{checkpoint}: expected a whole checkpoint, found {count(checkpoint.stat().st_size, 'damaged byte')}; put "
            "a good copy there, or delete it to run from the beginning"
        )


def callback_of(trainer: pl.Trainer, kind: type) -> Any:
    """The trainer's callback of a kind, None without one."""
    return next((callback for callback in trainer.callbacks if isinstance(callback, kind)), None)  # type: ignore[attr-defined]
