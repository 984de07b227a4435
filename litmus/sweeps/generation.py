"""A sweep's directory of an earlier version: its trials have hashes that say something else, and are left alone."""

from pathlib import Path

from litmus.legible import read_object
from litmus.trial.identity import HASHES

PARTS = ("trials", "tuning")


def refuse_earlier(directory: Path, note: str) -> None:
    """Refuses to go on in a directory whose trials would all look like another configuration's.

    Args:
        directory: of the sweep.
        note: the file in it that says with which `hashes` it was begun.

    Raises:
        ValueError: naming the way out.
    """
    stored = read_object(directory / note)
    begun = stored or any((directory / part).is_dir() for part in PARTS)
    if begun and stored.get("hashes") != HASHES:
        raise ValueError(
            f"{directory} holds trials of an earlier version, whose hashes do not tell whether they are the same as "
            f"these: take another directory, as in hydra.sweep.dir={directory}-again; what is here stays as it is"
        )
