"""Cross-validation, repeated: each run of an arm has a fold as its test set, and runs share training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litmus.claims.schema import keys, mapping


@dataclass(frozen=True)
class Resampling:
    """`folds` disjoint test sets that together are the whole data, dealt anew `repeats` times.

    Run number s of an arm has fold s mod `folds` of deal s // `folds`; all arms have the same ones.
    """

    folds: int
    repeats: int = 1

    @property
    def runs(self) -> int:
        """Of each arm."""
        return self.folds * self.repeats

    @property
    def ratio(self) -> float:
        """Rows tested over rows learned from, by which the variance of the mean is corrected for shared rows.

        The mean of n differences has the variance s²(1/n + n_test/n_train), for runs that learn from the same rows are
        not independent: Nadeau and Bengio, Machine Learning 52, 2003, doi:10.1023/A:1024068626366; of repeated folds
        Bouckaert and Frank, PAKDD 2004, doi:10.1007/978-3-540-24775-3_3. Rows that validate belong to the learning.
        """
        return 1 / (self.folds - 1)

    def split(self, run: int) -> dict[str, Any]:
        """The overrides that give a run its fold."""
        return {"data.fold": run % self.folds, "data.seed": run // self.folds}

    @property
    def told(self) -> str:
        """5 folds × 4 repeats."""
        return f"{self.folds} folds × {self.repeats} repeat{'' if self.repeats == 1 else 's'}"


def read_resampling(node: Any) -> Resampling | None:
    """`resampling: {folds: 5, repeats: 4}`; None where there is none."""
    if node is None:
        return None
    node = mapping(node, "study.resampling")
    keys(node, "study.resampling", ["folds", "repeats"], ["folds"])
    folds, repeats = node["folds"], node.get("repeats", 1)
    if type(folds) is not int or type(repeats) is not int or folds < 2 or repeats < 1:
        raise ValueError(
            f"study.resampling needs whole numbers, folds from 2 and repeats from 1 on, got {folds!r} and {repeats!r}"
        )
    return Resampling(folds, repeats)


def refuse_no_folds(data: Mapping[str, Any], resampling: Resampling) -> None:
    """Refuses data that cannot be dealt into folds, by the knobs that they have.

    Raises:
        ValueError: naming what they lack.
    """
    needed = ("folds", "fold", "seed")
    lacking = [f"data.{key}" for key in needed if key not in data]
    if lacking:
        raise ValueError(
            f"study.resampling deals the data into {resampling.told} by data.folds, data.fold and data.seed, and "
            f"{data.get('_target_', 'these data')} have no {' or '.join(lacking)}; take data that have them, or "
            "list study.seeds"
        )
