"""A checkpoint is read back wherever it was written, whatever of numpy's the parts of a run keep."""

from collections import deque

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR

from litmus.trial.checkpoint import BestAndLast
from litmus.trial.plain_checkpoint import restored, storable
from tests.small_data import Blobs, quiet_trainer, seeded
from tests.strangers import Plain


class Counts(pl.Callback):
    """Keeps what it is given."""

    def __init__(self, kept):
        self.kept = kept

    def state_dict(self):
        return {"kept": self.kept}

    def load_state_dict(self, state):
        self.kept = state["kept"]


class PlansByNumpy(Plain):
    def __init__(self):
        super().__init__()
        self.save_hyperparameters(OmegaConf.create({"width": 3}))

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", torch.nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        optimizer = SGD(self.parameters(), lr=0.1)
        return [optimizer], [LambdaLR(optimizer, lambda epoch: 0.5 * (1 + np.cos(np.pi * epoch / 10)))]


class DrawsByNumpy(Blobs):
    def __init__(self):
        super().__init__(rows=60, batch_size=30)
        self.draw = np.random.RandomState(3)

    def state_dict(self):
        return {"draw": self.draw.get_state()}

    def load_state_dict(self, state):
        self.draw.set_state(state["draw"])


def fit(directory, kept, epochs, start=None, share=1):
    counts, data, model = Counts(kept), DrawsByNumpy(), seeded(PlansByNumpy)
    trainer = quiet_trainer(epochs, [counts, BestAndLast(str(directory), "val/loss", share=share)])
    trainer.fit(model, datamodule=data, ckpt_path=start, weights_only=True if start else None)
    return counts, data, model


def test_what_parts_keep_of_numpys_is_gone_on_with_to_the_bit(tmp_path):
    kept = {"best": np.float64(0.5), "rows": np.arange(6, dtype=np.uint16)[::-2], "own": {"array of numpy": 1}}
    fit(tmp_path, kept, 2)
    torch.load(tmp_path / "last.ckpt", weights_only=True)
    counts, data, resumed = fit(tmp_path, None, 4, tmp_path / "last.ckpt")
    assert counts.kept["own"] == kept["own"]
    assert counts.kept["best"] == 0.5
    assert counts.kept["rows"].dtype == np.uint16
    np.testing.assert_array_equal(counts.kept["rows"], kept["rows"])
    assert data.draw.random_sample() == np.random.RandomState(3).random_sample()
    _, _, whole = fit(tmp_path / "whole", kept, 4)
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())


@pytest.mark.parametrize(
    ("kept", "found"),
    [(deque([1]), "collections.deque"), (np.array(["a"]), "numpy"), (np.random.default_rng(0), "numpy")],
)
def test_what_cannot_be_read_back_is_refused_when_it_is_first_written(tmp_path, kept, found):
    said = rf"Counts.state_dict: expected tensors and plain data, which can be read back.*found {found}"
    with pytest.raises(ValueError, match=said):
        fit(tmp_path, kept, 2)
    assert not (tmp_path / "last.ckpt").exists()


def test_what_holds_nothing_of_numpys_is_written_as_it_is():
    plain = {"a": [torch.ones(2), (1, "b", {3: None})], "numpy": 4.0}
    assert storable(plain) is plain
    assert restored(plain) is plain
    changed = storable({np.int64(3): (np.float32(0.5), [np.bool_(True)])})
    assert changed == {3: (0.5, [True])}
    assert [type(one) for one in (*changed, changed[3][0], changed[3][1][0])] == [int, float, bool]
