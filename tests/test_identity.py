"""Who a run is: what changes a number changes its hash, and nothing else does."""

import copy
import itertools
import json
import linecache
import os
import subprocess
import sys
from importlib.util import spec_from_file_location
from types import ModuleType, SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from litmus.sweeps.composition import as_job, hash_of, resolved, settings_of
from litmus.trial import identity
from litmus.trial.code import fingerprint, sources
from litmus.trial.course import numerics
from litmus.trial.description import settled
from litmus.trial.identity import arm_hash, asked_hash, config_hash
from tests.conftest import ROOT

HERE = {"device": "cpu", "processes": 1, "threads": 1, "dtype": "float32", "matmul": "ieee", "convolution": "ieee"}
# The run as it was by default before norm_helps taught it batch norm: whoever types that gets the same run and hash.
PLAIN = "norm=none dropout=0.0 epochs=40"
# These may change only in a commit that says in CHANGELOG.md why, and that raises identity.HASHES: whoever has
# results on disk must be told that they no longer match.
GOLDEN = {
    "": ("669b3b7d54404167", "23518d079c52f11b"),
    PLAIN: ("12877e0599e2769f", "c1a1856570286ec0"),
    "model=cnn norm=instance dropout=0.1 epochs=20": ("e9488fba8ec12cb1", "f875c624e85b5b5b"),
    f"data=social_network_ads optimizer=rmsprop {PLAIN}": ("bbdda24a1b2fca64", "2b84e55153dd368f"),
    f"data=fashion_mnist trainer=ddp {PLAIN}": ("229bcb689a1c8d77", "139d20b3115306e7"),
    f"scheduler=cosine scheduler.warmup=2 batching=doubling {PLAIN}": ("76280874bfb20133", "3e6c35afb623c5b5"),
    f"scheduler=plateau batching=on_plateau callbacks=[default,early_stopping] {PLAIN}": (
        "84363c56a465c876",
        "68dce61d66ba105d",
    ),
    f"data.draw=fresh data.folds=5 data.fold=2 seed=3 {PLAIN}": ("e632c1b8081ab71f", "8ef6ef53e26881a5"),
    f"updates_per_epoch=100 batch_size=all threads=2 trainer.accelerator=cpu {PLAIN}": (
        "e552f5a4756fb36d",
        "0c1e6d4e600ab6bf",
    ),
}


def _composed(compose, *overrides):
    return compose(*overrides, "hydra.runtime.output_dir=here", "hydra.mode=RUN")


def _hash(compose, *overrides, **other):
    return config_hash(resolved(_composed(compose, *overrides)), {**HERE, **other})


@pytest.mark.parametrize("typed", GOLDEN)
def test_hashes_are_what_they_were(compose, typed):
    config = resolved(_composed(compose, *typed.split()))
    assert (config_hash(config, HERE), asked_hash(config)) == GOLDEN[typed]


SAME = [
    ["data_dir=elsewhere"],
    ["resume=elsewhere"],
    ["logger=wandb"],
    ["threads=3"],  # what is in effect is numerics' to tell
    ["trainer.accelerator=cpu"],
    ["trainer.devices=[1]"],
    ['trainer.devices="1"'],
    ["model.recompute=true"],
    ["+callbacks.pruning={_target_: a.B, journal: j}"],
    ["fast=false"],
    ["trust=true"],
    ["+judge=true"],
    ["+new=null"],
    ["+model.new=null"],
    ["+model.new={deep: {deeper: null}}"],
    ["+data.list_of_nothing={}"],
    ["callbacks.checkpoint.mode=null"],
    ["hydra.run.dir=elsewhere"],
    ["average=null"],
    ["weights=null", "weights.frozen=[]"],
    ["callbacks.progress.every_seconds=1", "~callbacks.summary"],
    ["callbacks=default"],
    ["callbacks=[checkpoint,history]"],  # every run has them anyhow
]
OTHER = [
    ["lr=0.002"],
    ["seed=1"],
    ["model.units=[256,256,1]"],
    ["epochs=41"],
    ["precision=64-true"],
    ["trainer.deterministic=false"],
    ["optimizer.weight_decay=1e-9"],
    ["+model.list=[null]"],
    ["+new=false"],
    ["callbacks.checkpoint.monitor=val/acc"],
    ["average=ema"],
    ["weights.frozen=[net.1]"],
]


@pytest.mark.briefly(*range(0, 23, 3))
@pytest.mark.parametrize("typed", SAME, ids=str)
def test_what_changes_no_number_changes_no_hash(compose, typed):
    assert _hash(compose, *typed) == _hash(compose)


@pytest.mark.briefly(0, 2)
@pytest.mark.parametrize(
    "typed", ["early_stopping", "[early_stopping]", "[early_stopping,checkpoint]", "[early_stopping,default]"]
)
def test_chosen_callbacks_add_to_those_of_every_run(compose, typed):
    chosen = _composed(compose, f"callbacks={typed}").callbacks
    assert set(chosen) == {*_composed(compose).callbacks, "early_stopping"}
    assert _hash(compose, f"callbacks={typed}") == _hash(compose, "callbacks=[default,early_stopping]")


@pytest.mark.briefly(*range(0, 12, 2))
@pytest.mark.parametrize("typed", OTHER, ids=str)
def test_what_changes_a_number_changes_both_hashes(compose, typed):
    assert _hash(compose, *typed) != _hash(compose)
    assert hash_of(_composed(compose, *typed)) != hash_of(_composed(compose))


@pytest.mark.parametrize(
    "other", [{"device": "cuda"}, {"threads": 2}, {"dtype": "float64"}, {"matmul": "tf32"}, {"processes": 2}]
)
def test_numerics_are_in_the_hash_and_in_the_arm(compose, other):
    assert _hash(compose, **other) != _hash(compose)
    config = resolved(_composed(compose))
    assert arm_hash(config, {**HERE, **other}, "code") != arm_hash(config, HERE, "code")


def test_what_is_asked_is_known_without_the_machine(compose):
    """Threads and accelerator as typed: a sweep's master may be another machine than its workers."""
    asked = {typed: hash_of(_composed(compose, *typed)) for typed in ((), ("threads=1",), ("trainer.accelerator=cpu",))}
    assert len(set(asked.values())) == 3
    assert hash_of(_composed(compose, "threads=null", "trainer.devices=[0]")) == asked[()]


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.long
@given(st.dictionaries(st.text(max_size=3), plain, max_size=4), st.data())
def test_a_null_anywhere_changes_no_hash(config, data):
    changed, places = copy.deepcopy(config), []

    def collect(node):
        if isinstance(node, dict):
            places.append(node)
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            collect(child)

    collect(changed)
    place = data.draw(st.sampled_from(places))
    place.setdefault("a new knob", data.draw(st.sampled_from([None, {}, {"off": None}])))
    assert config_hash(changed, HERE) == config_hash(config, HERE)
    assert asked_hash(changed) == asked_hash(config)


def test_a_class_that_moves_keeps_its_hash(compose, monkeypatch):
    config = resolved(_composed(compose))
    before = config_hash(config, HERE)
    moved = json.loads(json.dumps(config).replace("src.models.mlp.MLP", "elsewhere.nets.MLP"))
    assert config_hash(moved, HERE) != before
    monkeypatch.setattr(identity, "MOVED", {**identity.MOVED, "elsewhere.nets.MLP": "src.models.mlp.MLP"})
    assert config_hash(moved, HERE) == before


def test_an_arm_is_all_but_the_seed_and_what_follows_it(compose):
    def arm(*typed):
        with as_job(_composed(compose, *typed)) as job:
            return arm_hash(settled(job), HERE, "code")

    assert arm("seed=0") == arm("seed=7") == arm("seed=7", "output_dir=elsewhere")
    assert arm("seed=0", "lr=0.002") != arm("seed=0") != arm("seed=0", "data.seed=3")
    assert "data.seed" not in settings_of(_composed(compose))


def test_result_json_says_who_the_run_is(trial, tmp_path):
    tiny = ("epochs=1", "model.units=[4]", "updates_per_epoch=2")
    one, other = (trial(*tiny, f"seed={seed}", directory=tmp_path / str(seed)) for seed in (0, 1))
    cpu = trial(*tiny, "trainer.accelerator=cpu", directory=tmp_path / "cpu")
    two = trial(*tiny, threads=2, directory=tmp_path / "two")
    torch.set_num_threads(1)
    assert one["numerics"] == HERE
    assert two["numerics"] == {**HERE, "threads": 2}
    assert one["arm"] == other["arm"] == cpu["arm"] != two["arm"]
    assert one["config_hash"] == cpu["config_hash"] != two["config_hash"]
    assert one["config_hash"] != other["config_hash"]
    assert one["code"] == other["code"] == two["code"]
    assert all(len(one[name]) == 16 for name in ("config_hash", "asked_hash", "arm", "code"))
    assert one["config_hash"] == config_hash(one["config"], one["numerics"])
    assert one["asked_hash"] == asked_hash(one["config"])


@pytest.mark.long
def test_threads_left_open_are_what_they_resolve_to(trial, tmp_path):
    tiny = ("epochs=1", "model.units=[4]", "updates_per_epoch=2")
    left, typed = (trial(*tiny, threads=threads, directory=tmp_path / str(threads)) for threads in ("null", 1))
    assert left["config_hash"] == typed["config_hash"]
    assert left["arm"] == typed["arm"]
    assert left["asked_hash"] != typed["asked_hash"]


def test_a_run_that_never_was_built_has_no_hash_of_its_numbers(trial, tmp_path, capsys):
    with pytest.raises(SystemExit):
        trial("model.units=[0]")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["config_hash"], result["arm"], result["numerics"]) == (None, None, None)
    assert len(result["asked_hash"]) == len(result["code"]) == 16


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ((9, 0), {"matmul": "ieee", "convolution": "tf32", "recurrence": "tf32"}),
        ((7, 5), {}),  # TF32 cannot act there
    ],
)
def test_numerics_of_an_accelerator(monkeypatch, capability, expected):
    known = SimpleNamespace(major=capability[0], minor=capability[1], multi_processor_count=132)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: known)
    trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("cuda", 1)), world_size=2)
    expected["architecture"] = "sm_{}{} × 132".format(*capability)
    assert numerics(trainer) == {"device": "cuda", "processes": 2, "dtype": "float32", **expected}
    if "convolution" in expected:  # what takes TF32 from the libraries leaves torch's own word for it as it was
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
        assert numerics(trainer)["convolution"] == numerics(trainer)["recurrence"] == "ieee"
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
        assert numerics(trainer)["convolution"] == "tf32"
    trainer.strategy.root_device = torch.device("mps")
    assert numerics(trainer) == {"device": "mps", "processes": 2, "dtype": "float32"}


# ------------------------------------------------------------------ the code that trains

PROJECT = {
    "mine/__init__.py": "",
    "mine/net.py": "from mine.layers import Layer\n\n\nclass Net:\n    def late(self):\n        from . import late\n",
    "mine/layers.py": "class Layer:\n    size = 1\n",
    "mine/late.py": "late = 1\n",
    "mine/other.py": "class Other:\n    pass\n",
    "pages/page.py": "import mine.net\n",
}
NET = {"model": {"_target_": "mine.net.Net"}, "list": [{"path": "mine.late.late"}]}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A stranger's project, and its fingerprint, read anew, without what this project makes a trial with."""
    from litmus.trial import code

    monkeypatch.setattr(code, "MAKER", tmp_path / "maker.py")
    (tmp_path / "maker.py").touch()
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def after(name=None, old="", new="", config=NET):
        if name is not None:
            (tmp_path / name).write_text((tmp_path / name).read_text().replace(old, new, 1))
        code._read.cache_clear()
        code._modules.cache_clear()
        return fingerprint(config, tmp_path)

    return after


EDITS = [
    ("mine/net.py", "class Net:", "class Net:\n    depth = 2", True),
    ("mine/layers.py", "size = 1", "size = 2", True),  # imported
    ("mine/late.py", "1", "2", True),  # imported in a method, and relatively
    ("mine/__init__.py", "", "import mine.layers\n", True),  # run at every import
    ("mine/layers.py", "class", "# A comment.\n\n\nclass", False),
    ("mine/layers.py", "    size = 1\n", "    # Why 1.\n    size = 1  \n\n", False),
    ("mine/other.py", "pass", "size = 3", False),  # a net that this run has not
    ("pages/page.py", "import", "import json, ", False),  # what imports it
]


def test_an_edit_of_what_trains_and_no_other_changes_the_fingerprint(project, tmp_path):
    before = project()
    for name, old, new, changes in EDITS:
        text = (tmp_path / name).read_text()
        assert (project(name, old, new) != before) == changes, (name, new)
        (tmp_path / name).write_text(text)


def test_another_net_has_another_fingerprint_and_an_unknown_name_none_of_its_own(project):
    assert project(config={"_target_": "mine.other.Other"}) != project() != project(config={})
    assert project(config={"_target_": "nowhere.at.All", "text": "a.b c"}) == project(config={})


def test_the_fingerprint_is_the_same_in_another_process_and_needs_no_torch(compose):
    config = resolved(_composed(compose))
    program = (
        "import json, sys; from litmus.trial.code import fingerprint; print(fingerprint(json.loads(sys.argv[1])));"
        "assert not {'torch', 'hydra', 'omegaconf'} & sys.modules.keys()"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, json.dumps(config)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == fingerprint(config)


def test_reports_and_sweeps_are_no_code_that_trains(compose):
    folders = {path.relative_to(ROOT).parts[1] for path in sources(resolved(_composed(compose)), ROOT)}
    assert {"models", "datamodules", "callbacks", "trial"} <= folders
    assert not {"comparison", "sweeps", "studies", "events"} & folders


FOLDER = {
    "own_part/__init__.py": "",
    "own_part/deep/nets.py": "from ..layers import SIZE\n",
    "own_part/layers.py": "SIZE = 1\n",
}
DEEP = {"_target_": "own_part.deep.nets.Net"}


class Editable:
    """What `pip install -e` leaves of a package that lies beside others in a folder: a finder, no path."""

    def __init__(self, folder):
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        if name != "own_part":
            return None
        places = [str(self.folder / name)]
        return spec_from_file_location(name, self.folder / name / "__init__.py", submodule_search_locations=places)


@pytest.mark.parametrize("found", ["here", "editable"])
def test_a_part_is_found_wherever_python_finds_it_and_nothing_is_imported_for_that(
    project, tmp_path, monkeypatch, found
):
    """In the current directory, as from a notebook, or by a finder: its edit changed nothing that was recorded."""
    from litmus.trial import code

    for name, text in FOLDER.items():
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name).write_text(text)
    if found == "here":
        monkeypatch.chdir(tmp_path / "own")
        monkeypatch.setattr(sys, "path", ["", *sys.path])
    else:
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Editable(tmp_path / "own")])

    def told(text):
        (tmp_path / "own" / "own_part" / "layers.py").write_text(text)
        code._read.cache_clear()
        return fingerprint(DEEP, tmp_path / "project")

    assert told("SIZE = 1\n") == told("# How wide.\nSIZE = 1\n") != told("SIZE = 2\n")
    assert len(sources(DEEP, tmp_path / "project")) == 4  # with what makes a trial
    assert not any(name.startswith("own_part") for name in sys.modules)


def test_a_part_that_is_called_as_a_module_of_python_counts_where_it_is_what_python_finds(
    project, tmp_path, monkeypatch
):
    from litmus.trial import code

    place = tmp_path / "own" / "sched"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text("")
    (place / "cosine.py").write_text("import json, sys, zipfile\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "own"), *sys.path])
    monkeypatch.delitem(sys.modules, "sched", raising=False)
    code._modules.cache_clear()
    found = sources({"_target_": "sched.cosine.Cosine"}, tmp_path / "project")
    assert {path for path in found if path.is_relative_to(place)} == {place / "__init__.py", place / "cosine.py"}
    assert not any(path.is_relative_to(one) for path in found for one in code.OF_PYTHON)


CELLS = {
    "width": "WIDTH = 4\n",
    "layer": "class Layer:\n    def size(self):\n        return WIDTH\n",
    "net": "import mine.other\n\n\nclass Net(Layer):\n    def late(self):\n        return mine.other.Other\n",
}
IN_CELL = {"model": {"_target_": "__main__.Net"}}
CELL_EDITS = [
    ("width", "4", "5", True),
    ("layer", "return WIDTH", "return WIDTH + 1", True),
    ("net", "class Net(Layer)", "class Net", True),
    ("net", "    def late", "    # Why.\n\n    def late", False),
    ("net", "import mine.other\n", "import mine.other\nrun = 'seed=1'\n", False),  # another statement
    ("width", "WIDTH = 4\n", "WIDTH = 4\nHEIGHT = 3\n", False),  # what it does not use
]


@pytest.fixture
def notebook(project, tmp_path, monkeypatch):
    """Runs texts one after the other, each a cell of a notebook, or typed at a prompt, which keeps no source."""
    monkeypatch.syspath_prepend(str(tmp_path))
    page = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", page)
    number = itertools.count()

    def ran(*texts, keeps=True):
        for text in texts:
            name = f"<cell {next(number)}>" if keeps else "<stdin>"
            if keeps:
                monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(keepends=True), name))
            exec(compile(text, name, "exec"), page.__dict__)
        return project(config=IN_CELL)

    yield ran
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]


def test_a_class_of_a_notebook_is_told_by_the_statements_that_make_it_and_what_they_use(notebook, project, tmp_path):
    before = notebook(*CELLS.values())
    assert before != project(config={})
    for cell, old, new, changes in CELL_EDITS:
        edited = {**CELLS, cell: CELLS[cell].replace(old, new)}
        assert (notebook(*edited.values()) != before) == changes, new
    assert notebook(*CELLS.values()) == before
    (tmp_path / "mine" / "other.py").write_text("class Other:\n    size = 3\n")
    assert project(config=IN_CELL) != before


def test_a_class_of_a_script_is_told_by_its_file(notebook, project, tmp_path):
    text = "SIZE = 1\n\n\nclass Net:\n    pass\n"
    notebook(text, keeps=False)
    sys.modules["__main__"].__file__ = str(tmp_path / "script.py")
    (tmp_path / "script.py").write_text(text)
    before = project(config=IN_CELL)
    assert project("script.py", "class", "# Why.\nclass", config=IN_CELL) == before
    assert project("script.py", "SIZE = 1", "SIZE = 2", config=IN_CELL) != before


def test_what_a_class_of_a_script_uses_is_in_its_text_whatever_it_is_today(notebook, tmp_path):
    """As the time at which it started."""
    text = "import time\n\nSTART = time.time()\n\n\nclass Net:\n    def late(self):\n        return START\n"
    (tmp_path / "script.py").write_text(text)
    sys.modules["__main__"].__file__ = str(tmp_path / "script.py")
    assert notebook(text) == notebook(text)


def test_values_are_told_alike_in_each_process():
    program = "from litmus.trial.written import told; print(told([{'relu', 'gelu', 'tanh'}, {'a': frozenset('xyz')}]))"
    said = [
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, text=True,
            capture_output=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    ]  # fmt: skip
    assert len(set(said)) == 1


def test_a_class_whose_source_nobody_has_is_refused(notebook):
    with pytest.raises(ValueError, match=r"^__main__\.Net: expected a class .* whose source can be read"):
        notebook(*CELLS.values(), keeps=False)
