"""What the user types and reads: mistakes in one sentence, resuming by one word, directories of their own."""

import difflib
import io
import os
import re
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf
from yaml import MarkedYAMLError

from litmus.atomic import NO_ROOM
from litmus.claims.factors import is_factor
from litmus.legible import legible, yaml_fault
from litmus.trial.arguments import AGENT, options_and_knobs
from litmus.trial.hydra_versions import register_resolver

SWEEPER = "hydra/sweeper="
# What a system says of a place in which nothing can be read or written, in words.
OF_FILES: dict[type[OSError], str] = {
    FileNotFoundError: "expected a file or directory that is there, found none; name another",
    FileExistsError: "expected a directory, found a file",
    NotADirectoryError: "expected a directory, found a file",
    IsADirectoryError: "expected a file, found a directory",
    PermissionError: "expected a place that may be read and written, found one that may not",
}
# How Hydra says that values are many.
SEVERAL = re.compile("^(Ambiguous value for argument|Sweep parameters)")
NO_TUNER = (
    "no run tunes itself any more; a search tries settings: "
    "python train.py -m search=tpe 'lr=tag(log,interval(1e-4,1e-1))' search.trials=25"
)
MISSING = re.compile(r"Interpolation key '([^']+)' not found")
THERE = re.compile(r"Could not append to config\. An item is already at '([^']+)'")
Answer = TypeVar("Answer")
# Knobs that a resumed run may change without being another run.
MAY_CHANGE = ("epochs", "model.recompute")
RESUMABLE = ("resume", *MAY_CHANGE)
# It may be said again where the machine would choose otherwise: the run must go on with what it began with.
SAID_AGAIN = ("threads", "trust", "fast")


def register_resolvers() -> None:
    """`${run_directory:runs}`: a new directory under `runs`, by date and time; never the same twice.

    `${sweep_name:}`: the directory of the sweep that this job belongs to, None for a single run.

    `${typed:}` and `${choice:data}`: what tells this job apart, and the file that it chose.
    """

    register_resolver("run_directory", _run_directory, use_cache=True, replace=True)
    for name, function in (("sweep_name", _sweep_name), ("typed", typed), ("choice", choice)):
        register_resolver(name, function, replace=True)


def _run_directory(root: str) -> str:
    # The token tells runs apart that start in the same second, on one machine or several.
    return f"{root}/{datetime.now():%Y-%m-%d/%H-%M-%S}-{secrets.token_hex(3)}"


def _sweep_name() -> str | None:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra = HydraConfig.get()
    return "/".join(Path(hydra.sweep.dir).parts[-2:]) if hydra.mode == RunMode.MULTIRUN else None


def answer(task: Callable[[], Answer]) -> Answer:
    """Runs `task`; a mistake ends the program with one sentence and exit code 1, Ctrl+C with 130.

    `HYDRA_FULL_ERROR=1` shows the traceback instead.
    """
    # Hydra would print errors itself, over several lines, and exit; so it is told to raise them, as in full. What the
    # user asked for is kept for nested calls and for the processes that this one starts.
    wanted = os.environ.setdefault("LITMUS_FULL_ERROR", os.environ.get("HYDRA_FULL_ERROR", "0"))
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        with shown_anyhow():
            return task()
    except KeyboardInterrupt as interruption:
        print(str(interruption) or "interrupted", file=sys.stderr)
        # An agent of a sweep at W&B ends what it stops early so, and gives up after three failures in a minute.
        sys.exit(0 if AGENT in os.environ else 130)
    except Exception as error:
        if wanted == "1":
            raise
        print(sentence(error), file=sys.stderr)
        sys.exit(1)


@contextmanager
def shown_anyhow() -> Iterator[None]:
    """Within, no word may cost what is done beside it.

    What the terminal has no letters for is printed as their numbers, and what nobody reads any more, as behind
    `| head`, is said to nobody.
    """
    stream: Any = sys.stdout
    if not isinstance(stream, io.TextIOWrapper):
        yield
        return
    before = stream.errors
    stream.reconfigure(errors="backslashreplace")
    heard: Any = _Heard(stream)
    sys.stdout = heard
    try:
        yield
    finally:
        heard.flush()
        if sys.stdout is heard:
            sys.stdout = stream
        stream.reconfigure(errors=before)


class _Heard:
    """A stream whose reader may go away; what is written after that goes nowhere."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        if name == "_stream":  # of a copy that is not made yet
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (sys, "stdout")

    def writelines(self, lines: Iterable[str]) -> None:
        """As the stream's own."""
        self.write("".join(lines))

    def write(self, text: str) -> int:
        """As the stream's own."""
        with self._lost():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As the stream's own."""
        with self._lost():
            self._stream.flush()

    @contextmanager
    def _lost(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            # The file itself, so that the processes that this one starts are rid of the pipe as well.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def said_at_once(task: Callable[[], Answer], number: int) -> Answer:
    """Runs a job of a sweep; its mistake is said when it happens, and raised for whoever counts failures."""
    try:
        return task()
    except Exception as error:
        print(f"job {number} failed: {sentence(error)}", file=sys.stderr, flush=True)
        raise


def innermost(error: BaseException) -> BaseException:
    """What Hydra's and OmegaConf's wrappers hold: the mistake itself."""
    while type(error).__module__.startswith(("hydra", "omegaconf")) and error.__cause__ is not None:
        if type(error).__name__ == "InstantiationException" or hasattr(error.__cause__, "parent_node"):
            error = error.__cause__
        else:
            break
    return error


def sentence(error: BaseException, arguments: Sequence[str] | None = None) -> str:
    """What went wrong, in one line: the innermost cause of Hydra's and OmegaConf's errors, others as they are.

    `arguments`: what was typed, if it is not this program's command line.
    """
    error = innermost(error)
    if type(error).__module__ == "hydra.errors" and "override_grammar" in str(error):
        from litmus.sweeps.overrides import unreadable

        if (said := unreadable(sys.argv[1:] if arguments is None else arguments)) is not None:
            return said
    if SEVERAL.search(str(error)) and (said := _several_values(sys.argv[1:] if arguments is None else arguments)):
        return said
    if type(error).__name__ == "MissingConfigException":
        group, _, choice = str(getattr(error, "missing_cfg_file", "")).rpartition("/")
        choices = getattr(error, "options", None) or _choices(group, str(error))
        if choices:
            return f"{group} has no choice {choice}; expected one of {', '.join(sorted(choices))}"
    if type(error).__name__ == "InterpolationKeyError" and (missing := MISSING.search(str(error))):
        reader = f"{getattr(error, 'full_key', '') or 'another'}"
        return f"{reader} reads {missing[1]}, which is not there; leave ~{missing[1]} out, or type a value for {reader}"
    if there := THERE.search(str(error)):
        return f"{there[1]} is a knob that is there; leave the + before {there[1]}= out"
    if type(error).__name__ in ("ConfigKeyError", "ConfigAttributeError"):
        return _unknown_knob(error)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        place = "a file" if error.filename is None else legible(error.filename)
        return f"{place} cannot be written ({error.strerror}); make room there, or name another place"
    if isinstance(error, OSError) and type(error) in OF_FILES and error.filename is not None:
        place = error.filename if error.filename2 is None else error.filename2
        return f"{legible(place)}: {OF_FILES[type(error)]}"
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"{legible(error.problem_mark.name)} is not valid YAML: {yaml_fault(error)}"
    text = " ".join(line.strip() for line in legible(error).splitlines() if line.strip())
    if "Cannot merge DictConfig with ListConfig" in text:
        file = text.partition(":")[0].removeprefix("In ")
        return (
            f"{file}: expected 'NAME: value' in the file and in each group of it, found a list; a group's parts are "
            "chosen in the file's defaults, as '- override /callbacks: [early_stopping]'"
        )
    known = (ValueError, FileNotFoundError, FloatingPointError)
    if isinstance(error, known) or type(error).__module__.startswith(("hydra", "omegaconf")):
        return text
    return f"{type(error).__name__}: {text} (HYDRA_FULL_ERROR=1 shows where)"


def _choices(group: str, told: str) -> set[str]:
    """The files of a group, of which Hydra tells none where one of a list is missing, in the folders that it names."""
    folders = [Path(folder, group) for folder in re.findall(r"path=file://(.+)", told)]
    return {path.stem for folder in folders if group for path in folder.glob("*.yaml")}


def _unknown_knob(error: BaseException) -> str:
    full_key: str = getattr(error, "full_key", None) or str(getattr(error, "key", "?"))
    parent: Any = getattr(error, "parent_node", None)
    names = [str(name) for name in parent if not str(name).startswith("_")] if hasattr(parent, "keys") else []
    key, prefix = str(getattr(error, "key", "")), full_key.rpartition(".")[0]
    addable: list[str] = []
    if "_target_" in (parent or ()):
        from litmus.trial.knobs import OF_GROUPS, taken_by

        if prefix == "trainer" and key in OF_GROUPS:
            return f"there is no knob {full_key}: {key} is a group of its own, chosen by file, as in {OF_GROUPS[key]}"
        addable = [name for name in taken_by(parent) if name not in names]
    near = difflib.get_close_matches(key, names + addable, n=1)
    hint = f"known here: {', '.join(names)}"
    if near:
        hint = f"did you mean {'+' * (near[0] in addable)}{prefix + '.' if prefix else ''}{near[0]}?"
    if key in addable:
        hint = f"{parent['_target_']} takes it: add it with a plus, as in +{full_key}=VALUE"
    return f"there is no knob {full_key} in this configuration; {hint}"


def sweep_arguments(arguments: list[str]) -> list[str]:
    """The arguments as Hydra takes them: a study's or a search's sweeper, `study.seeds=10` where its file is silent.

    Raises:
        ValueError: for a study or a search without -m, for two of them, or for one beside another sweeper;
            for `tuner=…`.
    """
    gone = [one for one in arguments if one.lstrip("+~").partition("=")[0].partition(".")[0] == "tuner"]
    if gone:
        raise ValueError(f"{gone[0]}: {NO_TUNER}")
    asked = [argument for argument in arguments if argument.partition("=")[0] in ("study", "search")]
    asked = [argument for argument in asked if argument.partition("=")[2] not in ("", "null")]
    if not asked:
        return arguments
    if not {"-m", "--multirun", "hydra.mode=MULTIRUN", "--cfg", "-c", "--help"} & set(arguments):
        raise ValueError(f"{asked[-1]} asks for many trials: it needs -m, as in python train.py -m {asked[-1]}")
    if len(asked) > 1 or "," in asked[0]:
        raise ValueError(f"{' '.join(asked)}: expected one study or one search, got several; give each its own command")
    group = asked[0].partition("=")[0]
    others = [one for one in arguments if one.startswith(SWEEPER) and one != f"{SWEEPER}{group}"]
    if others:
        raise ValueError(
            f"{others[0]}: a {group} has a sweeper of its own, expected none beside {asked[0]}; leave it out"
        )
    typed = []
    for argument in arguments:
        # OmegaConf puts no list in a mapping's place, nor a mapping in a list's; anything in a number's.
        typed += ["++study.seeds=0"] if argument.startswith(("study.seeds=[", "study.seeds={")) else []
        typed.append(f"++{argument}" if group == "study" and argument.startswith("study.") else argument)
    # A file that names no sweeper would run as one plain trial.
    return [*(argument for argument in typed if not argument.startswith(SWEEPER)), f"{SWEEPER}{group}"]


def _several_values(arguments: Sequence[str]) -> str | None:
    """That values make several runs, where one was asked for, with both ways to say it; None if none of them do."""
    from litmus.sweeps.overrides import is_sweep

    sweeps = [argument for argument in arguments if argument[:1] != "-" and is_sweep(argument)]
    if not sweeps:
        return None
    knob, _, value = sweeps[0].partition("=")
    listed = "" if "(" in value else f"; one value that is a list is {knob}=[{value}]"
    return (
        f"{sweeps[0]} gives several values, one run each: expected one value, or -m, as in "
        f"python train.py -m {' '.join(sweeps)}{listed}"
    )


def resumed_arguments(arguments: list[str]) -> list[str]:
    """The arguments that go on with the run of `resume=DIR` from its own stored configuration, in its own directory.

    Raises:
        ValueError: if DIR holds no run or one that is not to be trusted, or if more is to be changed than how long it
            goes on.
    """
    wanted = [argument.partition("=")[2] for argument in arguments if argument.startswith("resume=")]
    multirun = any(argument in ("-m", "--multirun") for argument in arguments)
    if "--config-path" in arguments:  # by this process's parent, one of several that train together
        return arguments
    if not wanted or wanted[-1] in ("", "null") or multirun:
        return arguments
    from litmus.sweeps.overrides import override
    from litmus.trial.resuming import run_named, trusted
    from litmus.trial.stored import read_stored

    directory = run_named(wanted[-1])
    options, knobs = options_and_knobs(arguments)
    changed = [argument for argument in knobs if not _leaves(argument, directory)]
    if named := [one for one in options if one.partition("=")[0] in ("--config-name", "-cn")]:
        changed += [*named, *options[options.index(named[0]) + 1 :][: "=" not in named[0]]]
    if changed:
        raise ValueError(
            f"a resumed run keeps its configuration and its directory ({', '.join(MAY_CHANGE)} may change), got "
            f"{' '.join(changed)}; start a new run for it"
        )
    if read_stored(directory, trusted(arguments)).get("tuner"):
        raise ValueError(f"{directory} tuned itself, expected a run with one setting: {NO_TUNER}")
    # The stored configuration must survive: Hydra would overwrite it with this command's.
    return [
        *("--config-path", str(directory / ".hydra"), "--config-name", "config"),
        *options,  # argparse knows knobs on one side of them alone
        *(argument for argument in knobs if not argument.startswith(("resume=", "trust="))),
        *(override("resume", str(directory)), override("hydra.run.dir", str(directory)), "hydra.output_subdir=null"),
        *("hydra.job.name=train", "+hydra.job_logging.handlers.console.level=WARNING"),  # as configs/train.yaml has it
        *_own_log(directory),
    ]


def _leaves(argument: str, directory: Path) -> bool:
    """Whether an argument leaves a run that is gone on with in this directory what it is, and where."""
    from litmus.trial.resuming import readings

    knob, _, value = argument.partition("=")
    if knob.lstrip("+") == "hydra.run.dir":
        return any(path.resolve() == directory for path in readings(value))
    return knob.startswith("hydra.") or knob in (*RESUMABLE, *SAID_AGAIN)


def _own_log(directory: Path) -> list[str]:
    # Hydra's is named by an interpolation of the directory, whose name it would interpolate once more.
    if "${" not in str(directory):
        return []
    from litmus.sweeps.overrides import override

    return [override("hydra.job_logging.handlers.file.filename", str(directory / "train.log"))]


def stop_when_told() -> None:
    """Makes SIGTERM, with which schedulers end a job, what Ctrl+C is: the run leaves its result and how to go on."""
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


@contextmanager
def imports() -> Iterator[None]:
    """Lets imports come to their end when they are interrupted: a library may take the interruption for its own error.

    Raises:
        KeyboardInterrupt: at the end.
    """
    if threading.current_thread() is not threading.main_thread():  # no signal comes here
        yield
        return
    told: list[int] = []
    # Whoever ignores a signal, or dies of it, goes on doing so.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in before:
        signal.signal(number, lambda number, frame: told.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if told:
        raise KeyboardInterrupt


def typed() -> dict[str, Any]:
    """Knob → value as text: in a sweep of Hydra's own what it varies, elsewhere all that was typed; never the seed."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra = HydraConfig.get()
    pairs = (str(entry).partition("=") for entry in hydra.overrides.task)
    own = {knob.lstrip("+~"): value for knob, _, value in pairs}
    told = {knob: value for knob, value in own.items() if is_factor(knob)}
    # Hydra writes down the command before it starts the first job, whichever process runs it.
    command = Path(hydra.runtime.cwd) / hydra.sweep.dir / "multirun.yaml"
    if hydra.mode != RunMode.MULTIRUN or not command.is_file():
        return told
    swept = _swept(OmegaConf.load(command).hydra.overrides.task)
    return {knob: value for knob, value in told.items() if knob in swept}


def choice(group: str) -> str | None:
    """The file chosen for a group of the configuration; None where the command did not compose it."""
    from hydra.core.hydra_config import HydraConfig

    chosen = HydraConfig.get().runtime.choices.get(group)
    return None if chosen is None else str(chosen)


def _swept(overrides: Any) -> set[str]:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides([str(entry) for entry in overrides])
    return {one.key_or_group for one in parsed if one.is_sweep_override()}


def typed_knobs() -> list[tuple[str, str]]:
    """What was typed for this job, and the knob that each is of; nothing where no command composed it."""
    from hydra.core.hydra_config import HydraConfig

    typed = HydraConfig.get().overrides.task if HydraConfig.initialized() else ()
    return [(str(one), str(one).partition("=")[0].lstrip("+~")) for one in typed if not str(one).startswith("~")]
