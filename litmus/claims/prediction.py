"""A prediction: a claim about quantities of arms that compiles to per-seed contrasts and a rule over them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib import import_module
from itertools import combinations
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, ClassVar

from litmus.claims import kinds
from litmus.claims.arms import Selector, check_selector, describe
from litmus.claims.claims import Claim
from litmus.claims.contrast import Contrast, ContrastMaker, UndecidableError
from litmus.claims.notation import number
from litmus.claims.schema import keys, mapping, one_of, said, way_out

if TYPE_CHECKING:
    from litmus.claims.quantity import Quantity
    from litmus.claims.study import Study


REGIMES = ("document",)


@dataclass(frozen=True, kw_only=True)
class Prediction(ABC):
    """What every kind shares; a kind adds fields (its keys in YAML), `selectors` and `test`.

    `regime: document` says that the arms differ by what the document's regime gave them as well, so that what is
    confirmed is confirmed in that regime only.
    """

    kind: ClassVar[str]
    needs_quantity: ClassVar[bool] = True
    id: str
    quantity: str = ""
    claim: str = ""
    source: str = ""
    primary: bool = False
    regime: str = ""

    @abstractmethod
    def selectors(self, study: Study) -> list[Selector]:
        """Every cell that the prediction names."""

    @abstractmethod
    def test(self, study: Study, contrast: ContrastMaker) -> Claim:
        """The prediction as contrasts and their rule; raises UndecidableError when a named cell has no arm."""

    def check(self, study: Study) -> None:  # noqa: B027  (most kinds have nothing more to check)
        """Refuse impossible values, after the selectors were found to be known."""

    def span(self, study: Study, contrast: ContrastMaker) -> Contrast | None:
        """What the prediction is about as a whole, where it is judged by parts: printed before the weakest of them."""
        return None

    def note(self, study: Study, contrast: ContrastMaker) -> str:
        """Further evidence to print with the verdict."""
        return ""

    def named_arms(self, study: Study) -> tuple[str, ...]:
        """The arms that the prediction's cells point at, each once."""
        named = (arm for selector in self.selectors(study) for arm in study.select(selector))
        return tuple(dict.fromkeys(named))

    def measured(self, study: Study) -> Quantity:
        """The quantity that the prediction is about."""
        return study.quantities[self.quantity]

    def where(self, key: str) -> str:
        """How an error names one of the prediction's keys."""
        return f"study.predictions.{self.id}.{key}"


def weights(study: Study, selector: Selector, sign: float = 1.0) -> dict[str, float]:
    """Equal weights over the arms of a selector, summing to `sign`: factors left open are averaged over."""
    arms = study.select(selector)
    if not arms:
        raise UndecidableError(f"no arm has {describe(selector)}")
    return {arm: sign / len(arms) for arm in arms}


def difference(study: Study, *signed: tuple[Selector, float]) -> dict[str, float]:
    """The summed weights of several selectors, as in ((better, +1), (worse, −1))."""
    total: dict[str, float] = {}
    for selector, sign in signed:
        for arm, weight in weights(study, selector, sign).items():
            total[arm] = total.get(arm, 0.0) + weight
    return total


def refuse_shared(study: Study, where: str, *cells: Selector) -> None:
    """Cells whose difference is taken share no arm: what both hold would be compared with itself.

    Raises:
        ValueError: naming an arm that two of them hold.
    """
    for first, second in combinations(cells, 2):
        shared = [arm for arm in study.select(first) if arm in study.select(second)]
        if shared:
            cells_told = f"{describe(first)} and {describe(second)}"
            raise ValueError(f"{where}: {cells_told} both hold the arm {shared[0]}; name cells that share no arm")


def several(value: Any) -> tuple[Selector, ...]:
    """One selector or a list of them, as a tuple."""
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)


def finite(value: Any, where: str) -> float:
    """The value as a finite number."""
    amount = number(value)
    if amount is None or amount - amount != 0:
        raise ValueError(f"{where} must be a number, got {value!r}")
    return amount


@cache
def registry() -> dict[str, type[Prediction]]:
    """Every kind: the Prediction subclasses found in the modules of litmus/claims/kinds."""
    found = {}
    for module in iter_modules(kinds.__path__):
        for value in vars(import_module(f"{kinds.__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, Prediction) and hasattr(value, "kind"):
                found[value.kind] = value
    return found


def read_predictions(node: Any, study: Study) -> None:
    """Add the `predictions:` node to the study, checked against its arms and quantities."""
    entries = mapping(node, "study.predictions")
    read = {name: _read(name, mapping(entry, f"study.predictions.{name}"), study) for name, entry in entries.items()}
    primary = [name for name, prediction in read.items() if prediction.primary]
    if len(primary) > 1:
        raise ValueError(f"study.predictions has {len(primary)} primaries ({', '.join(primary)}); keep one")
    study.predictions.update(read)  # all_of refers to its members by name
    for prediction in read.values():
        for selector in prediction.selectors(study):
            check_selector(study.arms, selector, f"study.predictions.{prediction.id}")
        prediction.check(study)


def _read(name: str, node: Mapping[str, Any], study: Study) -> Prediction:
    where = f"study.predictions.{name}"
    if name == "lint":
        raise ValueError("study.predictions.lint: the name lint belongs to the findings; choose another")
    if "kind" not in node:
        raise ValueError(f"{where} lacks the key 'kind'; known: {', '.join(sorted(registry()))}")
    cls = registry()[one_of(node["kind"], f"{where}.kind", registry())]
    own = [entry for entry in fields(cls) if entry.name != "id"]
    required = [entry.name for entry in own if entry.default is MISSING and entry.default_factory is MISSING]
    keys(node, where, ["kind", *(entry.name for entry in own)], required)
    values = {key: value for key, value in node.items() if key != "kind"}
    if not isinstance(values.get("primary", False), bool):
        raise ValueError(f"{where}.primary must be true or false, got {values['primary']!r}")
    values |= {key: said(values[key], f"{where}.{key}") for key in ("claim", "source") if key in values}
    if "regime" in values:
        one_of(values["regime"], f"{where}.regime", REGIMES)
    if cls.needs_quantity:
        if "quantity" not in values and len(study.quantities) == 1:
            values["quantity"] = next(iter(study.quantities))
        asked = values.get("quantity")
        if not isinstance(asked, str) or asked not in study.quantities:
            hint = way_out(str(asked), study.quantities)
            raise ValueError(f"{where}.quantity names the unknown quantity {asked!r}; {hint}")
    return cls(id=name, **values)
