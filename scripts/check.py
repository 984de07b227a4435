"""Puts the parts that overrides choose to the laws of a run: python scripts/check.py model=mine data=mine …

A line for each law: held, broken (with what to do) or not applicable (with why). Exit code 1 if one is broken.
"""

import sys
import tempfile
from pathlib import Path

from litmus.project import put_on_path
from litmus.trial.command_line import answer, imports


def main(given: list[str] | None = None) -> None:
    """Checks what was typed, by tiny runs in a directory that is removed."""
    overrides = sys.argv[1:] if given is None else given
    if {"-h", "--help"} & set(overrides):
        print(__doc__)
        return
    put_on_path()
    with imports():
        from litmus.check import BROKEN, check

    broken = 0
    with tempfile.TemporaryDirectory() as place:
        for law, state, told in ((one.law, one.state, one.told) for one in check(overrides, Path(place))):
            print(f"{state:<14}  {law}{f': {told}' if told else ''}".replace(f"{place}/", ""), flush=True)
            broken += state == BROKEN
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    answer(main)
