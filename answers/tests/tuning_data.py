"""Synthetic studies for the hyperparameter report: the loss is a formula of the settings, so every answer is known."""

import json
import math

import numpy as np
import yaml

from src.studies.arms import grid

WIDTHS = (16, 32, 64, 128)
RATES = (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3)
QUANTITIES = {"loss": {"metric": "test/loss", "at": "best_val", "scale": "log", "sesoi": "2%"}}
BASE = {"epochs": 5, "updates_per_epoch": None, "batch_size": 64, "lr": 1e-3, "model.units": [256, 256]}
OPTIMIZERS = {"sgd": ("SGD", 1.3), "adam": ("Adam", 1.0), "rmsprop": ("RMSprop", 1.1)}


def compare(better, than):
    """A primary prediction."""
    return {"kind": "compare", "quantity": "loss", "better": better, "than": than, "primary": True}


STUDIES = {
    "epochs": ({"factors": {"epochs": [3, 5, 10]}}, compare({"epochs": 5}, {"epochs": 3})),
    "units": (
        {"factors": {"units_1": list(WIDTHS), "units_2": list(WIDTHS)}},
        compare({"units_1": 128}, {"units_1": 16}),
    ),
    "batch_size": ({"factors": {"batch_size": [16, 64, 256]}}, compare({"batch_size": 64}, {"batch_size": 256})),
    "depth": ({"factors": {"model.layers": [1, 2, 3]}}, compare({"model.layers": 2}, {"model.layers": 1})),
    "lr": ({"factors": {"lr": list(RATES)}}, compare({"lr": 1e-3}, {"lr": 4e-3})),
    "optimizer": ({"arms": {name: {"optimizer": name} for name in OPTIMIZERS}}, compare("adam", "sgd")),
    "lr_by_batch": (
        {"factors": {"batch_size": [16, 64, 256], "lr": list(RATES)}},
        compare({"lr": 1e-3}, {"lr": 4e-3}),
    ),
    "units_by_depth": (
        {"factors": {"model.units": [32, 128], "model.layers": [1, 2]}},
        compare({"model.units": 128}, {"model.units": 32}),
    ),
}


def resolved(overrides):
    """An arm's flat settings."""
    config = {**BASE, "optimizer._target_": "torch.optim.Adam", **overrides}
    if "units_1" in config:
        config["model.units"] = [config["units_1"], config["units_2"]]
    if "model.layers" in config and "model.units" not in overrides:
        config["model.units"] = 256
    if "optimizer" in config:
        config["optimizer._target_"] = f"torch.optim.{OPTIMIZERS[config.pop('optimizer')][0]}"
    return config


def hidden(config):
    """The widths of the hidden layers."""
    units = config["model.units"]
    return units if isinstance(units, list) else [units] * config["model.layers"]


def best_rate(config):
    """The rate that the formula likes best: it grows with the square root of the batch size."""
    return 1e-3 * math.sqrt(config["batch_size"] / 64)


def final_loss(config):
    """The test loss without noise: widths act each by itself, the rate by its distance from the best one."""
    loss = 0.4 * (1 + 0.2 * math.log2(config["lr"] / best_rate(config)) ** 2)
    for place, width in enumerate(hidden(config)[:2]):
        loss *= 1 + (0.5, 0.25)[place] * 16 / width
    optimizer = config["optimizer._target_"].rpartition(".")[2]
    factor = next(factor for name, factor in OPTIMIZERS.values() if name == optimizer)
    return loss * factor * (1 + 1 / config["epochs"])


def write_trial(directory, config, seed, noise):
    """result.json and metrics.csv of one trial."""
    directory.mkdir(parents=True)
    generator = np.random.default_rng([seed, int(1e6 * final_loss(config))])
    end = final_loss(config) * math.exp(noise * generator.normal())
    epochs, updates = config["epochs"], config["updates_per_epoch"] or 54_000 // config["batch_size"]
    clock = np.arange(1, epochs + 1)
    # Three layers overfit from the third epoch on.
    val = end * (1 + 1.5 * 0.5**clock + 0.5 * (len(hidden(config)) == 3) * np.maximum(0, clock - 3))
    curves = {
        "epoch": clock - 1,
        "updates": updates * clock,
        "samples": updates * config["batch_size"] * clock,
        "seconds": 0.001 * updates * clock,
        "train/loss": 0.9 * val,
        "train/acc": 1 - 0.2 * val,
        "val/loss": val,
        "val/acc": 1 - 0.3 * val,
    }
    lines = [",".join(curves), *(",".join(f"{column[e]:.10g}" for column in curves.values()) for e in range(epochs))]
    (directory / "metrics.csv").write_text("\n".join(lines) + "\n")
    last = {name: float(column[-1]) for name, column in curves.items()}
    result = {
        "status": "completed",
        "error": None,
        "metrics": {name: last[name] for name in last if "/" in name} | {"test/loss": end, "test/acc": 1 - 0.3 * end},
        "counters": {
            **{name: last[name] for name in ("updates", "samples", "seconds")},
            **{"epochs": epochs, "params": 785 * hidden(config)[0] + 10 * sum(hidden(config))},
        },
        "best_epoch": epochs - 1,
        "config": {**{key: config[key] for key in ("epochs", "updates_per_epoch", "batch_size", "lr")}, "seed": seed},
        "seed": seed,
    }
    (directory / "result.json").write_text(json.dumps(result))


def write_studies(root, names=tuple(STUDIES), suffix="", noise=0.005, seeds=3):
    """Finished studies, each in root/NAME; with `suffix`, in epochs of 100 updates."""
    for name in names:
        varied, primary = STUDIES[name]
        directory = root / (name + suffix)
        node = {"question": "Which?", "source": "001_922aaeb7b22f7fc2.txt", "quantities": QUANTITIES, "seeds": seeds}
        node |= {**varied, "predictions": {"main": {**primary, "claim": "It is better."}}}
        if name == "units":
            node["baseline"] = {"units_1": 64, "units_2": 64}
        if name == "batch_size":
            node["baseline"] = {"batch_size": 64}
        arms = grid(varied["factors"]) if "factors" in varied else varied["arms"]
        configs = {arm: resolved(overrides) for arm, overrides in arms.items()}
        if suffix:
            configs = {arm: {**config, "updates_per_epoch": 100} for arm, config in configs.items()}
        directory.mkdir(parents=True)
        (directory / "study.yaml").write_text(yaml.safe_dump({"study": node}, sort_keys=False))
        (directory / "arms.json").write_text(json.dumps(configs))
        (directory / "command.json").write_text(
            json.dumps({"study": name + suffix, "command": f"python train.py -m study={name + suffix}", "smoke": False})
        )
        for arm, config in configs.items():
            for seed in range(seeds):
                write_trial(directory / "trials" / arm / f"seed={seed}", config, seed, noise)
    return root
