"""How tests run sweeps: small studies in a folder of their own on Hydra's search path."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.conftest import ROOT

QUESTION = {
    "question": "Does the width matter?",
    "factors": {"dropout": [0.0, 0.5]},
    "seeds": 2,
    "quantities": {"loss": {"metric": "test/loss", "at": "best_val", "sesoi": "2%"}},
    "predictions": {"off": {"kind": "compare", "better": {"dropout": 0.0}, "than": {"dropout": 0.5}}},
}
TINY = {"epochs": 1, "model": {"units": [4]}, "threads": 1}


def write_study(folder, name="tiny", study=QUESTION, **settings):
    """A study file of tiny trials; `settings` are those that all of its trials share."""
    content = {"defaults": [{"override /hydra/sweeper": "study"}], **TINY, **settings, "study": study}
    path = Path(folder) / "study" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# @package _global_\n" + yaml.safe_dump(content, sort_keys=False))


def command(folder, *arguments):
    """The command line of a sweep with the studies of a folder."""
    return [sys.executable, str(ROOT / "train.py"), "-m", f"hydra.searchpath=[file://{folder}]", *arguments]


def environment():
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def process(folder, *arguments):
    """Runs a sweep in a process of its own, in `folder`."""
    return subprocess.run(
        command(folder, *arguments), cwd=folder, env=environment(), capture_output=True, text=True, timeout=300
    )


def sweep(folder, *arguments):
    """Runs a sweep in this process, in `folder`; what it raises is the caller's."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    import train
    from litmus.trial.command_line import register_resolvers, sweep_arguments
    from litmus.trial.hydra_versions import BASE, TRUSTED, allowing

    register_resolvers()
    GlobalHydra.instance().clear()
    here, typed = Path.cwd(), sys.argv
    os.chdir(folder)
    sys.argv = ["train.py", "-m", *arguments]
    try:
        with initialize_config_dir(str(ROOT / "configs"), job_name="train", **BASE), allowing(TRUSTED):
            GlobalHydra.instance().hydra.multirun(
                "train",
                train.main.__wrapped__,
                [
                    f"hydra.searchpath=[file://{folder}]",
                    "hydra.mode=MULTIRUN",
                    *sweep_arguments(["-m", *arguments])[1:],
                ],
            )
    finally:
        os.chdir(here)
        sys.argv = typed
        GlobalHydra.instance().clear()


def results(directory):
    """Every trial's result below a directory, by its place."""
    directory = Path(directory)
    found = directory.rglob("result.json")
    return {str(path.parent.relative_to(directory)): json.loads(path.read_text()) for path in sorted(found)}
