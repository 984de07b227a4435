"""Learning curves."""

from __future__ import annotations

from litmus.report.blocks import Block, Gallery, Section, Text
from litmus.report.evidence import Evidence
from litmus.report.figures.curves import CLOCKS, curves
from litmus.words import count

MOST_METRICS = 2
# Of whoever recorded them, see litmus.training.gradients.
GRADIENTS = ("grad_norm/all", "grad_norm/first_to_last")


def section(evidence: Evidence) -> Section | None:
    """Curves of what selects and what is judged, and beside them, on the page, of what is fitted."""
    each = evidence.on_each
    pictures = [found for metric in metrics(evidence) for own in each if (found := curves(own, metric)) is not None]
    fitted = [found for own in each if (found := curves(own, "train/loss", page_only=True)) is not None]
    if not pictures:
        return None
    runs = sum(map(len, evidence.curves.values()))
    blocks: list[Block] = [
        Text(f"{count(runs, 'run')} of {count(len(evidence.curves), 'arm')}. A mean ends where its first run does."),
        Gallery(pictures),
        *([Gallery(fitted, len(each), "train/loss")] if fitted else []),
    ]
    return Section("dynamics", "Curves", blocks)


def metrics(evidence: Evidence) -> list[str]:
    """The selection metric, then what quantities are about, then gradients, as far as there are such curves."""
    recorded = {name for runs in evidence.curves.values() for run in runs for name in run.history}
    wanted = [quantity.select for quantity in evidence.study.quantities.values()]
    wanted += [quantity.metric for quantity in evidence.study.quantities.values()]
    known = [name for name in dict.fromkeys(wanted) if name in recorded and name not in CLOCKS]
    drawn = [name for name in known if not name.startswith("train/")][:MOST_METRICS]
    return drawn + [name for name in GRADIENTS if name in recorded and name not in drawn]
