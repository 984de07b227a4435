"""A finished run, again, from its own directory: python evaluate.py DIR prints its test and writes predictions.csv."""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

from src.trial.command_line import answer


def evaluate(directory: Path) -> None:
    """Tests the best weights of the run in `directory` and writes a row per test sample to predictions.csv.

    Raises:
        ValueError: if the directory holds no finished run.
    """
    stored, best = directory / ".hydra" / "config.yaml", directory / "checkpoints" / "best.ckpt"
    for path in (stored, best):
        if not path.is_file():
            raise ValueError(f"expected the directory of a finished run with {path.relative_to(directory)}, found none")

    import pytorch_lightning as pl
    import torch
    from hydra.utils import get_class, instantiate
    from omegaconf import OmegaConf
    from rich.console import Console

    from src.atomic import replacing
    from src.quiet import silence_lightning
    from src.trial.run import test_table

    silence_lightning()
    config: Any = OmegaConf.load(stored)
    config.output_dir = str(directory)
    data = instantiate(config.data, _convert_="all")
    model_class: Any = get_class(config.model._target_)
    model = model_class.load_from_checkpoint(best, map_location="cpu", weights_only=True)
    trainer = pl.Trainer(
        accelerator=config.trainer.accelerator,
        devices=1,
        precision=config.trainer.precision,
        deterministic=config.trainer.deterministic,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data.setup("test")
    if "test" not in data.splits:
        raise ValueError(f"this split of {data.name} has no test set; its result.json has the validation's metrics")
    trainer.test(model, datamodule=data, verbose=False)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    batches: Any = trainer.predict(model, dataloaders=data.test_dataloader())
    probabilities, labels = (torch.cat(column) for column in zip(*batches, strict=True))
    with replacing(directory / "predictions.csv") as path, path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "label", "prediction", *(f"probability_{label}" for label in range(data.classes))])
        for row, (label, shares) in enumerate(zip(labels.tolist(), probabilities.tolist(), strict=True)):
            writer.writerow([row, label, shares.index(max(shares)), *(f"{share:.6g}" for share in shares)])

    Console().print(test_table(metrics, data.describe()))
    result = directory / "result.json"
    recorded = json.loads(result.read_text())["metrics"] if result.is_file() else {}
    differing = [name for name, value in metrics.items() if name in recorded and recorded[name] != value]
    if differing:
        print("differs from result.json: " + ", ".join(f"{name} was {recorded[name]}" for name in differing))
    elif recorded:
        print("the same as in result.json, to the last bit")


def main() -> None:
    """Reads the directory from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="of a finished run")
    evaluate(parser.parse_args().directory.resolve())


if __name__ == "__main__":
    answer(main)
