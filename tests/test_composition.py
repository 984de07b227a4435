"""What spares a sweep the composing of every job gives what composing it would."""

from pathlib import Path

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from omegaconf import OmegaConf

from litmus.project import ROOT
from litmus.sweeps import snapshot
from litmus.sweeps.composition import hash_of
from litmus.sweeps.derived import Derived, followers
from litmus.sweeps.loader import SnapshotLoader
from litmus.sweeps.snapshot import without_question
from litmus.trial.hydra_versions import BASE, register_resolver
from tests.conftest import _composed


@pytest.fixture
def master(compose):
    return compose("hydra.mode=MULTIRUN", "threads=1", "hydra.sweep.dir=somewhere")


@pytest.fixture
def loader():
    path = ConfigSearchPathImpl()
    path.append("hydra", "pkg://hydra.conf")
    path.append("main", f"file://{ROOT / 'configs'}")
    path.append("schema", "structured://")
    return SnapshotLoader(config_search_path=path)


JOBS = [
    ["dropout=0.1", "seed=3"],
    ["dropout=0.1", "hydra.sweep.subdir='trials/a b=3'", "seed=4"],
    ["model=cnn", "seed=7", "lr=1e-3", "model.filters=4"],
    ["model=cnn", "lr=0.02", "seed=8", "model.filters=5"],
    ["lr=0.5", "optimizer=sgd", "optimizer.momentum=0.9", "lr=0.1"],
    ["norm=batch", "batch_size=all", "seed=1", "hydra.verbose=true"],
    ["optimizer.betas=[0.1,0.2]", "+model.new=3", "++model.dropout=0.5", "seed=1"],
    ["weights=null", "epochs=3"],
    ["seed=1e400"],
    ["lr=-3", "lr2=1"],
]


@pytest.mark.long
def test_a_job_is_composed_from_another_as_hydra_composes_it(master, loader):
    def composed(load, job):
        try:
            config = load(master, list(job))
        except Exception as problem:
            return repr(problem)
        return OmegaConf.to_container(config, resolve=False), config._get_flag("struct")

    for job in [*JOBS, *JOBS]:
        found = composed(loader.load_sweep_config, job)
        assert found == composed(lambda *given: ConfigLoaderImpl.load_sweep_config(loader, *given), job), job
    # (dropout), (cnn), (…), one for all that has no other override
    assert 0 < len(loader._composed) < len(JOBS)


@pytest.mark.long
def test_what_the_tests_compose_is_what_hydra_composes(compose):
    import hydra

    mixed = ["weights=null", "+a.b={c: 1}", "++seed=2", "hydra.mode=RUN", "~data", "optimizer=sgd"]
    following = ["seed=3", "weights='/from ${seed}'", "lr=0.1"]
    for job in [*JOBS[:7], mixed, following]:
        known = _composed.__wrapped__(tuple(job), ROOT / "configs", "train")
        with hydra.initialize_config_dir(str(ROOT / "configs"), **BASE):
            again = hydra.compose("train", list(job), return_hydra_config=True)
        for found in (compose(*job), again):
            assert OmegaConf.to_container(found) == OmegaConf.to_container(known), job
            assert found._get_flag("struct") == known._get_flag("struct")


def test_what_the_tests_compose_of_the_same_files_is_read_once(monkeypatch):
    import hydra

    with hydra.initialize_config_dir(str(ROOT / "configs"), **BASE):
        hydra.compose("train", ["model=cnn", "seed=1"], return_hydra_config=True)
        monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", None)
        again = hydra.compose("train", ["model=cnn", "seed=2"], return_hydra_config=True)
    assert again.seed == 2


FOLLOWED = [
    ([], {"seed": 3}),
    ([], {"seed": 3, "lr": 1e-4}),
    (["optimizer=sgd"], {"seed": 3, "optimizer.momentum": 0.5}),
    (["scheduler=step", "+width=8", "model.units=['${width}','${width}']"], {"seed": 3, "width": 9}),
]
COMPUTED = [
    (["+name=run-${seed}"], {"seed": 3}),
    (["+all=${optimizer}"], {"lr": 0.1, "seed": 3}),
    (["+chosen='${oc.select:seed}'"], {"seed": 3}),
    (["+by=data_dir", "+chosen='${${by}}'"], {"seed": 3}),
]


@pytest.mark.briefly(0, 4, 7)
@pytest.mark.parametrize(("typed", "values"), [*FOLLOWED, *COMPUTED])
def test_the_hash_of_a_job_is_derived_from_another_s_where_it_can_be(compose, typed, values):
    config = compose("hydra.runtime.output_dir=runs/here", *typed)
    assert (followers(config, frozenset(values)) is not None) == ((typed, values) in FOLLOWED)
    derived = Derived(config, values)
    for times in (1, 2, 5):
        others = {knob: value * times for knob, value in values.items()}
        assert derived.hash_of(others) == hash_of(config, others)


def test_a_resolver_that_nobody_knows_is_asked_each_time(compose):
    register_resolver("of_seed", lambda *, _root_: _root_.seed // 2, replace=True)
    try:
        config = compose("hydra.runtime.output_dir=runs/here", "+half='${of_seed:}'")
        assert followers(config, frozenset(["seed"])) is None
    finally:
        OmegaConf.clear_resolver("of_seed")


QUESTION = "study:\n  question: Why?\n\n  # why not\n  text: |\n    a: b\nepochs: 3  # short\n"


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (f"# @package _global_\ndefaults:\n  - override /model: cnn\n{QUESTION}", True),
        (f"# @package _global_\nlr: &rate 0.1\n{QUESTION}", False),
        ("# @package _global_\nstudy: {question: Why}\nepochs: 3\n", False),
        ("epochs: 3\n", False),
        ('# @package _global_\n"study":\n  question: Why?\nepochs: 3\n', False),
        (f"{QUESTION}study_: 4\n", True),
    ],
)
def test_a_question_is_cut_from_its_file_as_reading_the_file_would_cut_it(monkeypatch, text, cut):
    name = Path("study/why.yaml")
    assert (snapshot._without_block(text, "study") is not None) == cut
    found = without_question(name, text)
    monkeypatch.setattr(snapshot, "_without_block", lambda *given: None)
    read = without_question(name, text)
    assert OmegaConf.create(found) == OmegaConf.create(read)
    assert found.startswith("# @package") == read.startswith("# @package") == text.startswith("# @package")
