"""The README's recording of a terminal: commands as they are typed, and what they answer.

python scripts/draw_terminal.py      docs/figures/terminal.svg: a run, a mistake, a study; some two minutes

The SVG holds all of it as text; its lines appear one after the other; those who want less motion see them at once,
and so does whatever does not move.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from litmus.paths import typed_path
from litmus.project import ROOT
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer

OUTPUT = ROOT / "docs" / "figures" / "terminal.svg"
COLUMNS = 100
# What is typed, and how many of the last lines of its answer are shown.
COMMANDS = (
    ("python train.py norm=batch epochs=5", 12),
    ("python train.py nrom=batch", 1),
    ("python train.py -m study=norm_helps", 14),
)
LETTER, LINE, MARGIN = 8.0, 18.0, 16.0
PAUSE, TYPED, SHOWN = 0.6, 0.035, 0.09  # seconds: before a command, for a letter, for a line
COLOURS = {"32": "#3fb950", "31": "#ff7b72", "33": "#d29922", "34": "#79c0ff", "35": "#d2a8ff", "36": "#76e3ea"}
STYLED = re.compile(r"\x1b\[([\d;]*)m")
OTHER = re.compile(r"\x1b\[[\d;?]*[A-Za-ln-z]|\r(?!\n)")


def main(given: list[str] | None = None) -> None:
    """Runs the commands and writes the picture."""
    parser = Parser(prog="scripts/draw_terminal.py", description=__doc__)
    parser.add_argument("-o", "--output", type=typed_path, default=OUTPUT, help="the SVG")
    output = parser.parse_args(given).output
    with TemporaryDirectory() as folder:
        said = [(typed, answered(typed, Path(folder), most)) for typed, most in COMMANDS]
    output.write_text(drawing(said), encoding="utf-8")
    print(output)


def answered(typed: str, folder: Path, most: int) -> list[str]:
    """The last lines that a command prints, with their colours; what it leaves is thrown away."""
    _, script, *rest = typed.split()
    place = [f"hydra.{'sweep' if '-m' in rest else 'run'}.dir={folder / 'run'}"]
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    found = subprocess.run(
        [sys.executable, str(ROOT / script), *rest, *place], env=environment, cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    there = "studies/norm_helps" if "-m" in rest else "runs/DATE/TIME"
    text = re.sub(rf"\S*{re.escape(folder.name)}/run", there, OTHER.sub("", found.stdout))
    return [line.rstrip() for line in text.splitlines() if STYLED.sub("", line).strip()][-most:]


def drawing(said: list[tuple[str, list[str]]]) -> str:
    """The commands and answers as an SVG whose lines come one after the other."""
    shown: list[str] = []
    moment, y = 0.3, MARGIN + 14
    for typed, lines in said:
        moment += PAUSE
        shown.append(
            row(f'<tspan fill="#7d8590">$ </tspan><tspan font-weight="bold">{escape(typed)}</tspan>', y, moment)
        )
        moment += TYPED * len(typed)
        y += LINE
        for line in lines:
            shown.append(row("".join(spans(line)), y, moment))
            moment += SHOWN
            y += LINE
        y += LINE / 2
    width, height = COLUMNS * LETTER + 2 * MARGIN, y
    style = (
        "text { font: 13px ui-monospace, 'DejaVu Sans Mono', Menlo, monospace; fill: #e6edf3; white-space: pre }"
        ".row { animation: come 0.01s linear backwards } @keyframes come { from { opacity: 0 } to { opacity: 0 } }"
        "@media (prefers-reduced-motion: reduce) { .row { animation: none } }"
    )
    told = " ".join(f"$ {typed}: {' / '.join(STYLED.sub('', line).strip() for line in lines)}" for typed, lines in said)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">'
        f"<title>A terminal</title><desc>{escape(told)}</desc><style>{style}</style>"
        f'<rect width="{width:g}" height="{height:g}" rx="10" fill="#0d1117"/>{"".join(shown)}</svg>\n'
    )


def row(content: str, y: float, moment: float) -> str:
    """One line, which appears at its moment."""
    place = f'x="{MARGIN:g}" y="{y:g}" xml:space="preserve" style="animation-delay:{moment:.2f}s"'
    return f'<text class="row" {place}>{content}</text>'


def spans(line: str) -> Iterator[str]:
    """The parts of a line in their colours."""
    colour, bold, place = "", False, 0
    for found in [*STYLED.finditer(line), None]:
        part = line[place : found.start() if found else None]
        if part:
            weight = ' font-weight="bold"' if bold else ""
            fill = f' fill="{COLOURS[colour]}"' if colour in COLOURS else ""
            yield f"<tspan{fill}{weight}>{escape(part)}</tspan>"
        if found:
            place = found.end()
            codes = [code for code in found[1].split(";") if code] or ["0"]
            for code in codes:
                if code == "0":
                    colour, bold = "", False
                elif code == "1":
                    bold = True
                elif code in COLOURS or code == "39":
                    colour = code


if __name__ == "__main__":
    answer(main)
