"""Who may import whom; and every public thing says what it is."""

import ast

import pytest

from tests.conftest import ROOT

FILES = [
    *(ROOT / "train.py", ROOT / "evaluate.py"),
    *sorted(
        path for folder in ("src", "scripts", "hydra_plugins", "answers") for path in (ROOT / folder).rglob("*.py")
    ),
]
FORBIDDEN = {
    "src/models": ("hydra", "omegaconf", "src.datamodules", "src.callbacks", "src.trial", "src.studies"),
    "src/datamodules": ("hydra", "omegaconf", "src.models", "src.callbacks", "src.trial", "src.studies"),
    "src/callbacks": ("hydra", "omegaconf", "src.models", "src.datamodules", "src.trial", "src.studies"),
    "src/studies": (
        *("torch", "pytorch_lightning", "hydra", "omegaconf"),
        *("src.models", "src.datamodules", "src.callbacks", "src.trial", "src.sweeps", "src.comparison"),
    ),
    "src/comparison": (
        *("torch", "pytorch_lightning", "hydra", "omegaconf"),
        *("src.models", "src.datamodules", "src.callbacks", "src.trial", "src.sweeps"),
    ),
}


def _imports(path, top_level=False):
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def _is(name, forbidden):
    return name == forbidden or name.startswith(f"{forbidden}.")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_keep_to_the_rules(path):
    place = str(path.relative_to(ROOT))
    for folder, forbidden in FORBIDDEN.items():
        if place.startswith(folder):
            broken = [name for name in _imports(path) for other in forbidden if _is(name, other)]
            assert not broken, f"{place} imports {broken}"
    if place not in ("train.py", "evaluate.py"):
        assert not [name for name in _imports(path) if _is(name, "train") or _is(name, "evaluate")]
    if not place.startswith("scripts"):
        assert not [name for name in _imports(path) if _is(name, "scripts")]
    if not place.startswith("answers"):
        assert not [name for name in _imports(path) if _is(name, "answers")], f"{place} needs what may be deleted"


def test_the_command_line_imports_nothing_heavy_at_its_top():
    for place in ("train.py", "evaluate.py", "src/trial/command_line.py"):
        heavy = {"torch", "pytorch_lightning", "matplotlib", "wandb", "optuna", "scipy", "numpy"}
        found = {name.partition(".")[0] for name in _imports(ROOT / place, top_level=True)}
        assert not heavy & found, place


SOURCES = [path for path in FILES if ROOT / "src" in path.parents]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_classes_and_functions_and_files_have_a_sentence(path):
    tree = ast.parse(path.read_text())
    if path.name != "__init__.py" or tree.body:
        assert ast.get_docstring(tree), path
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path.name}:{node.name}"
