"""Synthetic published studies: the loss is a formula of the settings, so that the report's truth is known."""

import math

import numpy as np
import yaml

from answers.make.publication.tables import CURVES, RESULTS, TRIALS, zipped
from litmus.claims.arms import grid
from litmus.tables import table_text

WIDTHS = (16, 32, 64, 128)
RATES = (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3)
OPTIMIZERS = {"sgd": 1.3, "adam": 1.0, "rmsprop": 1.1}
QUANTITIES = {"loss": {"metric": "test/loss", "at": "best_val", "scale": "log", "sesoi": "2%"}}
BASE = {"epochs": 5, "batch_size": 64, "lr": 1e-3, "optimizer": "adam", "model.units": 256, "model.layers": 2}


def compare(better, than):
    """A primary prediction."""
    claim = {"claim": "It is better.", "primary": True}
    return {"predictions": {"main": {"kind": "compare", "quantity": "loss", "better": better, "than": than, **claim}}}


STUDIES = {
    "epochs": {"factors": {"epochs": [3, 5, 10]}} | compare({"epochs": 5}, {"epochs": 3}),
    "units": {"factors": {"units_1": list(WIDTHS), "units_2": list(WIDTHS)}}
    | compare({"units_1": 128}, {"units_1": 16}),
    "batch_size": {"factors": {"batch_size": [16, 64, 256]}, "baseline": {"batch_size": 64}}
    | compare({"batch_size": 64}, {"batch_size": 256}),
    "depth": {"factors": {"model.layers": [1, 2, 3]}} | compare({"model.layers": 2}, {"model.layers": 1}),
    "lr": {"factors": {"lr": list(RATES)}} | compare({"lr": 1e-3}, {"lr": 4e-3}),
    "optimizer": {"arms": {name: {"optimizer": name} for name in OPTIMIZERS}} | compare("adam", "sgd"),
    "lr_by_batch": {"factors": {"batch_size": [16, 64, 256], "lr": list(RATES)}} | compare({"lr": 1e-3}, {"lr": 4e-3}),
    "units_by_depth": {"factors": {"model.units": [32, 128], "model.layers": [1, 2]}}
    | compare({"model.units": 128}, {"model.units": 32}),
}


def hidden(config):
    """The widths of the hidden layers."""
    both = [config.get("units_1"), config.get("units_2")]
    return both if both[0] else [config["model.units"]] * config["model.layers"]


def best_rate(config):
    """The rate that the formula likes best: it grows with the square root of the batch size."""
    return 1e-3 * math.sqrt(config["batch_size"] / 64)


def final_loss(config):
    """The test loss without noise: widths act each by itself, the rate by its distance from the best one."""
    loss = 0.4 * (1 + 0.2 * math.log2(config["lr"] / best_rate(config)) ** 2)
    for place, width in enumerate(hidden(config)[:2]):
        loss *= 1 + (0.5, 0.25)[place] * 16 / width
    return loss * OPTIMIZERS[config["optimizer"]] * (1 + 1 / config["epochs"])


def curves(config, end):
    """Validation loss by epoch: it falls by half each time; three layers overfit from the third epoch on."""
    clock = np.arange(1, config["epochs"] + 1)
    return end * (1 + 1.5 * 0.5**clock + 0.5 * (len(hidden(config)) == 3) * np.maximum(0, clock - 3))


def write_published(root, names=tuple(STUDIES), suffix="", noise=0.005, seeds=3, diverged=()):
    """Published studies with all their tables; `diverged` are the places of the arms of which every run did."""
    for name in names:
        node = {"question": "Which?", "source": "001_x.txt", "quantities": QUANTITIES, "seeds": seeds, **STUDIES[name]}
        arms = grid(node["factors"]) if "factors" in node else node["arms"]
        tables = {RESULTS: [], TRIALS: [], CURVES: []}
        for place, (arm, overrides) in enumerate(arms.items()):
            config = {**BASE, **overrides}
            updates = 100 if suffix else 54_000 // config["batch_size"]
            total, params = updates * config["epochs"], 785 * hidden(config)[0] + 10 * sum(hidden(config))
            costs = [config["epochs"], total, total * config["batch_size"], 0.001 * total, params]
            for seed in range(seeds):
                generator = np.random.default_rng([seed, int(1e6 * final_loss(config))])
                end = final_loss(config) * math.exp(noise * generator.normal())
                val = curves(config, end)
                if place in diverged:
                    tables[RESULTS].append([arm, seed, "nan", *costs, "FloatingPointError: not finite"])
                    continue
                best = int(val.argmin())
                tables[RESULTS].append([arm, seed, end, *costs, ""])
                metrics = [0.9 * val[best], 1 - 0.2 * val[best], val[best], 1 - 0.3 * val[best], end, 1 - 0.3 * end]
                tables[TRIALS].append([arm, seed, best, *metrics])
                for epoch, one in enumerate(val):
                    row = [arm, seed, epoch, updates * (epoch + 1), 0.9 * one, 1 - 0.2 * one, one, 1 - 0.3 * one]
                    tables[CURVES].append(row)
        splits = ["train/loss", "train/acc", "val/loss", "val/acc"]
        columns = {
            RESULTS: ["loss", "epochs", "updates", "samples", "seconds", "params", "error"],
            TRIALS: ["best_epoch", *splits, "test/loss", "test/acc"],
            CURVES: ["epoch", "updates", *splits],
        }
        place = root / (name + suffix)
        place.mkdir(parents=True)
        (place / "study.yaml").write_text(yaml.safe_dump({"study": node}, sort_keys=False))
        for file, rows in tables.items():
            text = table_text(["arm", "seed", *columns[file]], rows)
            (place / file).write_bytes(zipped(text) if file.endswith(".gz") else text.encode())
    return root
