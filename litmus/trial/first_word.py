"""What a single run says before torch is imported, which takes seconds."""

import os
from pathlib import Path

from omegaconf import DictConfig

from litmus.words import count


def say(config: DictConfig) -> None:
    """Prints what will be trained and where; one process of several speaks for all."""
    if os.environ.get("LOCAL_RANK", "0") in ("", "0"):
        print(first_word(config), flush=True)


def first_word(config: DictConfig) -> str:
    """MLP on MNIST1D, 40 epochs, in runs/2026-03-01/12-00-00-a1b2c3."""
    model, data = (str(node["_target_"]).rpartition(".")[2] for node in (config.model, config.data))
    goes_on = "going on with " if config.resume is not None else ""
    return f"{goes_on}{model} on {data}, {count(config.epochs, 'epoch')}, in {os.path.relpath(Path(config.output_dir))}"
