"""What a command asks of a study: the study itself, how to run it, and the overrides that all of its trials share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from litmus.claims.notation import text
from litmus.claims.nuisance import Nuisance
from litmus.claims.schema import keys, one_of
from litmus.claims.study import KEYS, SEEDS, Study, read_study
from litmus.seeds import derived_seed
from litmus.sweeps.metrics import asked_metrics
from litmus.sweeps.overrides import override, parsed, without
from litmus.sweeps.smoke import shrunk
from litmus.trial.identity import NOT_IN_HASH, NOT_IN_HASH_BELOW

# Keys of the `study:` node that say how to run it and nothing about what it asks.
RUNNING = {"smoke": False, "pruner": "none", "tuning_seeds": 3, "judge": True}
# Where, by whom and with how many threads trials run.
NO_TREATMENT = ("hydra", "study", "search", *NOT_IN_HASH)
PRUNERS = ("none", "median", "halving")
# Far from the seeds that anybody lists.
FIRST_TUNING_SEED = 10_000


@dataclass(frozen=True)
class Asked:
    """`node` is the study as its report reads it; `common` is typed for all trials, the choice of the study first."""

    name: str
    study: Study
    node: Mapping[str, Any]
    common: tuple[str, ...]
    smoke: bool = False
    pruner: str = "none"
    tuning_seeds: tuple[int, ...] = (FIRST_TUNING_SEED,)
    judge: bool = True

    @property
    def per_seed(self) -> bool:
        """Whether each verdict seed is tuned anew."""
        return any(one.per == "seed" for one in self.study.nuisance.values())

    def tuning_seeds_of(self, verdict_seed: int | None) -> tuple[int, ...]:
        """The seeds of an arm's tuning, or of that of one of its verdict seeds: none is another's, or a verdict's."""
        if verdict_seed is None:
            return self.tuning_seeds
        first = FIRST_TUNING_SEED + derived_seed("tuning", verdict_seed) % (SEEDS // 2)
        candidates = range(first, first + len(self.tuning_seeds) + len(self.study.seeds))
        return tuple(seed for seed in candidates if seed not in self.study.seeds)[: len(self.tuning_seeds)]

    @property
    def tuning_trials(self) -> int:
        """Tuning trials of each arm."""
        return max((one.trials for one in self.study.nuisance.values()), default=0)

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """Where tuning wants the selection metric."""
        return "maximize" if self.study.leading.select_direction == "up" else "minimize"


def asked_by(config: DictConfig, arguments: Sequence[str], loader: ConfigLoader) -> Asked:
    """The study that a composed command asks for.

    Raises:
        ValueError: for whatever is wrong with it, in one sentence.
    """
    name = str(config.hydra.runtime.choices.study)
    node = _node(config, name)
    keys(node, "study", (*KEYS, *RUNNING), ["question", "quantities"])
    running = {key: node.pop(key, default) for key, default in RUNNING.items()}
    for key in ("smoke", "judge"):
        if not isinstance(running[key], bool):
            raise ValueError(f"study.{key} must be true or false, got {running[key]!r}")
    node = shrunk(node) if running["smoke"] else node
    study = read_study(node)
    one_of(running["pruner"], "study.pruner", PRUNERS)
    tuning_seeds = _tuning_seeds(running["tuning_seeds"], study)[: 1 if running["smoke"] else None]
    _one_design(study.nuisance)
    for part, knobs in (("arms vary", study.varied), ("nuisance tunes", study.nuisance), ("fixed sets", study.fixed)):
        refuse_no_treatment(f"study: its {part}", knobs)
    asked_metrics(study)
    typed = without(arguments, "study")
    _refuse_overlap(study, typed, loader)
    choice = [entry for entry in typed if entry.startswith("study=")]
    others = [entry for entry in typed if not entry.startswith("study=")]
    fixed = [override(knob, value) for knob, value in study.fixed.items()]
    common = (*choice, *fixed, *others)
    return Asked(name, study, node, common, running["smoke"], running["pruner"], tuning_seeds, running["judge"])


def _node(config: DictConfig, name: str) -> dict[str, Any]:
    """The `study:` node of the file that was chosen."""
    found = config.get("study")
    found = OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found
    # A file without the first line lands one level too deep.
    if not isinstance(found, dict) or not found or set(found) == {"study"}:
        told = "no such node" if found is None else f"{text(found)[:60]} there"
        raise ValueError(
            f"configs/study/{name}.yaml must begin with '# @package _global_' and have a study: node, a mapping with "
            f"question, quantities and others, got {told}; docs/studies.md shows one"
        )
    return {str(key): value for key, value in found.items()}


def _tuning_seeds(count: Any, study: Study) -> tuple[int, ...]:
    """So many seeds that no verdict uses, the same however many seeds the study is topped up to."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f"study.tuning_seeds must be a whole number from 1 on, got {count!r}")
    candidates = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + count + len(study.seeds))
    return tuple(seed for seed in candidates if seed not in study.seeds)[:count]


def refuse_no_treatment(what: str, knobs: Iterable[str]) -> None:
    """Refuses knobs that say where or how trials run: arms that differ in such alone are the same arm.

    Threads change last digits, and are the same for all trials; what kind of device computes is a treatment.
    """
    for knob in knobs:
        group, _, below = knob.lstrip("+~").replace("/", ".").partition(".")
        if group in NO_TREATMENT or below.partition(".")[0] in NOT_IN_HASH_BELOW.get(group, ()):
            raise ValueError(
                f"{what} {knob}, which says where or how trials run and is no treatment; type one value of it on the "
                "command line instead"
            )


def _one_design(nuisance: Mapping[str, Nuisance]) -> None:
    samplers = {one.sampler for one in nuisance.values()}
    if len(samplers) > 1:
        raise ValueError(
            f"study.nuisance tunes its knobs together, with one sampler; got {', '.join(sorted(samplers))}"
        )
    if len({one.per for one in nuisance.values()}) > 1:
        raise ValueError("study.nuisance tunes its knobs together: give all of them per: seed, or none")


def _refuse_overlap(study: Study, typed: Sequence[str], loader: ConfigLoader) -> None:
    owned = {knob.lstrip("+~"): "the arms vary" for knob in study.varied}
    owned |= dict.fromkeys(study.nuisance, "is tuned per arm")
    if study.resampling is not None:
        owned |= dict.fromkeys(("data.folds", "data.fold", "data.seed"), "is set by study.resampling")
    if "seed" in owned or "seed" in study.fixed:
        raise ValueError("a study sets seed itself: list the seeds in study.seeds")
    for one in parsed(typed, loader):
        knob = one.key_or_group
        if knob == "seed":
            raise ValueError("a study sets seed itself: list the seeds, as in study.seeds=[3]")
        if one.is_sweep_override():
            raise ValueError(
                f"{one.input_line}: the values that a study compares stand in its file, under study.factors"
            )
        if knob in owned:
            verb = owned[knob]
            told = f"{verb} {knob}" if verb == "the arms vary" else f"{knob} {verb}"
            raise ValueError(f"{one.input_line}: {told} in this study; change the study's file instead")
