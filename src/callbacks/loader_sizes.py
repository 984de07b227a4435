"""Whether an ordinary loader is made with the batch size that is asked for, found before training."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.combined_loader import CombinedLoader
from pytorch_lightning.utilities.parsing import lightning_setattr
from pytorch_lightning.utilities.seed import isolate_rng


def made_for(trainer: pl.Trainer) -> Any:
    """The train loaders of the fit as whoever has them makes them now: a data module, the module, or nobody."""
    return trainer.fit_loop._data_source.dataloader()


def maker_of(trainer: pl.Trainer) -> str:
    """Who makes the train loaders."""
    source = trainer.fit_loop._data_source
    return f"{type(source.instance).__name__}.train_dataloader" if source.is_module() else "whoever made the loader"


def sizes_in(loaders: Any) -> list[int | None]:
    """The batch size that each loader says it has."""
    found = loaders if isinstance(loaders, CombinedLoader) else CombinedLoader(loaders)
    return [
        getattr(loader, "batch_size", None) or getattr(getattr(loader, "batch_sampler", None), "batch_size", None)
        for loader in found.flattened
    ]


def refuse_another_size(trainer: pl.Trainer, pl_module: pl.LightningModule, sizes: list[int]) -> None:
    """Asks for loaders of these sizes, and draws nothing; what was set stays set.

    Raises:
        ValueError: where a loader has another size than was asked for.
    """
    for asked in sizes:
        lightning_setattr(pl_module, "batch_size", asked)
        with isolate_rng():
            found = sizes_in(made_for(trainer))
        wrong = next((size for size in found if size != asked), asked)
        if wrong != asked:
            known = "of a size that it does not tell" if wrong is None else f"of {wrong}"
            raise ValueError(
                f"batches of {asked} were asked for, and {maker_of(trainer)} gave batches {known}; it must make its "
                "loader from self.batch_size or self.hparams.batch_size whenever it is called"
            )
