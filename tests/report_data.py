"""Synthetic studies for the report's tests: effects and noise are chosen here, so every number is known."""

import json
import math

import numpy as np
import yaml

from litmus.claims.results_table import results_from_rows
from litmus.claims.study import read_study

NODE = {
    "question": "Do light dropout and InstanceNorm reinforce each other?",
    "source": "004_0f2da5427b3cc5b5.txt, Part 4",
    "factors": {"dropout": [0.0, 0.1], "norm": ["none", "instance"]},
    "nuisance": {"lr": {"log": [3e-4, 3e-3], "trials": 6, "sampler": "qmc"}},
    "seeds": 5,
    "fixed": {"epochs": 12},
    "quantities": {
        "loss": {"metric": "test/loss", "at": "best_val", "scale": "log", "sesoi": "2%"},
        "accuracy": {"metric": "test/acc", "sesoi": 0.005},
    },
    "predictions": {
        "synergy": {
            **{"kind": "interaction", "quantity": "loss", "form": "synergy", "primary": True},
            "claim": "Combined techniques will outperform individual ones (synergy not addition)",
        },
        "combined_wins": {
            **{"kind": "compare", "quantity": "loss", "better": {"dropout": 0.1, "norm": "instance"}},
            "than": [{"dropout": 0.1, "norm": "none"}, {"dropout": 0.0, "norm": "instance"}],
            "claim": "Dropout and InstanceNorm together beat either alone",
        },
        "dropout_hurts": {
            **{"kind": "compare", "quantity": "accuracy"},
            **{"better": {"dropout": 0.0, "norm": "none"}, "than": {"dropout": 0.1, "norm": "none"}},
        },
        "barrier": {"kind": "bound", "quantity": "loss", "arm": {"dropout": 0.1, "norm": "instance"}, "high": 0.45},
    },
}
MEANS = {"dropout=0,norm=none": 0.62, "dropout=0,norm=instance": 0.5, "dropout=0.1,norm=none": 0.56}
MEANS["dropout=0.1,norm=instance"] = 0.44


def curve(end, epochs, generator):
    """A loss that falls to its end, with noise."""
    return end * (1 + 1.5 * np.exp(-np.arange(epochs) / 3)) * np.exp(generator.normal(0, 0.01, epochs))


def write_trial(directory, arm, seed, end, generator, lr=1e-3, epochs=12, dropout=0.0, norm="none", **more):
    """One finished trial: result.json and metrics.csv as train.py writes them."""
    directory.mkdir(parents=True, exist_ok=True)
    end = end * math.exp(generator.normal(0, 0.02))
    curves = {
        "epoch": np.arange(epochs),
        "updates": 113 * (np.arange(epochs) + 1),
        "samples": 3600 * (np.arange(epochs) + 1),
        "seconds": (0.2 + 0.1 * (norm != "none")) * (np.arange(epochs) + 1),
        "train/acc": 1 - curve(end, epochs, generator) / 4,
        "train/loss": 0.9 * curve(end, epochs, generator),
        "val/acc": 1 - curve(end, epochs, generator) / 4,
        "val/loss": curve(end, epochs, generator),
    }
    lines = [",".join(curves)]
    lines += [",".join(f"{column[epoch]:.10g}" for column in curves.values()) for epoch in range(epochs)]
    (directory / "metrics.csv").write_text("\n".join(lines) + "\n")
    result = {
        "status": "completed",
        "error": None,
        "metrics": {"test/loss": end, "test/acc": 1 - end / 2, "val/loss": float(curves["val/loss"].min())},
        "counters": {
            **{"params": 78858 + 512 * (norm != "none"), "epochs": epochs, "updates": 113 * epochs},
            **{"samples": 3600 * epochs, "seconds": float(curves["seconds"][-1])},
        },
        "data": {
            "name": "mnist1d",
            "sizes": {"train": 3600, "val": 400, "test": 1000},
            "class_counts": {"train": [358 + seed, 360 - seed]},
            "sha256": "653cad2c32a7f8e2e4d09cf6c676341ef6b826ae9dee080df06c616aee7c493a",
            "constant_accuracy": {"train": 0.102, "val": 0.1025, "test": 0.109},
        },
        "hardware": {"device": "cpu", "processor": "A processor", "cores": 2, "threads": 1},
        "config": {
            **{"seed": seed, "epochs": epochs, "lr": lr, "batch_size": 32, "dropout": dropout, "norm": norm},
            "data": {"_target_": "src.datamodules.mnist1d.MNIST1D", "seed": seed},
        },
        "config_hash": "0123456789abcdef",
        "overrides": [f"dropout={dropout}", f"norm={norm}", f"lr={lr}", f"seed={seed}"],
        "seed": seed,
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "git": {"commit": "9bf4cfbc5ed7f3eb6c36929ad5ac933d0e4b02f6", "dirty": True},
        **more,
    }
    (directory / "result.json").write_text(json.dumps(result))


def write_study(directory, node=NODE, failed=True):
    """A study's directory as the sweeper leaves it; one trial failed."""
    generator = np.random.default_rng(0)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "study.yaml").write_text(yaml.safe_dump(node, sort_keys=False))
    (directory / "command.json").write_text(json.dumps({"smoke": False}))
    configs = {}
    for arm, mean in MEANS.items():
        settings = dict(part.split("=") for part in arm.split(","))
        own = {"dropout": float(settings["dropout"]), "norm": settings["norm"]}
        configs[arm] = {"epochs": 12, "lr": 1e-3, "batch_size": 32, **own, "model.units": [256, 256]}
        for seed in range(5):
            write_trial(directory / "trials" / arm / f"seed={seed}", arm, seed, mean, generator, **own)
        for number, lr in enumerate(np.geomspace(3e-4, 3e-3, 6)):
            best = 3e-3 if "0.1" in arm else 1e-3
            end = mean * (1 + 0.2 * math.log10(lr / best) ** 2)
            write_trial(directory / "tuning" / arm / f"trial={number}", arm, 100, end, generator, lr=float(lr), **own)
    (directory / "arms.json").write_text(json.dumps(configs))
    if failed:
        broken = directory / "trials" / "dropout=0,norm=none" / "seed=4"
        (broken / "metrics.csv").unlink()
        result = json.loads((broken / "result.json").read_text())
        result |= {"status": "failed", "error": "FloatingPointError: loss is not finite", "metrics": {}}
        (broken / "result.json").write_text(json.dumps(result))
    return directory


def many_arms():
    """A study of 36 arms × 20 seeds, and the rows of its table."""
    units, lrs = [16, 32, 64, 128, 256, 512], [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2]
    node = {
        "question": "How wide, how fast?",
        "factors": {"units": units, "lr": lrs},
        "seeds": 20,
        "quantities": {
            "loss": {"metric": "test/loss", "scale": "log", "sesoi": "2%"},
            "accuracy": {"metric": "test/acc", "sesoi": 0.005},
        },
        "predictions": {
            "moderate": {"kind": "best", "quantity": "loss", "arms": {"lr": [1e-3, 3e-3]}, "claim": "1e-3 is best"},
            "rising": {
                **{"kind": "shape", "quantity": "loss", "factor": "units", "form": "rising", "axis": "log2"},
                "given": {"lr": 1e-3},
            },
            "order": {
                **{"kind": "order", "quantity": "accuracy"},
                "arms": [{"units": unit, "lr": 1e-3} for unit in (512, 256, 128, 64)],
            },
        },
    }
    generator = np.random.default_rng(0)
    rows = []
    for unit in units:
        for lr in lrs:
            mean = 0.3 * (1 + 0.2 * math.log10(lr / 1e-3) ** 2) * (1 + 2 / math.sqrt(unit))
            for seed in range(20):
                loss = mean * math.exp(generator.normal(0, 0.02))
                rows.append(
                    {
                        **{"units": unit, "lr": lr, "seed": seed, "loss": loss, "accuracy": 1 - loss / 4},
                        **{"updates": 1000, "seconds": unit / 100 + generator.random(), "params": 40 * unit},
                    }
                )
    return node, rows


def eleven_claims():
    """(study, results) of eleven predictions with long names, in long words, about four quantities."""
    levels = ["none", "batch", "layer", "group", "instance", "weight", "spectral"]
    pairs = [*((level, "none", 0.0) for level in levels[1:]), *(("none", level, -0.02) for level in levels[1:6])]
    kinds = ("loss", "speed", "rise", "accuracy")
    claims = {
        f"a_rather_long_name_{place}_of_{first}": {
            **{"kind": "compare", "better": {"norm": first}, "than": {"norm": second}, "by": by},
            "quantity": kinds[place % 4],
            "claim": f"{place}: a network that is given {first} between its layers does its task better than {second}.",
        }
        for place, (first, second, by) in enumerate(pairs)
    }
    quantities = {name: {"metric": "val/loss", "at": at, "sesoi": 0.02} for name, at in zip(kinds, ATS, strict=False)}
    quantities["accuracy"] = {"metric": "test/acc", "sesoi": 0.02}
    node = {"question": "Which of seven norms does a small net on small images ask for, and is it always the same?"}
    study = read_study({**node, "factors": {"norm": levels}, "quantities": quantities, "predictions": claims})
    draw = np.random.default_rng(0)
    rows = [
        {
            **{"norm": level, "seed": seed, "seconds": 1 + place + draw.normal() / 9},
            **{kind: 0.9 - 0.1 * place + 0.01 * draw.standard_normal() for kind in kinds},
        }
        for place, level in enumerate(levels)
        for seed in range(10)
    ]
    return study, results_from_rows(study, rows)


ATS = ("best", "auc", "rise")
