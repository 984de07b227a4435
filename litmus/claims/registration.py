"""When a study was first asked, and in which words: predictions count that were written before anything ran."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from litmus.atomic import write_json
from litmus.claims.notation import text
from litmus.legible import read_json

FILE = "registered.json"


@dataclass(frozen=True)
class Registration:
    """A wording of the study: when a start first had it, its hash, which keys it changed, and the runs there were."""

    date: str
    sha256: str
    changed: tuple[str, ...] = ()
    runs: int = 0


def digest(node: Mapping[str, Any]) -> str:
    """The hash of what a study asks, whatever the order and the notation of its keys."""
    return hashlib.sha256(_canonical(node).encode()).hexdigest()


def register(directory: Path, node: Mapping[str, Any], before: Mapping[str, Any] | None, runs: int) -> None:
    """Keeps the date and the hash of this wording, unless the last start had the same.

    Args:
        directory: of the study.
        node: what is asked now.
        before: what the last start asked; None at the first.
        runs: how many trials had ended by now.
    """
    known = read_registrations(directory)
    own = digest(node)
    if known and known[-1].sha256 == own:
        return
    before = before or {}
    keys = {**before, **node}
    changed = [key for key in keys if _canonical(before.get(key)) != _canonical(node.get(key))] if before else []
    # A directory from before there was a register tells when it was first told, and that it had runs by then.
    new = Registration(
        datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), own, tuple(_named(changed, node, before)), runs
    )
    write_json(directory / FILE, [asdict(one) for one in (*known, new)])


def read_registrations(directory: Path) -> list[Registration]:
    """The wordings in the order of their dates; none of a study from before they were kept.

    Raises:
        ValueError: for a file that is no such list.
    """
    path = directory / FILE
    if not path.is_file():
        return []
    try:
        return [Registration(**{**one, "changed": tuple(one["changed"])}) for one in read_json(path)]
    except (ValueError, TypeError, KeyError) as problem:
        raise ValueError(f"{path} is no list of dates and hashes ({problem}); restore or delete it") from problem


def told(registrations: Sequence[Registration]) -> list[tuple[str, str]]:
    """(what, value) in words: the first wording, and what was edited later."""
    if not registrations:
        return []
    first = registrations[0]
    ran = f", when {first.runs} trials had ended" if first.runs else ", before anything ran"
    found = [("study file", f"sha256 {first.sha256[:16]}, first started {first.date}{ran}")]
    for one in registrations[1:]:
        what = ", ".join(one.changed) or "nothing but its order"
        found.append((f"edited {one.date}", f"{what}; sha256 {one.sha256[:16]}, when {one.runs} trials had ended"))
    return found


def _named(changed: Sequence[str], node: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """The changed keys; of predictions and quantities, which of them."""
    found = []
    for key in changed:
        own, other = node.get(key), before.get(key)
        if isinstance(own, Mapping) and isinstance(other, Mapping) and key in ("predictions", "quantities", "arms"):
            names = [name for name in {**other, **own} if _canonical(own.get(name)) != _canonical(other.get(name))]
            found += [f"{key}.{name}" for name in names]
        else:
            found.append(key)
    return found


def _canonical(value: Any) -> str:
    """One text per meaning: 1e-3 is 0.001, and the order of predictions says nothing."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_canonical(value[key])}" for key in sorted(value, key=str)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return repr(text(value))
