"""The override that lets a run report to its optimization, which may end it early."""

from pathlib import Path

from litmus.sweeps.overrides import override

# The pruner that compares with trials that have ended.
COMPARING = "median"


def pruning(pruner: str, journal: Path, study: str, trial: int, metric: str) -> list[str]:
    """What adds the pruning callback to a job; nothing when nothing is pruned. The callback changes no hash."""
    if pruner == "none":
        return []
    callback = {
        "_target_": "litmus.trial.pruning.Pruning",
        "journal": str(journal),
        "study": study,
        "trial": trial,
        "monitor": metric,
        "pruner": pruner,
    }
    return [override("+callbacks.pruning", callback)]
