"""What training goes on with and Lightning's checkpoint of an epoch's end has not."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer import call
from torch import Tensor


class Unsaved:
    """Buffers that no state_dict has, where training changed them; and the step of schedulers that wait for a metric.

    Lightning steps those (ReduceLROnPlateau of a module's own) after the last hook of an epoch, where a checkpoint is
    written: the run that goes on from there has yet to make that step.

    Attributes:
        restored: what a checkpoint had.
    """

    def __init__(self) -> None:
        self.restored: dict[str, Any] | None = None
        self._began: dict[str, Tensor] = {}

    def begin(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Puts back what was restored, as training begins."""
        self._began = {name: value.detach().to("cpu", copy=True) for name, value in _buffers(pl_module).items()}
        restored, self.restored = self.restored or {}, None
        buffers = dict(pl_module.named_buffers())
        for name, value in restored.get("buffers", {}).items():
            if name in buffers:
                buffers[name].data = value.to(buffers[name].device)
        for place, metric in restored.get("steps", {}).items():
            scheduler = trainer.lr_scheduler_configs[place].scheduler
            call._call_lightning_module_hook(trainer, "lr_scheduler_step", scheduler, metric)

    def found(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """The same of now, for a checkpoint."""
        buffers = {
            name: value.detach().clone()
            for name, value in _buffers(pl_module).items()
            if name not in self._began or not torch.equal(self._began[name], value.cpu())
        }
        return {"buffers": buffers, "steps": _awaited(trainer) if pl_module.automatic_optimization else {}}


def _buffers(pl_module: pl.LightningModule) -> dict[str, Tensor]:
    saved = pl_module.state_dict().keys()
    return {name: value for name, value in pl_module.named_buffers() if name not in saved}


def _awaited(trainer: pl.Trainer) -> dict[int, Tensor]:
    """Schedulers, by their place, that are stepped once this epoch's hooks are through, and by what."""
    loop, found = trainer.fit_loop, {}
    progress: Any = loop.epoch_progress.current
    if progress.processed == progress.completed:  # no epoch's last hooks are on
        return {}
    if not loop.epoch_loop._num_ready_batches_reached():  # it was stopped in its middle
        return {}
    for place, config in enumerate(trainer.lr_scheduler_configs):
        metric = trainer.callback_metrics.get(config.monitor or "")
        due = config.interval == "epoch" and (trainer.current_epoch + 1) % config.frequency == 0
        if config.reduce_on_plateau and due and metric is not None:
            found[place] = metric.detach().cpu().clone()
    return found
