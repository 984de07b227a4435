"""The laws that every run keeps, put to the parts that somebody's overrides choose, by tiny runs of them on the CPU."""

import inspect
import math
import os
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.trainer import call
from torch import Tensor
from torch.utils.data import DataLoader

from litmus.python import composed, run_with
from litmus.quiet import silence_lightning
from litmus.records.record import Record, read_record
from litmus.training.array_data_module import ArrayDataModule
from litmus.training.batches import Share, Size, pair
from litmus.training.direct_step import unchanged
from litmus.training.learner import Learner
from litmus.training.overridden import between_updates, overridden
from litmus.training.plain import class_of
from litmus.training.stretches import reason_for_single_steps
from litmus.trial.again import compared, loaded, tested
from litmus.trial.command_line import sentence
from litmus.trial.finished import read_finished
from litmus.trial.knobs import check_knobs
from litmus.trial.overriding import OF_DATA, unread_in
from litmus.trial.parts import Parts, build
from litmus.trial.readers import UnreadError
from litmus.words import plain

# The same run, in a process of its own: where and what, without a word.
ELSEWHERE = """
import sys
from litmus.quiet import silence_lightning
silence_lightning()
from litmus.python import run_with
run_with(sys.argv[2:], sys.argv[1], quiet=True)
"""
EPOCHS, UPDATES, FALLS, SAMPLES = 3, 3, 60, 32
HELD, BROKEN, BESIDE = "held", "broken", "not applicable"


class BrokenError(Exception):
    """A law that does not hold: what was found, and what to do."""


class NotApplicableError(Exception):
    """A law that says nothing of these parts, or that another broken one leaves open."""


@dataclass(frozen=True)
class Outcome:
    """Of one law: held, broken or not applicable, and why."""

    law: str
    state: str
    told: str


@dataclass
class Seen:
    """A tiny run, and what was seen of it from inside: its parts, and how often Lightning called each hook."""

    record: Record
    parts: Parts
    hooks: Counter[str]
    stretches: bool

    def weights(self, name: str = "last") -> dict[str, Any]:
        """A checkpoint of the run, empty where it keeps none."""
        path = self.record.directory / "checkpoints" / f"{name}.ckpt"
        return torch.load(path, map_location="cpu", weights_only=True) if path.is_file() else {}


class Watch(pl.Callback):
    """Notes at a fit's end whether stretches were taken, and cuts it as epoch `cut` begins."""

    def __init__(self, cut: int | None) -> None:
        self.cut, self.stretches = cut, False

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == self.cut:
            raise InterruptedError

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.stretches = isinstance(pl_module, Learner) and pl_module.single_step_reason is None


class EachUpdate(pl.Callback):
    """Acts between updates, so that each must be a step of the trainer's own."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        pass


class Losses(pl.Callback):
    """Keeps the loss of each update, which all draw the same from the global generator."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        torch.manual_seed(0)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor):
            self.seen.append(float(loss.detach()))


@dataclass
class Case:
    """What somebody's overrides choose, and the tiny runs of it that laws share, each made when it is asked for."""

    overrides: Sequence[str]
    place: Path
    processes: bool = True
    broken: list[str] = field(default_factory=list)

    @cached_property
    def short(self) -> list[str]:
        """The overrides of a tiny run: three epochs of three updates beyond the warm-up, whose checkpoints are kept."""
        with composed(self.overrides, self.place / "composed") as config:
            self.seed = int(config.seed)
            epochs = EPOCHS + math.ceil((config.scheduler or {}).get("warmup") or 0)
            batching = config.batching or {}
            found = [f"epochs={epochs}", "threads=1", "trainer.accelerator=cpu"]
            found += [f"trainer.{knob}={one}" for knob, one in (("devices", 1), ("strategy", "auto"))]
            found += ["logger=[csv]"] * any(one in (config.get("logger") or {}) for one in ("wandb", "mlflow"))
            found += ["callbacks.tail.least=1"] * ("tail" in (config.callbacks or {}))
            found += ["callbacks.checkpoint.share=1"] * ("checkpoint" in (config.callbacks or {}))
            if "updates_per_epoch" in config.data and _reads_updates(config):
                found.append(f"updates_per_epoch={UPDATES}")
            elif batching.get("schedule") == "fixed" and batching.get("max_per_device") is None:
                found.append(f"trainer.limit_train_batches={UPDATES}")
        self.epochs = epochs
        return [*self.overrides, *found]

    def run(self, name: str, *more: str, cut: int | None = None, spies: Sequence[pl.Callback] = ()) -> Seen:
        """A run in a directory of this name; raises what it raises."""
        watch, parts = Watch(cut), []

        def watched(built: Parts) -> Parts:
            built.trainer.callbacks[:0] = [watch, *spies]
            parts.append(built)
            return built

        resumed = any(one.startswith("resume=") for one in more)
        overrides = [*more, "trust=true"] if resumed else [*self.short, *more]
        with counted_hooks() as hooks:
            record = run_with(overrides, self.place / name, quiet=True, changed=watched)
        return Seen(record, parts[-1], hooks, watch.stretches)

    @cached_property
    def whole(self) -> Seen:
        """The run that others are held against."""
        return self.run("whole")

    @cached_property
    def each_update(self) -> Seen:
        """The same run on the ordinary path."""
        return self.run("each", spies=[EachUpdate()])

    @contextmanager
    def built(self, *more: str) -> Iterator[Parts]:
        """The parts of a tiny run that is not run."""
        with composed([*self.short, *more], self.place / "built") as config:
            yield build(config)


@contextmanager
def counted_hooks() -> Iterator[Counter[str]]:
    """How often Lightning calls each hook of callbacks and of the module."""
    calls: Counter[str] = Counter()
    names = ("_call_callback_hooks", "_call_lightning_module_hook")
    before = {name: getattr(call, name) for name in names}

    def counting(name: str) -> Callable[..., Any]:
        def counted(trainer: pl.Trainer, hook_name: str, *arguments: Any, **keywords: Any) -> Any:
            calls[f"{'callback' if 'callback' in name else 'module'} {hook_name}"] += 1
            return before[name](trainer, hook_name, *arguments, **keywords)

        return counted

    for name in names:
        setattr(call, name, counting(name))
    try:
        yield calls
    finally:
        for name in names:
            setattr(call, name, before[name])


# ---------------------------------------------------------------------- the laws


def composes(case: Case) -> str:
    """The overrides make data, a model and a trainer."""
    with composed(case.overrides, case.place / "composed") as config:
        check_knobs(config)
        try:
            parts = build(config)
        except UnreadError:  # another law's
            return ""
    return f"{type(parts.model).__name__} on {type(getattr(parts.data, 'module', parts.data)).__name__}"


def knobs_are_read(case: Case) -> str:
    """What was typed, the seed and the rate have readers."""
    with composed(case.overrides, case.place / "composed") as config:
        build(config)
    return ""


def trains(case: Case) -> str:
    """A tiny run comes to its end, and its updates change the weights."""
    return f"{case.whole.parts.trainer.global_step} updates"


def loss_falls(case: Case) -> str:
    """The loss of a few samples falls when nothing else is learned; each update draws the same."""
    losses = Losses()
    with case.built() as (data, model, *_):
        if isinstance(model, Learner):
            model.make_scheduler = None
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator="cpu",
            callbacks=[losses],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        data.trainer = trainer  # which its set-up may ask
        data.prepare_data()
        data.setup("fit")
        batches: Any = [_first(next(iter(data.train_dataloader())), SAMPLES)] * FALLS
        try:
            trainer.fit(model, DataLoader(batches, batch_size=None))
        except Exception:
            if len(losses.seen) < FALLS:  # else it only missed a metric at the end
                raise
    if not losses.seen:
        raise NotApplicableError("its training_step returns no loss")
    first, last = losses.seen[0], sum(losses.seen[-5:]) / 5
    told = f"{plain(first)} → {plain(last)} in {FALLS} updates on the same {SAMPLES} samples"
    if not last < first:
        raise BrokenError(f"the loss went {told}; look at its sign, at the learning rate, and at what is trained")
    return told


def same_bits(case: Case) -> str:
    """Two runs of one seed have the same weights, optimizer and metrics."""
    _same(case.whole, case.run("again"), "a second run of the same seed")
    return ""


def same_bits_elsewhere(case: Case) -> str:
    """A process whose sets have another order, and whose modules begin anew, computes the same."""
    if not case.processes:
        raise NotApplicableError("no other process was asked for")
    _refuse_after(case, "the same bits twice")
    place = case.place / "elsewhere"
    hashes = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(place), *case.short],
        env={**os.environ, "PYTHONHASHSEED": hashes},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise BrokenError(f"in a process of its own the run failed: {said}")
    there = Seen(read_record(place), case.whole.parts, Counter(), case.whole.stretches)
    difference = _difference(case.whole, there)
    if difference is not None:
        raise BrokenError(
            f"a run in another process has other {difference}: sort what comes out of a set, and keep nothing in a "
            "module that a run changes"
        )
    return ""


def seeds_differ(case: Case) -> str:
    """Runs of two seeds do not."""
    _refuse_after(case, "the same bits twice")
    other = case.run("other", f"seed={case.seed + 1}")
    if _difference(case.whole, other) is None:
        raise BrokenError(
            f"seeds {case.seed} and {case.seed + 1} gave the same weights and metrics: nothing may seed the global "
            "generators but the run, and data must take the seed"
        )
    return ""


def order_is_free_of_batch_size(case: Case) -> str:
    """The samples of an epoch come in an order that another batch size leaves as it is."""
    if not isinstance(case.whole.parts.data, ArrayDataModule):
        raise NotApplicableError("data with loaders of their own promise none; result.json says so")
    seen = []
    for size in (6, 4):
        with case.built(*_no_augment(case)) as (data, *_):
            data.batch_size = size  # as batching sets it
            data.setup("fit")
            batches = [pair(batch) for batch in data.train_dataloader()]
            seen.append([torch.cat([batch[part] for batch in batches]) for part in (0, 1)])
    samples = min(len(seen[0][1]), len(seen[1][1]))
    if any(not torch.equal(one[:samples], other[:samples]) for one, other in zip(*seen, strict=True)):
        raise BrokenError(
            "with another batch_size the samples came in another order; leave train_dataloader to ArrayDataModule, "
            "whose order is a function of the seed and the pass alone"
        )
    return ""


def resumed_is_whole(case: Case) -> str:
    """A run that was cut and gone on with ends as the whole one does."""
    _refuse_after(case, "the same bits twice")
    if not case.whole.weights():
        raise NotApplicableError("no checkpoint is kept")
    try:
        case.run("cut", cut=case.epochs - 1)
    except InterruptedError:
        pass
    else:
        raise NotApplicableError(f"it ended before epoch {case.epochs}")
    resumed = case.run("cut", f"resume={case.place / 'cut'}")
    _same(case.whole, resumed, "the run that was cut and gone on with")
    return ""


def both_paths(case: Case) -> str:
    """Stretches of updates and Lightning's own steps give the same weights."""
    _refuse_after(case, "the same bits twice")
    if not case.whole.stretches:
        raise NotApplicableError("each update is a step of the trainer's own")
    _same(case.whole, case.each_update, "the ordinary path", "state_dict")
    return ""


def rebuilds_alone(case: Case) -> str:
    """A checkpoint holds nothing but tensors and plain data, and makes its net without a configuration."""
    checkpoint, model = case.whole.weights("best"), case.whole.parts.model
    if not checkpoint:
        raise NotApplicableError("no checkpoint is kept")
    needed = [name for name, one in inspect.signature(type(model)).parameters.items() if one.default is one.empty]
    if given := [name for name in needed if name in ("optimizer", "scheduler", "task")]:
        raise NotApplicableError(f"its constructor needs {' and '.join(given)}, which no checkpoint holds")
    path = case.whole.record.directory / "checkpoints" / "best.ckpt"
    try:
        rebuilt = type(model).load_from_checkpoint(path, map_location="cpu", weights_only=True)
    except Exception as problem:
        raise BrokenError(
            f"{type(model).__name__}.load_from_checkpoint(best.ckpt): {sentence(problem)}; call "
            "self.save_hyperparameters() in its constructor, whose arguments must be plain data"
        ) from problem
    if not _equal(dict(rebuilt.state_dict()), checkpoint["state_dict"]):
        raise BrokenError("the net that a checkpoint builds has other weights than it; look at its load_state_dict")
    return ""


def evaluates_the_same(case: Case) -> str:
    """The test is repeated to the last bit from the run's directory."""
    _refuse_after(case, "the same bits twice")
    directory = case.whole.record.directory
    if not any(name.startswith("test") for name in case.whole.record.summary):
        raise NotApplicableError("nothing is tested: no test set, or no test_step")
    finished = read_finished(directory, trust=True)
    parts, _ = loaded(directory, finished)
    _, differing = compared(tested(parts, finished)[0], finished.tested)
    if differing:
        raise BrokenError(
            f"tested again, {differing}; a test may not follow what training left behind, nor draw from generators of "
            "its own"
        )
    return ""


def samples_are_alone(case: Case) -> str:
    """In eval mode the outputs of a sample are its own."""
    data, model, *_ = case.whole.parts
    data.prepare_data()  # the run may have torn them down
    data.setup("fit")
    loaders = data.val_dataloader()
    try:
        x = pair(next(iter(loaders)))[0][:6]
        with torch.no_grad():
            together = model.eval()(x)
            alone = torch.cat([model(x[place : place + 1]) for place in range(len(x))])
    except Exception as problem:
        raise NotApplicableError("its forward takes no inputs alone") from problem
    if not isinstance(together, Tensor) or together.shape != alone.shape:
        raise NotApplicableError("its forward gives no row for each sample")
    scale = float(together.abs().max()) or 1.0
    if not torch.allclose(together, alone, rtol=1e-3, atol=1e-4 * scale):
        raise BrokenError(
            f"in eval mode the outputs of a sample differ by {plain(float((together - alone).abs().max()))} with those "
            "beside it in the batch; statistics of a batch belong into training"
        )
    return ""


def hooks_are_called(case: Case) -> str:
    """Whoever acts between updates sees each of them, on both paths."""
    whole, trainer = case.whole, case.whole.parts.trainer
    if not whole.stretches:
        return "each update is a step of the trainer's own"
    model = whole.parts.model
    found = {f"module {name}" for name in between_updates(pl.LightningModule) if overridden(model, (name,), Learner)}
    for one in trainer.callbacks:
        own = [name for name in between_updates(pl.Callback) if overridden(one, (name,), pl.Callback)]
        trainer_of_one = _OneCallback(trainer, one)
        if own and reason_for_single_steps(trainer_of_one, model, type(model)) is not None:
            found |= {f"callback {name}" for name in own}
    for name in sorted(found):
        here, there = whole.hooks[name], case.each_update.hooks[name]
        if here != there:
            raise BrokenError(
                f"the {name} was called {here} times, and {there} times on the ordinary path: it was not there when "
                "training was set up; define it in the class"
            )
    return ""


def baseline_is_said(case: Case) -> str:
    """result.json has what a constant answer scores, beside what the net does."""
    content = case.whole.record.content
    if content.get("task") is None or "train" not in ((content.get("data") or {}).get("sizes") or {}):
        raise NotApplicableError("nobody can tell what a constant answer would score")
    split = next((one for one in ("test", "val") if f"{one}/loss" in case.whole.record.summary), "val")
    constant = (content.get("baseline") or {}).get(split)
    if not constant or not all(isinstance(one, int | float) and math.isfinite(one) for one in constant.values()):
        raise BrokenError(
            f"result.json has the baseline {constant} for {split}: the task's `constant` must give finite outputs"
        )
    loss = case.whole.record.summary.get(f"{split}/loss", math.nan)
    word = "beaten" if loss < constant["loss"] else "not beaten yet"
    return f"{word}: {split} loss {plain(loss)}, of a constant {plain(constant['loss'])}"


# What holds · its law; where one of the first three is broken, nothing else can be said.
FIRST = 3
LAWS: tuple[tuple[str, Callable[[Case], str]], ...] = (
    ("composes", composes),
    ("every knob is read", knobs_are_read),
    ("trains, and the weights move", trains),
    (f"the loss falls on {SAMPLES} samples", loss_falls),
    ("the same bits twice", same_bits),
    ("the same bits in another process", same_bits_elsewhere),
    ("another seed differs", seeds_differ),
    ("the order does not depend on the batch size", order_is_free_of_batch_size),
    ("cut and resumed = whole", resumed_is_whole),
    ("both paths give the same bits", both_paths),
    ("a checkpoint loads as weights only and rebuilds alone", rebuilds_alone),
    ("evaluate.py repeats the test", evaluates_the_same),
    ("those beside it in a batch do not matter to a sample", samples_are_alone),
    ("hooks are called as often as by Lightning", hooks_are_called),
    ("the baseline is beaten, or said", baseline_is_said),
)


def check(overrides: Sequence[str], place: Path, processes: bool = True) -> Iterator[Outcome]:
    """What became of each law, in their order; runs lie below `place`.

    Args:
        processes: whether another process may be started, which takes seconds; the law that asks for one is not
            applicable without.
    """
    silence_lightning()
    case = Case(list(overrides), place, processes)
    for count, (words, law) in enumerate(LAWS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome = Outcome(words, *_put(case, law))
        if outcome.state == BROKEN:
            case.broken.append(words)
        yield outcome
        if outcome.state == BROKEN and count < FIRST:
            yield from (Outcome(later, BESIDE, f"“{words}” is broken") for later, _ in LAWS[count + 1 :])
            return


def _put(case: Case, law: Callable[[Case], str]) -> tuple[str, str]:
    try:
        return HELD, law(case)
    except NotApplicableError as why:
        return BESIDE, str(why)
    except Exception as problem:
        return BROKEN, str(problem) if isinstance(problem, BrokenError) else sentence(problem)


# ---------------------------------------------------------------------- inside


class _OneCallback:
    """A trainer as it is asked for reasons, of which one callback alone could be the reason."""

    def __init__(self, trainer: pl.Trainer, callback: pl.Callback) -> None:
        self.trainer, self.callbacks = trainer, [callback]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trainer, name)


def _refuse_after(case: Case, law: str) -> None:
    if law in case.broken:
        raise NotApplicableError(f"“{law}” is broken")


def _no_augment(case: Case) -> list[str]:
    with composed(case.short, case.place / "composed") as config:
        return ["data.augment=null"] if config.data.get("augment") else []


def _first(batch: Any, samples: int) -> Any:
    """The first samples of a batch of anybody's form; what the run itself says of it is left out."""
    if isinstance(batch, Tensor):
        return batch[:samples] if batch.dim() else batch
    if isinstance(batch, Mapping):
        return {name: _first(value, samples) for name, value in batch.items()}
    if isinstance(batch, list | tuple):
        kept = [_first(one, samples) for one in batch if not isinstance(one, Size | Share)]
        return type(batch)(*kept) if hasattr(batch, "_fields") else type(batch)(kept)
    return batch


def _same(one: Seen, other: Seen, what: str, *stored: str) -> None:
    difference = _difference(one, other, *stored)
    if difference is not None:
        raise BrokenError(
            f"{what} has other {difference}: something that it computes from is neither seeded by the run nor kept in "
            "its checkpoint (state_dict, on_save_checkpoint), or follows how it is called"
        )


def _difference(one: Seen, other: Seen, *stored: str) -> str | None:
    """What two runs differ in, None where they are the same to the last bit."""
    for part in stored or ("state_dict", "optimizer_states", "lr_schedulers"):
        for name in ("last", "best"):
            if not _equal(one.weights(name).get(part), other.weights(name).get(part)):
                return f"{'weights' if part == 'state_dict' else part.replace('_', ' ')} in {name}.ckpt"
    metrics = [seen.record.content.get("metrics") or {} for seen in (one, other)]
    return next((name for name in metrics[0] if not _equal(metrics[0][name], metrics[1].get(name))), None)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and unchanged(one, other)
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other) or bool(one != one and other != other)  # not a number in both


def _reads_updates(config: DictConfig) -> bool:
    """Whether a data module's own train_dataloader, if it has one, ends an epoch when it is told to."""
    kind = class_of(str(config.data["_target_"]), "data")
    return not isinstance(kind, type) or all(
        one.knob != "updates_per_epoch" for one in unread_in(kind, ArrayDataModule, OF_DATA)
    )
