"""A W&B run that never asks: online where a key is configured, else offline."""

import netrc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse


def has_key() -> bool:
    """Whether WANDB_API_KEY or `wandb login` (which writes ~/.netrc) gives a key for the server in use."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def wandb_logger(
    directory: str,
    project: str = "litmus",
    group: str | None = None,
    name: str | None = None,
    job_type: str = "train",
    tags: Sequence[str] = (),
) -> Any:
    """Lightning's WandbLogger for one run, its files in the run's directory; `wandb sync` uploads an offline one."""
    mode = os.environ.get("WANDB_MODE") or ("online" if has_key() else "offline")
    if mode == "offline":
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        os.environ.setdefault("WANDB_SILENT", "true")
    # Imported where used: a run without W&B need not wait for it.
    from pytorch_lightning.loggers import WandbLogger

    Path(directory).mkdir(parents=True, exist_ok=True)
    return WandbLogger(
        save_dir=directory,
        project=project,
        group=group,
        name=name or Path(directory).name,
        job_type=job_type,
        tags=list(tags),
        mode=mode,
        log_model=False,
    )
