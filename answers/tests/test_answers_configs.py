"""Every configuration file of the answers works, and says what it reproduces, what to expect and what it costs."""

import pytest
import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig

from litmus.trial.description import resolved
from litmus.trial.identity import asked_hash, config_hash
from litmus.trial.parts import build
from tests.conftest import ROOT

CONFIGS = ROOT / "answers" / "configs"
CHOICES = sorted(path for path in CONFIGS.glob("*/*.yaml") if path.parent.name != "study")
HERE = {"device": "cpu", "processes": 1, "threads": 1, "dtype": "float32", "matmul": "ieee", "convolution": "ieee"}
# As those of tests/test_identity.py: moving a class into this folder has changed none.
GOLDEN = {
    "model=landscape optimizer=sgd lr=0.1 epochs=40": ("b5c4891ebeb96b7b", "00b7fc40b5347654"),
    "experiment=fashion_cnn": ("30526138722631e6", "deec227e75d336b6"),
    "experiment=journal_ultimate": ("bc18fc07a16174d7", "67e15bd59a463953"),
}
# Every other model refuses these data.
PARTNERS = {"gradient_noise": ["model=landscape"]}


@pytest.mark.parametrize("path", CHOICES, ids=lambda path: f"{path.parent.name}={path.stem}")
def test_every_configuration_file_composes_and_instantiates(compose, tmp_path, path):
    listed = f"callbacks=[{path.stem}]" if path.parent.name == "callbacks" else f"{path.parent.name}={path.stem}"
    place = [f"hydra.runtime.output_dir={tmp_path}", "hydra.mode=RUN", "trainer.accelerator=cpu"]
    config = compose(listed, *PARTNERS.get(path.stem, []), *place)
    HydraConfig.instance().set_config(config)
    data, model, trainer, _ = build(config)
    assert isinstance(data, pl.LightningDataModule)
    assert isinstance(model, pl.LightningModule)
    assert isinstance(trainer, pl.Trainer)


@pytest.mark.parametrize("path", sorted((CONFIGS / "experiment").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_experiment_says_what_it_reproduces_what_to_expect_and_what_it_costs(path):
    header = "\n".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    for word in ("Reproduces:", "Expected:", "Cost:", f"python train.py experiment={path.stem}"):
        assert word in header, word


@pytest.mark.parametrize("typed", GOLDEN)
def test_hashes_are_what_they_were(compose, typed):
    config = resolved(compose(*typed.split(), "hydra.runtime.output_dir=here", "hydra.mode=RUN"))
    assert (config_hash(config, HERE), asked_hash(config)) == GOLDEN[typed]
