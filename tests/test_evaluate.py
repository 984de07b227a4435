"""A test that is repeated is compared with all that was recorded, or not called the same."""

import json
import shutil

import pytest
import torch
from omegaconf import OmegaConf

from evaluate import evaluate
from litmus.trial.again import compared, elsewhere
from litmus.trial.finished import read_finished
from tests.data_helpers import require_ads

TINY = ("epochs=2", "updates_per_epoch=3", "model.units=[6]")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run, copied to where it may be damaged."""
    return tmp_path_factory.mktemp("finished")


@pytest.fixture
def run(finished, trial, tmp_path):
    if not (finished / "run").exists():
        trial(*TINY, directory=finished / "run")
    shutil.copytree(finished / "run", tmp_path / "run")
    return tmp_path / "run"


def files(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def in_result(**changes):
    def change(run):
        path = run / "result.json"
        content = json.loads(path.read_text())
        for name, value in changes.items():
            content = content | {name: {**content.get(name, {}), **value} if isinstance(value, dict) else value}
        path.write_text(json.dumps(content))

    return change


def in_config(**changes):
    def change(run):
        path = run / ".hydra" / "config.yaml"
        OmegaConf.save(OmegaConf.merge(OmegaConf.load(path), changes), path)

    return change


def cut(name, bytes_left):
    return lambda run: (run / name).write_bytes((run / name).read_bytes()[:bytes_left])


def cut_within(name, word):
    return lambda run: cut(name, (run / name).read_bytes().index(word) + 2)(run)


def another_net(run):
    path = run / "checkpoints" / "best.ckpt"
    stored = torch.load(path, weights_only=True)
    stored["state_dict"] = {name: value + 1 for name, value in stored["state_dict"].items()}
    torch.save(stored, path)


def another_shape(run):
    without_weights(run)
    path = run / "checkpoints" / "best.ckpt"
    torch.save({**torch.load(path, weights_only=True), "state_dict": {"x": torch.zeros(3)}}, path)


def no_checkpoint(run):
    without_weights(run)
    torch.save([1, 2], run / "checkpoints" / "best.ckpt")


def without_weights(run):
    path = run / "result.json"
    content = json.loads(path.read_text())
    del content["weights"]
    path.write_text(json.dumps(content))


def without_tests(run):
    path = run / "result.json"
    content = json.loads(path.read_text())
    content["metrics"] = {name: value for name, value in content["metrics"].items() if "test" not in name}
    path.write_text(json.dumps(content))


def both(*changes):
    return lambda run: [change(run) for change in changes]


@pytest.mark.briefly(0, 9, 18)
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda run: (run / "result.json").unlink(),
            "expected the directory of a finished run with result.json, found",
        ),
        (lambda run: (run / ".hydra" / "config.yaml").unlink(), "finished run with .hydra/config.yaml, found none"),
        (lambda run: (run / "checkpoints" / "best.ckpt").unlink(), "finished run with checkpoints/best.ckpt, found"),
        (lambda run: shutil.rmtree(run), "expected the directory of a finished run, found none"),
        (cut("result.json", 0), "found a damaged file"),
        (cut("result.json", 300), "found a damaged file"),
        (lambda run: (run / "result.json").write_text("[1]"), "found no metrics in it"),
        (
            lambda run: (run / "result.json").write_text('{"status": "completed", "metrics": {}}'),
            "found no config in it",
        ),
        (in_result(status="failed", error="ValueError: x"), "has completed, found one that is failed: ValueError: x"),
        (in_result(status="interrupted", error="interrupted"), "has completed, found one that is interrupted"),
        (in_result(status="pruned", error="TrialPruned: y"), "found one that is pruned: TrialPruned: y"),
        (in_result(status="diverged", error="nan"), "found one that is diverged: nan"),
        (in_result(status="running"), "found one that is running"),
        (in_config(lr=0.5), ".hydra/config.yaml has lr=0.5, result.json 0.001: they are of different runs"),
        (in_config(seed=3), "has seed=3, result.json 0"),
        (in_config(data={"val_fraction": 0.2}), "has data.val_fraction=0.2, result.json 0.1"),
        (in_config(model={"units": [6, 6]}), "has model.units=[6, 6], result.json [6]"),
        (
            in_config(model={"_target_": "src.models.cnn.CNN"}),
            "has model._target_=src.models.cnn.CNN, result.json src.m",
        ),
        (
            cut_within(".hydra/config.yaml", b"val_fraction"),
            "config.yaml: expected a run's configuration, found none: while scanning",
        ),
        (lambda run: (run / ".hydra" / "config.yaml").write_text("seed: 0\n"), "has epochs=nothing, result.json 2"),
        (without_tests, "has no test metrics, so there is nothing that a test could be compared with"),
        (
            in_result(data={"sha256": "0" * 64}),
            "expected the mnist1d that the run had, sha256 0000000000000000…, found",
        ),
        (cut("checkpoints/best.ckpt", 900), "expected the weights that the run ended with, sha256"),
        (another_net, "expected the weights that the run ended with, sha256"),
        (both(without_weights, cut("checkpoints/best.ckpt", 900)), "found 900 damaged bytes"),
        (both(without_weights, another_net), "and nothing tells whether best.ckpt is this run's"),
        (another_shape, "expected the weights of a src.models.mlp.MLP, found something else"),
        (no_checkpoint, "expected the weights of a src.models.mlp.MLP, found something else"),
    ],
)
def test_what_is_missing_damaged_or_of_another_run_is_one_sentence_and_nothing_is_written(run, capsys, damage, said):
    damage(run)
    before = files(run)
    with pytest.raises(ValueError, match=r"^\S") as caught:
        evaluate(run)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files(run) == before
    assert "the same as in result.json" not in capsys.readouterr().out


@pytest.mark.briefly("result.json")
@pytest.mark.parametrize("name", ["result.json", ".hydra/config.yaml"])
def test_a_file_that_was_cut_anywhere_is_refused(run, name):
    whole = (run / name).read_bytes()
    for left in range(0, len(whole.rstrip()), 61):
        (run / name).write_bytes(whole[:left])
        with pytest.raises(ValueError, match=r"expected a run's|found a damaged|of different runs|asks for"):
            read_finished(run)
    (run / name).write_bytes(whole)
    read_finished(run)


def test_a_whole_run_is_the_same_with_the_threads_it_had(run, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    in_result(hardware={"threads": 7}, numerics={"threads": 7})(run)
    evaluate(run)
    assert capsys.readouterr().out.endswith("the same as in result.json, to the last bit\n")
    assert asked == [7]
    assert (run / "predictions.csv").exists()


@pytest.mark.parametrize("changes", [{"epochs": 9}, {"threads": 3}, {"trust": True}, {"data_dir": "elsewhere"}])
def test_what_a_resumed_run_may_change_makes_it_no_other_run(run, changes):
    """The stored configuration is the one that the run began with; result.json has the one that it ended with."""
    in_config(**changes)(run)
    read_finished(run)


def test_a_metric_that_differs_is_named_with_both_numbers_and_the_same_is_said_of_all_or_none(run, capsys):
    tested = read_finished(run).tested
    in_result(metrics={"test/acc": 0.25})(run)
    with pytest.raises(ValueError, match=f"test/acc is {tested['test/acc']!r} here and 0.25 in result.json, with the"):
        evaluate(run)
    assert "the same" not in capsys.readouterr().out
    in_result(metrics={"test/acc": tested["test/acc"], "test/auroc": 0.5})(run)
    evaluate(run)
    said = capsys.readouterr().out
    assert said.endswith("not compared with result.json: test/auroc, which this test did not measure\n")
    assert "the same" not in said


def test_a_test_that_differs_on_another_kind_of_device_names_both(run, monkeypatch):
    """Of a run that asked for its accelerator, as a study's do, on a machine without one."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = read_finished(run).result
    own, trainer = result["numerics"], result["config"]["trainer"]
    in_config(trainer={"accelerator": "gpu"})(run)
    in_result(config={"trainer": trainer | {"accelerator": "gpu"}})(run)
    in_result(metrics={"test/acc": 0.25})(run)
    with pytest.raises(ValueError, match=r"with the same weights and data$"):
        evaluate(run)
    in_result(numerics={"device": "cuda", "architecture": "sm_90 × 132"})(run)
    told = "device cuda then and cpu now, .*architecture sm_90 × 132 then and none now"
    with pytest.raises(ValueError, match=f"with the same weights and data, computed otherwise: {told}"):
        evaluate(run)
    assert elsewhere(own, own) == elsewhere(own, None) == elsewhere(own, {}) == ""


def test_a_number_that_json_lacks_is_compared_as_one():
    assert compared({"test/f1": float("nan")}, {"test/f1": None})[1] == ""
    assert "test/f1 is 0.5 here and None" in compared({"test/f1": 0.5}, {"test/f1": None})[1]


def test_a_split_without_a_test_set_says_so(trial, tmp_path):
    require_ads()
    trial("data=social_network_ads", "data.split=tail", "epochs=1", "model.units=[4]")
    with pytest.raises(ValueError, match="this split of social_network_ads has no test set"):
        evaluate(tmp_path / "run")


def test_a_test_that_was_cut_short_is_repeated_so(trial, tmp_path, capsys):
    trial(*TINY, "++trainer.limit_test_batches=1", "batching=milestones", "batching.sizes={0:32,1:64}")
    evaluate(tmp_path / "run")
    assert "to the last bit" in capsys.readouterr().out
