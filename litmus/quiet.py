"""What Lightning, torch and Slurm say in every run about where it runs: silenced here, for the program and its tests.

Warnings and log messages are known by how they begin. What says something of this run, not of any, is not here.
"""

import logging
import warnings
from typing import Any

# As regular expressions; a colon would end them in pytest's syntax.
WARNINGS = (
    "The `srun` command is available on your system but is not used",
    "The '.*dataloader' does not have many workers",
    "Consider setting `persistent_workers=True`",
    "GPU available but not used",
    "MPS available but not used",
    "`LightningModule.configure_optimizers` returned `None`",  # refused, see Movement
    # Lightning 2.6 with torch 2.13, at every loader; and where processes gather.
    ".*LeafSpec.*",
    ".*all_gather is deprecated.*",
)
MESSAGES = (
    "GPU available",
    "TPU available",
    "HPU available",
    "💡",
    "`Trainer.fit` stopped",
    "Restor",
    "Loading `train_dataloader` to estimate",
    "Loaded model",
    "`weights_only`",
    "Using bfloat16",
    "LOCAL_RANK: ",
    "You are using a CUDA device",  # which could trade precision for speed
)
LOGGERS = (
    "pytorch_lightning.utilities.rank_zero",
    "lightning_fabric.utilities.rank_zero",
    "pytorch_lightning.accelerators.cuda",
    "pytorch_lightning.trainer.connectors.checkpoint_connector",
)


class _WithoutHints(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().lstrip().startswith(MESSAGES)


def silence_lightning() -> None:
    """Silences, each at its source, the lines that are printed in every run whatever is asked."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(existing, _WithoutHints) for existing in logger.filters):
            logger.addFilter(_WithoutHints())
    for message in WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    from lightning_fabric.accelerators import cuda as fabrics
    from pytorch_lightning.accelerators import cuda

    # Asks torch for a precision only to hint at it, and torch refuses where that was set by the names it has today, as
    # torch.backends.cuda.matmul.fp32_precision: the run would end.
    modules: tuple[Any, ...] = (fabrics, cuda)
    for module in modules:
        module._check_cuda_matmul_precision = lambda device: None
