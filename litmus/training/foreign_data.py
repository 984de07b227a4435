"""Anybody's LightningDataModule, with as many of the promises as can be kept without knowing what it does."""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.distributed import DistributedSamplerWrapper
from pytorch_lightning.utilities.combined_loader import CombinedLoader
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from litmus.contract import Target
from litmus.seeds import derived_seed
from litmus.training.array_data_module import ArrayDataModule, described_targets
from litmus.training.batches import samples_in, sizes_in
from litmus.training.overridden import overridden
from litmus.training.source import fingerprint, refuse_other_classes, what_columns_are, with_target

# What Lightning calls of a data module; each is the module's own.
HOOKS = (
    *("val_dataloader", "test_dataloader", "predict_dataloader", "on_exception"),
    *("state_dict", "load_state_dict"),
    *("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer"),
)
# What the run itself keeps of a module that was adopted, and sets while it trains.
KEPT = ("trainer", "batch_size", "planned_batch_sizes", "planned_update_counts", "_prepared", "_stages", "_passes")
SPLITS = {"train": "fit", "val": "fit", "test": "test"}
NOT_PROMISED = (
    "an order that does not depend on the batch size",
    "that inputs are what they were: only the targets have a fingerprint",
    "splits and folds by the seed, unless the module draws them from torch's, numpy's or Python's global generators",
    "the same numbers after a resume, where the module draws from generators that it keeps itself",
    "the same numbers after a resume, where a callback changes the module and no state_dict keeps the change",
)


def adopted(data: Any, seed: int) -> Any:
    """The data module as a run can use it: one of this project as it is, any other with what can be had.

    Raises:
        ValueError: for a torch Dataset, or anything else that is no LightningDataModule.
    """
    if isinstance(data, ArrayDataModule | ForeignData):
        return data
    if isinstance(data, pl.LightningDataModule):
        return ForeignData(data, seed)
    name = f"{type(data).__module__}.{type(data).__qualname__}"
    hint = f"type data=dataset data.dataset._target_={name}" if isinstance(data, Dataset) else "subclass one"
    raise ValueError(f"data._target_ must make a LightningDataModule, {name} is none; {hint}")


class ForeignData(pl.LightningDataModule):
    """A module's own batches, in an order of (seed, pass), with the facts that its loaders tell.

    It is set up once, and its loaders are read through once before the training, for sizes, targets and their
    fingerprint. What has a teardown of its own is set up anew after it, as by Lightning, with the same draws. Whatever
    else is asked of it, or set on it, is the module's own.

    Args:
        module: anybody's.
        seed: of the run; all global generators are set by it before the module is set up.

    Attributes:
        untold: why nobody can tell what the targets are, in words; empty where somebody can.
        tells_size: whether the loaders of the training say how many samples their batches have, as far as is known.
        unfit: why no task of this project's can take them, in words; empty where one can.
        input_dtype: of the inputs, where they are whole numbers.
        several: the splits of more than one loader.
    """

    def __init__(self, module: pl.LightningDataModule, seed: int) -> None:
        self.module = module
        super().__init__()
        self.seed = seed
        self.prepare_data_per_node = module.prepare_data_per_node
        self.allow_zero_length_dataloader_with_multiple_devices = (
            module.allow_zero_length_dataloader_with_multiple_devices
        )
        for hook in HOOKS:  # as the module's own, Lightning sees which of them it has
            setattr(self, hook, getattr(module, hook))
        self._prepared, self._stages, self._passes = False, set[str | None](), 0
        self._drawn: dict[str | None, tuple[Any, ...]] = {}
        self.name = type(module).__name__
        self.tells_size = True
        self.untold = self.unfit = self._sha256 = ""
        self.target: Target | None = None
        self.splits: dict[str, tuple[None, Tensor | None]] = {}
        self.sizes: dict[str, int | None] = {}
        self.several: list[str] = []
        self._read()
        self._adopted = True

    def __getattr__(self, name: str) -> Any:
        if name == "module":  # before there is one
            raise AttributeError(name)
        return getattr(self.module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        theirs = "_adopted" in vars(self) and name not in KEPT
        if theirs:
            setattr(self.module, name, value)
        if not theirs or name in HOOKS:  # Lightning looks for hooks here
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if "_adopted" in vars(self) and name not in KEPT:
            delattr(self.module, name)
        else:
            super().__delattr__(name)

    @property
    def trainer(self) -> Any:
        """The module's own."""
        return self.module.trainer

    @trainer.setter
    def trainer(self, trainer: Any) -> None:
        self.module.trainer = trainer

    @property
    def classes(self) -> int:
        """How many there are, 0 where the targets are none."""
        return self.target.number if self.target is not None and self.target.kind == "classes" else 0

    @property
    def batch_size(self) -> Any:
        """The module's own, if it has one: an attribute or a hyperparameter."""
        return self._sized()[-1].batch_size

    @batch_size.setter
    def batch_size(self, size: Any) -> None:
        for holder in self._sized():
            holder.batch_size = size

    def heeds_batch_size(self) -> bool:
        """Whether the training has other batches with another `batch_size`; nothing is drawn, and it stays as it is."""
        holders = [(holder, holder.batch_size) for holder in self._sized()]
        size, given = self.batch_size, []
        if not isinstance(size, int):
            return True
        try:
            for asked in (size, 2 * size + 1):
                self.batch_size = asked
                with isolate_rng(torch.cuda.is_initialized()):
                    given.append([_amount(loader) for loader in _loaders_in(self.module.train_dataloader())])
        finally:
            for holder, own in holders:
                holder.batch_size = own
        return given[0] != given[1]

    def _sized(self) -> list[Any]:
        """Who has a batch size, of the module and its hyperparameters.

        Raises:
            AttributeError: when none of them has.
        """
        found = [one for one in (self.module, self.module.hparams) if hasattr(one, "batch_size")]
        if not found:
            raise AttributeError(f"{self.name} has no batch_size")
        return found

    def prepare_data(self) -> None:
        if not self._prepared:
            self._call("prepare_data", self.module.prepare_data)
            self._prepared = True

    def setup(self, stage: str | None = None) -> None:
        if stage not in self._stages:
            self._call(stage, self.module.setup, stage)
            self._stages.add(stage)
        if stage == "fit":
            self._passes = 0

    def teardown(self, stage: str | None = None) -> None:
        """The module's own; what it has taken away is made again for the next stage."""
        self.module.teardown(stage)  # type: ignore[arg-type]
        if overridden(self.module, ("teardown",), pl.LightningDataModule):
            self._prepared, self._stages = False, set()

    def _call(self, what: str | None, method: Callable[..., Any], *arguments: Any) -> None:
        """Calls what makes the data; where it is called again it draws what it drew at first, and nobody notices."""
        if what in self._drawn:
            with isolate_rng(torch.cuda.is_initialized()):
                set_generators(*self._drawn[what])
                method(*arguments)
            return
        before = self._drawn[what] = generators()
        try:
            method(*arguments)
        except Exception:  # it may need a trainer, who calls it again
            set_generators(*before)
            raise

    def train_dataloader(self) -> Any:
        """The module's own loaders, whose generators are seeded for each pass."""
        loaders = self.module.train_dataloader()
        seeded = [loader for loader in _loaders_in(loaders) if isinstance(loader, DataLoader)]
        for place, loader in enumerate(seeded):
            _seed_passes(loader, self, place, len(seeded) > 1)
        return loaders

    def describe(self) -> dict[str, Any]:
        """What result.json says of the data, and what could not be promised of them."""
        targets = {name: y for name, (_, y) in self.splits.items() if y is not None}
        known: dict[str, Any] = {"name": self.name, "sizes": self.sizes}
        if sha256 := self._sha256 or ("train" in targets and fingerprint(*targets.values())):
            known |= {"sha256": sha256, "sha256_of": "the targets, in the first pass's order"}
        if self.target is not None and "train" in targets:
            known |= described_targets(self.target, targets)
        return {**known, "not_promised": list(NOT_PROMISED)}

    # ------------------------------------------------------------------ inside

    def _read(self) -> None:
        _seed_globally("set up", self.seed)
        for split, stage in SPLITS.items():
            if overridden(self.module, (f"{split}_dataloader",), pl.LightningDataModule) is None:
                continue
            try:
                self.prepare_data()
                self.setup(stage)
                loaders = getattr(self, f"{split}_dataloader")()
            except AttributeError as problem:
                if self.trainer is not None:
                    raise
                self._drawn.setdefault(stage, generators())  # what it is to draw when there is one
                y = self._untold(
                    split, f"{self.name}.{split}_dataloader() gives no loader before there is a trainer ({problem})"
                )
            else:
                empty = loaders is None or (isinstance(loaders, list | tuple | dict) and not loaders)
                if empty and split != "train":
                    continue  # which is how one says that there are no such rows
                y = self._targets(split, loaders)
            self.splits[split] = (None, y)
            self.sizes[split] = None if y is None else len(y)
        self._passes = 0
        self.target = self._understood()

    def _targets(self, split: str, loaders: Any) -> Tensor | None:
        """The targets of a whole split in the first pass's order, None where nobody can tell them."""
        whose = f"{self.name}.{split}_dataloader()"
        if loaders is None:
            raise ValueError(
                f"{whose}: expected loaders, found None; leave the method out where there are no such rows"
            )
        found = list(_loaders_in(loaders))
        if split == "train":
            self.tells_size = any(size is not None for size in sizes_in(loaders))
        if len(found) > 1:
            self.several.append(split)
        if len(found) != 1 or not hasattr(found[0], "__iter__"):
            return self._untold(split, f"{whose} gives a {type(loaders).__name__}, not one loader")
        if not _has_length(found[0]):
            return self._untold(split, f"{whose} has no length, and is not read through before the training")
        parts = []
        for batch in found[0]:
            x, y = inputs_and_target(batch)
            if not isinstance(y, Tensor) or y.dim() == 0:
                keys = f"keys {', '.join(map(str, batch))}" if isinstance(batch, Mapping) else type(batch).__name__
                return self._untold(split, f"{whose}: found a batch of {keys}, no pair and no inputs and target")
            if isinstance(x, Tensor) and not hasattr(self, "input_shape"):  # else it is the module's own
                self.input_shape = tuple(x.shape[1:])
                if not x.is_floating_point():
                    self.input_dtype = str(x.dtype).removeprefix("torch.")
            parts.append(y.detach().cpu())
        if not parts:
            raise ValueError(f"{whose}: expected batches, found none; has it fewer rows than one, and drop_last?")
        if len({part.shape[1:] for part in parts}) > 1:
            return self._untold(split, f"{whose}: found targets whose shape differs from batch to batch")
        return torch.cat(parts)

    def _untold(self, split: str, why: str) -> Any:
        """None, and why: of the training, which is what a net is made for."""
        if split == "train":
            self.untold = f"{why}; the module may say input_shape and target = Target(kind, number) itself"
        return None

    def _as_said(self, said: Target) -> Target | None:
        """What the module says; classes that nobody can count are none, whatever it says."""
        for split, (_, y) in self.splits.items() if said.kind == "classes" else ():
            if y is not None and (y.dim() != 1 or y.is_floating_point() or bool((y < 0).any())):
                try:
                    counted, _ = with_target(y, said, f"{self.name}, {split}", every_class=False)
                except ValueError as problem:
                    return self._unfit(str(problem), said)
                self.splits[split] = (None, counted)
        return said

    def _unfit(self, why: str, target: Target | None) -> Target | None:
        """What was said, of targets that are not that, or that nothing can be learned of by a usual loss.

        A model with a loss of its own need not mind: it may leave out whatever is -100, or look at no target at all.
        """
        self.unfit = why
        if self.splits.get("train", (None, None))[1] is not None:
            self._sha256 = fingerprint(*(y for _, y in self.splits.values() if y is not None))
        self.splits = dict.fromkeys(self.splits, (None, None))
        return target if target is not None else self._untold("train", why)

    def _understood(self) -> Target | None:
        """What the module says that its targets are, else what those of the train split tell."""
        said = getattr(self.module, "target", None)
        if isinstance(said, Target):
            return self._as_said(said)
        number = next(
            (n for name in ("classes", "num_classes") if isinstance(n := getattr(self.module, name, 0), int)), 0
        )
        declared = Target("classes", number) if number > 1 else None
        y = self.splits.get("train", (None, None))[1]
        if y is None:
            return declared
        if declared is None and (columns := what_columns_are(y)):
            return self._untold("train", f"{self.name}'s targets: {columns}")
        if y.dim() > 2:
            return self._untold("train", f"{self.name}'s targets: found {y.dim() - 1} dimensions for each sample")
        try:
            y, target = with_target(y, declared, type(self.module).__name__, every_class=declared is None)
            y = y.float() if y.is_floating_point() else y  # as its batches come to the loss
            for split, (_, other) in self.splits.items():
                if other is not None and target.kind == "classes":
                    refuse_other_classes(other, target, f"{self.name}, {split}", "the module may say classes itself")
        except ValueError as problem:
            if y.dim() > 1 and not y.is_floating_point():
                return self._untold("train", str(problem))  # they may be tokens, one for each place
            return self._unfit(str(problem), declared)
        self.splits = {name: (None, _as(one, y)) for name, (_, one) in self.splits.items() if one is not None} | {
            name: (None, one) for name, (_, one) in self.splits.items() if one is None
        }
        return target

    def _pass(self) -> int:
        """The pass that begins now: the trainer's epoch, else one after the other."""
        if self.trainer is not None:
            return int(self.trainer.current_epoch)
        self._passes += 1
        return self._passes - 1


def inputs_and_target(batch: Any) -> tuple[Any, Any]:
    """The two parts of a batch: a pair's, or those of these names in a dictionary; None for what it has not."""
    if isinstance(batch, Mapping):
        return batch.get("inputs"), batch.get("target")
    parts = batch if isinstance(batch, list | tuple) else [batch]
    return parts[0], parts[1] if len(parts) > 1 else None


def _as(y: Tensor, like: Tensor) -> Tensor:
    y = y.squeeze(1) if y.dim() == like.dim() + 1 and y.shape[1] == 1 else y
    return y.to(like.dtype)


def _loaders_in(loaders: Any) -> Iterator[Any]:
    combined = loaders if isinstance(loaders, CombinedLoader) else CombinedLoader(loaders, "max_size_cycle")
    yield from combined.flattened


def _has_length(loader: Any) -> bool:
    try:
        return len(loader) >= 0
    except TypeError:
        return False


def _amount(loader: Any) -> int:
    """Its number of batches, of which it has fewer the larger they are; the size of the first where nobody knows it."""
    if _has_length(loader):
        return len(loader)
    return next((samples_in(batch) for batch in loader), 0)


def _seed_passes(loader: Any, data: ForeignData, place: int, cycles: bool) -> None:
    """Makes each iteration of a DataLoader draw its order, and its workers' seeds, from (seed, pass).

    One of several draws from its place among them as well, and from how often it has ended in this pass: a shorter one
    begins anew. What items draw in this process is of the pass, which the first begins.

    A loader remembers no pass: it shuffles by a generator that is wherever the last pass left it, or by the global one.
    So that a resumed run sees what the whole one saw, the generators that there are are seeded as an iteration begins.
    It stays a DataLoader, which Lightning makes anew with another sampler where there are several processes.
    """
    if hasattr(type(loader), "of_passes"):  # a module may give the loader that it has
        type(loader).ended = (-1, 0)
        return
    kind: Any = type(loader)

    class Seeded(kind):
        of_passes = True
        ended = (-1, 0)  # in which pass, and how often

        def __iter__(self) -> Iterator[Any]:  # of a generator: it begins with the first batch, when the pass is known
            number = data._pass()
            rank = 0 if data.trainer is None else data.trainer.global_rank
            cycle = Seeded.ended[1] if cycles and Seeded.ended[0] == number else 0
            apart = (place, cycle) if place or cycle else ()
            _seed_samplers(self, derived_seed("order", data.seed, number, *apart), bool(apart))
            own = self.__dict__.get("generator") or Generator()
            if own is not getattr(_within(self.sampler), "generator", None):
                self.generator = own.manual_seed(derived_seed("workers", data.seed, number, rank, *apart))
            if not apart:  # One seed for all processes: a sampler may draw the order that they share out by it.
                random.seed(derived_seed("items", data.seed, number, 0))
                np.random.seed(derived_seed("items", data.seed, number, 0) % 2**32)
            # Workers that outlive a pass draw on from where it left them, which a resumed run's could not know.
            self._iterator = None
            yield from kind.__iter__(self)
            Seeded.ended = (number, cycle + 1)

    Seeded.__name__, Seeded.__qualname__ = kind.__name__, kind.__qualname__
    loader.__class__ = Seeded


def _seed_samplers(loader: Any, seed: int, apart: bool) -> None:
    samplers = [_within(loader.sampler), loader.batch_sampler, _within(getattr(loader.batch_sampler, "sampler", None))]
    for sampler in {id(one): one for one in samplers if hasattr(one, "generator")}.values():
        if sampler.generator is None:
            sampler.generator = Generator()
        sampler.generator.manual_seed(seed)
    for sampler in (loader.sampler, getattr(loader.batch_sampler, "sampler", None)):
        if isinstance(sampler, DistributedSampler):  # it has a seed in a generator's place, the same for all loaders
            own = vars(sampler).setdefault("own_seed", sampler.seed)
            sampler.seed = seed if apart else own


def _within(sampler: Any) -> Any:
    """The sampler that was given, where Lightning has put it into one that shares out its order among processes."""
    within: Any = sampler.dataset if isinstance(sampler, DistributedSamplerWrapper) else None
    return sampler if within is None else within._sampler


def generators() -> tuple[Any, Any, Tensor]:
    """The states of Python's, numpy's and torch's global generators."""
    return random.getstate(), np.random.get_state(), torch.get_rng_state()


def set_generators(of_python: Any, of_numpy: Any, of_torch: Tensor) -> None:
    """Puts the states of all three back."""
    random.setstate(of_python)
    np.random.set_state(of_numpy)
    torch.set_rng_state(of_torch)


def _seed_globally(use: str, seed: int) -> None:
    drawn = derived_seed(use, seed)
    random.seed(drawn)
    np.random.seed(drawn % 2**32)
    torch.manual_seed(drawn)
