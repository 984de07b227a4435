"""Comparing runs: what is found where, into which arm it goes, what is said of damage; the terminal's view."""

import io
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy.special import stdtrit

from litmus.claims.runs import Run
from litmus.compare.comparison import compare
from litmus.compare.payload import MOST_POINTS, as_script, payload
from litmus.compare.ranking import ranked_by, ranking
from litmus.compare.rendering import page
from litmus.compare.terminal import Canvas, curve_metric, print_comparison
from litmus.records.directories import find
from litmus.records.gathering import Arm
from litmus.report.figures.curves import Band
from litmus.trial.command_line import answer
from scripts import compare as script
from tests.compare_data import DAMAGE, write_damaged, write_job, write_many
from tests.conftest import ROOT
from tests.report_data import write_study

ARMS = ["dropout=0,norm=none", "dropout=0,norm=instance", "dropout=0.1,norm=none", "dropout=0.1,norm=instance"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("studies") / "synergy")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    return write_damaged(tmp_path_factory.mktemp("damaged"))


@pytest.fixture
def refused(capsys):
    """The one sentence with which the script refuses what was typed."""

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            answer(lambda: script.main([str(word) for word in words]))
        assert ended.value.code == 1
        told = capsys.readouterr().err.strip()
        assert len(told.splitlines()) == 1
        assert "Traceback" not in told
        return told

    return run


def test_a_study_keeps_its_arms_in_its_order_and_its_tuning_apart(study):
    found = compare([study])
    parts = [(arm.name, arm.part) for arm in found.arms]
    assert parts == [(arm, part) for part in ("trial", "tuning") for arm in ARMS]
    assert found.runs[0].name == f"{ARMS[0]}/seed=0"
    assert found.factors == ["dropout", "norm", "lr"]
    assert found.lead == "44 runs (24 of them to tune) of 4 arms: 43 completed, 1 diverged"


def test_the_parts_of_a_study_are_the_same_runs_as_the_whole(study):
    whole = {run.name: run.arm for run in compare([study]).runs}
    one = compare([study / "trials" / ARMS[1] / "seed=3"])
    assert {run.name: run.arm for run in one.runs} == {f"{ARMS[1]}/seed=3": Arm(ARMS[1], "trial")}
    joined = compare([study / "tuning", study / "trials", study])
    assert {run.name: run.arm for run in joined.runs} == whole


def test_the_arms_of_a_multirun_are_what_differs_between_its_overrides(tmp_path):
    write_many(tmp_path / "12-00-00", arms=6, seeds=2, epochs=3)
    found = compare([tmp_path])
    assert [arm.name for arm in found.arms][:2] == ["norm=none,lr=0.0001", "norm=batch,lr=0.0001"]
    assert [len(runs) for runs in found.arms.values()] == [2] * 6
    assert [run.name for run in found.runs] == [str(job) for job in range(12)]


def test_several_directories_are_joined_and_told_apart(study, tmp_path):
    write_many(tmp_path / "rates", arms=2, seeds=2, epochs=3)
    generator = np.random.default_rng(0)
    write_job(tmp_path / "single", 0, generator)
    found = compare([study, tmp_path / "rates", tmp_path / "single"])
    names = list(dict.fromkeys(arm.name for arm in found.arms))
    assert names == [*(f"synergy: {arm}" for arm in ARMS), "rates: norm=none", "rates: norm=batch", "single"]
    assert len({run.name for run in found.runs}) == len(found.runs)
    assert found.factors == ["dropout", "norm", "lr"]


def test_every_directory_is_found_once_also_by_a_link_or_in_a_loop(tmp_path):
    write_many(tmp_path / "sweep", arms=1, seeds=2, epochs=2)
    (tmp_path / "sweep" / "again").symlink_to(tmp_path / "sweep")
    assert [place.path.name for place in find([tmp_path, tmp_path / "sweep"])] == ["0", "1"]


def test_the_colour_of_an_arm_is_that_of_the_report(study):
    from litmus.report.figures.style import colour_of
    from litmus.report.study_directory import read_study_directory

    shown = read_study_directory(study).shown
    css = (ROOT / "litmus/report/templates/report.css").read_text()
    for arm in payload(compare([study]))["arms"]:
        assert f"{arm['colour']}: {colour_of(arm['name'], shown)}" in css


@pytest.mark.briefly(*range(0, 27, 3))
@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_told_in_one_sentence_and_the_rest_is_shown(damaged, what):
    number = 3 + list(DAMAGE).index(what)
    runs = {run.name: run.record for run in compare([damaged]).runs}
    assert len(runs) == 3 + len(DAMAGE)
    _, status, words = DAMAGE[what]
    assert runs[str(number)].status == status
    assert words in runs[str(number)].error
    assert "\n" not in runs[str(number)].error
    assert [runs[str(job)].status for job in range(3)] == ["completed"] * 3


def test_the_curves_of_a_killed_run_are_its_complete_rows(damaged):
    job = 3 + list(DAMAGE).index("killed within a row")
    (run,) = compare([damaged / str(job)]).runs
    assert run.record.history["epoch"].tolist() == [0, 1, 2, 3, 4]


def test_a_directory_that_may_not_be_read_is_damaged(tmp_path, monkeypatch):
    write_many(tmp_path, arms=1, seeds=3, epochs=2)
    (tmp_path / "2").rename(tmp_path / "closed")
    monkeypatch.setattr(Path, "iterdir", _refusing(Path.iterdir, "closed"))
    monkeypatch.setattr(Path, "read_text", _refusing(Path.read_text, "1"))
    told = {run.name: (run.record.status, run.record.error) for run in compare([tmp_path]).runs}
    assert told["closed"] == ("damaged", "the directory cannot be opened: Permission denied")
    assert told["1"][0] == "damaged"
    assert "Permission denied" in told["1"][1]
    assert told["0"] == ("completed", "")


def _refusing(method, name):
    def refuse(path, *arguments, **keywords):
        if name in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return method(path, *arguments, **keywords)

    return refuse


def test_the_configuration_of_a_killed_run_is_the_composed_one(tmp_path):
    stored = tmp_path / "0" / ".hydra"
    stored.mkdir(parents=True)
    (stored / "config.yaml").write_text("lr: 1e-2\noptimizer: {lr: '${lr}'}\ndata_dir: '${oc.env:DATA}'\n")
    (stored / "overrides.yaml").write_text("- lr=1e-2\n")
    (run,) = compare([tmp_path]).runs
    assert run.settings == {"lr": "1e-2", "optimizer.lr": "1e-2"}
    assert run.setting("optimizer") == "default"
    assert run.setting("data_dir") == ""


def test_a_study_file_that_cannot_be_read_costs_its_order_alone(tmp_path):
    study = write_study(tmp_path / "study")
    (study / "study.yaml").write_text("study: [")
    found = compare([study])
    assert len(found.runs) == 44
    assert "cannot be read" in found.notes[0]
    assert "\n" not in found.notes[0]


def test_the_page_has_the_numbers_of_the_files(study):
    found = payload(compare([study]))
    runs = [run["name"] for run in found["runs"]]
    place = runs.index(f"{ARMS[2]}/seed=1")
    stored = study / "trials" / ARMS[2] / "seed=1"
    table = np.loadtxt(stored / "metrics.csv", delimiter=",", skiprows=1)
    curve = found["series"][found["curves"]["val/loss"][place]]
    assert curve == pytest.approx(table[:, 7], rel=1e-5)
    assert found["series"][found["curves"]["epoch"][place]] == list(range(1, 13))
    column = next(column for column in found["columns"] if column["name"] == "test/loss")
    assert column["values"][place] == json.loads((stored / "result.json").read_text())["metrics"]["test/loss"]
    broken = runs.index(f"{ARMS[0]}/seed=4")
    assert column["values"][broken] is None
    assert found["curves"]["val/loss"][broken] is None


def test_settings_are_divided_into_common_ones_and_own_ones(study):
    settings = payload(compare([study]))["settings"]
    assert settings["common"]["batch_size"] == "32"
    assert set(settings["own"]) == {"seed", "data.seed", "lr", "dropout", "norm"}


def test_a_very_long_curve_is_thinned_from_its_first_to_its_last_point(tmp_path):
    write_job(tmp_path / "0", 0, np.random.default_rng(0), epochs=3 * MOST_POINTS)
    found = payload(compare([tmp_path]))
    epochs = found["series"][found["curves"]["epoch"][0]]
    assert MOST_POINTS / 2 < len(epochs) <= MOST_POINTS
    assert (epochs[0], epochs[-1]) == (1, 3 * MOST_POINTS)


def test_runs_of_other_lengths_are_thinned_to_the_same_epochs(tmp_path):
    """They are averaged place by place: half a run's epochs would be averaged with all of another's."""
    for seed, length in enumerate((MOST_POINTS + 200, 2 * MOST_POINTS + 401)):
        write_job(tmp_path / str(seed), seed, np.random.default_rng(0), epochs=2 * MOST_POINTS + 401)
        table = tmp_path / str(seed) / "metrics.csv"  # the first stopped early
        table.write_text("".join(table.read_text().splitlines(keepends=True)[: length + 1]))
    write_job(tmp_path / "2", 2, np.random.default_rng(0), norm="group", epochs=30)
    found = payload(compare([tmp_path]))
    curves = [found["series"][place] for place in found["curves"]["epoch"]]
    other, short, long = sorted(curves, key=len)
    assert short[:-1] == long[: len(short) - 1]
    assert other == list(range(1, 31))  # an arm of its own is as fine as its own runs are
    assert sorted(arm["stride"] for arm in found["arms"]) == [1, 3]


def test_no_name_can_end_the_script():
    written = as_script({"name": "</script><!-- \u2028"})
    assert "<" not in written
    assert json.loads(written) == {"name": "</script><!-- \u2028"}


def test_the_script_writes_the_page_and_says_what_it_found(study, capsys, tmp_path):
    script.main([str(study), "-o", str(tmp_path / "page.html")])
    assert "43 completed, 1 diverged" in capsys.readouterr().out
    assert (tmp_path / "page.html").stat().st_size > 4_000_000
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize(
    ("words", "answered"),
    [
        (["nowhere"], "nowhere: expected a directory with runs in it, found nothing"),
        (["result.json"], "result.json: expected a directory with runs in it, found a file"),
        (["empty"], "empty: expected runs (directories with result.json, metrics.csv or .hydra in them), found none"),
        (["0", "--terminal", "--metric", "val/los"], "no run has a curve of val/los by epoch; there are train/acc,"),
        (["0", "--terminal", "-o", "page.html"], "--terminal writes no file"),
        (["0", "--metric", "val/loss"], "--metric is for --terminal"),
        (["0", "--terminal", "--runs", "-1"], "--runs must be 0 or more, got -1"),
        (["0", "-o", "result.json/page.html"], "cannot be written (File exists); name another file"),
    ],
)
def test_the_script_refuses_in_one_sentence(refused, tmp_path, monkeypatch, words, answered):
    write_job(tmp_path / "0", 0, np.random.default_rng(0))
    (tmp_path / "empty").mkdir()
    (tmp_path / "result.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert answered in refused(*words)
    assert not list(tmp_path.rglob("*.html"))


def printed(directory, metric=None, clock="epoch", most=20, width=120):
    console = Console(width=width, file=io.StringIO())
    print_comparison(compare([directory]), metric, clock, most, console)
    return console.file.getvalue()


def test_the_terminal_shows_the_means_the_runs_and_the_curves(study):
    text = printed(study, "val/acc", "updates")
    ends = [json.loads((study / "trials" / ARMS[3] / f"seed={seed}" / "result.json").read_text()) for seed in range(4)]
    losses = [end["metrics"]["val/loss"] for end in ends]  # of the seeds that all arms have: one diverged
    assert f"★ ━━ {ARMS[3]} {np.mean(losses):.4f} ± {np.std(losses, ddof=1):.4f} best" in " ".join(text.split())
    assert "Ahead of all others" in text
    assert "4 of 5" in text
    assert "val/acc by updates" in text
    assert "└113" in text
    assert "1,356" in text
    assert "diverged" in text
    assert "and 24 more runs: --runs 44 lists all" in text


def losses(root, arms, seeds, data="mnist1d", first=0, epochs=6):
    """Jobs of arms (name → mean validation loss) with these seeds, all of one data set."""
    generator = np.random.default_rng(len(arms))
    for place, (norm, mean) in enumerate(arms.items()):
        for seed in seeds[norm] if isinstance(seeds, dict) else range(seeds):
            job = root / f"{first + place}-{seed}"
            write_job(job, seed, generator, norm=norm, epochs=epochs)
            result = json.loads((job / "result.json").read_text())
            # What seeds share is far larger than what tells arms apart.
            result["metrics"]["val/loss"] = mean * (1 + seed / 4) * float(np.exp(generator.normal(0, 0.002)))
            result["data"] |= {"name": data}
            result["config"]["data"]["_target_"] = f"src.datamodules.{data}.Data"
            result["overrides"].append(f"data={data}")
            (job / "result.json").write_text(json.dumps(result))


def test_the_best_of_each_data_set_stands_first_and_who_is_tied_with_it_is_said(tmp_path):
    losses(tmp_path, {"none": 1.0, "batch": 1.0005, "layer": 1.05}, 6)
    losses(tmp_path, {"none": 3.0, "batch": 2.0}, 6, "fashion_mnist", first=10)
    small, large = sorted(ranking(compare([tmp_path])), key=lambda block: block.title, reverse=True)
    assert [block.title for block in (small, large)] == ["mnist1d", "fashion_mnist"]
    assert [one.rank for one in small.standings][::2] == ["★", "3"]
    assert small.standings[1].rank == "="
    assert small.standings[2].behind > 0.04
    assert "Not told apart from it: " in small.sentence
    assert large.sentence.startswith("Best: norm=batch (val/loss 3")
    assert "Behind: norm=none (+5" in large.sentence
    console = Console(width=120, record=True, file=io.StringIO())
    print_comparison(compare([tmp_path]), None, "epoch", 100, console)
    text = console.export_text()  # never two data sets in one order
    assert ("runs on mnist1d, best val/loss first" in text, "runs on fashion_mnist, best" in text) == (True, True)


def test_the_best_was_picked_after_looking_so_intervals_count_all_rivals(tmp_path):
    losses(tmp_path / "two", {"none": 1.0, "batch": 1.01}, 4)
    losses(tmp_path / "five", {"none": 1.0, "batch": 1.01, "layer": 1.02, "group": 1.03, "instance": 1.04}, 4)
    assert [ranking(compare([tmp_path / name]))[0].level for name in ("two", "five")] == [0.95, 1 - 0.05 / 4]
    (block,) = ranking(compare([tmp_path / "five"]))
    two, other = (block.standings[place].values for place in (1, 0))
    ratios = np.log([two[seed] / other[seed] for seed in sorted(two)])
    half = stdtrit(3, 1 - 0.05 / 4 / 2) * ratios.std(ddof=1) / 2
    assert block.standings[1].high - block.standings[1].behind == pytest.approx(half, rel=1e-3)
    assert "paired by seed, 95 %, for all 4 at once" in block.heading


def scored(root, metric, arms):
    """The ranking of arms (name → a value for each seed) by a metric of their own."""
    losses(root, dict.fromkeys(arms, 1.0), {norm: range(len(own)) for norm, own in arms.items()})
    for file in root.glob("*/result.json"):
        result = json.loads(file.read_text())
        (norm,) = [one.removeprefix("norm=") for one in result["overrides"] if one.startswith("norm=")]
        result["metrics"] = {metric: arms[norm][int(file.parent.name.split("-")[1])]}
        file.write_text(json.dumps(result))
    return ranking(compare([root]))[0]


def test_a_difference_has_the_digits_that_its_width_needs(tmp_path):
    spread = [0.0, 0.001, -0.001, 0.002, -0.002]
    likelihood = scored(tmp_path / "nll", "val/loss", {"none": [-1.23 - s for s in spread], "batch": [-1.2] * 5})
    assert "Behind: norm=batch (+0.0300)" in likelihood.sentence
    share = scored(tmp_path / "f1", "val/f1", {"none": [0.852 + s for s in spread], "batch": [0.81] * 5})
    assert "Behind: norm=batch (+4.2 pts)" in share.sentence


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((1.0, 1.0 + 4.13e-6), "+0.000413 % [+0.000411, +0.000416]"),
        ((1.0, 1.0), "0 % [0, 0]"),
        ((1.0, 1e12), "×1e+12 [×1e+12, ×1e+12]"),
    ],
)
def test_a_difference_is_told_as_in_a_report_whatever_its_size(tmp_path, values, told):
    one, other = values
    noise = [0.0, 1e-8, -1e-8] if one != other else [0.0] * 3
    block = scored(tmp_path, "val/loss", {"none": [one] * 3, "batch": [other * (1 + part) for part in noise]})
    assert block.standings[1].with_interval == told


def test_the_page_has_the_interval_as_numbers_and_calls_grey_what_is_drawn(tmp_path):
    block = scored(tmp_path / "acc", "val/acc", {"none": [0.9, 0.91, 0.92], "batch": [0.84, 0.86, 0.86]})
    text = page(compare([tmp_path / "acc"]), "")
    (_, behind) = block.standings
    assert behind.with_interval.startswith("+5.7 pts [")
    assert text.count(f'"{behind.with_interval}"') == 2
    assert "grey: within 2 pts of the best" in text
    scored(tmp_path / "r2", "val/r2", {"none": [0.9, 0.91, 0.92], "batch": [-0.84, 0.86, 0.86]})
    assert "grey: within" not in page(compare([tmp_path / "r2"]), "")


def test_arms_are_ordered_by_the_seeds_that_all_have_and_seeds_of_some_are_told(tmp_path):
    easy = {"none": [1.0, 1.02, 1.04, 0.5, 0.5], "batch": [0.99, 1.0098, 1.0296]}
    block = scored(tmp_path / "shared", "val/loss", easy)
    assert [(one.name, one.rank) for one in block.standings] == [("norm=batch", "★"), ("norm=none", "2")]
    assert block.paired
    assert block.notes == ["Compared on the 3 seeds that all arms have: 2 runs with other seeds are left out."]
    few = scored(tmp_path / "few", "val/loss", {"none": easy["none"], "batch": easy["batch"], "layer": [1.0, 1.0]})
    # An arm of two seeds has no interval, is never the best, and leaves the others theirs.
    assert few.paired
    assert [(one.name, one.rank) for one in few.standings][:2] == [("norm=batch", "★"), ("norm=none", "2")]
    assert not np.isfinite(few.standings[2].low)
    lucky = scored(tmp_path / "lucky", "val/loss", {"none": easy["none"], "batch": easy["batch"], "layer": [0.1, 0.1]})
    assert [one.rank for one in lucky.standings] == ["★", "2", "="]
    two = scored(tmp_path / "two", "val/loss", {"none": [1.0, 1.0], "batch": [0.9, 0.9, 0.9]})
    assert two.standings[1].rank == "="


def test_nobody_who_is_behind_the_best_is_ahead_of_it(tmp_path):
    arms = {"none": [1.0, 1.007, 0.993, 1.0, 1.0], "batch": [0.5, 0.51, 0.49, 0.5, 3.1]}
    block = scored(tmp_path, "val/loss", arms)
    assert block.standings[0].name == "norm=batch"
    assert all(one.behind >= 0 for one in block.standings)


def test_one_seed_cannot_be_told_from_luck_and_unlike_arms_are_named(tmp_path):
    losses(tmp_path / "one", {"none": 1.0, "batch": 1.5}, 1)
    (block,) = ranking(compare([tmp_path / "one"]))
    assert "1 seed each: cannot be told from luck." in block.sentence
    assert [one.rank for one in block.standings] == ["★", "="]
    assert not np.isfinite([one.low for one in block.standings]).any()
    losses(tmp_path / "apart", {"none": 1.0, "batch": 1.5}, {"none": range(4), "batch": range(10, 14)})
    losses(tmp_path / "apart", {"layer": 2.0}, {"layer": range(4)}, first=20, epochs=40)
    (block,) = ranking(compare([tmp_path / "apart"]))
    assert "not paired" in block.heading
    assert block.notes == ["Not the same budget: 6, 40 epochs."]


def test_data_that_every_seed_draws_are_the_same_data_and_those_of_another_arm_are_not(tmp_path):
    losses(tmp_path, {"none": 1.0, "batch": 1.5}, 3)
    for path in tmp_path.rglob("result.json"):
        result = json.loads(path.read_text())
        result["data"]["sha256"] = str(result["seed"])
        path.write_text(json.dumps(result))
    assert ranking(compare([tmp_path]))[0].notes == []
    result["data"]["sha256"] = "other"
    path.write_text(json.dumps(result))
    told = "Not the same data: arms have different checksums on 1 of 3 seeds."
    assert ranking(compare([tmp_path]))[0].notes == [told]


def test_the_terminal_draws_the_curves_of_what_ranks(tmp_path):
    for seed in range(2):
        write_job(tmp_path / str(seed), seed, np.random.default_rng(seed))
        for file, old, new in (("metrics.csv", "val/loss", "val/f1"), ("result.json", "val/loss", "val/f1")):
            path = tmp_path / str(seed) / file
            path.write_text(path.read_text().replace(old, new))
    assert curve_metric(compare([tmp_path]), None, "epoch") == ranked_by(compare([tmp_path])) == "val/f1"


def test_a_falling_curve_falls_in_braille(tmp_path):
    write_job(tmp_path / "0", 0, np.random.default_rng(0), epochs=40)
    drawn = [line for line in printed(tmp_path).splitlines() if line[11:12] == "│"]
    rows = [line[12:] for line in drawn]
    first, last = (max(place for place, sign in enumerate(row) if sign != "⠀") for row in (rows[0], rows[-1]))
    assert len(rows) == 16
    assert first < 10 < last


def test_a_metric_of_every_second_epoch_is_a_line():
    canvas, whole = Canvas(20, 5), Canvas(20, 5)
    places, heights = np.linspace(0, 1, 7), np.linspace(1, 0, 7)
    canvas.line(places, np.where(np.arange(7) % 2 == 0, heights, math.nan), "")
    whole.line(places, heights, "")
    assert [row.plain for row in canvas.rows()] == [row.plain for row in whole.rows()]
    empty = Canvas(20, 5)
    empty.line(places, np.full(7, math.nan), "")
    assert not any(set(row.plain) - {chr(0x2800)} for row in empty.rows())
    band = Band(
        [Run("a", 0, {"epoch": np.arange(4.0), "val/loss": np.array([math.nan, 2.0, math.nan, 1.0])})],
        "val/loss",
        "epoch",
    )
    x, y = band.threads()
    assert (list(x[:2]), list(y[:2])) == ([2.0, 4.0], [2.0, 1.0])


def test_a_run_that_was_killed_early_does_not_cut_the_mean_of_its_arm(tmp_path):
    generator = np.random.default_rng(0)
    for job, epochs in enumerate((40, 40, 3)):
        write_job(tmp_path / str(job), job, generator, epochs=epochs)
    (tmp_path / "2" / "result.json").unlink()
    assert "└1" + " " * 105 + "40" in printed(tmp_path)


def test_the_terminal_names_what_it_cannot_show(damaged):
    text = printed(damaged, most=40)
    for job, (_, status, _) in enumerate(DAMAGE.values(), start=3):
        assert any(line.startswith(status) and f"/{job}: " in line for line in text.replace("\n ", " ").splitlines())


@pytest.mark.long
def test_the_script_needs_neither_torch_nor_lightning(study):
    code = f"from scripts.compare import main; main(['{study}', '--terminal'])"
    code += "; import sys; print(sorted({'torch', 'pytorch_lightning', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
