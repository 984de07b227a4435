"""What a run is, as plain data: its configuration, the hash that tells runs apart, the overrides that were typed."""

import hashlib
import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

# Where a run is kept and watched does not change what it computes.
NOT_IN_HASH = ("data_dir", "resume", "output_dir", "logger", "threads")


def describe(config: DictConfig, overrides: Any) -> dict[str, Any]:
    """Resolved configuration, its hash, overrides and seed; paths in it are relative to the run's directory."""
    directory = Path(config.output_dir)
    portable = config.copy()
    portable.output_dir, portable.resume = ".", None
    plain: dict[str, Any] = OmegaConf.to_container(portable, resolve=True)  # type: ignore[assignment]
    stored = directory / ".hydra" / "overrides.yaml"
    if config.resume is not None and stored.is_file():
        overrides = [
            *OmegaConf.load(stored),
            *(entry for entry in overrides if not entry.startswith("resume=")),
        ]
    return {
        "config": plain,
        "config_hash": config_hash(plain),
        "overrides": list(overrides),
        "seed": config.seed,
    }


def config_hash(config: dict[str, Any]) -> str:
    """Sixteen hexadecimal digits that two configurations share exactly if they compute the same."""
    relevant = {name: value for name, value in config.items() if name not in NOT_IN_HASH}
    relevant["data"] = {name: value for name, value in config["data"].items() if name != "data_dir"}
    # Activations that are computed twice are the same to the bit.
    relevant["model"] = {name: value for name, value in config["model"].items() if name != "recompute"}
    # Pruning may end a run early; until then it computes what it would without.
    callbacks = config.get("callbacks") or {}
    relevant["callbacks"] = {name: value for name, value in callbacks.items() if name != "pruning"}
    text = json.dumps(relevant, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as `model.units`: value, as they are typed on the command line."""
    leaves: dict[str, Any] = {}
    for name, value in config.items():
        leaves |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return leaves
