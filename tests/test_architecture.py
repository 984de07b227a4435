"""Who may import whom; and every public thing says what it is."""

import ast
import subprocess
import sys

import pytest

from tests.conftest import ROOT

FOLDERS = ("src", "litmus", "scripts", "hydra_plugins", "answers")
FILES = [
    *(ROOT / "train.py", ROOT / "evaluate.py"),
    *sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")),
]
# The engine's rooms, from the ground up: what stands in a line imports from those above it and from its own line.
FLOORS = (
    (
        *("litmus.atomic", "litmus.contract", "litmus.direction", "litmus.legible", "litmus.paths"),
        *("litmus.project", "litmus.quiet", "litmus.seeds", "litmus.tables", "litmus.words"),
    ),
    ("litmus.training", "litmus.tasks", "litmus.claims", "litmus.files"),
    ("litmus.records",),
    ("litmus.report",),
    ("litmus.compare",),
    ("litmus.trial", "litmus.sweeps"),
    ("litmus.compare.wandb",),
    ("litmus.job", "litmus.python", "litmus.__init__"),
    ("litmus.check",),
    ("hydra_plugins.litmus", "src"),
    ("scripts", "train", "evaluate"),
    ("answers",),
)
TRAINING = ("torch", "pytorch_lightning", "hydra", "omegaconf")
# What is beyond this goes through a trial: parts are made by their arguments, and pages are read without torch.
FORBIDDEN = {
    "src": ("hydra", "omegaconf", "litmus.trial", "litmus.sweeps", "litmus.claims", "litmus.records", "litmus.report"),
    **dict.fromkeys(("litmus.training", "litmus.tasks"), ("hydra", "omegaconf", "litmus.claims")),
    "litmus.claims": (*TRAINING, "litmus.training"),
    **{f"litmus.{room}": TRAINING for room in ("records", "report", "compare")},
}


def imports(path, top_level=False):
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def lies_in(name, room):
    return name == room or name.startswith(f"{room}.")


def floor_of(name):
    found = [(len(room), level) for level, rooms in enumerate(FLOORS) for room in rooms if lies_in(name, room)]
    return max(found)[1] if found else None


def module(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def test_imports_go_one_way():
    offenders = []
    for path in FILES:
        here = module(path)
        forbidden = [name for room, names in FORBIDDEN.items() if lies_in(here, room) for name in names]
        for name in imports(path):
            above = (floor_of(name) or 0) > (floor_of(here) or 0)
            if above or any(lies_in(name, other) for other in forbidden):
                offenders.append(f"{here} imports {name}")
    assert not offenders


def test_every_room_of_the_engine_has_its_floor():
    rooms = {module(path).split(".")[1] for path in FILES if (ROOT / "litmus") in path.parents}
    assert {f"litmus.{room}" for room in rooms} == {
        room for rooms in FLOORS for room in rooms if room.startswith("litmus.") and room.count(".") == 1
    }


def test_the_command_line_imports_nothing_heavy_at_its_top():
    for place in ("train.py", "evaluate.py", "litmus/trial/command_line.py", "litmus/__init__.py"):
        heavy = {"torch", "pytorch_lightning", "matplotlib", "wandb", "optuna", "scipy", "numpy"}
        found = {name.partition(".")[0] for name in imports(ROOT / place, top_level=True)}
        assert not heavy & found, place


@pytest.mark.long
def test_whoever_only_sends_jobs_to_workers_needs_neither_torch_nor_optuna():
    """Else a mistake in a study is told after seconds, and the process that waits for its trials holds a torch."""
    courses = "litmus.sweeps.study_sweep, litmus.sweeps.search_sweep, litmus.sweeps.plain"
    program = (
        f"import sys, {courses}; print([name for name in ('torch', 'optuna', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_hydra_looks_for_plugins_in_nothing_that_an_extra_must_be_there_for():
    # It imports every module below hydra_plugins whose name begins with no underscore, and warns at every command of
    # one that cannot be imported.
    modules = {path.name for path in (ROOT / "hydra_plugins").rglob("*.py")}
    assert {name for name in modules if not name.startswith("_")} == set()


def test_public_classes_and_functions_and_files_have_a_sentence():
    silent = []
    for path in FILES:
        if not any(ROOT / folder in path.parents for folder in ("src", "litmus")):
            continue
        tree = ast.parse(path.read_text())
        if (path.name != "__init__.py" or tree.body) and not ast.get_docstring(tree):
            silent.append(module(path))
        silent += [
            f"{module(path)}.{node.name}"
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ]
    assert not silent
