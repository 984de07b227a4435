"""Where the trials of a study lie below its directory."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from litmus.claims.study import Study
from litmus.legible import legible

SEED = re.compile(r"^seed=(-?\d+)$")


def folders(root: Path) -> list[Path]:
    """The directories inside a directory, sorted; none when it does not exist."""
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def arm_of(name: str, study: Study) -> str | None:
    """The arm whose trials lie in a directory of this name."""
    return next((arm for arm in study.arms if arm in (name, legible(unquote(name)))), None)
