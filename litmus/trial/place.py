"""A run's own directory: held while it is written, cleared of the run before it, and never more than that."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, Node, OmegaConf

from litmus.atomic import write_json
from litmus.legible import read_object
from litmus.paths import typed_directory, typed_path
from litmus.sweeps.lock import LOCK, held
from litmus.sweeps.overrides import literal
from litmus.trial.description import identified
from litmus.trial.ranks import follows

# Everything that a run leaves but its configuration, its log and its lock, which the next one writes or keeps.
# tried.csv and .fit are of runs of earlier versions, which could tune themselves.
ARTEFACTS = (
    *("result.json", "trial.json", "metrics.csv", "model.txt", "curves.png", "predictions.csv", "trajectory.npz"),
    "tried.csv",
    *("checkpoints/best.ckpt", "checkpoints/last.ckpt", "tail/epoch=*.ckpt", ".fit"),
    *("tensorboard/events.out.tfevents.*", "tensorboard/hparams.yaml"),
    *("wandb.json", "wandb/run-*", "wandb/offline-run-*", "wandb/latest-run", "wandb/debug*.log"),
    "mlflow.json",
)
FOLDERS = ("checkpoints", "tail", "tensorboard", "wandb")
# How configs/train.yaml names the directory.
OF_HYDRA = "${hydra:runtime.output_dir}"
# By one of these a directory is a run's, whoever wrote the rest of it.
MARKS = ("trial.json", ".hydra/config.yaml")
SWEEPS = {"study.yaml": "a study", "search.json": "a search", "multirun.yaml": "a multirun"}


def with_directory(config: DictConfig) -> DictConfig:
    """The configuration whose ${hydra:runtime.output_dir} is the directory itself, also where it reads like ${lr}."""
    hydra: Any = HydraConfig.instance().cfg
    runtime: Any = OmegaConf.to_container(hydra.hydra.runtime, resolve=False)
    found: Any = OmegaConf.to_container(config, resolve=False)
    if "${" not in str(runtime["output_dir"]) or found.get("output_dir") != OF_HYDRA:
        return config
    changed = config.copy()
    changed.output_dir = literal(runtime["output_dir"])
    return changed


def refuse_elsewhere(config: DictConfig) -> None:
    """Refuses an output_dir that is not the directory Hydra made: all jobs of a multirun would write over each other.

    Raises:
        ValueError: with what names the directory.
    """
    typed = config._get_node("output_dir")
    if not isinstance(typed, Node) or typed._value() == OF_HYDRA:
        return
    hydra: Any = HydraConfig.instance().cfg
    runtime: Any = OmegaConf.to_container(hydra.hydra.runtime, resolve=False)
    made = Path(str(runtime["output_dir"]))
    if typed_path(config.output_dir).resolve() == made.resolve():
        return
    if not (follows(config.trainer) or is_of_a_run(made) or (made / LOCK).exists()):
        leave(made)
    raise ValueError(elsewhere(config.output_dir))


def refuse_all_elsewhere(config: DictConfig) -> None:
    """The same for the trials of a sweep, each of which has a directory below the sweep's.

    Raises:
        ValueError: with what names the directory.
    """
    typed = config._get_node("output_dir")
    if isinstance(typed, Node) and typed._value() != OF_HYDRA:
        raise ValueError(elsewhere(typed._value()))


def elsewhere(typed: Any) -> str:
    """What is said of an output_dir of one's own."""
    return (
        f"output_dir={typed} would be another directory than Hydra's, and the same one for every job: expected it left "
        "out; a run's directory is named by hydra.run.dir=…, that of a multirun, study or search by hydra.sweep.dir=…"
    )


def given_to_parts(config: DictConfig, directory: Path) -> DictConfig:
    """The configuration with its directory as text that is still itself when `instantiate` has resolved it twice."""
    if "${" not in str(directory) and str(config.output_dir) == str(directory):
        return config
    changed = config.copy()
    changed.output_dir = literal(literal(str(directory)))
    return changed


@contextmanager
def occupied(directory: Path, trainer: Mapping[str, Any]) -> Iterator[None]:
    """Holds the directory of a run, in the first of its processes; a run that is refused before it began leaves none.

    Raises:
        ValueError: if another process holds it, or if it is a whole sweep's.
    """
    if follows(trainer):
        yield
        return
    refuse_sweeps(directory)
    brought, refused = not (directory / LOCK).exists(), False
    try:
        with held(directory):
            try:
                yield
            except ValueError:
                refused = brought and not is_of_a_run(directory)
                if refused:  # while it is held: who waits for it finds that it is gone, and makes another
                    (directory / LOCK).unlink(missing_ok=True)
                raise
    finally:
        if refused:
            leave(directory)


def leave(directory: Path) -> None:
    """Removes Hydra's log of a run that said nothing, and the directory where it holds nothing else."""
    hydra: Any = HydraConfig.get()
    log = directory / f"{hydra.job.name}.log"
    if log.is_file() and not log.stat().st_size:
        log.unlink()
    typed = any(one.lstrip("+").startswith("hydra.run.dir=") for one in hydra.overrides.hydra)
    here = typed_directory().absolute()
    made = [] if typed else [place for place in directory.absolute().parents if here in place.parents]
    with suppress(OSError):  # from the first on that holds anything
        for place in (directory, *made):
            place.rmdir()


def refuse_sweeps(directory: Path) -> None:
    """Refuses a directory that holds many runs where one is meant."""
    for name, what in SWEEPS.items():
        if (directory / name).is_file():
            raise ValueError(
                f"{directory} holds {what} ({name}), expected the directory of one run: each of its runs has one below"
            )


@contextmanager
def begun(
    config: DictConfig, directory: Path, description: Mapping[str, Any], *, resume: bool, prepared: bool = False
) -> Iterator[None]:
    """Makes the directory that of this run, and leaves a result in it however early the run is cut.

    Args:
        config: of the run.
        directory: of the run, which this process holds.
        description: see `describe`.
        resume: whether an earlier run is gone on with, and not removed.
        prepared: whether trial.json tells already of this run, as `once` has it.

    Raises:
        ValueError: if there are files that a run would replace and that no run has written.
        KeyboardInterrupt: with what to do to go on.
    """
    if follows(config.trainer):
        yield
        return
    if not prepared:
        earlier = read_object(directory / "trial.json") if resume else {}
        if not resume:
            clear(directory)
        own = {"asked_hash": description["asked_hash"], "pid": os.getpid()}
        write_json(directory / "trial.json", {**earlier, **own})
    keep_configuration(config, directory)
    try:
        yield
    except KeyboardInterrupt as interruption:
        if not (directory / "result.json").exists():
            nothing: dict[str, Any] = {"metrics": {}, "best_epoch": None, "counters": {}, "data": {}, "hardware": {}}
            result = {"status": "interrupted", "error": "interrupted", **nothing}
            write_json(directory / "result.json", result | identified(description, None))
        from litmus.trial.resuming import goes_on

        told = str(interruption) or f"interrupted; {goes_on(directory, description['config'])} goes on"
        raise KeyboardInterrupt(told) from interruption


def clear(directory: Path) -> None:
    """Removes what an earlier run left, and nothing else.

    Raises:
        ValueError: if no run has been here, and files are in the way all the same.
    """
    found = [path for pattern in ARTEFACTS for path in directory.glob(pattern)]
    if found and not is_of_a_run(directory):
        raise ValueError(
            f"{directory} has {found[0].relative_to(directory)}, which a run would replace and which no run has "
            "written; take another directory"
        )
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for folder in FOLDERS:
        with suppress(OSError):  # it is not there, or somebody else has files in it
            (directory / folder).rmdir()


def is_of_a_run(directory: Path) -> bool:
    """Whether a run has been in the directory."""
    return any((directory / mark).is_file() for mark in MARKS) or "status" in read_object(directory / "result.json")


def keep_configuration(config: DictConfig, directory: Path) -> None:
    """Writes .hydra as Hydra would, which would do it before anybody knows whose the directory is."""
    if config.resume is not None and (directory / ".hydra" / "config.yaml").is_file():
        return  # a resumed run keeps its own
    hydra: Any = HydraConfig.instance().cfg
    parts = {"config.yaml": config, "hydra.yaml": hydra, "overrides.yaml": hydra.hydra.overrides.task}
    (directory / ".hydra").mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        (directory / ".hydra" / name).write_text(OmegaConf.to_yaml(part), encoding="utf-8")
