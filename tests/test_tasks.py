"""What outputs mean: each loss is the one that its words say, and no constant scores better than the baseline."""

import copy
import itertools
import random
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import StepLR

from litmus.contract import Target
from litmus.tasks.classification import Classification
from litmus.tasks.kinds import is_usual, task_of, usual_task
from litmus.tasks.labels import Labels
from litmus.tasks.regression import Regression
from litmus.training.learner import Learner
from litmus.training.net import Net
from litmus.training.plan import needs_two_samples
from litmus.trial.devices import multiply_adds
from litmus.trial.summary import output_shapes
from src.models.mlp import MLP
from tests.small_data import optimizer_of, quiet_trainer, seeded
from tests.strangers import Prices, Tags, small_blobs

CLASSES, TWO = Target("classes", 4), Target("classes", 2)
KINDS = {
    "classes": (CLASSES, lambda draw: torch.randint(4, (60,), generator=draw)),
    "two classes": (TWO, lambda draw: torch.randint(2, (60,), generator=draw)),
    "a value": (Target("real", 1), lambda draw: torch.randn(60, generator=draw) * 3 + 1),
    "values": (Target("real", 3), lambda draw: torch.randn(60, 3, generator=draw) + 2),
    "labels": (Target("labels", 3), lambda draw: torch.randint(2, (60, 3), generator=draw).float()),
}


def drawn(kind, seed=0):
    target, draw = KINDS[kind]
    generator = torch.Generator().manual_seed(seed)
    y = draw(generator)
    return target, torch.randn(60, target.outputs, generator=generator) * 2, y


def test_smoothing_and_weights_are_torchs_but_for_the_mean():
    _, outputs, y = drawn("classes")
    smoothed = Classification(CLASSES, label_smoothing=0.2)
    assert torch.equal(smoothed.loss(outputs, y), F.cross_entropy(outputs, y, label_smoothing=0.2))
    weights = torch.tensor([1.0, 2.0, 0.5, 4.0])
    weighted = Classification(CLASSES, class_weights=weights.tolist())
    expected = F.cross_entropy(outputs, y, weight=weights, reduction="sum") / len(y)
    torch.testing.assert_close(weighted.loss(outputs, y), expected)
    with pytest.raises(ValueError, match="must be 4 numbers, one per class, or balanced, which a run"):
        Classification(CLASSES, class_weights="balanced")


@pytest.mark.parametrize(
    "knobs",
    [{}, {"label_smoothing": 0.3}, {"class_weights": [1, 5]}, {"label_smoothing": 0.3, "class_weights": [1, 5]}],
)
def test_one_logit_is_two_of_which_the_first_is_nothing(knobs):
    _, logits, y = drawn("two classes")
    one, two = Classification(TWO, **knobs), Classification(TWO, **knobs)
    assert two.accept(2)
    both = torch.cat([torch.zeros_like(logits), logits], 1)
    torch.testing.assert_close(one.loss(logits, one.targets(y)), two.loss(both, two.targets(y)))
    assert torch.equal(one.tally(logits, y), two.tally(both, y))
    torch.testing.assert_close(one.answers(logits), two.answers(both))


TASKS = {
    "weighted": ("classes", {"class_weights": [1, 2, 3, 4], "label_smoothing": 0.1, "top_k": 2}),
    "weights of two": ("two classes", {"class_weights": [3, 1]}),
    **{
        f"{kind} by {loss}": (kind, {"loss": loss})
        for kind in ("a value", "values")
        for loss in ("mse", "mae", "huber")
    },
    "labels": ("labels", {}),
}


@pytest.mark.parametrize("name", TASKS)
@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 20), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_a_loss_is_a_mean_over_samples_however_they_are_batched(name, sizes, seed):
    kind, knobs = TASKS[name]
    target, outputs, y = drawn(kind, seed)
    task = type(usual_task(target))(target, **knobs)
    cuts = [*itertools.accumulate(sizes)]
    sizes = [*[b - a for a, b in itertools.pairwise([0, *(cut for cut in cuts if cut < 60), 60])]]
    parts = zip(outputs.split(sizes), y.split(sizes), strict=True)
    mean = sum(len(label) * task.loss(part, task.targets(label)) for part, label in parts) / 60
    torch.testing.assert_close(mean, task.loss(outputs, task.targets(y)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [*TASKS, "classes", "two classes"])
def test_no_constant_scores_better_than_the_baseline(name):
    kind, knobs = TASKS.get(name, (name, {}))
    knobs = {} if "class_weights" in knobs else knobs  # the shares are best for what is not weighted
    target, _, y = drawn(kind)
    task = type(usual_task(target))(target, **knobs)
    best = task.baseline({"train": y})["train"]
    constant = task.constant(y)
    for seed in range(20):
        other = constant + torch.randn(constant.shape, generator=torch.Generator().manual_seed(seed)) * 0.3
        loss = float(task.loss(other.expand(60, -1), task.targets(y)))
        assert loss >= best["loss"] - (0.02 if "huber" in name else 1e-6)
    if target.kind == "classes":
        assert best["acc"] == float(torch.bincount(y).max()) / 60


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_made_again_from_plain_data(name):
    kind, knobs = TASKS[name]
    target, outputs, y = drawn(kind)
    task = type(usual_task(target))(target, **knobs)
    again = copy.deepcopy(task_of(task.plain()))
    assert again.plain() == task.plain()
    assert torch.equal(again.loss(outputs, again.targets(y)), task.loss(outputs, task.targets(y)))
    assert is_usual(again) == (not knobs or knobs == {"loss": "mse"})


def test_what_is_measured_is_what_torchmetrics_says():
    from torchmetrics.functional import r2_score
    from torchmetrics.functional.classification import multiclass_accuracy, multilabel_accuracy

    target, outputs, y = drawn("values")
    found = Regression(target).measured(outputs, y)
    assert found["r2"] == pytest.approx(float(r2_score(outputs, y)), abs=1e-5)
    assert found["rmse"] == pytest.approx(float(F.mse_loss(outputs, y).sqrt()), rel=1e-5)
    _, outputs, y = drawn("classes")
    top = multiclass_accuracy(outputs, y, num_classes=4, top_k=2, average="micro")
    assert Classification(CLASSES, top_k=2).measured(outputs, y)["top2_acc"] == pytest.approx(float(top))
    target, outputs, y = drawn("labels")
    labels = Labels(target)
    share = multilabel_accuracy(outputs.sigmoid(), y.long(), num_labels=3)
    assert int(labels.tally(outputs, y)) / 180 == pytest.approx(float(share))


BY_YAML = {
    "BinaryAUROC": ("two classes", {}),
    "MulticlassAUROC": ("classes", {"num_classes": 4}),
    "MultilabelAveragePrecision": ("labels", {"num_labels": 3}),
}


@pytest.mark.parametrize("name", BY_YAML)
def test_a_metric_sees_probabilities_in_the_shape_that_it_takes(name):
    kind, arguments = BY_YAML[name]
    target, _, y = drawn(kind)
    plain = {"_target_": f"torchmetrics.classification.{name}", **arguments}
    task = type(usual_task(target))(target, metrics={"quality": plain})
    perfect = (F.one_hot(y, 4) if kind == "classes" else y.reshape(60, -1)).float() * 8 - 4
    assert task.measured(perfect, y)["quality"] == 1
    assert task.higher_is_better["quality"] is True


def test_metrics_of_values():
    for kind, name in (("a value", "PearsonCorrCoef"), ("values", "MeanSquaredError")):
        target, _, y = drawn(kind)
        task = Regression(target, metrics={"it": {"_target_": f"torchmetrics.{name}"}})
        assert task.measured(task.targets(y), y)["it"] == pytest.approx(float(name.startswith("P")), abs=1e-5)


# ---------------------------------------------------------------------- both ways through an epoch


def _data(kind, **settings):
    return kind(**{"rows": 210, "batch_size": 20, "eval_batch_size": 25} | settings)


@pytest.mark.parametrize("kind", [Prices, Tags])
def test_both_paths_give_the_same_bits_whatever_the_task(kind):
    task = usual_task(kind.target).plain()
    nets, metrics = [], []
    for clip in (None, 1e9):  # which clips nothing, and takes the ordinary path
        model = seeded(
            MLP, (6,), units=(8,), dropout=0.2, task=task, optimizer=optimizer_of("Adam", lr=0.01), scheduler=_step
        )
        trainer = quiet_trainer(3, gradient_clip_val=clip)
        trainer.fit(model, datamodule=_data(kind))
        nets.append(model), metrics.append(dict(trainer.callback_metrics))
    assert [net.single_step_reason for net in nets] == [None, "gradients are clipped"]
    for name, value in nets[0].state_dict().items():
        assert torch.equal(nets[1].state_dict()[name], value), name
    assert metrics[0].keys() == metrics[1].keys()
    for name, value in metrics[0].items():
        assert float(metrics[1][name]) == pytest.approx(float(value), rel=1e-6), name


def _step(optimizer):
    return StepLR(optimizer, 1, gamma=0.5)


def test_a_learner_that_is_told_nothing_but_its_classes_is_a_classifier():
    class Mine(Learner):
        def __init__(self, input_shape, classes):
            super().__init__(classes)
            self.layer = torch.nn.Linear(input_shape[0], self.outputs)

        def forward(self, x):
            return self.layer(x)

    trainer = quiet_trainer(2)
    trainer.fit(Mine((6,), 3), datamodule=small_blobs())
    assert {"train/acc", "val/acc", "val/loss"} <= trainer.callback_metrics.keys()
    with pytest.raises(ValueError, match="needs the number of classes, or a task"):
        Learner()


# ---------------------------------------------------------------------- a plain net is looked at


class Noisy(torch.nn.Module):
    """Draws in its forward, counts its calls, and keeps a part of it in evaluation for ever."""

    def __init__(self, outputs):
        super().__init__()
        self.layer, self.norm = torch.nn.LazyLinear(outputs), torch.nn.BatchNorm1d(6).eval()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return self.layer(self.norm(x + torch.randn_like(x)))


def test_the_look_leaves_nothing_behind():
    plain = {"_target_": "tests.test_tasks.Noisy", "outputs": 3}
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    model = Net(plain, (6,), classes=3)
    # Its batch norm and its lazy layer draw nothing before the look, and the look's draws are taken back.
    assert torch.equal(torch.random.get_rng_state(), before)
    assert model.net.calls == 0
    assert model.net.training is True
    assert model.net.norm.training is False
    assert model.net.layer.weight.shape == (3, 6)


class FirstBatch(torch.nn.Module):
    """Glow's ActNorm: the first batch sets its weights."""

    def __init__(self, outputs, norm=False, copied=True):
        super().__init__()
        self.scale, self.begun = torch.nn.Parameter(torch.ones(6)), False
        self.layer, self.norm = torch.nn.Linear(6, outputs), torch.nn.BatchNorm1d(6) if norm else None
        self.held = None if copied else threading.Lock()

    def forward(self, x):
        if not self.begun:
            self.scale.data.copy_(1 / (x.std(0, correction=0) + 1e-6))
            self.begun, random_number = True, random.random()
            self.drawn = random_number + np.random.rand()
        return self.layer(x * self.scale if self.norm is None else self.norm(x * self.scale))

    def untouched(self):
        return not self.begun and not hasattr(self, "drawn") and bool((self.scale == 1).all()) and self.training


@pytest.mark.parametrize("copied", [True, False])
def test_no_look_at_a_net_is_its_first_batch(copied):
    """Not that of its maker, nor the table's of layers, nor what asks for the values of a channel, nor its price."""
    plain = {"_target_": "tests.test_tasks.FirstBatch", "outputs": 3, "norm": True, "copied": copied}
    random.seed(1)
    np.random.seed(1)
    drawn = random.getstate(), np.random.get_state()[1].tolist()
    model = Net(plain, (6,), classes=3)
    assert model.net.untouched()
    assert output_shapes(model, dict(model.named_modules()), (6,))["net"] == "3"
    assert model.net.untouched()
    trainer = SimpleNamespace(callbacks=[], datamodule=SimpleNamespace(input_shape=(6,)))
    assert needs_two_samples(trainer, model)
    assert model.net.untouched()
    assert multiply_adds(model, (6,)) == 18
    assert model.net.untouched()
    assert drawn == (random.getstate(), np.random.get_state()[1].tolist())


class MadeInForward(torch.nn.Module):
    """Has its layer made by its first samples, without torch's lazy ones."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs, self.layer = outputs, None

    def forward(self, x):
        self.layer = self.layer or torch.nn.Linear(x.shape[1], self.outputs)
        return self.layer(x)


def test_layers_that_a_first_forward_makes_are_there_to_be_trained():
    model = Net({"_target_": "tests.test_tasks.MadeInForward", "outputs": 3}, (6,), classes=3)
    assert {name for name, _ in model.named_parameters()} == {"net.layer.weight", "net.layer.bias"}
    assert all(layer.training for layer in model.modules())


def test_lazy_layers_are_initialized_as_they_would_be():
    plain = {"_target_": "torch.nn.LazyLinear", "out_features": 3}
    torch.manual_seed(5)
    model = Net(plain, (6,), classes=3)
    torch.manual_seed(5)
    expected = torch.nn.Linear(6, 3)
    assert torch.equal(model.net.weight, expected.weight)


def test_a_target_that_cannot_be_is_refused():
    for wrong, said in (
        (("words", 3), "kind is classes, real, labels; got words"),
        (("classes", 1), "number from 2 on; got 1"),
        (("real", 0), "number from 1 on; got 0"),
        (("labels", 2, ("a",)), "as many names or none"),
    ):
        with pytest.raises(ValueError, match=said):
            Target(*wrong)


class Ends(torch.nn.Module):
    """A net of one layer, and what its outputs go through."""

    def __init__(self, outputs, end, features=6):
        super().__init__()
        self.layer, self.end = torch.nn.Linear(features, outputs), end

    def forward(self, x):
        outputs = self.layer(x)
        return {
            "function": lambda: outputs.sigmoid(),
            "module": lambda: torch.nn.Sigmoid()(outputs).clamp(1e-6, 1 - 1e-6).squeeze(-1).reshape(outputs.shape),
            "bounded": lambda: outputs.clamp(-5, 5),
            "positive": lambda: outputs.relu(),
            "gated": lambda: outputs * outputs.sigmoid(),
            "auxiliary": lambda: (outputs, outputs) if self.training else outputs,
        }[self.end]()


def net_that(end, task):
    plain = {"_target_": f"{__name__}.Ends", "outputs": task.outputs, "end": end}
    return Net(plain, (6,), task=task)


@pytest.mark.parametrize("kind", ["two classes", "labels", "classes"])
def test_a_net_that_ends_in_a_sigmoid_is_refused_and_what_is_merely_bounded_is_not(kind):
    for end in ("function", "module"):
        with pytest.raises(ValueError, match=r"gave probabilities, expected logits.*leave out the last sigmoid"):
            net_that(end, usual_task(KINDS[kind][0]))
    for end in ("bounded", "positive", "gated"):
        net_that(end, usual_task(KINDS[kind][0]))
    net_that("function", usual_task(KINDS["values"][0]))  # values from 0 to 1


def test_a_net_that_gives_more_in_training_is_refused_before_it():
    drawn = torch.get_rng_state()
    with pytest.raises(ValueError, match="gave a tuple in training, expected a tensor of outputs as in evaluation"):
        net_that("auxiliary", usual_task(CLASSES))
    torch.set_rng_state(drawn)
    torch.nn.Linear(6, 4)
    alone = torch.get_rng_state()
    torch.set_rng_state(drawn)
    net_that("bounded", usual_task(CLASSES))
    assert torch.equal(torch.get_rng_state(), alone)


class Auxiliary(Net):
    """Takes all of its net's outputs."""

    def training_step(self, batch, batch_idx):
        return sum(self.criterion(one, self.targets(batch[1])) for one in self.net(batch[0]))


def test_a_step_of_ones_own_may_take_more_in_training():
    plain = {"_target_": f"{__name__}.Ends", "outputs": 4, "end": "auxiliary"}
    assert isinstance(Auxiliary(plain, (6,), task=usual_task(CLASSES)), Net)


class Kept(torch.nn.Module):
    """Takes a feature that a hook kept, as nets with several exits do."""

    def __init__(self, outputs):
        super().__init__()
        self.body, self.head, self.kept = torch.nn.Linear(6, 8), torch.nn.Linear(8, outputs), {}
        self.body.register_forward_hook(lambda layer, given, outputs: self.kept.__setitem__("body", outputs))

    def forward(self, x):
        self.body(x)
        return self.head(self.kept["body"])


def test_a_net_whose_hooks_hold_it_is_looked_at_itself():
    model = Net({"_target_": f"{__name__}.Kept", "outputs": 3}, (6,), classes=3)
    assert all(layer.training for layer in model.modules())


class Tempered(Classification):
    """Cross-entropy at a temperature, which is a parameter."""

    def __init__(self, target, inside=False, free=True):
        super().__init__(target)
        self.scale_of_loss = torch.nn.Linear(1, 1) if inside else torch.nn.Parameter(torch.zeros(()))
        self.scale_of_loss.requires_grad_(free)


@pytest.mark.parametrize("inside", [False, True])
def test_a_task_with_parameters_is_refused_since_nobody_trains_or_keeps_them(inside):
    with pytest.raises(ValueError, match=r"^Tempered.scale_of_loss would be neither trained nor kept"):
        MLP((6,), units=[4], task=Tempered(CLASSES, inside))
    MLP((6,), units=[4], task=Tempered(CLASSES, inside, free=False))


@pytest.mark.parametrize("kind", ["labels", "two classes", "classes"])
def test_the_baseline_of_what_no_train_row_has_is_a_number(kind):
    """A label that none or all have, a class without a row: right costs nothing, wrong is bounded."""
    target, _, y = drawn(kind)
    task, same = usual_task(target), torch.zeros_like(y)
    found = task.baseline({"train": same, "test": y, "val": same})
    assert found["val"]["loss"] == 0
    assert 1 < found["test"]["loss"] <= 100
    if kind == "labels":
        assert task.baseline({"train": same + 1, "val": same + 1})["val"]["loss"] == pytest.approx(0, abs=1e-30)


def test_a_metric_relative_to_the_values_themselves_is_of_values_in_their_own_unit():
    metrics = {
        "mape": {"_target_": "torchmetrics.MeanAbsolutePercentageError"},
        "mse": {"_target_": "torchmetrics.MeanSquaredError"},
    }
    for name in ("a value", "values"):
        target, outputs, y = drawn(name)
        task = Regression(target, metrics=metrics)
        before = task.measured(outputs, y)
        mean, deviation = torch.full((1, target.number), 50.0), torch.full((1, target.number), 2.0)
        task._standardised_by = (mean, deviation)
        found = task.measured(outputs, y)
        own = (outputs.reshape(y.shape) * 2 + 50, y * 2 + 50)
        assert found["mape"] == pytest.approx(float(((own[0] - own[1]) / own[1]).abs().mean()), rel=1e-5)
        assert {**before, "mape": None} == {**found, "mape": None}  # in standard deviations, as the loss


class Scaled(Classification):
    """Has a scale of its own."""

    def __init__(self, target, scale=3.0):
        super().__init__(target)
        self.scale = scale

    def loss(self, outputs, targets):
        return super().loss(outputs * self.scale, targets)


def test_a_task_keeps_a_scale_of_its_own_and_no_strangers_data_say_one():
    model, data = seeded(MLP, (6,), units=[4], task=Scaled(Target("classes", 3))), small_blobs()
    data.target_scale = "theirs"
    quiet_trainer(1).fit(model, datamodule=data)
    assert (model.task.scale, model.task._standardised_by) == (3.0, None)
