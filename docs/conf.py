"""The documentation as a site: make docs, which fails on a link within the project that leads nowhere.

https://www.sphinx-doc.org/en/master/usage/configuration.html · https://myst-parser.readthedocs.io
"""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NAVIGATION = """
```{toctree}
:hidden:
:caption: Use it
docs/install
docs/running
docs/extending
docs/studies
docs/cluster
docs/verdicts
docs/fewer_seeds
docs/compare
docs/wandb_sweeps
docs/notebook
docs/progressive_batch
```

```{toctree}
:hidden:
:caption: Look inside
docs/architecture
docs/speed
docs/accelerators
docs/api
CONTRIBUTING
AGENTS
CHANGELOG
```
"""
# A folder to delete: a site without it is whole.
ANSWERS = """
```{toctree}
:hidden:
:caption: This project's own answers
answers/README
answers/studies/README
answers/docs/gradient_descent
answers/docs/memory
```
"""
answered = (ROOT / "answers").is_dir()

project = "Litmus"
author = copyright = "The Litmus authors"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
# The whole project is the source, so that pages link to what stands beside them, as they do in an editor.
root_doc = "README"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "AGENTS.md",
    "docs/*.md",
    "answers/*.md",
    "answers/*/**.md",
]
suppress_warnings = ["toc.not_included"] if answered else ["myst.xref_missing"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "show-inheritance": True}
default_role = "code"  # `name` in a docstring is code, as it is in Markdown
html_theme = "furo"
html_title = "Litmus"


def plain(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings say (batch, *input_shape): there an asterisk emphasizes nothing."""
    lines[:] = [re.sub(r"\*+(?=\w)", lambda found: found[0].replace("*", r"\*"), line) for line in lines]


def listed(app: Any, page: str, text: list[str]) -> None:
    """The first page is the README, which has no list of pages of its own."""
    if page == root_doc:
        text[0] += NAVIGATION + ANSWERS * answered


def setup(app: Any) -> None:
    """Connects the two."""
    app.connect("autodoc-process-docstring", plain)
    app.connect("source-read", listed)
