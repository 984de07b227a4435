"""How tests run trials: through train.py's own configuration, in this process."""

import gc
import json
import os
import re
from collections import defaultdict
from copy import deepcopy
from functools import cache
from io import StringIO
from pathlib import Path
from zlib import crc32

import pytest

from litmus.project import ROOT, put_on_path
from litmus.quiet import WARNINGS
from litmus.trial.hydra_versions import BASE

# Before anything computes: the suite runs beside itself, and threads that wait for each other help nobody. Torch reads
# it when a test imports it; the process that only hands out tests need not.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("WANDB_MODE", "offline")
# A machine's accelerator is for the tests that ask for it by name, which are in tests/accelerator.
os.environ["LITMUS_ACCELERATOR"] = "cpu"

SELECTED = pytest.StashKey[bool]()

put_on_path()
os.environ.setdefault("DATA_DIR", str(ROOT / "data"))


def pytest_configure(config):
    """What the program silences of other libraries' hints is no error in a test either."""
    for message in WARNINGS:
        config.addinivalue_line("filterwarnings", f"ignore:{message}")


def pytest_collection_finish():
    """Whoever looks for garbage need not search all tests and what they import, which every run would pay for."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Which tests are long, and which of those are taken; once, where the tests of answers/ bring it along as well."""
    if config.stash.get(SELECTED, False):
        return
    config.stash[SELECTED] = True
    mark_long(config, items)
    if part := os.environ.get("LONG_TESTS"):
        left = [item for item in items if item.get_closest_marker("long") and not belongs(item, part)]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


def belongs(item, part):
    """Whether a long test is of the part K/N of them all; an xdist group, whose tests share something, is of one."""
    number, parts = map(int, part.split("/"))
    group = item.get_closest_marker("xdist_group")
    return crc32((group.args[0] if group else item.nodeid).encode()) % parts == number % parts


def mark_long(config, items):
    """Of a law that is `briefly` tried, `make test` takes the cases that its mark names by id or by place."""
    known, named = defaultdict(set), {}
    for item in items:
        if mark := item.get_closest_marker("briefly"):
            names = {item.callspec.id, *item.callspec.indices.values()}
            known[item.function] |= names
            named[item.function] = mark.args
            if names.isdisjoint(mark.args):
                item.add_marker(pytest.mark.long)
    if not any("::" in argument for argument in config.args):
        strange = [(law.__name__, {*cases} - known[law]) for law, cases in named.items() if {*cases} - known[law]]
        assert not strange, f"briefly names cases that there are not: {strange}"


@pytest.fixture(scope="session", autouse=True)
def read_once():
    """YAML and interpolations of the same text are read once: a third of a composition, and a tenth of a run."""
    import omegaconf.base
    from omegaconf import OmegaConf

    load, kept = OmegaConf.load, {}

    def loaded(file):
        if isinstance(file, str | Path):
            return load(file)
        text = file.read()
        if text not in kept:
            kept[text] = load(StringIO(text))
        return deepcopy(kept[text])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OmegaConf, "load", staticmethod(loaded))
        if hasattr(omegaconf.base, "parse"):  # as in 2.3
            patch.setattr(omegaconf.base, "parse", cache(omegaconf.base.parse))
        yield


@pytest.fixture(scope="session", autouse=True)
def copied_quickly():
    """What OmegaConf notes of a node is copied field by field, not looked through: a third of a short run."""
    from omegaconf import AnyNode
    from omegaconf.base import ContainerMetadata, Metadata

    def metadata(self, memo):
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__, flags=dict(self.flags or {}))
        copied.resolver_cache = deepcopy(self.resolver_cache, memo) if self.resolver_cache else defaultdict(dict)
        return copied

    def node(self, memo):
        copied = object.__new__(type(self))
        self._deepcopy_impl(copied, memo)
        copied.__dict__["_flags_cache"] = None
        return copied

    with pytest.MonkeyPatch.context() as patch:
        for kind in (Metadata, ContainerMetadata):
            patch.setattr(kind, "__deepcopy__", metadata, raising=False)
        patch.setattr(AnyNode, "__deepcopy__", node)
        yield


@pytest.fixture(scope="session")
def forks():
    """Scripts in processes of their own, which need not import torch and Lightning anew."""
    from tests.forked import Forks

    forks = Forks()
    yield forks
    forks.end()


@cache
def _composed(overrides, config_dir, config_name, state=()):
    from hydra import initialize_config_dir
    from hydra.compose import compose
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_dir), **BASE):
        return compose(config_name, overrides=list(overrides), return_hydra_config=True)


def _follows(override, config_dir):
    """Whether it only sets a knob of what the others compose: Hydra applies such overrides last, in their order."""
    knob = re.match(r"\+{0,2}([A-Za-z]\w*(?:\.\w+)*)=", override)
    return bool(knob) and knob[1] not in ("weights", "hydra.searchpath") and not (config_dir / knob[1]).is_dir()


def _with_overrides(config, choosing, overrides):
    """A copy of what those that choose files gave, with the others and the record of all, as Hydra leaves both."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
    from hydra.core.override_parser.overrides_parser import OverridesParser

    changed = deepcopy(config)
    known, dirname = changed.hydra.overrides, changed.hydra.job.config.override_dirname
    read = OverridesParser.create().parse_overrides(list(overrides))
    ConfigLoaderImpl._apply_overrides_to_config([one for one in read if one.input_line not in choosing], changed)
    typed = [one for one in read if not one.is_hydra_override()]
    known.hydra = [one.input_line for one in read if one.is_hydra_override()]
    known.task = [one.input_line for one in typed]
    changed.hydra.job.override_dirname = get_overrides_dirname(overrides=typed, **dirname)
    return changed


@pytest.fixture(scope="session", autouse=True)
def composed_once():
    """What `litmus.run` and the laws compose of this project's files, too: a fifth of what a check of a part takes."""
    import hydra
    from hydra.compose import compose as whole
    from hydra.core.global_hydra import GlobalHydra

    kept = {}

    def composed(config_name, overrides, return_hydra_config=False):
        if not return_hydra_config:  # as whoever asks for no run
            return whole(config_name, overrides)
        search = GlobalHydra.instance().config_loader().get_search_path().get_path()
        choosing = tuple(override for override in overrides if not _follows(override, ROOT / "configs"))
        known = (config_name, choosing)
        if str(ROOT / "configs") not in [one.path for one in search] or "searchpath" in " ".join(choosing):
            return whole(config_name, overrides, return_hydra_config)
        try:
            if known not in kept:
                kept[known] = whole(config_name, list(choosing), True)
            return _with_overrides(kept[known], choosing, overrides)
        except Exception:  # whose words are Hydra's
            return whole(config_name, overrides, return_hydra_config)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hydra, "compose", composed)
        yield


@pytest.fixture
def compose():
    """Composes a configuration as the command line does; of the same files once, which takes most of the time."""
    from litmus.trial.command_line import register_resolvers

    register_resolvers()

    def composed(*overrides, config_dir=ROOT / "configs", config_name="train"):
        choosing = tuple(override for override in overrides if not _follows(override, Path(config_dir)))
        found = re.findall(r"searchpath=\[file://(.*)\]", " ".join(choosing))
        files = [path for folder in found for path in sorted(Path(folder).rglob("*.yaml"))]
        state = tuple((path, path.stat().st_mtime_ns) for path in files)  # a test's own files change
        try:
            return _with_overrides(_composed(choosing, config_dir, config_name, state), choosing, overrides)
        except Exception:  # whose words are Hydra's
            return _composed.__wrapped__(overrides, config_dir, config_name)

    return composed


@pytest.fixture
def trial(compose, tmp_path, monkeypatch):
    """Runs `train.py` with these overrides in a directory, and gives its result.json; a picture is drawn if asked."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import open_dict, read_write

    import litmus.trial.run
    import train

    draw = litmus.trial.run.draw_curves

    def run(*overrides, directory=None, threads=1, picture=False):
        directory = Path(directory or tmp_path / "run")
        config = compose(*overrides, f"threads={threads}", "hydra.mode=RUN")
        with read_write(config), open_dict(config):
            config.hydra.run.dir = config.hydra.runtime.output_dir = str(directory).replace("${", "\\${")
            # What is counted, compared and timed here is the plain MLP's, whatever the default of today's is.
            chosen = {override.split("=")[0].lstrip("+~") for override in overrides}
            if "norm" in config and not chosen & {"model", "experiment", "study", "search", "norm", "dropout"}:
                config.norm, config.dropout = "none", 0.0
        monkeypatch.setattr(
            litmus.trial.run, "draw_curves", draw if picture else lambda history, place, *_: place.touch()
        )
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        train.main(config)
        return json.loads((directory / "result.json").read_text())

    return run


@pytest.fixture
def refused(trial, capsys):
    """The one sentence with which `train.py` refuses these overrides."""

    def run(*overrides, **arguments):
        with pytest.raises(SystemExit) as ended:
            trial(*overrides, **arguments)
        assert ended.value.code == 1
        said = capsys.readouterr().err.strip()
        assert "Traceback" not in said
        assert len(said.splitlines()) == 1
        return said

    return run


@pytest.fixture
def unreported(monkeypatch):
    """A study's course without its report, whose pictures take seconds and have tests of their own."""
    from litmus.sweeps import study_sweep

    monkeypatch.setattr(study_sweep, "report", lambda directory, name: None)


@pytest.fixture
def undrawn(monkeypatch):
    """Reports with blank pictures, in a third of the time, for tests of what else is in them."""
    from litmus.report.blocks import Picture

    monkeypatch.setattr(Picture, "drawn", ('<svg viewBox="0 0 1 1"></svg>', b"blank"))
