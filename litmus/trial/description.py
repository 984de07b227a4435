"""What a run is, as plain data: its configuration, the hash that tells runs apart, the overrides that were typed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from litmus.trial.code import fingerprint
from litmus.trial.identity import NOT_IN_HASH, agreeing, arm_hash, asked_hash, config_hash
from litmus.trial.source import FOUND, told_weights


def describe(config: DictConfig, overrides: Any) -> dict[str, Any]:
    """Resolved configuration, what can be said of it before the run, overrides and seed.

    Paths are relative to the run's directory. `settled` is the configuration but what follows the seed or the
    directory, which `identified` turns into the arm.
    """
    directory = Path(config.output_dir)
    plain = resolved(config)
    stored = directory / ".hydra" / "overrides.yaml"
    if config.resume is not None and stored.is_file():
        begun: Any = OmegaConf.to_container(OmegaConf.load(stored), resolve=False)
        overrides = [
            *begun,
            *(entry for entry in overrides if not entry.startswith("resume=")),
        ]
    return {
        "config": plain,
        "asked_hash": asked_hash(plain),
        "overrides": list(overrides),
        "seed": config.seed,
        "code": fingerprint({name: value for name, value in plain.items() if name not in NOT_IN_HASH}),
        "settled": settled(config, plain),
    }


def identified(description: Mapping[str, Any], numerics: Mapping[str, Any] | None) -> dict[str, Any]:
    """What result.json says of who a run is; hashes of what computed its numbers only where that was known."""
    known = {name: value for name, value in description.items() if name != "settled"}
    hashes: dict[str, Any] = {"config_hash": None, "arm": None}
    if numerics is not None:
        hashes["config_hash"] = config_hash(description["config"], numerics)
        hashes["arm"] = arm_hash(description["settled"], numerics, description["code"])
    return {**known, **hashes, "numerics": numerics}


def resolved(config: DictConfig, output_dir: str = ".", **root_knobs: Any) -> dict[str, Any]:
    """The configuration as plain data, with other values of some root knobs; what refers to them follows.

    What `weights` names is told by whose weights these are.
    """
    plain = _plain(config, output_dir, **root_knobs)
    return plain | ({"weights": told_weights(plain["weights"])} if "weights" in plain else {})


def _plain(config: DictConfig, output_dir: str, **root_knobs: Any) -> dict[str, Any]:
    changed = config.copy()
    with open_dict(changed):
        changed.pop("hydra", None)
        for name, value in {"output_dir": output_dir, "resume": None, **root_knobs}.items():
            OmegaConf.update(changed, name, value, merge=False)
    return dict(OmegaConf.to_container(changed, resolve=True))  # type: ignore[arg-type]


def settled(config: DictConfig, plain: dict[str, Any] | None = None) -> dict[str, Any]:
    """The resolved configuration but what follows the seed or the directory; `plain` is it, where it is known."""
    another = config.seed + 1 if isinstance(config.seed, int) else 0  # what is no seed is refused afterwards
    here, there = plain or resolved(config), _plain(config, "elsewhere", seed=another)
    if "weights" not in here:
        return agreeing(here, there)
    # Another seed's weights may not be there yet; they are told apart by where they would be.
    found = agreeing(here, {**there, "weights": told_weights(there["weights"], read=False)})
    if "from" in found["weights"]:
        found["weights"] |= {name: here["weights"][name] for name in FOUND if name in here["weights"]}
    return found


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as `model.units`: value, as they are typed on the command line."""
    leaves: dict[str, Any] = {}
    for name, value in config.items():
        leaves |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return leaves
