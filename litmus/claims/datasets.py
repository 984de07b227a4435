"""One question on several data sets: a verdict for each, one over all, and what they say of others like them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from litmus.claims.arms import Overrides, Selector
from litmus.claims.claims import Claim
from litmus.claims.contrast import Contrast, ContrastMaker
from litmus.claims.notation import listing
from litmus.claims.prediction import Prediction
from litmus.claims.quantity import Quantity
from litmus.claims.schema import mapping
from litmus.claims.statistics import ALPHA

if TYPE_CHECKING:
    from litmus.claims.study import Study


def arm_on(arm: str, data: str) -> str:
    """How an arm is called on a data set."""
    return f"{arm},data={data}"


def read_data(node: Any) -> dict[str, Overrides]:
    """`data: [mnist1d, fashion_mnist]`, or name → what is typed for it: data set → its overrides; none without."""
    if node is None:
        return {}
    if isinstance(node, Sequence) and not isinstance(node, str):
        if len(set(map(str, node))) < len(node):
            raise ValueError(f"study.data lists a data set twice: {list(node)}; keep each once")
        found: dict[str, Overrides] = {str(name): {"data": name} for name in node}
    else:
        each = mapping(node, "study.data")
        found = {
            name: {"data": one} if isinstance(one, str) else mapping(one, f"study.data.{name}")
            for name, one in each.items()
        }
    if len(found) < 2:
        raise ValueError(f"study.data must name at least two data sets, got {listing(list(found)) or 'none'}")
    return found


def over_data(study: Study, data: Mapping[str, Overrides]) -> Study:
    """The study with every arm on every data set, and each prediction for each of them beside the one over all."""
    for name, overrides in data.items():
        for key in overrides:
            if key in study.varied or key in study.nuisance:
                verb = "arms vary" if key in study.varied else "nuisance tunes"
                raise ValueError(f"study.data.{name} sets {key}, which its {verb}; leave it to one of them")
    names = tuple(data)
    predictions: dict[str, Prediction] = {}
    for name, inner in study.predictions.items():
        predictions[name] = on_data(inner, name, names, inner.primary)
        for one in names:
            predictions[f"{name}@{one}"] = on_data(inner, f"{name}@{one}", (one,), False)
    arms = {arm_on(arm, one): {**own, **data[one]} for one in names for arm, own in study.arms.items()}
    return replace(study, arms=arms, predictions=predictions, data=dict(data), base=study)


def on_data(inner: Prediction, name: str, data: tuple[str, ...], primary: bool) -> OnData:
    """A prediction about some of the data sets."""
    told: dict[str, Any] = {"claim": inner.claim, "source": inner.source, "regime": inner.regime}
    return OnData(id=name, quantity=inner.quantity, primary=primary, inner=inner, data=data, **told)


@dataclass(frozen=True, kw_only=True)
class OnData(Prediction):
    """A prediction on one data set; or over several, with equal weights: about these, and not about others."""

    inner: Prediction
    data: tuple[str, ...]

    @property
    def kind(self) -> str:  # type: ignore[override]
        """That of the prediction."""
        return self.inner.kind

    @property
    def needs_quantity(self) -> bool:  # type: ignore[override]
        """That of the prediction."""
        return self.inner.needs_quantity

    def __getattr__(self, name: str) -> Any:
        """The keys of the prediction; a conjunction on one data set is one of its members there."""
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self.inner, name)
        return [f"{one}@{self.data[0]}" for one in value] if name == "of" and len(self.data) == 1 else value

    def selectors(self, study: Study) -> list[Selector]:
        """Its cells, on whatever data."""
        return self.inner.selectors(_base(study))

    def named_arms(self, study: Study) -> tuple[str, ...]:
        """Its arms, on its data sets."""
        return tuple(arm_on(arm, one) for one in self.data for arm in self.inner.named_arms(_base(study)))

    def test(self, study: Study, contrast: ContrastMaker) -> Claim:
        """Its claim, whose contrasts are averages over the data sets."""
        return self.inner.test(_base(study), Spread(contrast, self.data))

    def span(self, study: Study, contrast: ContrastMaker) -> Contrast | None:
        """Its span, on its data sets."""
        return self.inner.span(_base(study), Spread(contrast, self.data))

    def note(self, study: Study, contrast: ContrastMaker) -> str:
        """Its note, on its data sets."""
        return self.inner.note(_base(study), Spread(contrast, self.data))


def _base(study: Study) -> Study:
    assert study.base is not None
    return study.base


@dataclass(frozen=True)
class Spread:
    """Makes contrasts of arms as their averages over data sets (a ContrastMaker)."""

    contrast: ContrastMaker
    data: tuple[str, ...]

    def __call__(
        self,
        quantity: Quantity,
        weights: Mapping[str, float],
        subject: str = "",
        reference: str = "",
        oriented: bool = True,
        rivals: bool = True,
    ) -> Contrast:
        """The same weights on each of the data sets."""
        spread = {arm_on(arm, one): weight / len(self.data) for one in self.data for arm, weight in weights.items()}
        where = f"on {self.data[0]}" if len(self.data) == 1 else f"over {len(self.data)} data sets"
        return replace(self.contrast(quantity, spread, subject, reference, oriented, rivals), where=where)


def parts(study: Study) -> list[Study]:
    """The study on each of its data sets alone, with the predictions about that one; itself where it has but one."""
    if not study.data:
        return [study]
    found = []
    for one in study.data:
        arms = {name: own for name, own in study.arms.items() if name.endswith(f",data={one}")}
        own = {name: each for name, each in study.predictions.items() if getattr(each, "data", ()) == (one,)}
        found.append(replace(study, arms=arms, predictions=own))
    return found


FEWEST = 3


@dataclass(frozen=True)
class Summary:
    """The mean effect over data sets like these with its interval, the SD between data sets, and where another lies."""

    mean: float
    interval: tuple[float, float]
    tau: float
    another: tuple[float, float]


def random_effects(means: Sequence[float], errors: Sequence[float], alpha: float = ALPHA) -> Summary | None:
    """The summary of effects with their standard errors; None below three data sets.

    τ² by Paule and Mandel (1982, J. Res. NBS 87); the interval of the mean by Hartung and Knapp (2001,
    doi:10.1002/sim.1009), with the t distribution of one less than the data sets, never narrower than without their
    factor; the prediction interval by Higgins, Thompson and Spiegelhalter (2009, doi:10.1111/j.1467-985X.2008.00552.x).
    """
    y, v = np.asarray(means, dtype=float), np.asarray(errors, dtype=float) ** 2
    k = len(y)
    if k < FEWEST or not (np.isfinite(y).all() and np.isfinite(v).all() and (v > 0).all()):
        return None

    def excess(tau2: float) -> float:
        w = 1 / (v + tau2)
        return float((w * (y - (w * y).sum() / w.sum()) ** 2).sum()) - (k - 1)

    top = float(np.ptp(y) ** 2 + v.max())
    tau2 = 0.0 if excess(0.0) <= 0 else float(brentq(excess, 0.0, max(top, 1e-300) * k))
    w = 1 / (v + tau2)
    mean = float((w * y).sum() / w.sum())
    factor = max(1.0, float((w * (y - mean) ** 2).sum()) / (k - 1))
    variance = factor / float(w.sum())
    half = float(stdtrit(k - 1, 1 - alpha / 2)) * math.sqrt(variance)
    beyond = float(stdtrit(k - 2, 1 - alpha / 2)) * math.sqrt(tau2 + variance)
    return Summary(mean, (mean - half, mean + half), math.sqrt(tau2), (mean - beyond, mean + beyond))
