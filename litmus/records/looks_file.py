"""looks.json: of which seeds a study's directory has shown verdicts, and what they said.

Directories of several machines are brought together by copying the others' files beside it, as looks-OTHER.json: all
are read as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from litmus.atomic import write_json
from litmus.claims.judgement import Judgement, arms_compared
from litmus.claims.looks import FEWEST_SEEDS, Look, merged
from litmus.claims.study import Study
from litmus.legible import read_json

FILE = "looks.json"


def read_looks(*directories: Path, study: Study | None = None) -> list[Look]:
    """Every look that the directories' files record.

    Args:
        study: leave out the looks at other arms than it compares, whose report once stood there: of a comparison, those
            at fewer than two of its arms.

    Raises:
        ValueError: for a file that is damaged: without it, looks would go uncounted.
    """
    paths = [path for directory in dict.fromkeys(directories) for path in sorted(directory.glob("looks*.json"))]
    looks = merged(look for path in paths for look in _read(path))
    compared = None if study is None else arms_compared(study)
    return [look for look in looks if compared is None or any(look.pairs(arms) for arms in compared)]


def refuse_lost_looks(directory: Path) -> None:
    """Refuses a study's directory that has shown verdicts and does not know any more of which seeds.

    Raises:
        ValueError: naming the way out.
    """
    if _verdicts_counted(directory / "verdicts.json") and not any(directory.glob("looks*.json")):
        raise ValueError(
            f"{directory}: verdicts.json says that verdicts were shown, and looks.json, which counts them, is gone; "
            "bring it back, or run the study in another directory, as in hydra.sweep.dir=studies/again"
        )


def _verdicts_counted(path: Path) -> bool:
    """Whether verdicts were shown by a version that counts looks: those before it left no looks.json to lose."""
    try:
        rows = read_json(path)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True  # it stands there and says nothing: for the worst
    return not isinstance(rows, dict) or any("withdrawn" in row for row in rows.values() if isinstance(row, dict))


def record_look(directory: Path, judgement: Judgement) -> None:
    """Notes that the verdicts of the seeds looked at are shown, before they are; nothing noted is ever removed."""
    before, seen = read_looks(directory), judgement.look
    now = merged([*before, seen]) if len(seen.seeds) >= FEWEST_SEEDS else before
    if now != before or not (directory / FILE).is_file():
        write_json(directory / FILE, {"looks": [_written(look) for look in now]})


def _written(look: Look) -> dict[str, Any]:
    told = {"seeds": sorted(look.seeds), "corrected": look.corrected, "verdicts": dict(look.verdicts)}
    arms = {"arms": dict(look.arms)} if look.arms else {}
    if look.lacking is None:
        return {**told, **arms}
    return {**told, **arms, "lacking": {arm: sorted(own) for arm, own in look.lacking.items()}}


def _read(path: Path) -> list[Look]:
    try:
        found = read_json(path)
    except (OSError, ValueError):
        found = None
    entries = found.get("looks") if isinstance(found, dict) else None
    if not isinstance(entries, list) or not all(_sound(entry) for entry in entries):
        raise ValueError(
            f"{path}: expected the looks at this study, as in {{looks: [{{seeds: [0, 1, 2]}}]}}, found none; take it "
            "from where it was copied, or run the study in another directory"
        )
    # Earlier versions named a table's arms once for all of a file's looks.
    named = dict.fromkeys(found.get("arms") or ())
    return [_look({"arms": named, **entry}) for entry in entries]


def _look(entry: Mapping[str, Any]) -> Look:
    lacking = entry.get("lacking")
    return Look(
        frozenset(entry["seeds"]),
        dict(entry.get("verdicts") or {}),
        bool(entry.get("corrected")),
        dict(entry["arms"]),
        None if lacking is None else {arm: frozenset(seeds) for arm, seeds in lacking.items()},
    )


def _sound(entry: Any) -> bool:
    if not isinstance(entry, Mapping):
        return False
    parts = [entry.get(name) or {} for name in ("verdicts", "arms", "lacking")]
    if not all(isinstance(part, Mapping) for part in parts):
        return False
    return all(_whole(seeds) for seeds in (entry.get("seeds"), *parts[-1].values()))


def _whole(seeds: Any) -> bool:
    return isinstance(seeds, list) and all(isinstance(seed, int) for seed in seeds)
