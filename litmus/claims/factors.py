"""What tells runs apart: all but where a run lies, which sweep it is of, its seed, and what changes no number."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from litmus.claims.notation import text

# Where a run reads and writes, and who watches it.
PLACES = ("data_dir", "output_dir", "resume", "logger")
# Which sweep a run is of.
SWEEPS = ("hydra", "study", "search")
# What these came to is part of a run's numerics.
NUMERIC = ("threads", "trainer.accelerator", "trainer.devices")
# These change no number of a run that ends.
NEUTRAL = ("fast", "trust", "judge", "model.recompute", "callbacks.pruning")


def is_place(key: str) -> bool:
    """Whether a setting, flat, says where a run lies or who watches it: data_dir, data.data_dir, logger.csv.path."""
    parts = key.split(".")
    return parts[0] in PLACES or parts[-1] in PLACES


def is_factor(key: str) -> bool:
    """Whether a setting, flat, can tell two arms apart."""
    root = key.partition(".")[0]
    neutral = any(key == one or key.startswith(f"{one}.") for one in (*NUMERIC, *NEUTRAL))
    return not (is_place(key) or neutral or root in SWEEPS or key == "seed")


def told_by(factors: Mapping[str, Any] | None) -> str | None:
    """An arm called by its factors, "norm=batch,dropout=0.1"; None where there are none."""
    return ",".join(f"{knob}={value}" for knob, value in (factors or {}).items()) or None


def follows_seed(key: str, value: Any, seed: int | None, typed: Container[str]) -> bool:
    """Whether a setting is the run's seed under another name, as data.seed is unless it was typed."""
    return seed is not None and key.endswith("seed") and key not in typed and text(value) == text(seed)
