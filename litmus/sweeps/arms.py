"""The arms of a study as configurations, and the jobs that their trials are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from litmus.claims.nuisance import Nuisance
from litmus.claims.resampling import refuse_no_folds
from litmus.claims.study import Study
from litmus.sweeps.asked import Asked
from litmus.sweeps.composition import Composition, as_job, hash_of, one_thread
from litmus.sweeps.derived import Derived
from litmus.sweeps.launching import Job
from litmus.sweeps.overrides import override
from litmus.sweeps.packs import common_of, kin_of
from litmus.sweeps.smoke import smoke_overrides
from litmus.sweeps.watched import factors_of, watched
from litmus.sweeps.workers import refuse_many_processes
from litmus.trial.command_line import imports, sentence
from litmus.trial.knobs import check_knobs
from litmus.trial.overriding import may_leave_unread
from litmus.trial.place import refuse_all_elsewhere


@dataclass(frozen=True)
class Arm:
    """An arm's name, what is typed for it, and the configuration that this gives with the default seed.

    `factors` are the values that the configuration has of whatever any arm varies.
    """

    name: str
    overrides: tuple[str, ...]
    config: DictConfig
    composition: Composition
    factors: Mapping[str, Any] = field(default_factory=dict)

    def job(
        self, place: Path, seed: int, values: Mapping[str, Any], label: str, kind: str, extra: Sequence[str] = ()
    ) -> Job:
        """A trial of the arm with a seed and tuned values; `extra` overrides change no number."""
        named = watched(
            self.config,
            study=self.composition.master.hydra.runtime.choices.study,
            arm=self.name,
            factors=self.factors,
            name=f"{label} seed {seed}",
            job_type=kind,
        )
        typed = (*self.overrides, *typed_values(values), f"seed={seed}")
        asked = hash_with(self.composition, self.config, typed, values, seed)
        return Job(place, (*typed, *named, *extra), asked, kin_of(self._common, values, extra))

    @cached_property
    def _common(self) -> dict[str, str] | None:
        return common_of(self.config)


def typed_values(values: Mapping[str, Any]) -> list[str]:
    """A point of an optimization as overrides; its texts stand as they are written on a command line."""
    return [f"{knob}={value}" if isinstance(value, str) else override(knob, value) for knob, value in values.items()]


def hash_with(
    composition: Composition, config: DictConfig, typed: Sequence[str], values: Mapping[str, Any], seed: int
) -> str:
    """The hash of `config` with other values; composed anew only where a value may choose a file."""
    simple = all(isinstance(value, int | float) and not knob.startswith("+") for knob, value in values.items())
    if simple and not any(composition.is_group(knob) for knob in values):
        knobs = frozenset((*values, "seed"))
        key = (Derived, id(config), knobs)  # the configuration is kept with it, and so its number
        derived = composition.known.get(key) or Derived(config, knobs)
        composition.known[key] = derived
        return derived.hash_of({**values, "seed": seed})
    return hash_of(composition.compose(typed), {"seed": seed})


def arms_of(asked: Asked, composition: Composition) -> dict[str, Arm]:
    """Every arm, composed.

    Raises:
        ValueError: for an arm that cannot be composed or run, naming it.
    """
    typed = {
        name: (*asked.common, *(override(knob, value) for knob, value in settings.items()))
        for name, settings in asked.study.arms.items()
    }
    # A number that one arm takes another takes as well; a composition takes longer than many a trial.
    tried = {name: tried_of(asked.study.nuisance, numbers=place == 0) for place, name in enumerate(typed)}
    arms = {name: _arm(name, overrides, composition, tried[name], asked.study) for name, overrides in typed.items()}
    if asked.smoke:
        shrinking = smoke_overrides({name: arm.config for name, arm in arms.items()})
        arms = {name: _arm(name, (*typed[name], *shrinking[name]), composition, (), asked.study) for name in arms}
    return {name: replace(arm, factors=factors_of(arm.config, asked.study.varied)) for name, arm in arms.items()}


def tried_of(nuisance: Mapping[str, Nuisance], numbers: bool) -> list[tuple[str, ...]]:
    """What is typed to see that an arm takes what will be tuned: an end of each range, and every choice once.

    Args:
        numbers: whether choices that are numbers are tried as well.
    """
    if not nuisance:
        return []
    first = {name: override(name, one.values[0]) for name, one in nuisance.items()}
    choices = [(name, value) for name, one in nuisance.items() if one.space == "choices" for value in one.values[1:]]
    others = [one for one in choices if numbers or not isinstance(one[1], int | float)]
    return [tuple(first.values()), *(tuple({**first, name: override(name, value)}.values()) for name, value in others)]


def refuse_unanswerable(config: DictConfig, study: Study) -> None:
    """Refuses an arm whose runs would not give what the study judges: a tail, or folds.

    Raises:
        ValueError: with the way out.
    """
    tails = [name for name, quantity in study.quantities.items() if quantity.at == "tail"]
    if tails and "tail" not in (config.get("callbacks") or {}):
        raise ValueError(
            f"study.quantities.{tails[0]} is judged at: tail, and its runs keep none: add "
            "'- override /callbacks: tail' to the study's defaults"
        )
    if study.resampling is not None:
        refuse_no_folds(config.get("data") or {}, study.resampling)


def refuse_untrainable(config: DictConfig) -> None:
    """Refuses a configuration with a value that cannot be, or one that nobody would read."""
    check_knobs(config)
    if may_leave_unread(config):
        with imports():
            from litmus.trial.readers import refuse_unread_of_arm
        with as_job(config) as job:
            refuse_unread_of_arm(job)


def _arm(
    name: str, typed: tuple[str, ...], composition: Composition, tried: Sequence[tuple[str, ...]], study: Study
) -> Arm:
    try:
        config = composition.compose(typed)
        refuse_all_elsewhere(config)
        refuse_unanswerable(config, study)
        if study.resampling is not None:
            typed = (*typed, override("data.folds", study.resampling.folds))
            config = composition.compose(typed)
        typed, config = one_thread(typed, config)
        refuse_many_processes(config.trainer, composition.master.hydra.launcher)
        for whole in [composition.compose([*typed, *values]) for values in tried] or [config]:
            refuse_untrainable(whole)
    except Exception as error:
        raise ValueError(f"the arm {name}: {sentence(error)}") from error
    return Arm(name, typed, config, composition)
