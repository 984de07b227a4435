"""Arms: reports, comparisons and views of a directory agree on which there are, how they are called, and their n."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from litmus.claims.factors import is_factor
from litmus.compare.comparison import compare
from litmus.compare.payload import payload
from litmus.compare.ranking import ranking
from litmus.compare.wandb.subject import read_subject
from litmus.records.arms import group
from litmus.records.gathering import counted_of
from litmus.records.record import Record
from litmus.report.multirun import document, notes, read_multirun, rows
from litmus.report.results_files import read_tables
from litmus.report.study_directory import read_study_directory
from litmus.report.write import results_csv
from litmus.trial.description import NOT_IN_HASH
from tests.report_data import write_study, write_trial

CODE, OTHER = "1a2b3c4d5e6f7081", "99aabbccddeeff00"
CPU = {"device": "cpu", "threads": 1, "dtype": "float32"}


def job(place, seed=0, typed=(), epochs=3, *, code=CODE, numerics=CPU, change=None, end=0.4, **told):
    """A finished run as this version leaves it, or, without `code`, as an earlier one did."""
    overrides = [*typed, f"seed={seed}"]
    write_trial(place, "", seed, end, np.random.default_rng(seed), epochs=epochs, overrides=overrides)
    path = place / "result.json"
    result = json.loads(path.read_text())
    for key, value in told.items():
        *nodes, last = key.split("__")
        node = result["config"]
        for name in nodes:
            node = node.setdefault(name, {})
        node[last] = value
    if code:
        config = result["config"] | {"seed": None, "data": result["config"]["data"] | {"seed": None}}
        whole = json.dumps([config, numerics, code], sort_keys=True)
        result |= {"arm": hashlib.sha256(whole.encode()).hexdigest()[:16], "code": code, "numerics": numerics}
    if change:
        result |= change
    path.write_text(json.dumps(result))


def killed(place, seed, typed, config=None):
    """A run without a result, of which Hydra wrote down what was typed, and perhaps what was composed."""
    (place / ".hydra").mkdir(parents=True)
    (place / ".hydra" / "overrides.yaml").write_text(json.dumps([*typed, f"seed={seed}"]))
    if config:
        (place / ".hydra" / "config.yaml").write_text(json.dumps(config))


def norms(root, seeds=range(2), first=0, **more):
    """A multirun over two norms."""
    for number, (norm, seed) in enumerate([(norm, seed) for norm in ("none", "batch") for seed in seeds], first):
        job(root / str(number), seed, [f"norm={norm}"], norm=norm, **more)


def plain(root):
    norms(root)


def choices(root):
    mlp, cnn = ({"model___target_": f"src.models.{name}"} for name in ("mlp.MLP", "cnn.CNN"))
    job(root / "0", 0, ["model=mlp"], **mlp)
    job(root / "1", 1, **mlp)
    job(root / "2", 2, ["norm=none", "lr=1e-3"], **mlp)
    job(root / "3", 0, ["model=cnn", "lr=0.001"], code=OTHER, **cnn)


def half_typed(root):
    for number, (norm, typed) in enumerate([("none", ["model=mlp"]), ("none", []), ("batch", [])]):
        told = {"norm": norm, "model__norm": norm, "model___target_": "src.models.mlp.MLP"}
        job(root / str(number), number, [f"norm={norm}", *typed], **told)


def two_codes(root):
    norms(root)
    norms(root, first=4, code=OTHER)


def one_arm_by_other_code(root):
    norms(root)
    job(root / "4", 2, ["norm=batch"], norm="batch", code=OTHER)


def repeated(root):
    norms(root)
    job(root / "4", 1, ["norm=none"], norm="none")


def repeated_otherwise(root):
    norms(root)
    job(root / "4", 1, ["norm=none"], norm="none", end=0.5)
    job(root / "5", 1, ["norm=none"], norm="none")


def old(root):
    norms(root, code="")
    job(root / "4", 2, ["norm=batch", "data.seed=0"], norm="batch", code="", data__seed=0)


def old_and_new(root):
    norms(root, code="")
    norms(root, first=4)


def devices(root):
    norms(root)
    norms(root, first=4, numerics={**CPU, "device": "cuda"})
    norms(root, first=8, numerics={**CPU, "threads": 4})


def old_threads(root):
    for number, threads in enumerate((1, 1, 4)):
        job(root / str(number), number, code="", change={"hardware": {"device": "cpu", "threads": threads}})


def threads_alone(root):
    for number, threads in enumerate((1, 1, 4)):
        job(root / str(number), number, [f"threads={threads}"], numerics={**CPU, "threads": threads}, threads=threads)


def places(root):
    job(root / "0", 0, ["logger=wandb", "+logger.wandb.name=a"], data_dir="/here", data__data_dir="/here")
    job(root / "1", 1, ["data_dir=/there", "threads=1"], code=CODE, data_dir="/here", data__data_dir="/here")
    job(root / "2", 2, ["callbacks.pruning.keep=1"], data_dir="/here", data__data_dir="/here")


def old_places(root):
    for number, place in enumerate(("/here", "/there")):
        job(root / str(number), number, code="", data_dir=place, data__data_dir=place, resume=place or None)


def constant_seeds(root):
    for number in range(3):
        job(root / str(number), number, code="", data__split_seed=0, model__seed=number)


def troubled(root):
    norms(root)
    job(root / "4", 2, ["norm=batch"], norm="batch", change={"status": "failed", "error": "ValueError: no"})
    job(root / "5", 3, ["norm=batch"], norm="batch", code="", change={"status": "interrupted", "hardware": {}})
    killed(root / "6", 4, ["norm=batch"])
    killed(root / "7", 5, ["norm=none"], {"norm": "none", "lr": "1e-3", "data": {"seed": "${seed}"}})
    killed(root / "8", 5, ["norm=layer"])
    (root / "9").mkdir()
    job(root / "10", 1, ["norm=none"], norm="none", change={"status": "failed", "error": "FloatingPointError: nan"})


def single_runs(root):
    job(root / "2026-01-01" / "10-00-00")
    job(root / "2026-01-01" / "10-00-01", 0, ["norm=none"])
    job(root / "2026-01-02" / "10-00-00", 0, ["lr=0.01"], lr=0.01)
    job(root / "2026-01-02" / "11-00-00", 1, ["lr=1e-2"], lr=0.01)


def default_changed(root):
    norms(root)
    norms(root, first=4, epochs=4, trainer__max_epochs=4)


def namesakes(root):
    for number, name in enumerate(("mine.MLP", "yours.MLP")):
        job(root / str(number), 0, code="", model___target_=f"src.models.{name}")


def classes(root):
    for number, name in enumerate(("mlp.MLP", "cnn.CNN")):
        job(root / str(number), 0, model___target_=f"src.models.{name}")


def two_sweeps(root):
    norms(root / "a")
    norms(root / "b", code=OTHER)


def searched(root):
    for number, lr in enumerate((0.1, 0.03, 0.1)):
        job(root / str(number), 0, [f"lr={lr}"], lr=lr)


def an_arm_by_itself(root):
    for seed in (0, 1, 1):
        job(root / str(len(list(root.glob("*")))), seed, ["norm=none"])


# Directory → its arms, each with its n.
TABLE = {
    plain: {"norm=none": "2 of 2", "norm=batch": "2 of 2"},
    choices: {"model=mlp": "3 of 3", "model=cnn": "1 of 1"},
    half_typed: {"norm=none": "2 of 2", "norm=batch": "1 of 1"},
    two_codes: {
        **{"norm=none (code 1a2b3c)": "2 of 2", "norm=batch (code 1a2b3c)": "2 of 2"},
        **{"norm=none (code 99aabb)": "2 of 2", "norm=batch (code 99aabb)": "2 of 2"},
    },
    one_arm_by_other_code: {
        **{"norm=none": "2 of 2", "norm=batch (code 1a2b3c)": "2 of 2", "norm=batch (code 99aabb)": "1 of 1"},
    },
    repeated: {"norm=none": "2 of 2", "norm=batch": "2 of 2"},
    repeated_otherwise: {"norm=none": "2 of 2", "norm=batch": "2 of 2"},
    old: {"norm=none": "2 of 2", "norm=batch": "2 of 2", "norm=batch,data.seed=0": "1 of 1"},
    old_and_new: {
        **{"norm=none (code unknown)": "2 of 2", "norm=batch (code unknown)": "2 of 2"},
        **{"norm=none (code 1a2b3c)": "2 of 2", "norm=batch (code 1a2b3c)": "2 of 2"},
    },
    devices: {
        **{"norm=none (cpu, 1 thread)": "2 of 2", "norm=batch (cpu, 1 thread)": "2 of 2"},
        **{"norm=none (cuda, 1 thread)": "2 of 2", "norm=batch (cuda, 1 thread)": "2 of 2"},
        **{"norm=none (cpu, 4 threads)": "2 of 2", "norm=batch (cpu, 4 threads)": "2 of 2"},
    },
    old_threads: {"1 thread": "2 of 2", "4 threads": "1 of 1"},
    threads_alone: {"1 thread": "2 of 2", "4 threads": "1 of 1"},
    places: {"places": "3 of 3"},
    old_places: {"old_places": "2 of 2"},
    constant_seeds: {"constant_seeds": "3 of 3"},
    troubled: {"norm=none": "2 of 4", "norm=batch": "2 of 5", "norm=layer": "0 of 1", "unknown": "0 of 1"},
    single_runs: {"defaults": "1 of 1", "lr=0.01": "2 of 2"},
    default_changed: {
        **{"norm=none,epochs=3": "2 of 2", "norm=batch,epochs=3": "2 of 2"},
        **{"norm=none,epochs=4": "2 of 2", "norm=batch,epochs=4": "2 of 2"},
    },
    namesakes: {"model=MLP (no. 1)": "1 of 1", "model=MLP (no. 2)": "1 of 1"},
    classes: {"model=MLP": "1 of 1", "model=CNN": "1 of 1"},
    two_sweeps: {
        **{"a: norm=none": "2 of 2", "a: norm=batch": "2 of 2"},
        **{"b: norm=none": "2 of 2", "b: norm=batch": "2 of 2"},
    },
    searched: {"lr=0.1": "1 of 1", "lr=0.03": "1 of 1"},
    an_arm_by_itself: {"an_arm_by_itself": "2 of 2"},
}


@pytest.fixture(params=TABLE, ids=lambda make: make.__name__)
def laid(request, tmp_path):
    directory = tmp_path / request.param.__name__
    directory.mkdir()
    request.param(directory)
    return directory, TABLE[request.param]


@pytest.mark.briefly(*range(0, 23, 3))
def test_all_who_read_a_directory_agree_on_its_arms_and_their_n(laid):
    directory, expected = laid
    found = compare([directory])
    assert {arm.label: counted_of(runs) for arm, runs in found.arms.items()} == expected
    table = read_multirun(directory)
    assert {row[0]: row[1] for row in rows(table, [])} == expected
    ranked = {one.arm.label: len(one.values) for block in ranking(found) for one in block.standings}
    assert ranked == {arm: n for arm, told in expected.items() if (n := int(told.split()[0]))}
    page = payload(found)
    assert [arm["name"] for arm in page["arms"]] == list(expected)
    for place, told in enumerate(expected.values()):
        own = [run for run in page["runs"] if run["arm"] == place and not run["repeats"]]
        assert f"{sum(run['status'] == 'completed' for run in own)} of {len(own)}" == told
    subject = read_subject(directory)
    assert list(subject.arms) == list(subject.groups) == list(expected)
    for name, told in expected.items():
        assert f"| {name} | {told} |" in "\n".join(subject.told)


@pytest.mark.briefly(*range(0, 23, 3))
def test_the_order_in_which_runs_lie_changes_no_arm(laid, tmp_path):
    directory, expected = laid
    moved = tmp_path / "moved" / directory.name
    places = sorted(path for path in directory.iterdir() if path.name.isdigit())
    for number, place in enumerate(reversed(places)):
        moved.mkdir(parents=True, exist_ok=True)
        place.rename(moved / str(number))
    if places:
        assert {arm.label: counted_of(runs) for arm, runs in compare([moved]).arms.items()} == expected


# What is said of a directory, in every reader's notes.
SAID = {
    plain: [],
    choices: [],
    two_codes: ["different code (1a2b3c: 4 runs; 99aabb: 4 runs)"],
    two_sweeps: ["different code (1a2b3c: 4 runs of a: norm=none, a: norm=batch; 99aabb: 4 runs of b"],
    one_arm_by_other_code: ["different code (1a2b3c: 4 runs of norm=none; 99aabb: 1 run)"],
    repeated: ["The same seed ran more than once, with the same numbers; it counts once: norm=none seed 1 (1, 4)."],
    repeated_otherwise: [
        "norm=none seed 1 (1, 4, 5) ran more than once with different numbers (test/loss 0.40",
        "although everything that is recorded is equal; the first counts",
    ],
    devices: ["not computed alike (cpu: 8 runs", "(1 thread: 8 runs"],
    old_and_new: ["different code (unknown: 4 runs; 1a2b3c: 4 runs)"],
    old: [],
    troubled: [],
    an_arm_by_itself: ["it counts once: seed 1 (1, 2)."],
    searched: ["it counts once: lr=0.1 seed 0 (0, 2)."],
}


@pytest.mark.parametrize("make", SAID, ids=lambda make: make.__name__)
def test_what_weakens_a_comparison_is_said_by_report_and_page_alike(make, tmp_path):
    directory = tmp_path / make.__name__
    make(directory)
    told = "\n".join(compare([directory]).notes)
    assert all(words in told for words in SAID[make]), told
    assert bool(told) == bool(SAID[make])
    table = read_multirun(directory)
    assert "\n".join(notes(table)).startswith(told)
    points = [block for block in document(table).sections[0].blocks if block.kind == "points"]
    assert all(any(words in item for block in points for item in block.items) for words in SAID[make])


def test_another_version_explains_other_numbers_of_one_seed(tmp_path):
    job(tmp_path / "0", 0, change={"versions": {"torch": "2.12"}})
    job(tmp_path / "1", 0, end=0.5, change={"versions": {"torch": "2.13"}})
    (told,) = compare([tmp_path]).notes
    assert "and another torch; the first counts" in told


def test_a_repeated_seed_enters_no_mean(tmp_path):
    repeated_otherwise(tmp_path)
    losses = [json.loads((tmp_path / name / "result.json").read_text())["metrics"]["test/loss"] for name in "01"]
    assert read_multirun(tmp_path).values("norm=none", "test/loss") == losses


def but_for_the_seed(record):
    config = {key: value for key, value in record.content["config"].items() if key != "data.seed"}
    return config, record.content.get("numerics", record.content["hardware"]), record.content["code"]


@pytest.mark.briefly(*range(0, 40, 4))
@pytest.mark.parametrize("seed", range(40))
def test_whatever_runs_are_made_of_arms_are_equal_runs_with_names_of_their_own(seed):
    """Random runs: of few values each, so that some differ in one thing alone and some in none."""
    random = np.random.default_rng(seed)

    def record(place):
        run_seed = int(random.integers(3))
        values = {"lr": [0.1, 0.01], "norm": ["none", "batch"], "model.units": [4, 8]}
        config = {key: random.choice(own).item() for key, own in values.items()}
        typed = {key: str(value) for key, value in config.items() if random.random() < 0.5}
        code, threads = str(random.choice(["", CODE, OTHER])), int(random.integers(1, 3))
        content = {
            "config": {**{key: value for key, value in config.items() if random.random() < 0.9}, "data.seed": run_seed},
            **{"seed": run_seed, "code": code, "hardware": {"device": "cpu", "threads": threads}},
            **({"numerics": {"threads": threads}} if code and random.random() < 0.7 else {}),
        }
        return Record(Path(str(place)), "completed", "", content, {}, typed)

    records = [record(place) for place in range(int(random.integers(1, 30)))]
    arms = group(records)
    assert sorted(place for arm in arms for place in arm.places) == list(range(len(records)))
    assert len({arm.name for arm in arms}) == len(arms)
    assert all(arm.name for arm in arms) or len(arms) == 1
    alike = {place: arm.name for arm in arms for place in arm.places}
    for one, first in enumerate(records):
        for two, second in enumerate(records[:one]):
            assert (alike[one] == alike[two]) == (but_for_the_seed(first) == but_for_the_seed(second))
    turned = group(records[::-1])
    assert {frozenset(len(records) - 1 - place for place in arm.places) for arm in turned} == {
        frozenset(arm.places) for arm in arms
    }


def test_what_the_hash_leaves_out_tells_no_arms_apart():
    assert not [name for name in NOT_IN_HASH if is_factor(name) or is_factor(f"{name}.inside")]
    assert not any(map(is_factor, ("seed", "study", "search.trials", "hydra.run.dir", "data.data_dir")))
    assert all(map(is_factor, ("lr", "data", "data.seed", "model", "trainer.precision", "seeds", "study_hours")))


# ------------------------------------------------------------------------------------------------ studies


@pytest.fixture
def study(tmp_path):
    """A finished study of four arms and five seeds, all run alike."""
    directory = write_study(tmp_path / "study", failed=False)
    change(directory, "*", "*", code=CODE, numerics=CPU)
    return directory


def change(directory, where, seed, **content):
    for path in (directory / "trials").glob(f"{where}/seed={seed}/result.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | content))


def lint(directory):
    judgement = read_study_directory(directory).judgement
    found = [finding for finding in judgement.lint if finding.code.startswith("mixed")]
    capped = [name for name, verdict in judgement.verdicts.items() if "lint: mixed" in verdict.reason]
    return found, capped


def test_a_study_that_ran_alike_is_clean(study):
    assert lint(study) == ([], [])


def test_a_study_run_by_different_code_decides_nothing_about_its_arms(study):
    change(study, "dropout=0.1,norm=instance", "[34]", code=OTHER)
    (finding,), capped = lint(study)
    assert (finding.code, finding.level) == ("mixed_code", "error")
    assert "code 99aabb ran dropout=0.1,norm=instance seeds 3, 4" in finding.message
    assert "delete the directories" in finding.message
    assert capped == ["synergy", "combined_wins", "barrier"]


def test_arms_of_other_classes_have_other_code_in_any_case(study):
    for path in (study / "trials").glob("*norm=none/*/result.json"):
        result = json.loads(path.read_text())
        result["config"]["model"] = {"_target_": "src.models.mlp.MLP"}
        path.write_text(json.dumps(result))
    change(study, "*norm=none", "*", code=OTHER)
    evidence = read_study_directory(study)
    assert lint(study) == ([], [])
    assert "numerics" not in results_csv(evidence)
    change(study, "dropout=0,norm=none", "3", code=CODE)
    (finding,), capped = lint(study)
    assert capped == ["synergy", "dropout_hurts"]
    assert "norm=instance" not in finding.message


def test_pairs_that_did_not_run_alike_decide_nothing(study):
    change(study, "dropout=0.1,norm=none", "*", numerics={**CPU, "device": "cuda"})
    (finding,), capped = lint(study)
    assert (finding.code, finding.level) == ("mixed_numerics", "error")
    assert "Trials of the same seed ran with different device" in finding.message
    assert "device cuda ran dropout=0.1,norm=none seeds 0, 1, 2, 3, 4" in finding.message
    assert capped == ["synergy", "combined_wins", "dropout_hurts"]


def test_whole_pairs_on_another_machine_are_told_and_no_error(study):
    change(study, "*", "[34]", numerics={**CPU, "threads": 4})
    (finding,), capped = lint(study)
    assert (finding.level, capped) == ("warning", [])
    assert "Not all seeds ran with the same threads" in finding.message


def test_numerics_that_a_study_varies_are_its_question(study):
    text = (study / "study.yaml").read_text()
    (study / "study.yaml").write_text(text.replace("norm:", "precision:").replace("norm: ", "precision: "))
    asked = {"norm": "precision"}
    for path in sorted((study / "trials").iterdir()):
        path.rename(path.with_name(path.name.replace(*next(iter(asked.items())))))
    (study / "arms.json").unlink()
    change(study, "*precision=instance", "*", numerics={**CPU, "dtype": "bfloat16"})
    found, _ = lint(study)
    assert found == []


def test_trials_that_recorded_nothing_of_it_are_no_finding(study):
    for path in (study / "trials").glob("dropout=0,*/*/result.json"):
        result = json.loads(path.read_text())
        path.write_text(json.dumps({key: value for key, value in result.items() if key not in ("code", "numerics")}))
    assert lint(study) == ([], [])


def test_the_table_of_a_mixed_study_says_what_ran_each_trial_and_is_judged_the_same(study):
    change(study, "dropout=0.1,norm=instance", "[34]", code=OTHER, numerics={**CPU, "threads": 4})
    evidence = read_study_directory(study)
    (study / "results.csv").write_text(results_csv(evidence))
    again = read_tables(study / "study.yaml", [study / "results.csv"], study)
    assert {name: one.row() for name, one in again.judgement.verdicts.items()} == {
        name: one.row() for name, one in evidence.judgement.verdicts.items()
    }
    with (study / "results.csv").open() as file:
        assert {row["numerics"] for row in csv.DictReader(file)} == {
            "device=cpu; threads=1; dtype=float32",
            "device=cpu; threads=4; dtype=float32",
        }


def test_a_trial_copied_to_another_seed_is_no_trial_of_it(study):
    import shutil

    place = study / "trials" / "dropout=0,norm=none"
    shutil.rmtree(place / "seed=4")
    shutil.copytree(place / "seed=3", place / "seed=4")
    shutil.copytree(place / "seed=2", place / "seed=02")
    evidence = read_study_directory(study)
    messages = " ".join(finding.message for finding in evidence.judgement.lint)
    assert "dropout=0,norm=none seed 4 (seed was 3)" in messages
    assert "Trials that lie there twice count once: dropout=0,norm=none seed 2" in messages
    assert sorted(evidence.results.values("loss", "dropout=0,norm=none")) == [0, 1, 2, 3]
    counted = {arm.label: counted_of(runs) for arm, runs in compare([study]).arms.items() if arm.part != "tuning"}
    assert counted["dropout=0,norm=none"] == "4 of 4"


def reconfigured(study, **settings):
    """A trial as another configuration would have left it."""
    path = study / "trials" / "dropout=0,norm=none" / "seed=0" / "result.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "config": {**content["config"], **settings}}))


def retold(study, **settings):
    """Every arm's settings as another start of the study would write them."""
    told = json.loads((study / "arms.json").read_text())
    (study / "arms.json").write_text(json.dumps({arm: {**own, **settings} for arm, own in told.items()}))


def test_trials_of_before_a_knob_within_a_part_was_edited_are_left_out(study):
    reconfigured(study, model={"units": [256, 256]})
    retold(study, **{"model.units": [64, 64], "optimizer.lr": 1e-3})
    results = read_study_directory(study).results
    (stale,) = [finding.message for finding in results.findings if finding.code == "stale_trial"]
    assert stale.endswith("again: dropout=0,norm=none seed 0 (model.units was [256,256]).")
    assert 0 not in results.values("loss", "dropout=0,norm=none")


def test_what_follows_a_tuned_knob_or_moved_out_of_src_is_no_other_configuration(study):
    moved = {"average": {"_target_": "src.callbacks.history.History"}, "weights": {"from": "there"}}
    reconfigured(study, lr=0.002, optimizer={"lr": 0.002, "betas": [0.002, 0.9]}, **moved)
    now = {"average._target_": "litmus.trial.history.History", "weights.from": "here"}
    retold(study, **{"optimizer.lr": 1e-3, "optimizer.betas": [1e-3, 0.9]}, **now)
    assert "stale_trial" not in {finding.code for finding in read_study_directory(study).results.findings}


@pytest.mark.parametrize("digests", [("a" * 16,), ("a" * 16, "b" * 16)])
def test_a_view_tells_arms_of_one_label_apart_by_their_digest(study, digests):
    from litmus.compare.wandb.specification import as_yaml, specify

    for seed in range(5):
        change(study, "*", seed, arm=digests[seed % len(digests)])
    specification = specify(read_subject(study))
    label = "dropout=0,norm=none"
    if len(digests) == 1:
        assert specification.keys == ("arm",)
        assert specification.groups[label] == (label,)
        return
    assert specification.keys == ("arm", "arm_id")
    assert specification.groups[f"{label} (aaaaaa)"] == (label, digests[0])
    assert specification.groups[f"{label} (bbbbbb)"] == (label, digests[1])
    assert "arm, arm_id" in as_yaml(specification)


def test_a_views_groups_are_labels_where_these_tell_arms_apart(tmp_path):
    two_codes(tmp_path)
    for path in sorted(tmp_path.iterdir(), key=lambda path: int(path.name)):
        label = json.loads((path / "result.json").read_text())["overrides"][0]
        known = {"id": path.name, "name": path.name, "project": "litmus", "entity": None, "group": "g", "arm": label}
        known |= {"job_type": "trial"}
        (path / "wandb.json").write_text(json.dumps(known))
    subject = read_subject(tmp_path)
    assert set(subject.arms) == set(TABLE[two_codes])
    assert {path[0] for path in subject.groups.values()} == {"norm=none", "norm=batch"}
    assert len({path[1] for path in subject.groups.values()}) == 4
