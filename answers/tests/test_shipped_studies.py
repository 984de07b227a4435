"""Every study of configs/study runs from its question to its trials in a smoke run, and says what it asks and costs."""

import re

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from answers.make.publication.index import shown
from answers.make.publication.plans import canonical
from answers.make.publication.read import read_index
from litmus.seeds import derived_seed
from litmus.sweeps import smoke, study_sweep
from litmus.sweeps.space import nuisance_space
from litmus.sweeps.tuning import Tuned
from litmus.training.array_data_module import Source
from src.datamodules.fashion_mnist import FashionMNIST
from tests.conftest import ROOT
from tests.data_helpers import require_ads
from tests.sweep_helpers import results, sweep

FILES = sorted((ROOT / "answers" / "configs" / "study").glob("*.yaml"))
HEADER = ("Asks:", "Expected:", "Cost:", "Command:")
# Fresh draws of mnist1d take seconds at their size.
FEW_SAMPLES = ["data.train=300", "data.val=50", "data.test=50"]
# Two levels of each of two factors say as much about a grid's running as all 36 cells do.
CORNERS = {
    "units": ["study.factors.units_1=[16,512]", "study.factors.units_2=[16,512]"],
    "lr_by_batch": ["study.factors.batch_size=[8,512]", "study.factors.lr=[2.5e-4,4e-3]"],
}


@pytest.fixture
def few_images(monkeypatch):
    """Fashion-MNIST with noise for images, 700 of them: a smoke run's trials then cost what they compute."""

    def load(self):
        generator = torch.Generator().manual_seed(derived_seed("few images"))
        y = torch.arange(700) % self.classes
        x = torch.randn(len(y), *self.input_shape, generator=generator)
        return Source(x, y, torch.arange(len(y)) >= 600, "noise")

    monkeypatch.setattr(FashionMNIST, "load", load)
    monkeypatch.setattr(FashionMNIST, "_fewer", lambda self, train, source: train)  # of data.rows there are not so many


def untuned(asked, arms, launching, seeds):
    """The first value of each range, which is read and made into a space: how a space is searched is the engine's."""
    nuisance_space(asked.study.nuisance)
    values = {name: one.values[0] for name, one in asked.study.nuisance.items()}
    return {(arm, seed): Tuned(values) for arm in arms for seed in seeds}


@pytest.fixture
def shortened(monkeypatch):
    """A smoke run of one seed and one update an epoch; tuning and the report, of minutes, have tests of their own."""
    monkeypatch.setattr(smoke, "SIZES", smoke.SIZES | {"updates_per_epoch": 1})
    monkeypatch.setattr(study_sweep, "tune", untuned)
    monkeypatch.setattr(study_sweep, "report", lambda directory, name: None)


def lineage(path):
    """The file and those that it goes on from."""
    parents = [
        entry for entry in OmegaConf.load(path).get("defaults", []) if isinstance(entry, str) and entry != "_self_"
    ]
    return [path, *(file for parent in parents for file in lineage(path.with_name(f"{parent}.yaml")))]


@pytest.mark.parametrize("path", [*FILES, *(ROOT / "configs" / "study").glob("*.yaml")], ids=lambda path: path.stem)
def test_no_study_of_an_mlp_stands_on_what_is_the_default_today(path):
    """What a verdict teaches becomes the default; what was asked, and the hashes of its runs, must stay."""
    files = lineage(path)
    if any("model: mlp" in file.read_text() for file in files):
        said = {name for file in map(OmegaConf.load, files) for name in [*file, *file.study.get("factors", {})]}
        assert {"norm", "dropout"} <= said


@pytest.mark.long
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_study_runs_in_seconds(tmp_path, shortened, few_images, capsys, path):
    said = "".join(file.read_text() for file in lineage(path))
    folded = "  resampling:" in said  # which says how many runs there are, of which a smoke run takes two
    overrides = [*([] if folded else ["study.seeds=1"]), *CORNERS.get(path.stem.removesuffix("_as_reported"), [])]
    if "/data: mnist1d" in said and "draw: fresh" in said:
        overrides += FEW_SAMPLES
    if "precision: bf16" in said:
        overrides.append("precision=32-true")  # which a processor without bfloat16 computes ten times as fast
    if "/data: social_network_ads" in said:
        overrides.append(f"data_dir={require_ads().parent}")
    sweep(tmp_path, f"study={path.stem}", "study.smoke=true", "threads=1", *overrides)
    directory = tmp_path / "studies" / f"{path.stem}-smoke"
    found = results(directory / "trials")
    assert len(found) == len(OmegaConf.load(directory / "arms.json")) * (2 if folded else 1)
    assert {place: one["error"] for place, one in found.items() if one["status"] != "completed"} == {}
    assert OmegaConf.load(directory / "command.json").smoke
    assert not re.search(r"duplicate_arms|no_sesoi", capsys.readouterr().out)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_study_says_what_it_asks_what_to_expect_what_it_costs_and_how_to_start_it(path):
    text = path.read_text()
    comments = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    assert [word for word in HEADER if f"# {word}" not in comments] == []
    assert "?" not in re.findall(r"# (?:Expected|Cost): (.*)", comments)
    assert f"# Command: python train.py -m study={path.stem} " in comments
    assert re.search(r"# Asks: 00\d_[0-9a-f]{16}\.txt", comments)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_prediction_quotes_a_claim_and_its_source(path):
    predictions = {}
    for file in reversed(lineage(path)):
        own = OmegaConf.to_container(OmegaConf.load(file)).get("study", {})
        for name, node in own.get("predictions", {}).items():
            predictions[name] = {**predictions.get(name, {}), **node}
    assert predictions
    assert [name for name, node in predictions.items() if not (node.get("claim") and node.get("source"))] == []


CHANGES = (ROOT / "answers" / "CHANGES.md").read_text()
PUBLISHED = sorted(path.parent for path in (ROOT / "answers" / "studies").glob("*/study.yaml"))


def repaired(study):
    """The predictions of a study that answers/CHANGES.md tells of, each with a reason."""
    lines = [line for line in CHANGES.splitlines() if line[:1] == "|"]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row for row in rows if len(row) != 5 or not all(row)] == []
    return {row[1] for row in rows if study in row[0].split(", ")}


@pytest.mark.xdist_group("publication")
@pytest.mark.parametrize("place", PUBLISHED, ids=lambda place: place.name)
def test_what_a_study_asks_otherwise_than_its_published_page_is_told_with_the_reason(place, nodes):
    """No page may show the verdict on another question in silence; and nothing is called repaired that was not."""
    published = yaml.safe_load((place / "study.yaml").read_text())["study"]
    if place.name not in nodes:
        assert f"`{place.name}` is no longer asked" in CHANGES
        return
    asked = nodes[place.name]
    before, now = (canonical(node["predictions"]) for node in (published, asked))
    changed = {name for name in {**before, **now} if before.get(name) != now.get(name)}
    assert changed == repaired(place.name)
    if canonical(published.get("nuisance")) != canonical(asked.get("nuisance")):
        assert place.name in CHANGES.rpartition("|")[2]


@pytest.mark.xdist_group("publication")
def test_what_is_confirmed_in_the_documents_regime_only_is_no_headline(nodes):
    index = read_index(ROOT / "answers" / "studies", nodes)
    own = {(row.study, row.prediction) for row in index.rows if row.document_regime}
    assert {study for study, _ in own} == {"optimizer_as_reported", "gradient_descent_as_reported"}
    assert index.confounded == len(own) == 7
    assert sum(index.tally().values()) == len(index.rows) - 7
    assert "7 more confirmed in the document's regime only" in index.headline
    row = next(row for row in index.rows if (row.study, row.prediction) in own)
    assert shown(row) == "✓ confirmed in the document's regime only"
