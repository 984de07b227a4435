"""Which setting a run that tunes itself tries next: a function of its configuration and of what came of the others."""

import random
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from litmus.claims.schema import keys, one_of
from litmus.direction import mode_of
from litmus.seeds import derived_seed
from litmus.sweeps.composition import with_values
from litmus.sweeps.optimization import Optimization, Point, grid_of, memory
from litmus.sweeps.outcome import Outcome
from litmus.sweeps.space import SPREADS
from litmus.sweeps.workers import MANY_PROCESSES
from litmus.trial.checkpoint import better
from litmus.trial.ranks import several
from litmus.tuner.space import EXAMPLE, Space, read_space

SAMPLERS = ("tpe", "random", "qmc", "grid")
# Settings are compared by how they do on the same data, from the same seed.
HELD = ("seed", "data", "tuner", "output_dir", "resume")
NEEDED = ("history", "checkpoint")


class Plan:
    """Proposes settings one by one and learns their scores.

    The sampler lives in memory and is a function of the seed and the scores: a resumed run asks and tells it again what
    it was asked and told before.

    Args:
        config: of the run, with its `tuner` node.

    Raises:
        ValueError: for a tuner or a run that cannot be, in one sentence.
    """

    def __init__(self, config: DictConfig) -> None:
        node: dict[str, Any] = OmegaConf.to_container(config.tuner, resolve=True)  # type: ignore[assignment]
        if "sampler" not in node:
            raise ValueError(f"tuner has no sampler; choose one, as in tuner=tpe {EXAMPLE}")
        keys(node, "tuner", ("sampler", "trials", "space", "spread"))
        sampler = one_of(node["sampler"], "tuner.sampler", SAMPLERS)
        trials = node["trials"]
        if not isinstance(trials, int) or isinstance(trials, bool) or trials < 1:
            raise ValueError(f"tuner.trials must be a whole number from 1 on, got {trials!r}")
        spread = one_of(node.get("spread", "ends"), "tuner.spread", SPREADS)
        self.space: Space = read_space(node["space"])
        check_run(config)
        check_space(config, self.space)
        checkpoint = config.callbacks.checkpoint
        self.monitor = str(checkpoint.monitor)
        self.mode = mode_of(self.monitor, checkpoint.get("mode"), "callbacks.checkpoint.mode")
        grid = grid_of(self.space.knobs, trials, self.space.levels, spread) if sampler == "grid" else []
        # A grid has no order of its own: as written, all settings with the smallest rate would come first.
        random.Random(derived_seed("grid order", config.seed)).shuffle(grid)
        self.size = len(grid)
        self._optimization = Optimization(
            memory(),
            "tuner",
            self.space.knobs,
            sampler=sampler,
            seed=derived_seed("tuner", config.seed) % 2**32,
            total=trials,
            direction="minimize" if self.mode == "min" else "maximize",
            grid=grid,
        )
        self.trials = self._optimization.total

    @property
    def worst(self) -> float:
        """The score of a setting whose fit gave none."""
        return float("inf") if self.mode == "min" else float("-inf")

    def next(self) -> Point | None:
        """The next setting; None when all have been tried."""
        points = self._optimization.ask(1)
        return points[0] if points else None

    def tell(self, point: Point, score: float) -> None:
        """Learns the score of the setting that was proposed last."""
        self._optimization.tell(point, Outcome("completed"), score)

    def better(self, score: float, best: float | None) -> bool:
        """Whether a score beats the best so far; the earlier of equals stays."""
        return better(score, best, self.mode)


def check_run(config: DictConfig) -> None:
    """Refuses runs that cannot fit several settings, one after the other."""
    lacking = [name for name in NEEDED if name not in (config.callbacks or {})]
    if lacking:
        raise ValueError(f"a run that tunes itself needs callbacks.{lacking[0]}; leave ~callbacks.{lacking[0]} out")
    if "pruning" in config.callbacks:
        raise ValueError("a run that tunes itself has no epochs of its own to prune; take search.pruner=none")
    trainer: Mapping[str, Any] = config.trainer
    counted = trainer.get("devices") not in ("auto", None)
    if (counted and several(trainer)) or str(trainer.get("strategy")).startswith(MANY_PROCESSES):
        raise ValueError(
            f"a run that tunes itself fits in one process, got trainer.strategy={trainer.get('strategy')} with "
            f"trainer.devices={trainer.get('devices')}; take trainer=default"
        )


def check_space(config: DictConfig, space: Space) -> None:
    """Refuses knobs that the configuration lacks, that choose files, or that would compare unlike with unlike."""
    for knob, one in space.knobs.items():
        if knob.partition(".")[0] in HELD:
            raise ValueError(f"tuner.space.{knob}: all settings have the same seed and data; tune another knob")
        parent = knob.rpartition(".")[0]
        if parent and OmegaConf.is_list(OmegaConf.select(config, parent)):
            raise ValueError(
                f"tuner.space.{knob} is a part of a list, which no command line sets; give it a name of its own, as "
                "configs/study/search.yaml does with width, or tune the list among choices: [[16, 16], [64, 64]]"
            )
        with_values(config, space.values({knob: getattr(one, "choices", [getattr(one, "low", None)])[0]}))
        if OmegaConf.is_dict(OmegaConf.select(config, knob)):
            raise ValueError(
                f"tuner.space.{knob} is a group of knobs, and a run that tunes itself takes single ones; to choose "
                f"among files, search over runs: python train.py -m search=tpe {knob}=…"
            )
