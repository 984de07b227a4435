"""What somebody else's run directory names runs only if it is known here, or trusted in so many words."""

import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from evaluate import evaluate
from litmus.trial.command_line import resumed_arguments
from litmus.trial.stored import is_known, read_stored, strangers

MARKER = "was_here"
TOUCH = {"_target_": "tests.test_stored.touch", "path": MARKER}
CREATED = 'oc.create:"{_target_: tests.test_stored.touch, path: was_here}"'


def touch(path):
    """What a stranger's configuration would have called."""
    Path(path).touch()


@pytest.mark.parametrize(
    ("target", "known"),
    [
        ("src.models.mlp.MLP", True),
        ("src.callbacks.batch_size.BatchSizeScheduler", True),
        ("torch.nn.Linear", True),
        ("torch.optim.lr_scheduler.OneCycleLR", True),
        ("pytorch_lightning.callbacks.GradientAccumulationScheduler", True),
        ("torchmetrics.classification.MulticlassAUROC", True),
        # functions, of whatever package
        ("torch.utils.collect_env.run", False),
        ("litmus.trial.record._git", False),
        ("litmus.sweeps.once.fail", False),
        ("torch.nn.init.zeros_", False),
        ("pytorch_lightning.LightningModule.load_from_checkpoint", False),
        # ways out of a package that is known
        ("torch.nn.modules.torch.utils.collect_env.run", False),
        ("litmus.trial.run.os.system", False),
        ("litmus.no.such.subprocess.Popen", False),
        ("litmus.trial.record.subprocess.Popen", False),
        ("torch.nn.Linear.__class__", False),
        ("torch.nn.Linear.__init__.__globals__", False),
        ("torch.nn.functional.importlib.import_module", False),
        # classes that make others by their names
        ("pytorch_lightning.cli.LightningCLI", False),
        ("subprocess.Popen", False),
        ("torchvision.models.ResNet", False),
        ("srcs.models.MLP", False),
        ("src", False),
        ("src.", False),
        ("src.models.mlp.NoSuch", False),
        ("", False),
        ("${x}", False),
    ],
)
def test_classes_of_the_packages_that_are_known_are_known_and_nothing_that_they_lead_to(target, known):
    assert is_known(target) is known


def test_a_function_that_this_checkout_names_is_known(monkeypatch, tmp_path):
    import litmus.trial.stored

    assert not is_known("mine.make_net")
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "mine.yaml").write_text("model: {_target_: mine.make_net, x: '${mine:1}'}")
    monkeypatch.setattr(litmus.trial.stored, "ROOT", tmp_path)
    litmus.trial.stored.named_here.cache_clear()
    try:
        assert is_known("mine.make_net")
        assert not strangers({"model": {"_target_": "mine.make_net", "x": "${mine:2}"}})
        assert strangers({"x": "${oc.env:HOME}"}) == ["the resolver ${oc.env:…}"]
    finally:
        litmus.trial.stored.named_here.cache_clear()


@pytest.mark.briefly(1)
@pytest.mark.parametrize("overrides", [(), ("logger=[csv,wandb,tensorboard]",), ("model=cnn",)])
def test_nothing_that_a_run_stores_is_strange(compose, overrides):
    config = compose(*overrides, "callbacks=[default,early_stopping,trajectory]", "scheduler=cosine", "optimizer=sgd")
    plain = OmegaConf.to_container(config, resolve=False)
    plain.pop("hydra")
    assert strangers(plain) == []


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A directory with a configuration of this text, or with changes to a harmless one."""
    monkeypatch.chdir(tmp_path)

    def write(changes):
        folder = tmp_path / "run" / ".hydra"
        folder.mkdir(parents=True, exist_ok=True)
        text = changes if isinstance(changes, str) else OmegaConf.to_yaml(OmegaConf.create({"lr": 0.1, **changes}))
        (folder / "config.yaml").write_text(text)
        return tmp_path / "run"

    return write


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": TOUCH}, "tests.test_stored.touch"),
        ({"a": [{"b": [[TOUCH]]}]}, "tests.test_stored.touch"),
        ({"model": {"_target_": "${lr}"}}, "${lr}"),
        ({"hydra": {"callbacks": {"a": {"x": 1}}}}, "the node hydra:"),
        ({"hydra": {"job": {"env_set": {"PYTHONPATH": "/tmp"}}}}, "the node hydra:"),
        ("defaults: [model]\nlr: 1", "the node defaults:"),
        ("# @package hydra\njob: {env_set: {A: b}}", "a package of its own"),
        ({"x": "${%s}" % CREATED}, "the resolver ${oc.create:…}"),  # noqa: UP031 - braces enough
        ({"x": "${oc.env:A,${oc.decode:b}}"}, "the resolver ${oc.decode:…}"),
        ({"n": "oc.create", "x": "${${n}:1}"}, "the resolver ${${n}:…}"),
        # What is no interpolation yet, and would be when it is resolved once more.
        ({"x": "\\${%s}" % CREATED}, "the text \\${oc.create"),  # noqa: UP031
        ({"d": "$", "x": "${d}{%s}" % CREATED}, "the text $"),  # noqa: UP031
        ({"x": "${oc.env:NO_SUCH,'$'}{%s}" % CREATED}, "the text ${oc.env:NO_SUCH,'$'}{oc"),  # noqa: UP031
    ],
)
def test_every_way_to_what_is_not_known_is_named_and_refused(stored, changes, said):
    directory = stored(changes)
    for read in (lambda: read_stored(directory), lambda: resumed_arguments([f"resume={directory}", "trust=false"])):
        with pytest.raises(ValueError, match=r"which this project does not know.*add trust=true") as caught:
            read()
        assert f"asks for {said}" in str(caught.value)
    assert read_stored(directory, trust=True)
    typed = resumed_arguments([f"resume={directory}", "trust=true"])
    assert not [argument for argument in typed if argument.startswith("trust")]


def test_what_lies_beside_a_configuration_is_no_part_of_it(stored):
    directory = stored({})
    (directory / ".hydra" / "hydra" / "env").mkdir(parents=True)
    (directory / ".hydra" / "hydra" / "env" / "default.yaml").write_text("# @package _global_\nlr: 3")
    with pytest.raises(ValueError, match="asks for hydra beside it"):
        read_stored(directory)
    assert read_stored(directory, trust=True).lr == 0.1


@pytest.mark.parametrize(
    "text", ["", "a: [", "[1, 2]", "a: !!python/object:os.system {}", "a: b: c", "\x00", "{}", "x: '${'"]
)
def test_a_damaged_configuration_is_one_sentence(stored, text):
    with pytest.raises(ValueError, match=r"config\.yaml: expected a run's configuration, found") as caught:
        read_stored(stored(text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("said", ["trust=yes", "trust="])
def test_trust_is_true_or_false(stored, said):
    with pytest.raises(ValueError, match="trust must be true or false, got"):
        resumed_arguments([f"resume={stored({})}", said])


@pytest.mark.long
def test_no_door_runs_what_it_does_not_know(trial, tmp_path, monkeypatch):
    trial("epochs=2", "updates_per_epoch=2", "model.units=[4]", "callbacks=[default,trajectory]")
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    whole = (run / ".hydra" / "config.yaml").read_text()
    (run / ".hydra" / "config.yaml").write_text(whole + OmegaConf.to_yaml(OmegaConf.create({"x": TOUCH})))
    for part in ("data", "model"):
        changed = OmegaConf.create(whole)
        changed[part].evil = TOUCH
        shutil.copytree(run, tmp_path / part)
        OmegaConf.save(changed, tmp_path / part / ".hydra" / "config.yaml")
    for place in ("run", "data", "model"):
        directory = tmp_path / place
        for door in (
            lambda: evaluate(directory),  # noqa: B023 - called at once
            lambda: resumed_arguments([f"resume={directory}"]),  # noqa: B023
        ):
            with pytest.raises(ValueError, match=r"tests\.test_stored\.touch.*trust=true"):
                door()
    assert not (tmp_path / MARKER).exists()
    with pytest.raises(Exception, match="evil"):  # no constructor takes it, and it has run by then
        evaluate(tmp_path / "data", trust=True)
    assert (tmp_path / MARKER).exists()
