"""Rules on which arms exist: duplicates, missing cells, doses without zero."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from litmus.claims.arms import describe, varying
from litmus.claims.finding import Finding, error, using, warning
from litmus.claims.kinds.shape import Shape
from litmus.claims.notation import listing, number, text
from litmus.claims.study import Study

Configs = Mapping[str, Mapping[str, Any]]
DOSE_KINDS = ("best", "shape", "order")


def duplicate_arms(study: Study, configs: Configs) -> Iterator[Finding]:
    """Two arms with the same resolved settings are one arm: what is reported as their difference is noise."""
    same = defaultdict(list)
    for arm, config in configs.items():
        same[tuple(sorted((key, text(value)) for key, value in config.items()))].append(arm)
    for arms in same.values():
        if len(arms) > 1:
            factors = varying(study.arms, arms)
            why = f"; {listing(factors)} changes no setting" if factors else ""
            message = f"The arms {' and '.join(arms)} have the same settings{why}: their difference is noise."
            yield error("duplicate_arms", message, using(study, arms, least=2))


def missing_cells(study: Study, configs: Configs) -> Iterator[Finding]:
    """A cell that a prediction names, or the baseline, has no arm."""
    if study.baseline is not None and not study.select(study.baseline):
        message = f"The baseline is ({describe(study.baseline)}), which no arm has: no gain is told; name an arm."
        yield warning("missing_cell", message)
    for name, prediction in study.predictions.items():
        if prediction.kind == "all_of":
            continue  # its members say so themselves
        absent = [cell for cell in prediction.selectors(study) if not study.select(cell)]
        if absent:
            cells = listing([f"({describe(cell)})" for cell in absent])
            yield error("missing_cell", f"The prediction {name} needs {cells}, which no arm has: add it.", [name])


def missing_off_level(study: Study, configs: Configs) -> Iterator[Finding]:
    """A claim about the dose of a factor without the arm that leaves it off cannot say whether any dose helps."""
    for factor in study.varied:
        off = study.off_level(factor)
        levels = {text(config[factor]) for config in study.arms.values() if factor in config}
        if off is None or len(levels) < 2 or text(off) in levels:
            continue
        for name, prediction in study.predictions.items():
            own = [study.arms[arm].get(factor) for arm in prediction.named_arms(study)]
            if prediction.kind in DOSE_KINDS and len({text(level) for level in own}) > 1:
                known = sorted({number(v) if number(v) is not None else text(v) for v in own}, key=str)
                message = (
                    f"The prediction {name} is about the dose of {factor} ({listing(known)}), "
                    f"but no arm has {factor} {text(off)}: add it, or set study.off.{factor} to null."
                )
                yield (warning if prediction.kind == "order" else error)("missing_off_level", message, [name])


def few_levels(study: Study, configs: Configs) -> Iterator[Finding]:
    """A shape needs three levels."""
    for name, prediction in study.predictions.items():
        if prediction.kind != "shape":
            continue
        shape: Shape = prediction  # type: ignore[assignment]
        found = len(study.levels(shape.factor, shape.given or {}))
        if found < 3:
            message = f"The prediction {name} is about a shape, which needs 3 levels of {shape.factor}, found {found}."
            yield error("few_levels", message, [name])
