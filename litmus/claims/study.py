"""A study: a question, its arms, its quantities and its predictions, read strictly from the `study:` node."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from litmus.claims.arms import Overrides, Selector, check_selector, grid, read_arms, read_factors, select
from litmus.claims.datasets import arm_on, over_data, read_data
from litmus.claims.looks import LOOKS, Seeds
from litmus.claims.notation import listing, number, text
from litmus.claims.nuisance import Nuisance, read_nuisance
from litmus.claims.prediction import Prediction, read_predictions
from litmus.claims.quantity import Quantity, read_quantity
from litmus.claims.resampling import Resampling, read_resampling
from litmus.claims.schema import keys, mapping, one_of, said, way_out, words

# Factors that a level switches off when the study does not say so itself in `off:`.
OFF = dict.fromkeys(
    ("dropout", "weight_decay", "label_smoothing", "momentum", "noise", "mixup", "l1", "l2", "clip"), 0.0
)


# Columns of a table of results, which a quantity of the same name would take the place of.
COLUMNS = ("arm", "seed", "error", "table", "code", "numerics", "sha256", "load")
# So many seeds there are.
SEEDS = 2**32


@dataclass(frozen=True)
class Study:
    """What is asked (`question`, `source`), varied (`factors` or `arms`), tuned, fixed, measured and predicted.

    `note` is what to know of it: that it was run before, and what was changed.
    """

    question: str
    arms: dict[str, Overrides]
    seeds: tuple[int, ...]
    quantities: dict[str, Quantity]
    predictions: dict[str, Prediction] = field(default_factory=dict)
    factors: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    nuisance: dict[str, Nuisance] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    note: str = ""
    baseline: Selector | None = None
    off: dict[str, Any] = field(default_factory=dict)
    ratio: float = 0.0
    until: bool = False
    resampling: Resampling | None = None
    data: dict[str, Overrides] = field(default_factory=dict)
    base: Study | None = None

    @property
    def plan(self) -> Seeds:
        """Which seeds are asked for, and when they are looked at."""
        return Seeds(self.seeds, self.until)

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """The keys that the arms override, in their order of appearance."""
        return tuple(dict.fromkeys(key for overrides in self.arms.values() for key in overrides))

    def select(self, selector: Selector) -> tuple[str, ...]:
        """The arms that a name or a partial dictionary points at."""
        found = select(self.arms, selector)
        if found or not isinstance(selector, str):
            return found
        return tuple(name for one in self.data if (name := arm_on(selector, one)) in self.arms)

    def levels(self, factor: str, where: Mapping[str, Any] | None = None) -> list[float]:
        """The sorted numeric levels that a factor takes among the arms matching `where`."""
        chosen = select(self.arms, where) if where else tuple(self.arms)
        found = (number(self.arms[arm].get(factor)) for arm in chosen)
        return sorted({level for level in found if level is not None})

    def split(self, seed: int) -> dict[str, Any]:
        """What a run is typed beside its seed: its fold, where the data are resampled."""
        return {} if self.resampling is None else self.resampling.split(seed)

    def ratio_of(self, quantity: Quantity) -> float:
        """n_test/n_train where splits are resampled, 0 elsewhere: what a run costs in time rests on no test rows."""
        return 0.0 if quantity.timed else self.ratio

    def off_level(self, factor: str) -> Any:
        """The level that switches a factor off: from `off:`, or 0 for factors whose name says so; None when unknown."""
        return self.off[factor] if factor in self.off else OFF.get(factor.split(".")[-1])

    @property
    def leading(self) -> Quantity:
        """The quantity that matters most: the primary prediction's, else the first that a prediction is about."""
        ordered = sorted(self.predictions.values(), key=lambda prediction: not prediction.primary)
        names = [prediction.quantity for prediction in ordered if prediction.quantity]
        return self.quantities[(names or list(self.quantities))[0]]


KEYS = (
    *("question", "source", "note", "factors", "arms", "nuisance", "fixed", "seeds"),
    *("quantities", "predictions", "baseline", "off", "resampled", "resampling", "data"),
)


def read_study(node: Any) -> Study:
    """A study from its plain dictionary; every mistake is one sentence."""
    node = mapping(node, "study")
    keys(node, "study", KEYS, ["question", "quantities"])
    if ("factors" in node) == ("arms" in node):
        raise ValueError("study must have either factors (a grid) or arms (name -> overrides), and not both")
    factors = read_factors(node["factors"]) if "factors" in node else {}
    arms = grid(factors) if factors else read_arms(node["arms"])
    quantities = {
        name: read_quantity(name, entry) for name, entry in mapping(node["quantities"], "study.quantities").items()
    }
    for name in (name for name in quantities if name in COLUMNS):
        raise ValueError(f"study.quantities.{name}: results.csv has a column {name} already; call it otherwise")
    if not quantities:
        raise ValueError("study.quantities is empty; name at least one, as in loss: {metric: test/loss}")
    nuisance = read_nuisance(node.get("nuisance") or {})
    for name in nuisance:
        if any(name in overrides for overrides in arms.values()):
            raise ValueError(f"study.nuisance.{name} is also varied by the arms; tune it or study it, not both")
    off = mapping(node.get("off") or {}, "study.off")
    for name in off:
        known = {key for overrides in arms.values() for key in overrides}
        if name not in known:
            raise ValueError(f"study.off names the unknown factor {name!r}; {way_out(name, known)}")
    if node.get("baseline") is not None:
        check_selector(arms, node["baseline"], "study.baseline")
    resampling = read_resampling(node.get("resampling"))
    if resampling is not None and ("seeds" in node or node.get("resampled") is not None):
        other = "seeds" if "seeds" in node else "resampled"
        raise ValueError(
            f"study has both resampling and {other}: folds and repeats say how many runs there are; leave out {other}"
        )
    study = Study(
        question=words(said(node["question"], "study.question"), "study.question"),
        arms=arms,
        seeds=_seeds(node.get("seeds", 5) if resampling is None else resampling.runs),
        until=isinstance(node.get("seeds"), Mapping),
        quantities=quantities,
        factors=factors,
        nuisance=nuisance,
        fixed=mapping(node.get("fixed") or {}, "study.fixed"),
        source=said(node.get("source"), "study.source"),
        note=" ".join(said(node.get("note"), "study.note").split()),
        baseline=node.get("baseline"),
        off=off,
        ratio=_ratio(node.get("resampled")) if resampling is None else resampling.ratio,
        resampling=resampling,
    )
    read_predictions(node.get("predictions") or {}, study)
    data = read_data(node.get("data"))
    return over_data(study, data) if data else study


def _seeds(value: Any) -> tuple[int, ...]:
    """5 → 0 … 4; a list is taken as it is; {until: decided, most: 20} → 0 … 19, looked at on the way."""
    if isinstance(value, Mapping):
        keys(value, "study.seeds", ["until", "most"], ["until"])
        one_of(value["until"], "study.seeds.until", ["decided"])
        most = value.get("most", LOOKS[-1])
        if type(most) is not int or most not in LOOKS:
            raise ValueError(f"study.seeds.most must be one of the planned looks, {listing(LOOKS)}, got {most!r}")
        return tuple(range(most))
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= SEEDS:
        return tuple(range(value))
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        whole = all(isinstance(seed, int) and not isinstance(seed, bool) for seed in value)
        if whole and len(set(value)) == len(value):
            outside = [seed for seed in value if not 0 <= seed < SEEDS]
            if outside:
                raise ValueError(f"study.seeds must lie between 0 and 2³²-1, got {listing(outside)}")
            return tuple(value)
    raise ValueError(
        "study.seeds must be a positive number or a list of different whole numbers, or {until: decided, most: 40}, "
        f"got {value!r}"
    )


def _ratio(node: Any) -> float:
    """n_test/n_train of splits resampled from one small table (`resampled: {n_test: 80, n_train: 320}`), else 0."""
    if node is None:
        return 0.0
    node = mapping(node, "study.resampled")
    keys(node, "study.resampled", ["n_test", "n_train"], ["n_test", "n_train"])
    sizes = [number(node[key]) for key in ("n_test", "n_train")]
    if any(size is None or not 0 < size < math.inf for size in sizes):
        raise ValueError(f"study.resampled needs positive n_test and n_train, got {text(list(node.values()))}")
    return float(sizes[0]) / float(sizes[1])  # type: ignore[arg-type]
