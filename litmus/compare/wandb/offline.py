"""Offline runs on this disk, and what is known of their way to W&B."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litmus.atomic import write_json
from litmus.compare.wandb.subject import read_identity
from litmus.legible import read_json
from litmus.trial.offline import IDENTITY, is_synced, offline_run

# In a run's directory while it is uploaded. W&B marks a run as synced even when its server refused parts of it.
MARK = "uploading"
# In a trial's identity: runs of it at W&B that its latest upload replaces.
REPLACED = "replaces"


@dataclass(frozen=True)
class OfflineRun:
    """The latest run of a trial: it holds the whole trial, also where that went on with an earlier one."""

    directory: Path

    @property
    def trial(self) -> Path:
        """The trial's directory."""
        return self.directory.parents[1]

    @property
    def identity(self) -> dict[str, Any]:
        """Who the run is at W&B."""
        found: dict[str, Any] = read_json(self.trial / IDENTITY)
        return found

    @property
    def name(self) -> str:
        """As W&B shows it."""
        return str(self.identity["name"])

    @property
    def id(self) -> str:
        """As W&B knows it."""
        return str(self.identity["id"])

    @property
    def uploaded(self) -> bool:
        """Whether the whole of it is at W&B."""
        return is_synced(self.directory) and not (self.directory / MARK).exists()

    @property
    def known(self) -> bool:
        """Whether W&B may have a part of it, or an earlier attempt, under its id: more would be added to that."""
        others = [path for path in self.trial.glob("wandb/*run-*") if path != self.directory]
        online = any(path.name.startswith("run-") for path in others)
        renamed = not self.directory.name.endswith(f"-{self.id}")
        return (self.directory / MARK).exists() or renamed or online or any(map(_was_begun, others))

    def rename(self) -> None:
        """Takes another id, and keeps in mind that what W&B has under the old one is to go."""
        identity = self.identity
        replaced = [*identity.get(REPLACED, []), identity["id"]]
        write_json(self.trial / IDENTITY, identity | {"id": secrets.token_hex(4), REPLACED: replaced})

    def begin(self) -> None:
        """Says that it is being uploaded, from its start."""
        (self.directory / MARK).touch()
        for left in self.directory.glob("*.wandb.sync*"):
            left.unlink()

    def finish(self) -> bool:
        """Says that it was uploaded, if W&B says so."""
        if not is_synced(self.directory):
            return False
        (self.directory / MARK).unlink(missing_ok=True)
        return True


def offline_runs(directory: Path) -> tuple[list[OfflineRun], int]:
    """The runs below a directory that are still to be uploaded, and how many trials are not at their end yet."""
    found, running = [], 0
    for path in sorted(directory.rglob(IDENTITY)):
        read_identity(path)  # refuses what is damaged
        run = _latest(path.parent)
        if run is None or run.uploaded:
            continue
        if (path.parent / "result.json").exists():
            found.append(run)
        else:
            running += 1
    return found, running


def replaced_runs(directory: Path) -> dict[Path, list[str]]:
    """Identity file → ids at W&B that an upload has replaced and that are still to go."""
    found = {}
    for path in sorted(directory.rglob(IDENTITY)):
        read_identity(path)
        run, ids = _latest(path.parent), read_json(path).get(REPLACED)
        if ids and (run is None or run.uploaded):
            found[path] = list(ids)
    return found


def forget_replaced(path: Path) -> None:
    """Says that W&B has no replaced runs of a trial any more."""
    identity = read_json(path)
    write_json(path, {key: value for key, value in identity.items() if key != REPLACED})


def _was_begun(directory: Path) -> bool:
    return any(directory.glob("*.wandb.sync*")) or (directory / MARK).exists()


def _latest(trial: Path) -> OfflineRun | None:
    """The trial's latest run if it is offline."""
    found = offline_run(trial)
    return None if found is None else OfflineRun(found)
