"""The layers of the net in a table, where somebody is looking."""

import sys

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichModelSummary


class TerminalSummary(RichModelSummary):
    """Lightning's Rich summary, on a terminal only."""

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if sys.stdout.isatty():
            super().on_fit_start(trainer, pl_module)
