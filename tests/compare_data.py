"""Synthetic runs for the comparison's tests: as many as asked, and directories that something happened to."""

import json

import numpy as np

from tests.report_data import write_trial

NORMS = ("none", "batch", "layer", "instance", "group")


def write_many(directory, arms=25, seeds=20, epochs=100):
    """A multirun of arms × seeds: five norms × as many learning rates; returns the directory."""
    generator = np.random.default_rng(0)
    for job in range(arms * seeds):
        arm, seed = divmod(job, seeds)
        write_job(directory / str(job), seed, generator, NORMS[arm % 5], 1e-4 * 3.0 ** (arm // 5), epochs, 0.02 * arm)
    return directory


def write_job(directory, seed, generator, norm="none", lr=1e-3, epochs=6, worse=0.0, **more):
    """One finished job of a multirun over norm, lr and seed."""
    overrides = [f"norm={norm}", f"lr={lr:g}", f"seed={seed}"]
    write_trial(directory, "", seed, 0.4 + worse, generator, lr, epochs, norm=norm, overrides=overrides, **more)


def result(change):
    """Damage to a job's result.json: `change` gets its content and gives the new one."""

    def damage(directory):
        path = directory / "result.json"
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return damage


def rows(change):
    """Damage to a job's metrics.csv: `change` gets its text and gives the new one."""

    def damage(directory):
        path = directory / "metrics.csv"
        path.write_text(change(path.read_text()))

    return damage


def raw(name, content):
    """A file of other bytes."""
    return lambda directory: (directory / name).write_bytes(content)


def emptied(directory):
    """Nothing is left but the directory."""
    for path in directory.iterdir():
        path.unlink()


def replaced_by_a_file(directory):
    """A file has the directory's name."""
    emptied(directory)
    directory.rmdir()
    directory.write_text("not a run")


def result_is_a_directory(directory):
    """result.json is no file."""
    (directory / "result.json").unlink()
    (directory / "result.json").mkdir()


def without(*keys):
    return result(lambda content: {key: value for key, value in content.items() if key not in keys})


def killed(then):
    """No result.json, and what else happened."""

    def damage(directory):
        (directory / "result.json").unlink()
        then(directory)

    return damage


def only_a_log(directory):
    """Nothing is left but a log."""
    emptied(directory)
    (directory / "train.log").write_text("epoch 0\n")


def nan(text):
    header, *lines = text.splitlines()
    return "\n".join([header, *(",".join([*line.split(",")[:4], *["nan"] * 4]) for line in lines)]) + "\n"


def both(*damages):
    def damage(directory):
        for one in damages:
            one(directory)

    return damage


# What happened → (how, the status it is listed with, words of the sentence that says why).
DAMAGE = {
    "an empty directory": (emptied, "damaged", "empty"),
    "nothing but a log": (only_a_log, "damaged", "holds none of result.json"),
    "a file for a directory": (replaced_by_a_file, "damaged", "a file where"),
    "result cut": (raw("result.json", b'{"status": "comp'), "damaged", "result.json cannot be read"),
    "result empty": (raw("result.json", b""), "damaged", "result.json cannot be read"),
    "result a list": (raw("result.json", b"[1, 2]"), "damaged", "has no status"),
    "result nested without end": (raw("result.json", b"[" * 200_000), "damaged", "result.json cannot be read"),
    "result not UTF-8": (raw("result.json", b'{"status": "\xff\xfe"}'), "damaged", "result.json cannot be read"),
    "result a directory": (result_is_a_directory, "unfinished", "no result.json"),
    "metrics a list": (result(lambda one: one | {"metrics": [0.4]}), "damaged", "its metrics are list"),
    "running": (result(lambda one: one | {"status": "running"}), "unfinished", "says running"),
    "failed": (result(lambda one: one | {"status": "failed", "error": "out of memory"}), "failed", "out of memory"),
    "diverged": (
        result(lambda one: one | {"status": "failed", "error": "FloatingPointError: loss is nan", "metrics": {}}),
        *("diverged", "loss is nan"),
    ),
    "status unknown": (result(lambda one: one | {"status": "finished"}), "damaged", "the status 'finished'"),
    "configuration missing": (without("config"), "damaged", "the configuration is missing"),
    "killed": (killed(lambda directory: None), "unfinished", "no result.json"),
    "killed within a row": (killed(rows(lambda text: text[:-20])), "unfinished", "no result.json"),
    "killed, table not UTF-8": (killed(raw("metrics.csv", b"epoch\n\xff\n")), "damaged", "metrics.csv is no table"),
    "a row cut at the end": (rows(lambda text: text[:-20]), "damaged", "in the middle of a row; the 5 rows"),
    "a row cut inside": (rows(lambda text: text.replace("3600,", "", 1)), "damaged", "line 2: expected 8 numbers"),
    "text for a number": (rows(lambda text: text.replace("3600", "many", 1)), "damaged", "line 2: expected 8 numbers"),
    "other columns": (raw("metrics.csv", b"a,b\n1,2\n"), "damaged", "has the columns a, b; expected epoch"),
    "a header alone": (raw("metrics.csv", b"epoch,val/loss\n"), "damaged", "no complete row"),
    "an endless cell": (raw("metrics.csv", b"epoch\n" + b"1" * 200_000 + b"\n"), "damaged", "metrics.csv is no table"),
    "an epoch twice": (rows(lambda text: text + text.splitlines()[3] + "\n"), "damaged", "epoch 2 more than once"),
    "a row without epoch": (rows(lambda text: text.replace("\n1,", "\n,")), "damaged", "a row without an epoch"),
    "nothing but NaN": (
        both(rows(nan), result(lambda one: one | {"metrics": {"val/loss": None}})),
        *("damaged", "no metric has a finite value"),
    ),
}


def write_damaged(directory, good=3):
    """A multirun of some good jobs and one for each kind of damage, numbered from `good` on; returns the directory."""
    generator = np.random.default_rng(1)
    for job in range(good):
        write_job(directory / str(job), job, generator)
    for job, (damage, _, _) in enumerate(DAMAGE.values(), start=good):
        write_job(directory / str(job), job, generator, norm="batch")
        damage(directory / str(job))
    return directory
