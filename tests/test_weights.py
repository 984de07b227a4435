"""A run that begins from another's best weights: the right ones, or a refusal; and what is frozen stays."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from litmus.python import run_with
from litmus.training.pretrained import Pretrained, take_weights
from litmus.trial.checkpoint import BestAndLast
from src.models.mlp import MLP
from tests.conftest import ROOT
from tests.small_data import optimizer_of, quiet_trainer, seeded
from tests.strangers import small_blobs
from tests.sweep_helpers import sweep
from tests.test_averaging import Stranger
from tests.test_resume import ActsOnBatches, PowerCut

SMALL = ("model.units=[8,6]", "model.norm=batch", "model.dropout=0.1", "updates_per_epoch=5", "epochs=2")
# Of the first linear layer and its norm, of the second, of the head.
FIRST, NORM, HEAD = "net.1", "net.2", "net.9"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The directory of a finished run, which nobody changes."""
    directory = tmp_path_factory.mktemp("weights") / "source"
    run_with([*SMALL, "seed=3", "threads=1"], directory, quiet=True)
    return directory


@pytest.fixture
def own_source(source, tmp_path):
    """A copy of it, to be changed."""
    return Path(shutil.copytree(source, tmp_path / "source"))


def _kept(directory, name="best"):
    return torch.load(directory / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]


def _result(directory):
    return json.loads((directory / "result.json").read_text())


def _same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(value, second[name]) for name, value in first.items())


class Notes(pl.Callback):
    """Keeps the weights with which training began."""

    began: dict = {}  # noqa: RUF012

    def on_train_start(self, trainer, pl_module):
        type(self).began = {name: value.clone() for name, value in pl_module.state_dict().items()}


NOTES = f"+callbacks.notes._target_={__name__}.Notes"


@pytest.mark.long
def test_a_run_begins_from_the_best_weights_of_another_and_says_whose(trial, source, tmp_path):
    result = trial(*SMALL, f"weights={source}", NOTES)
    assert _same(Notes.began, _kept(source))
    told = result["config"]["weights"]
    assert told["from"] == str(source)
    assert told["config_hash"] == _result(source)["config_hash"]
    assert told["sha256"] == _result(source)["weights"]["best.ckpt"]
    assert result["weights"] != _result(source)["weights"]


@pytest.mark.long
def test_whose_weights_they_are_is_part_of_the_hash_and_where_they_lie_is_not(trial, source, tmp_path):
    shutil.copytree(source, tmp_path / "moved")
    trial(*SMALL, "seed=4", directory=tmp_path / "other")
    runs = {"plain": "weights=null", "here": f"weights={source}", "there": f"weights={tmp_path / 'moved'}"}
    runs |= {"others": f"weights={tmp_path / 'other'}", "whole": f"weights.from={source}"}
    found = {name: trial(*SMALL, typed, directory=tmp_path / name) for name, typed in runs.items()}
    for name in ("config_hash", "asked_hash", "arm"):
        assert found["here"][name] == found["there"][name] == found["whole"][name]
        assert len({found[run][name] for run in ("plain", "here", "others")}) == 3
    assert found["here"]["metrics"] == found["there"]["metrics"]


@pytest.mark.long
def test_weights_that_follow_the_seed_are_of_one_arm(trial, tmp_path):
    arms = set()
    for seed in (0, 1):
        trial(*SMALL, f"seed={seed}", directory=tmp_path / f"from {seed}")
        typed = f"weights='{tmp_path}/from ${{seed}}'"
        arms.add(trial(*SMALL, f"seed={seed}", typed, directory=tmp_path / f"run {seed}")["arm"])
    assert len(arms) == 1


@pytest.mark.long
def test_only_what_is_named_is_taken_and_the_rest_is_the_seeds(trial, source, tmp_path):
    plain = trial(*SMALL, NOTES, "model.units=[8,4]", directory=tmp_path / "plain")
    own = dict(Notes.began)
    result = trial(*SMALL, NOTES, "model.units=[8,4]", f"weights={source}", f"weights.only=[{FIRST},{NORM}]")
    taken, theirs = dict(Notes.began), _kept(source)
    for name, value in taken.items():
        wanted = theirs if name.startswith((f"{FIRST}.", f"{NORM}.")) else own
        assert torch.equal(value, wanted[name]), name
    assert result["config_hash"] != plain["config_hash"]


@pytest.mark.long
def test_the_command_line_takes_the_short_form_and_the_parts_beside_each_other(source, tmp_path):
    import subprocess

    typed = [*SMALL, f"weights={source}", f"weights.only=[{FIRST}]", f"weights.frozen={FIRST}"]
    command = [sys.executable, "train.py", *typed, f"hydra.run.dir={tmp_path / 'run'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert _result(tmp_path / "run")["config"]["weights"]["only"] == [FIRST]
    kept, theirs = _kept(tmp_path / "run"), _kept(source)
    assert torch.equal(kept[f"{FIRST}.weight"], theirs[f"{FIRST}.weight"])
    assert not torch.equal(kept[f"{HEAD}.weight"], theirs[f"{HEAD}.weight"])


@pytest.mark.long
@pytest.mark.parametrize("more", [(), ("optimizer.weight_decay=0.1",), ("average=ema", "average.share=0.3")])
def test_frozen_layers_and_their_norms_stay_to_the_bit_and_the_rest_is_trained(trial, source, tmp_path, capsys, more):
    import evaluate

    trial(*SMALL, *more, f"weights={source}", f"weights.frozen=[{FIRST},{NORM}]")
    kept, theirs = _kept(tmp_path / "run"), _kept(source)
    for name, value in kept.items():
        if not name.endswith("num_batches_tracked") or name.startswith(NORM):
            assert torch.equal(value, theirs[name]) is name.startswith((f"{FIRST}.", f"{NORM}.")), name
    evaluate.evaluate(tmp_path / "run")
    assert "the same as in result.json, to the last bit" in capsys.readouterr().out


def test_a_prefix_ends_where_a_part_of_a_name_does():
    net = nn.Sequential(*(nn.Linear(2, 2) for _ in range(12)))
    module = seeded(MLP, (2,), 2, units=(2,))
    module.net = net
    trainer = quiet_trainer(1)
    trainer.state.fn = "fit"
    Pretrained(frozen=["net.1"]).setup(trainer, module, "fit")
    assert [name for name, value in module.named_parameters() if not value.requires_grad] == [
        "net.1.weight",
        "net.1.bias",
    ]


def test_what_is_tied_is_frozen_by_each_of_its_names():
    module = seeded(MLP, (2,), 2, units=(2,))
    first, second, norm = nn.Linear(2, 2), nn.Linear(2, 2, bias=False), nn.BatchNorm1d(2)
    second.weight = first.weight
    module.net = nn.Sequential(first, second, norm, nn.Linear(2, 2), norm)
    trainer, frozen = quiet_trainer(1), Pretrained(frozen=["net.1", "net.4"])
    frozen.setup(trainer, module, "fit")
    assert [name for name, value in module.named_parameters() if value.requires_grad] == [
        *("net.0.bias", "net.3.weight", "net.3.bias")
    ]
    frozen.on_train_start(trainer, module)
    frozen.on_train_epoch_start(trainer, module)
    assert not norm.training
    first.weight.data += 1
    with pytest.raises(ValueError, match=r"expected net\.1\.weight to stay as it was"):
        frozen.on_train_end(trainer, module)


# ---------------------------------------------------------------------- going on


@pytest.mark.long
def test_a_run_that_began_from_others_weights_is_gone_on_with_from_its_directory(trial, source, tmp_path):
    whole = trial(*SMALL, f"weights={source}", "epochs=3", directory=tmp_path / "whole")
    trial(*SMALL, f"weights={source}", directory=tmp_path / "part")
    resumed = run_with([f"resume={tmp_path / 'part'}", "epochs=3", "trust=true"], tmp_path / "part", quiet=True)
    assert resumed.content["metrics"] == whole["metrics"]


@pytest.mark.briefly("Stranger-True")
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("make", ["MLP", "Stranger"])
def test_a_run_with_frozen_layers_goes_on_to_the_bit(tmp_path, make, single):
    def model():
        if make == "Stranger":
            return seeded(Stranger)
        return seeded(
            MLP,
            (6,),
            3,
            units=(8,),
            dropout=0.3,
            norm="batch",
            optimizer=optimizer_of("AdamW", lr=3e-2, weight_decay=1),
        )

    frozen = ["net.1", "net.2"] if make == "MLP" else ["net.0", "net.1"]
    best = tmp_path / "source"
    quiet_trainer(2, [BestAndLast(str(best))]).fit(model(), datamodule=small_blobs())

    def fit(place, *callbacks, resume=False):
        begins = Pretrained(lambda: best / "best.ckpt", None, frozen)
        more = [ActsOnBatches()] if single else []
        trainer = quiet_trainer(4, [begins, *more, *callbacks, BestAndLast(str(place), share=1)])
        start = str(place / "last.ckpt") if resume else None
        try:
            trainer.fit(model(), datamodule=small_blobs(), ckpt_path=start, weights_only=True if start else None)
        except InterruptedError:
            assert callbacks

    fit(tmp_path / "whole")
    fit(tmp_path / "cut", PowerCut(2))
    shutil.move(best, tmp_path / "gone")  # its own checkpoint has all that it needs
    fit(tmp_path / "cut", resume=True)
    for name in ("best", "last"):
        one, other = (
            torch.load(tmp_path / run / f"{name}.ckpt", weights_only=True)["state_dict"] for run in ("whole", "cut")
        )
        assert _same(one, other)
    first = torch.load(tmp_path / "gone" / "best.ckpt", weights_only=True)["state_dict"]
    for name, value in one.items():
        if name.startswith(tuple(f"{prefix}." for prefix in frozen)):
            assert torch.equal(value, first[name])


# ---------------------------------------------------------------------- refusals


def _damage(source, what):
    best = source / "checkpoints" / "best.ckpt"
    if what == "cut":
        best.write_bytes(best.read_bytes()[:2000])
    elif what == "one bit":
        content = bytearray(best.read_bytes())
        content[len(content) // 2] ^= 1
        best.write_bytes(content)
    elif what == "another run's":
        torch.save({"state_dict": {"a": torch.zeros(1)}}, best)
    elif what == "gone":
        best.unlink()
    elif what == "no result":
        (source / "result.json").unlink()
    elif what == "failed":
        result = _result(source)
        (source / "result.json").write_text(json.dumps({**result, "status": "failed"}))
    elif what == "damaged result":
        (source / "result.json").write_text("{")


DAMAGES = {
    "cut": "they are damaged or another run's",
    "one bit": "they are damaged or another run's",
    "another run's": "they are damaged or another run's",
    "gone": "expected the directory of a finished run with checkpoints/best.ckpt, found none",
    "no result": "expected the directory of a finished run with result.json, found none",
    "failed": "expected a run that has completed, found one that is failed",
    "damaged result": "expected the result of a run, found a damaged file",
}


@pytest.mark.briefly("cut")
@pytest.mark.parametrize("what", DAMAGES)
def test_damaged_weights_are_refused_before_a_run_has_begun(refused, own_source, tmp_path, what):
    _damage(own_source, what)
    assert DAMAGES[what] in refused(*SMALL, f"weights={own_source}")
    assert not (tmp_path / "run" / ".hydra").exists()


@pytest.mark.parametrize("typed", ["weights={}", "weights.from={}", "weights={}/../link"])
def test_a_run_does_not_clear_the_directory_that_it_begins_from(refused, own_source, tmp_path, typed):
    (tmp_path / "link").symlink_to(own_source)
    before = {path: path.read_bytes() for path in own_source.rglob("*") if path.is_file()}
    said = refused(*SMALL, typed.format(own_source), directory=own_source)
    assert "is the directory that this run would be written to, and clear first: expected another one" in said
    assert {path: path.read_bytes() for path in own_source.rglob("*") if path.is_file()} == before


def test_a_job_of_a_multirun_does_not_clear_the_directory_that_it_begins_from(own_source, tmp_path):
    shutil.move(own_source, tmp_path / "M" / "0")
    before = {path: path.read_bytes() for path in (tmp_path / "M" / "0").rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="1 of 1 jobs failed"):
        sweep(tmp_path, *SMALL, "threads=1", "weights=M/0", "hydra.sweep.dir=M")
    assert {path: path.read_bytes() for path in before if path.is_file()} == before


REFUSED = {
    "weights.only=[net.1]": "weights.only says what is taken from another run's weights",
    "weights=DIR weights.only=[net.77]": "weights.only=net.77: this net has no such name; take the parts that fit",
    "weights=DIR weights.frozen=[net.77]": "weights.frozen=net.77: expected the beginning of a name, such as",
    "weights=DIR model.units=[8,5]": "net.5.weight of shape (6, 8) instead of (5, 8); take the parts that fit: "
    "weights.only=[net.1,net.2]",
    "weights=DIR model.units=[8]": "that it has not; take the parts that fit: weights.only=[net.1",
    "weights=DIR weights.only=[net.1] model.units=[9,6]": "net.1.weight of shape (8, 40) instead of (9, 40)",
    "weights=DIR weights.only=3": "weights.only must be prefixes of the names of parameters",
    "weights=DIR weights.only=['']": "weights.only must be prefixes of the names of parameters",
    "weights=3": "weights must be the directory of a finished run, or null, got 3",
    "weights=nowhere": "weights=nowhere: expected the directory of a finished run, found none",
    "weights.frozen=net": "expected MLP to have parameters that can be trained, found all 10 frozen",
}


@pytest.mark.briefly(0, 7)
@pytest.mark.parametrize("typed", REFUSED)
def test_what_does_not_fit_is_refused_in_a_sentence_before_training(refused, source, tmp_path, typed):
    said = refused(*SMALL, *typed.replace("DIR", str(source)).split())
    assert REFUSED[typed] in said
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_a_file_that_is_no_checkpoint_of_weights_runs_nothing_and_is_refused(tmp_path):
    class Runs:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    module = seeded(MLP, (6,), 3, units=(4,))
    for content in ({"state_dict": {}}, [1], {"state_dict": Runs()}, {"weights": {}}):
        torch.save(content, tmp_path / "some.ckpt")
        with pytest.raises(ValueError, match=r"some\.ckpt: expected the weights of a net, found something else"):
            take_weights(module, tmp_path / "some.ckpt")
    assert not (tmp_path / "ran").exists()


class Thaws(pl.Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        pl_module.net[1].weight.data.add_(1.0)


@pytest.mark.long
def test_something_frozen_that_a_callback_changes_is_no_result(refused, source):
    said = refused(*SMALL, f"weights={source}", "weights.frozen=net.1", f"+callbacks.mine._target_={__name__}.Thaws")
    assert "weights.frozen: expected net.1.weight to stay as it was, found it changed by training" in said


@pytest.mark.long
def test_weights_that_changed_since_the_run_was_described_are_refused(trial, own_source):
    from litmus.trial.source import best_weights, told_weights

    told = told_weights(str(own_source))
    assert best_weights(told) == own_source / "checkpoints" / "best.ckpt"
    trial(*SMALL, "seed=9", directory=own_source)
    with pytest.raises(ValueError, match="expected the weights that this run was asked to begin from"):
        best_weights(told)
