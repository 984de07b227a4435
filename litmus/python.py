"""Runs and verdicts from Python and notebooks: `litmus.run` and `litmus.judge`."""

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litmus.claims.judgement import Judgement
from litmus.claims.judgement import judge as judge_results
from litmus.claims.results import Results
from litmus.claims.results_table import read_results, results_from_rows
from litmus.claims.study import Study
from litmus.claims.study_file import read_study_file, read_study_node
from litmus.paths import typed_path
from litmus.project import ROOT, put_on_path
from litmus.records.looks_file import read_looks
from litmus.records.record import Record, read_record

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from litmus.trial.parts import Parts

_RUNNING = threading.Lock()
# Knobs of the run that a constructor of data is given where it names them, as the files of configs/data do.
OF_DATA = ("data_dir", "batch_size", "updates_per_epoch", "seed")


def run(
    *overrides: str | Mapping[str, Any],
    directory: str | Path | None = None,
    project: str | Path = ROOT,
    quiet: bool = False,
    **knobs: Any,
) -> Record:
    """Runs one trial as `python train.py` does, and gives its record: `summary`, `history`, `content` and `directory`.

    Args:
        overrides: as they are typed ("norm=batch"), or mappings of knobs to values ({"model.units": [64]}).
        directory: of the run; by default a new one below `runs`, where Python was started.
        project: whose configs/ and src/ are used.
        quiet: no word of it.
        knobs: the same as a mapping: seed=1, model="cnn", model={"units": [64]}. A model, data or an optimizer may be a
            class, or functools.partial of one with its arguments, as NAME in a module or in the notebook.

    Raises:
        ValueError: for what cannot be, before training; whatever else a part raises.
    """
    return run_with(typed(*overrides, knobs), directory, Path(project), quiet)


def run_with(
    overrides: Sequence[str],
    directory: str | Path | None = None,
    project: Path = ROOT,
    quiet: bool = False,
    changed: "Callable[[Parts], Parts] | None" = None,
) -> Record:
    """The same from what is typed; `changed` adds to the parts who watches them, see `job`."""
    from litmus.job import job
    from litmus.trial.command_line import shown_anyhow
    from litmus.trial.ranks import own_environment

    with (
        _alone(),
        composed(overrides, directory, project) as config,
        own_environment(config.trainer),
        shown_anyhow(),
    ):
        job(config, lambda task: task(), changed, quiet)
        return read_record(Path(config.output_dir))


@contextmanager
def _alone() -> "Iterator[None]":
    """Refuses a second run beside one in another thread: both would draw from the same generators."""
    if not _RUNNING.acquire(blocking=False):
        raise ValueError(
            "another run goes on in this process, whose random numbers this one would take; wait for it, or start this "
            "one in a process of its own"
        )
    try:
        yield
    finally:
        _RUNNING.release()


@contextmanager
def composed(
    overrides: Sequence[str], directory: str | Path | None = None, project: Path = ROOT
) -> "Iterator[DictConfig]":
    """The configuration of a trial with these overrides, in a process where Hydra has started no program."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf import open_dict, read_write

    from litmus.trial.arguments import readable_arguments
    from litmus.trial.command_line import register_resolvers, resumed_arguments, sentence, sweep_arguments
    from litmus.trial.hydra_versions import BASE
    from litmus.trial.strays import refuse_words

    _refuse_other_source(project.resolve())
    put_on_path(project.resolve())
    register_resolvers()
    arguments = sweep_arguments(readable_arguments(list(overrides)))
    if directory is not None:
        from litmus.sweeps.overrides import override

        arguments = [*arguments, override("hydra.run.dir", str(typed_path(directory)))]
    arguments = resumed_arguments(arguments)
    place, name = project / "configs", "train"
    if arguments[:1] == ["--config-path"]:  # of a run that is gone on with
        place, name, arguments = Path(arguments[1]), arguments[3], arguments[4:]
    hydra, settings = GlobalHydra.instance(), HydraConfig.instance()
    before = hydra.hydra, settings.cfg
    hydra.clear()
    try:
        with initialize_config_dir(str(place.resolve()), job_name="train", **BASE):
            try:
                config = compose(name, [*arguments, "hydra.mode=RUN"], return_hydra_config=True)
            except HydraException as problem:
                raise ValueError(sentence(problem, arguments)) from problem
        settings.set_config(config)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.runtime.cwd = str(Path.cwd())
            config.hydra.runtime.output_dir = str(Path.cwd() / config.hydra.run.dir)
        settings.set_config(config)
        with open_dict(config):
            del config["hydra"]
        refuse_words(config)
        yield config
    finally:
        hydra.hydra, settings.cfg = before


def _refuse_other_source(project: Path) -> None:
    """Python imports `src` once: a second project's would be the first's."""
    files = (getattr(module, "__file__", None) for name, module in sys.modules.items() if name.startswith("src."))
    other = next((file for file in files if file and not Path(file).resolve().is_relative_to(project)), None)
    if other is not None:
        raise ValueError(
            f"project={project}: this process has imported {other} of another project, whose classes it would train; "
            "start Python anew for this one"
        )


def typed(*overrides: str | Mapping[str, Any]) -> list[str]:
    """Overrides, some of them as mappings, as they are typed on the command line."""
    from litmus.sweeps.overrides import override
    from litmus.trial.strays import OF_PARTS

    found: list[str] = []
    for one in overrides:
        if isinstance(one, str):
            if one.startswith("-"):
                raise ValueError(
                    f"{one}: expected knobs, as 'lr=0.1' or lr=0.1, found an option of the command line; "
                    "several runs, and what --help tells, are for python train.py"
                )
            found.append(one)
            continue
        for knob, value in one.items():
            value = os.fspath(value) if isinstance(value, os.PathLike) else _plain(value)
            if isinstance(value, type | partial):
                found += _of_class(str(knob), value)
            elif value == {} and knob in OF_PARTS:
                found.append(override(str(knob), []))
            elif isinstance(value, Mapping) and "." not in str(knob):
                found += typed({f"{knob}.{name}": inner for name, inner in value.items()})
            else:
                _refuse_objects(str(knob), value)
                found.append(override(str(knob), value))
    return found


def _refuse_objects(knob: str, value: Any) -> None:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    for one in inner:
        _refuse_objects(knob, one)
    if not (value is None or isinstance(value, bool | int | float | str | list | tuple | Mapping)):
        raise ValueError(
            f"{knob}: expected text, a number, a list or a mapping, got a {type(value).__name__}; a part is given as "
            "its class, or functools.partial of it with its arguments, so that a checkpoint can make it again"
        )


def _of_class(group: str, made: Any) -> list[str]:
    """What chooses a class of anybody's, with its arguments, for a group of the configuration."""
    import pytorch_lightning as pl
    from torch import nn
    from torch.utils.data import Dataset

    from litmus.sweeps.overrides import override, written

    kind: Any
    kind, given = (made.func, dict(made.keywords)) if isinstance(made, partial) else (made, {})
    path = _public_path(kind)
    if "<locals>" in path or (isinstance(made, partial) and made.args):
        raise ValueError(
            f"{group}={path}: expected a class at the top of a module or a notebook, and its arguments by name, so "
            "that a checkpoint can make it again"
        )

    def inside(choice: str, node: str) -> list[str]:
        named = [override(f"+{group}.{node}.{name}", value) for name, value in given.items()]
        return [f"{group}={choice}", f"{group}.{node}._target_={path}", *named]

    if group == "model" and issubclass(kind, nn.Module) and not issubclass(kind, pl.LightningModule):
        return inside("net", "net")
    if group == "data" and issubclass(kind, Dataset):
        return inside("dataset", "dataset")
    if group not in ("model", "data", "optimizer"):
        raise ValueError(f"{group}={path}: expected the name of a choice, or a mapping; write a file configs/{group}/")
    told = {"_target_": path, **{name: written(value) for name, value in given.items()}}
    if group == "data":
        from litmus.trial.directed import parameters_of

        told = {**{name: f"${{{name}}}" for name in OF_DATA if name in parameters_of(path)}, **told}
    if group == "optimizer":
        told = {"lr": "${lr}", **told, "_partial_": "true"}
    return [f"~{group}", f"+{group}={{{', '.join(f'{name}: {value}' for name, value in told.items())}}}"]


def _public_path(kind: type) -> str:
    """The shortest path of a class: torch.optim.NAdam, which lives in torch.optim.nadam."""
    parts = kind.__module__.split(".")
    homes = (".".join(parts[:cut]) for cut in range(1, len(parts)))
    short = (home for home in homes if getattr(sys.modules.get(home), kind.__qualname__, None) is kind)
    return f"{next(short, kind.__module__)}.{kind.__qualname__}"


# ---------------------------------------------------------------------- verdicts


def judge(
    study: Any,
    results: Any,
    configs: Mapping[str, Mapping[str, Any]] | None = None,
    before: Judgement | Iterable[Judgement] = (),
) -> Judgement:
    """Lint and verdicts of a study on trials that were run anywhere: `verdicts` by the predictions' names, and `lint`.

    Args:
        study: its YAML file, or its mapping, with or without the key `study`.
        results: a row per trial, with its arm (or a column per factor), `seed` and a column per quantity: a CSV file or
            several, a DataFrame, or rows as mappings.
        configs: each arm's resolved flat settings, for the lint; by default its overrides.
        before: what was judged of fewer of these trials. Each call is one look at what it is given, as its `looks.note`
            says; what a study's directory has shown counts where a file of it is judged.

    Raises:
        ValueError: for a study or a table that cannot be understood.
    """
    given = [study, *(results if isinstance(results, list | tuple) else [results])]
    looked = list(read_looks(*(Path(one).parent for one in given if isinstance(one, str | Path))))
    if not isinstance(study, Study):
        study = read_study_file(study) if isinstance(study, str | Path) else read_study_node(study)
    looked += [one.look for one in ([before] if isinstance(before, Judgement) else before)]
    return judge_results(study, _results(study, results), configs, looked=looked)


def _results(study: Study, results: Any) -> Results:
    if isinstance(results, Results):
        return results
    if isinstance(results, str | Path):
        return read_results(study, results)
    if hasattr(results, "to_dicts"):  # of polars
        results = results.to_dicts()
    elif hasattr(results, "to_dict"):  # of pandas, where an empty cell is not a number
        results = results.astype(object).where(results.notna(), None).to_dict("records")
    rows: list[Any] = list(results) if isinstance(results, Iterable) and not isinstance(results, Mapping) else []
    if rows and all(isinstance(row, str | Path) for row in rows):
        return read_results(study, *rows)
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        raise ValueError(
            "expected the trials as a CSV file, a DataFrame or mappings, a row each, got "
            f"{type(results).__name__ if rows or not isinstance(results, Sequence) else 'none'}; a mapping of columns "
            "becomes one by pandas.DataFrame"
        )
    return results_from_rows(study, [{str(name): _plain(value) for name, value in row.items()} for row in rows])


def _plain(value: Any) -> Any:
    """A number of numpy's as Python's own."""
    number = not isinstance(value, type) and hasattr(value, "item") and getattr(value, "ndim", 0) == 0
    return value.item() if number else value
