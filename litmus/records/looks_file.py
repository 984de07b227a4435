"""looks.json: of which seeds a study's directory has shown verdicts, and what they said.

Directories of several machines are brought together by copying the others' files beside it, as looks-OTHER.json: all
are read as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from litmus.atomic import write_json
from litmus.claims.judgement import Judgement
from litmus.claims.looks import FEWEST_SEEDS, Look, merged
from litmus.legible import read_json

FILE = "looks.json"


def read_looks(*directories: Path, arms: Iterable[str] = ()) -> list[Look]:
    """Every look that the directories' files record.

    Args:
        arms: leave out the looks at tables of other arms than these, whose report once stood there.

    Raises:
        ValueError: for a file that is damaged: without it, looks would go uncounted.
    """
    paths = [path for directory in dict.fromkeys(directories) for path in sorted(directory.glob("looks*.json"))]
    return merged(look for path in paths for look in _read(path, list(arms)))


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


def record_look(directory: Path, judgement: Judgement, arms: Iterable[str] = ()) -> None:
    """Notes that the verdicts of the seeds looked at are shown; called before they are.

    Args:
        arms: of the table that was looked at; none in a study's own directory.
    """
    before, seen = read_looks(directory, arms=arms), judgement.look
    now = merged([*before, seen]) if len(seen.seeds) >= FEWEST_SEEDS else before
    if now != before or not (directory / FILE).is_file():
        told = {"arms": sorted(arms)} if arms else {}
        write_json(directory / FILE, {**told, "looks": [_written(look) for look in now]})


def _written(look: Look) -> dict[str, Any]:
    return {"seeds": sorted(look.seeds), "corrected": look.corrected, "verdicts": dict(look.verdicts)}


def _read(path: Path, arms: list[str]) -> list[Look]:
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
    if arms and found.get("arms", sorted(arms)) != sorted(arms):
        return []
    return [
        Look(frozenset(entry["seeds"]), dict(entry.get("verdicts") or {}), bool(entry.get("corrected")))
        for entry in entries
    ]


def _sound(entry: Any) -> bool:
    seeds = entry.get("seeds") if isinstance(entry, Mapping) else None
    words = entry.get("verdicts") or {} if isinstance(entry, Mapping) else None
    return isinstance(seeds, list) and all(isinstance(seed, int) for seed in seeds) and isinstance(words, Mapping)
