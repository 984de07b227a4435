"""The pictures of docs/compare.md: a study's comparison as a browser shows it.

python scripts/draw_compare_page.py studies/NAME      docs/figures/compare_page*.png; it needs Chromium

The study is progressive_batch of answers/configs, or any with tuned rates.
"""

import argparse
import io
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from litmus.paths import typed_path
from litmus.project import ROOT
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer

FIGURES = ROOT / "docs" / "figures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Name → what is left out of the page, what the reader has chosen, and how high the window is.
VIEWS = {
    "compare_page": ("", {}, 1120),
    "compare_page_difference": (
        "header.page, .ranking, aside, #curves, #runs { display: none } .layout { display: block }",
        {"filter": "lr>=0.001 lr<=0.006", "tuning": "true"},
        900,
    ),
}
WIDTH = 1280


def main(given: list[str] | None = None) -> None:
    """Draws both views of a directory's comparison."""
    parser = Parser(
        prog="scripts/draw_compare_page.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", type=typed_path, help="where the runs of a study lie")
    study = parser.parse_args(given).study
    if not study.is_dir():
        raise FileNotFoundError(f"{study}: expected the directory of a study, found nothing; run the study first")
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise FileNotFoundError(f"no browser: expected one of {', '.join(BROWSERS)} (apt install chromium)")
    from litmus.compare.comparison import compare
    from litmus.compare.rendering import page

    text = page(compare([study]), f"python scripts/compare.py studies/{study.name}")
    with TemporaryDirectory() as folder:
        for name, (hidden, chosen, height) in VIEWS.items():
            place = Path(folder) / f"{name}.html"
            place.write_text(text.replace("</style>", f"{hidden}</style>", 1), encoding="utf-8")
            shot = place.with_suffix(".png")
            subprocess.run(
                [
                    *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                    *(f"--user-data-dir={folder}/{name}", f"--window-size={WIDTH},{height}"),
                    *("--virtual-time-budget=20000", f"--screenshot={shot}"),
                    f"{place.as_uri()}#{urlencode(chosen)}",
                ],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip
            (FIGURES / shot.name).write_bytes(smaller(shot.read_bytes()))
            print(FIGURES / shot.name)


def smaller(png: bytes) -> bytes:
    """The same picture in 256 colours, a third of the bytes."""
    from PIL import Image

    made = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
    return made.getvalue()


if __name__ == "__main__":
    answer(main)
