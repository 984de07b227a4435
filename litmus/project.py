"""Where the project lies whose parts are trained, and how other processes find it."""

import os
import sys
from pathlib import Path

# The engine lies in the project, whose parts, configurations and data are found from here.
ROOT = Path(__file__).parents[1]


def put_on_path(root: Path = ROOT) -> None:
    """Lets this process and those it starts import `src.…` and `litmus.…` of the project in `root`.

    What `pip install -e .` does for one environment; this does it wherever that was not done, in a worker that starts
    in another directory as well.
    """
    entry = str(root)
    if entry not in sys.path:
        sys.path.insert(0, entry)
    known = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([entry, *known]))
