"""Views at W&B: what they hold, made once however often they are asked for, and runs that arrive whole."""

import json
import secrets
import shutil
import time

import pytest
import yaml

from litmus.compare.wandb import server as views_server
from litmus.compare.wandb.offline import MARK, offline_runs, replaced_runs
from litmus.compare.wandb.specification import as_table, as_yaml, specify
from litmus.compare.wandb.subject import read_subject
from litmus.compare.wandb.sync import upload
from litmus.report.figures.style import MUTED, SERIES
from litmus.trial.command_line import answer
from scripts import wandb_views
from tests.conftest import ROOT
from tests.report_data import MEANS, NODE, write_study, write_trial
from tests.sweep_helpers import QUESTION, sweep
from tests.sweep_helpers import write_study as write_small_study
from tests.wandb_server import KEY, offline, serving

# wandb-workspaces is written for an older pydantic, which warns of it.
pytestmark = [
    pytest.mark.xdist_group("wandb"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
]
LOGGED = [("dropout=0,norm=none", 0), ("dropout=0,norm=none", 1), ("dropout=0.1,norm=instance", 0)]
SELF = {"project": "litmus", "entity": None, "group": "studies/dropout", "study": "dropout"}


def identify(directory, **named):
    """wandb.json as a run leaves it."""
    own = {"id": secrets.token_hex(4), **SELF, "tags": [], "factors": {}, "job_type": "trial", **named}
    (directory / "wandb.json").write_text(json.dumps({**own, "name": f"{own['arm']} seed {own['seed']}"}))


def arrive(server, directory, project="litmus", **tuning):
    """The runs below a directory, as if they had been uploaded; and one that tuned an arm, of this group."""
    server.projects.add(("me", project))
    known = [json.loads(path.read_text()) for path in directory.rglob("wandb.json")]
    for one in [*known, *([{"id": "tuned", "job_type": "tune", **tuning}] if tuning else [])]:
        own = {"name": one["id"], "groupName": one["group"], "jobType": one["job_type"], "project": project}
        server.runs[one["id"]] = {**own, "history": [], "summary": {}, "starts": 1, "exitcode": 0}


def log(directory, arm, seed):
    """A real offline run of a trial."""
    import wandb

    from litmus.trial.history import read_history
    from litmus.trial.wandb_logger import WandbLogger

    own = {key: value for key, value in SELF.items() if key != "entity"}
    logger = WandbLogger(str(directory), arm=arm, seed=seed, factors=dict(NODE["factors"]), **own)
    result = json.loads((directory / "result.json").read_text())
    logger.log_hyperparams({"seed": seed, "lr": 1e-3})
    for row in read_history(directory / "metrics.csv"):
        logger.log_metrics(row)
    logger.log_result({**result, "best_epoch": 3})
    wandb.finish()
    offline(directory)  # waits until it is there


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A finished study of 20 trials, all of them known at W&B, three of them with their offline run on this disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_SILENT", "true")
        directory = write_study(tmp_path_factory.mktemp("made") / "dropout", failed=False)
        for arm in MEANS:
            for seed in range(5):
                trial = directory / "trials" / arm / f"seed={seed}"
                log(trial, arm, seed) if (arm, seed) in LOGGED else identify(trial, arm=arm, seed=seed)
    return directory


@pytest.fixture
def study(logged, tmp_path):
    return shutil.copytree(logged, tmp_path / "dropout")


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    """No key, no patience, and nowhere to go."""
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    for name, value in (views_server.PATIENCE | views_server.QUIET).items():
        monkeypatch.setenv(name, {"4": "1", "0.5": "0.05", "5": "0.1"}.get(value, value))


@pytest.fixture
def server(monkeypatch):
    """A W&B server that has a key for us."""
    import wandb

    wandb.teardown()  # what it remembers of the environment
    with serving() as running:
        monkeypatch.setenv("WANDB_BASE_URL", running.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        yield running
        wandb.teardown()


@pytest.fixture
def refused(capsys):
    """The one sentence with which the script ends."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            answer(lambda: wandb_views.main(list(map(str, arguments))))
        assert ended.value.code == 1
        said = capsys.readouterr().err.strip().splitlines()
        assert "Traceback" not in "".join(said)
        return said[-1]

    return run


# ------------------------------------------------------------------------------------------------ what views hold


@pytest.mark.long
def test_a_studys_view_has_every_panel_that_answers_its_question(study):
    specification = specify(read_subject(study))
    lines = as_table(specification).splitlines()[2:]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    band = "mean and min–max band"
    curves = [
        f"{metric} by {clock}, {band}"
        for metric in ("val/loss", "val/acc")
        for clock in ("epoch", "updates", "seconds")
    ]
    assert [row[2] for row in rows if row[0] == "Learning curves"] == curves
    assert [row[2].split(",")[0] for row in rows if row[1] == "bars"] == ["test/loss", "test/acc"]
    settings = "arm → dropout → norm → lr"
    assert [row for row in rows if row[0] in ("Factors", "Tuning")] == [
        ("Factors", "parallel coordinates", f"{settings} → val/loss → test/loss"),
        ("Factors", "parameter importance", "of every setting for test/loss"),
        ("Factors", "scatter", "lr (log) × test/loss"),
        ("Tuning", "parallel coordinates", f"{settings} → val/loss"),
        ("Tuning", "parameter importance", "of every setting for val/loss"),
        ("Tuning", "scatter", "lr (log) × val/loss"),
    ]
    assert ("Runs", "run comparer", "settings and results that differ") in rows
    assert dict(specification.arms) == dict(zip(read_subject(study).arms, SERIES, strict=False))
    assert list(specification.arms) == ["dropout=0,norm=none", "dropout=0,norm=instance", *list(MEANS)[2:]]
    told = "\n".join(specification.told)
    assert "| synergy (primary) | Combined techniques will outperform individual ones" in told
    assert told.count("✓ confirmed") + told.count("✗ rejected") + told.count("? inconclusive") == 4


@pytest.mark.long
def test_batch_size_and_rate_are_steps_where_runs_have_them_or_are_still_to_come(study):
    def steps():
        shown = as_table(specify(read_subject(study)))
        return [name for name in ("batch_size", "lr") if f"{name} by updates" in shown]

    assert steps() == []  # these runs have no such columns
    shutil.rmtree(study / "trials")
    assert steps() == ["batch_size", "lr"]


def test_more_arms_than_colours_are_grey(study):
    levels = [round(0.05 * level, 2) for level in range(12)]
    (study / "study.yaml").write_text(yaml.safe_dump({**NODE, "factors": {"dropout": levels}, "predictions": {}}))
    (study / "arms.json").unlink()
    colours = list(specify(read_subject(study)).arms.values())
    assert sorted(colours) == sorted([*SERIES, *[MUTED] * 4])


def make_multirun(directory, generator, job_type="trial"):
    for job, (lr, seed) in enumerate([(0.1, 0), (0.1, 1), (0.001, 0), (0.001, 1)]):
        overrides = ["epochs=12", f"lr={lr}", f"seed={seed}", f"logger.wandb.name='{job}'"]
        write_trial(directory / str(job), "", seed, 0.5, generator, lr=lr, overrides=overrides)
        identify(directory / str(job), arm=f"lr={lr}", seed=seed, group="2026-01-01/rates", job_type=job_type)
    (directory / "multirun.yaml").touch()


def test_a_multirun_is_grouped_by_what_it_varies_and_described(tmp_path):
    import numpy as np

    make_multirun(tmp_path / "rates", np.random.default_rng(0))
    specification = specify(read_subject(tmp_path / "rates"))
    assert dict(specification.arms) == {"lr=0.1": SERIES[0], "lr=0.001": SERIES[1]}
    assert specification.place.group == "2026-01-01/rates"
    assert "| lr=0.1 | 2 of 2 |" in "\n".join(specification.told)
    assert "arm → lr (log) → val/loss → test/loss" in as_table(specification)


def test_a_search_is_not_grouped_and_looks_at_its_own_metric(tmp_path):
    import numpy as np

    make_multirun(tmp_path / "rates", np.random.default_rng(0), job_type="tune")
    search = {"space": {"lr": "FloatDistribution"}, "metric": "val/loss", "direction": "up"}
    (tmp_path / "rates" / "search.json").write_text(json.dumps(search))
    specification = specify(read_subject(tmp_path / "rates"))
    assert not specification.arms
    shown = as_table(specification)
    assert "lr (log) × val/loss" in shown
    assert "bars" not in shown
    told = "\n".join(specification.told)
    assert "| trial | lr | val/loss |" in told
    scores = [float(row.split("|")[-2]) for row in told.splitlines() if row.startswith("| ") and "." in row]
    assert scores == sorted(scores, reverse=True) != sorted(scores)
    assert yaml.safe_load(as_yaml(specification))["runs"]["job_type"] == "tune"


def test_a_dry_run_needs_neither_key_nor_network_nor_the_extra(study, capsys, monkeypatch):
    monkeypatch.setattr("importlib.import_module", pytest.fail)
    wandb_views.main([str(study), "--dry-run", "--entity", "team", "--project", "mine"])
    shown = yaml.safe_load(capsys.readouterr().out)
    assert (shown["entity"], shown["project"]) == ("team", "mine")
    assert shown["runs"] == {"group": "studies/dropout", "job_type": "trial"}
    assert shown["grouped by"]["arm"] == dict(zip(specify(read_subject(study)).arms, SERIES, strict=False))
    assert shown["workspace"][0]["panels"][0] == {"panel": "lines", "metric": "val/loss", "over": "epoch"}
    assert not any((study / name).exists() for name in ("wandb", "wandb.json"))


# ------------------------------------------------------------------------------------------------ making them


@pytest.mark.long
def test_workspace_and_report_are_made_once_and_made_anew(study, server, capsys):
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws
    from wandb_workspaces import expr

    arrive(server, study, group="studies/dropout")
    wandb_views.main([str(study)])
    captured = capsys.readouterr()
    urls = dict(line.split(" made: ") for line in captured.out.strip().splitlines())
    assert "3 of its runs are offline alone" in captured.err
    before = {key: dict(view) for key, view in server.views.items()}

    specification = specify(read_subject(study))
    view = ws.Workspace.from_url(urls["workspace"])  # through the library's own models
    assert [section.name for section in view.sections] == [section.name for section in specification.sections]
    first = view.sections[0].panels[0]
    assert isinstance(first, wr.LinePlot)
    assert (first.x, first.y, first.groupby_aggfunc, first.groupby_rangefunc) == (
        *(wr.Metric("epoch"), [wr.Metric("val/loss")]),
        *("mean", "minmax"),
    )
    kinds = [type(panel).__name__ for section in view.sections for panel in section.panels]
    assert kinds == [
        *["LinePlot"] * 6,
        *["BarPlot"] * 2,
        *("ParallelCoordinatesPlot", "ParameterImportancePlot", "ScatterPlot", "RunComparer"),
    ]
    assert view.runset_settings.group_colors == dict(specification.arms)
    assert [repr(key) for key in view.runset_settings.groupby] == [repr(expr.Config("arm"))]
    assert view.runset_settings.filters == "Metric(\"Group\") == 'studies/dropout' and Metric(\"JobType\") == 'trial'"
    assert view.auto_generate_panels is False

    report = wr.Report.from_url(urls["report"])
    text = "\n".join(block.text for block in report.blocks if isinstance(block, wr.MarkdownBlock))
    assert "| synergy (primary) |" in text
    grids = [block for block in report.blocks if isinstance(block, wr.PanelGrid)]
    assert [type(panel).__name__ for grid in grids[:-1] for panel in grid.panels] == kinds
    assert "tune" in grids[-1].runsets[0].filters
    assert all("trial" in grid.runsets[0].filters for grid in grids[:-1])
    assert all(sorted(grid.custom_run_colors.values()) == sorted(specification.arms.values()) for grid in grids)

    (study / "study.yaml").write_text(yaml.safe_dump({**NODE, "question": "Another question?"}))
    wandb_views.main([str(study)])
    assert "workspace updated" in capsys.readouterr().out
    assert server.views.keys() == before.keys()  # still one of each
    assert "Another question?" in server.report()["spec"]
    assert server.report()["displayName"] == "studies dropout"


@pytest.mark.long
def test_another_study_has_views_of_its_own(study, tmp_path, server):
    other = shutil.copytree(study, tmp_path / "other")
    for path in other.rglob("wandb.json"):
        path.write_text(path.read_text().replace("studies/dropout", "studies/a=b + c"))  # W&B refuses some signs
    for directory in (study, other):
        arrive(server, directory)
        wandb_views.main([str(directory)])
    assert [view["displayName"] for view in server.of_type("project-view")] == ["studies dropout", "studies a b   c"]
    assert len(server.of_type("runs")) == 2


@pytest.mark.long
def test_a_project_that_is_not_there_is_one_sentence(study, server, refused):
    assert "has no project me/litmus" in refused(study)
    assert not server.views


# ------------------------------------------------------------------------------------------------ uploading runs


@pytest.mark.long
def test_each_run_is_uploaded_once_whole_and_what_was_refused_the_next_time(study, server, refused, capsys):
    trials = {(arm, seed): study / "trials" / arm / f"seed={seed}" for arm, seed in LOGGED}
    ids = [json.loads((trial / "wandb.json").read_text())["id"] for trial in trials.values()]
    server.broken = {ids[1]}
    assert refused(study, "--sync") == "1 of 3 runs were not uploaded; the same command tries them again"
    assert len(server.views) == 2  # of what there is
    assert [run.id for run in offline_runs(study)[0]] == [ids[1]]
    assert not server.runs[ids[1]]["history"]

    server.broken = set()
    wandb_views.main([str(study), "--sync"])
    wandb_views.main([str(study), "--sync"])
    said = capsys.readouterr().err
    assert "1 of 1 runs uploaded" in said
    assert "every run that has ended is uploaded" in said
    assert len(server.runs) == 3
    assert ids[1] not in server.runs  # of which W&B might have had a part
    assert [run["starts"] for run in server.runs.values()] == [1, 1, 1]
    for (arm, seed), trial in trials.items():
        run, kept = server.runs[json.loads((trial / "wandb.json").read_text())["id"]], offline(trial)
        assert run["history"] == kept["history"]
        assert len(run["history"]) == 12
        assert (run["displayName"], run["groupName"], run["jobType"]) == (
            f"{arm} seed {seed}",
            "studies/dropout",
            "trial",
        )
        assert json.loads(run["config"])["arm"] == {"value": arm}
        result = json.loads((trial / "result.json").read_text())
        assert run["summary"]["test/loss"] == result["metrics"]["test/loss"]
        assert run["exitcode"] == 0


@pytest.mark.long
def test_an_interrupted_upload_goes_on_with_what_was_not_confirmed(study, server, capsys):
    runs, _ = offline_runs(study)
    take, began = server.take, [run.id for run in runs]

    def never_ending(run_id, sent):
        take(run_id, sent)
        if run_id == began[-1] and sent.get("complete"):
            raise ConnectionError

    server.take = never_ending
    confirmed = []

    def interrupt(done):
        confirmed[:] = [run for run in runs if run.uploaded]
        until = time.monotonic() + 20
        while done == 2 and time.monotonic() < until:
            if server.runs.get(began[-1], {}).get("history"):  # W&B has a part of the third run
                raise KeyboardInterrupt
            time.sleep(0.02)

    with pytest.raises(KeyboardInterrupt):
        upload(runs, None, None, interrupt)
    server.take = take
    assert set(confirmed) == set(runs[:2])
    wandb_views.main([str(study), "--sync"])
    assert "1 of 1 runs uploaded" in capsys.readouterr().err
    # What W&B had of it would be added to, so the run is another one there, and the part is gone.
    assert began[-1] not in server.runs
    assert {run.id for run in runs} == set(server.runs)
    assert [server.runs[run.id]["starts"] for run in runs] == [1, 1, 1]
    assert [len(run["history"]) for run in server.runs.values()] == [12, 12, 12]
    assert not replaced_runs(study)


@pytest.mark.long
def test_a_part_that_w_and_b_does_not_delete_is_told_and_tried_again(study, server, refused, capsys, monkeypatch):
    run = offline_runs(study)[0][0]
    run.rename()  # what never came to W&B need not go
    old = run.id
    run.begin()
    server.projects.add(("me", "litmus"))
    arrive(server, study)
    with monkeypatch.context() as broken:
        broken.setattr(server, "_DeleteRun", lambda given: None, raising=False)
        said = refused(study, "--sync")
    assert f"W&B did not delete {old}" in said
    assert [ids[-1] for ids in replaced_runs(study).values()] == [old]
    assert len(server.views) == 2
    wandb_views.main([str(study), "--sync"])
    assert old not in server.runs
    assert not replaced_runs(study)


def test_a_run_that_was_being_uploaded_when_the_power_failed_is_uploaded_again(study):
    run = offline_runs(study)[0][0]
    assert not run.known
    run.begin()
    (run.directory / "run-x.wandb.synced").touch()  # W&B says so of runs whose data it did not take, too
    assert run in offline_runs(study)[0]
    assert run.known
    assert run.finish()
    assert run not in offline_runs(study)[0]
    assert not (run.directory / MARK).exists()


def test_a_trial_that_went_on_after_its_run_was_uploaded_is_another_run_that_replaces_it(study):
    run = offline_runs(study)[0][0]
    earlier = run.directory.with_name(run.directory.name.replace("offline-run-20", "offline-run-19"))
    shutil.copytree(run.directory, earlier)
    assert not run.known  # nothing of the earlier attempt has left this disk
    (earlier / "run-x.wandb.synced").touch()
    assert run.known
    old = run.id
    run.rename()
    assert run.id != old
    assert run.name == "dropout=0,norm=none seed 0"
    assert not replaced_runs(study)  # only once the new one is there
    (run.directory / "run-x.wandb.synced").touch()
    assert replaced_runs(study) == {run.trial / "wandb.json": [old]}


def test_only_the_last_run_of_a_trial_counts_and_only_when_the_trial_has_ended(study):
    first, second, third = (study / "trials" / arm / f"seed={seed}" for arm, seed in LOGGED)
    (own,) = first.glob("wandb/offline-run-*")
    shutil.copytree(own, own.with_name(own.name.replace("offline-run-20", "offline-run-19")))  # cut, and gone on with
    (later,) = second.glob("wandb/offline-run-*")
    shutil.copytree(later, later.with_name(later.name.replace("offline-run-20", "run-21")))  # gone on with online
    (third / "result.json").unlink()
    found, running = offline_runs(study)
    assert ([run.directory for run in found], running) == ([own], 1)


# ------------------------------------------------------------------------------------------------ one sentence


def test_without_a_key_one_sentence_says_how_to_get_on(study, refused):
    said = refused(study)
    assert "type wandb login" in said
    assert f"python scripts/wandb_views.py {study} --sync, which uploads its offline runs and makes the view" in said


def test_a_server_that_does_not_answer_or_refuses_is_one_sentence(study, server, refused, monkeypatch):
    server.down = True
    assert "answers 503" in refused(study)
    server.down = False
    monkeypatch.setenv("WANDB_API_KEY", "1" * 40)
    assert "refuses the key" in refused(study)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert "cannot be reached" in refused(study, "--sync")
    assert len(offline_runs(study)[0]) == 3


def test_without_the_extra_one_sentence_says_what_to_install(study, refused, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    assert refused(study) == "making views needs wandb-workspaces: pip install '.[views]'"


def test_a_directory_without_runs_for_views_is_one_sentence(study, tmp_path, refused):
    (tmp_path / "empty").mkdir()
    assert "expected a study's directory" in refused(tmp_path / "empty", "--dry-run")
    assert "nowhere: expected a directory of runs, found nothing; name another" in refused(
        tmp_path / "nowhere", "--dry-run"
    )
    for path in study.rglob("wandb.json"):
        path.unlink()
    assert "type its command again with logger=wandb" in refused(study)
    assert "--dry-run --markdown" in refused(study, "--markdown")


def test_a_damaged_identity_is_one_sentence(study, refused):
    path = next(study.rglob("wandb.json"))
    path.write_text("{")
    assert refused(study).startswith(f"{path}: expected what a run with logger=wandb writes")


@pytest.mark.long
def test_a_view_of_runs_in_two_projects_is_one_sentence(study, server, refused):
    arrive(server, study)
    identify(study / "trials" / "dropout=0,norm=none" / "seed=4", arm="a", seed=4, project="other")
    assert "holds runs of 2 projects at W&B (litmus, other)" in refused(study)
    wandb_views.main([str(study), "--project", "litmus"])


@pytest.mark.long
def test_a_view_that_would_be_empty_is_one_sentence(study, server, refused):
    server.projects.add(("me", "litmus"))
    said = refused(study)
    assert said.startswith("the project me/litmus at W&B has none of these runs, so their view would be empty; --sync")
    assert not server.views
    arrive(server, study)
    server.projects.add(("me", "another"))
    assert "me/another at W&B has none" in refused(study, "--project", "another")


# ------------------------------------------------------------------------------------------------ every directory


@pytest.mark.long
def test_the_view_of_a_folder_of_single_runs_finds_them_and_no_others(study, server, tmp_path):
    """They have no group, which an earlier filter asked for."""
    for number, trial in enumerate(list(study.glob("trials/*/*"))[:3]):
        run = tmp_path / "runs" / str(number)
        shutil.copytree(trial, run, ignore=shutil.ignore_patterns("wandb"))
        identify(run, arm=None, seed=number, group=None)
    for folder in (study, tmp_path / "runs"):
        arrive(server, folder)
    for form in ("runs", "runs/1"):
        server.views.clear()
        wandb_views.main([str(tmp_path / form)])
        (run_set,) = json.loads(server.workspace()["spec"])["section"]["runSets"]
        own = {json.loads(path.read_text())["id"] for path in (tmp_path / form).rglob("wandb.json")}
        assert own
        assert server.shown(run_set) == own


@pytest.mark.long
def test_the_filter_that_was_saved_finds_the_runs_of_the_directory_and_no_others(trial, server, tmp_path, monkeypatch):
    """Whatever was asked for: everything is uploaded first, so that any filter could find too much."""
    monkeypatch.setattr("litmus.sweeps.study_sweep.report", lambda directory, name: None)
    monkeypatch.setenv("WANDB_MODE", "offline")
    tiny = ("epochs=1", "updates_per_epoch=3", "model.units=[4]", "threads=1", "logger=wandb")
    for seed in range(2):
        trial(*tiny, f"seed={seed}", directory=tmp_path / "runs" / str(seed))
    for name, *varied in (
        ("multirun/rates", "lr=0.1,0.01"),
        ("multirun/own", "lr=0.1,0.01", "logger.wandb.group=mine"),
        ("multirun/groups", "logger.wandb.group=a,b"),
        ("multirun/none", "lr=0.1,0.01", "logger.wandb.group=null"),
        ("found/rates", "search=random", "lr=tag(log,interval(1e-4,1e-1))", "search.trials=2"),
    ):
        sweep(tmp_path, *tiny, *varied, f"hydra.sweep.dir={name}")
    nuisance = {"lr": {"log": [1e-3, 1e-2], "trials": 1}}
    write_small_study(tmp_path, study={**QUESTION, "seeds": 1, "nuisance": nuisance})
    sweep(tmp_path, *tiny, "study=tiny")
    again = offline_runs(tmp_path / "runs" / "1")[0][0]
    again.begin()  # the power failed while it was uploaded: it gets another id
    old = again.id
    monkeypatch.delenv("WANDB_MODE")
    import wandb

    wandb.teardown()
    groups = ["", "runs/0", "runs", *(path.relative_to(tmp_path) for path in sorted((tmp_path / "multirun").iterdir()))]
    found = next(path.parent.relative_to(tmp_path) for path in (tmp_path / "found").rglob("wandb.json"))
    for form in [*groups, "multirun/rates/1", "multirun", "found/rates", found, "studies/tiny", "studies/tiny/trials"]:
        directory = tmp_path / form
        server.views.clear()
        wandb_views.main([str(directory), "--sync"])
        own = {json.loads(path.read_text())["id"]: path for path in directory.rglob("wandb.json")}
        apart = {name for name, path in own.items() if directory.name == "tiny" and "tuning" in path.parts}
        (run_set,) = json.loads(server.workspace()["spec"])["section"]["runSets"]
        assert server.shown(run_set) == own.keys() - apart, form
        blocks = json.loads(server.report()["spec"])["blocks"]
        sets = [run_set for block in blocks for run_set in block.get("metadata", {}).get("runSets", [])]
        assert [server.shown(one) for one in sets[:-1]] == [own.keys() - apart] * (len(sets) - 1), form
        assert server.shown(sets[-1]) == (apart or own.keys()), form
    assert old not in server.runs
    assert len(server.runs) == len(list(tmp_path.rglob("wandb.json")))


def test_the_documents_table_of_panels_is_what_a_dry_run_prints(tmp_path):
    """Of a study that docs/studies.md shows, before its first trial."""
    example = yaml.safe_load((ROOT / "configs" / "study" / "dropout_norm.yaml").read_text())
    directory = tmp_path / "studies" / "dropout_norm"
    directory.mkdir(parents=True)
    (directory / "study.yaml").write_text(yaml.safe_dump({"study": example["study"]}, sort_keys=False))
    shown = as_table(specify(read_subject(directory)))
    documented = (ROOT / "docs" / "compare.md").read_text()
    assert shown in documented
    (excerpt,) = (part.split("\n…\n```")[0] for part in documented.split("```yaml\ntitle: studies dropout_norm\n")[1:])
    assert excerpt in as_yaml(specify(read_subject(directory)))
