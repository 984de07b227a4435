"""One question on several data sets: every arm on each, a verdict for each, and one over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from litmus.claims.arms import Overrides, Selector
from litmus.claims.claims import Claim
from litmus.claims.contrast import Contrast, ContrastMaker
from litmus.claims.notation import listing
from litmus.claims.prediction import Prediction
from litmus.claims.quantity import Quantity
from litmus.claims.schema import mapping

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
