"""The report's page in a real browser: a phone's width and a desk's, light and dark, and on paper."""

import html
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest

from litmus.claims.results_table import results_from_rows
from litmus.claims.study import read_study
from litmus.report.evidence import evidence_of
from litmus.report.multirun import document as multirun_document
from litmus.report.multirun import read_multirun
from litmus.report.study_directory import read_study_directory
from litmus.report.write import write_document, write_report
from tests.report_data import NODE, eleven_claims, many_arms, write_study, write_trial

NAMES = ("chromium", "chromium-browser", "google-chrome")
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("report_page")]  # whose pages and views are made once
BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)
PAGES = ("study", "many", "multirun", "single", "eleven")
PHONE, DESK = (390, 844), (1280, 800)

if BROWSER is None and os.environ.get("REQUIRE_DATA") != "1":
    pytest.skip(f"no browser: expected one of {', '.join(NAMES)} (apt install chromium)", allow_module_level=True)

# Runs beside the page and looks into it: the page itself has no script.
PROBE = """
function look(frame) {
  const page = frame.contentDocument, root = page.documentElement, width = frame.clientWidth;
  const box = page.querySelector('.main figure'), limits = page.querySelector('.limits');
  const inside = element => element.closest('.scroll, pre, svg');
  const visible = element => element.getClientRects().length > 0;
  return {
    scroll: root.scrollWidth, width: width,
    wide: [...page.querySelectorAll('body *')].filter(e => !inside(e) || e.matches('.scroll, pre, svg'))
      .filter(e => visible(e) && e.getBoundingClientRect().right > width + 0.5).map(e => e.tagName + '.' + e.className),
    unnamed: [...page.querySelectorAll('svg, img')].filter(e => !(e.getAttribute('aria-label') || e.alt)).length,
    pictures: page.querySelectorAll('svg, img').length,
    letters: Math.min(...[...page.querySelectorAll('figure svg text')].filter(visible).map(
      e => parseFloat(getComputedStyle(e).fontSize) * Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b))),
    top: box ? box.getBoundingClientRect().top : 0,
    bottom: box ? box.getBoundingClientRect().bottom : 0,
    limits: limits ? limits.getBoundingClientRect().bottom : 0, height: root.scrollHeight,
    ids: [...page.querySelectorAll('[id]')].map(e => e.id).filter((id, place, all) => all.indexOf(id) !== place),
    broken: [...page.querySelectorAll('a[href^="#"]')].filter(e => !page.querySelector(e.getAttribute('href'))).length,
    ink: getComputedStyle(page.body).color, paper: getComputedStyle(page.body).backgroundColor,
    text: getComputedStyle(page.querySelector('figure svg text') || page.body).fill,
  };
}
window.addEventListener('load', () => {
  const found = [...document.querySelectorAll('iframe')].map(look);
  document.getElementById('found').textContent = JSON.stringify(found);
});
"""


def browse(directory, address, *arguments):
    """What the browser wrote to its output and to its log."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += [
        "--no-first-run",
        "--hide-scrollbars",
        "--disable-dev-shm-usage",
        f"--user-data-dir={directory / 'profile'}",
    ]
    command += ["--enable-logging=stderr", "--virtual-time-budget=5000", *arguments, str(address)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages by name: a study with everything, 36 arms, a multirun."""
    root = tmp_path_factory.mktemp("pages")
    study = write_study(root / "study")
    write_report(read_study_directory(study), study)
    one = {**NODE, "predictions": {"synergy": NODE["predictions"]["synergy"]}}
    single = write_study(root / "single", one)
    write_report(read_study_directory(single), single)
    write_report(evidence_of("eleven", *eleven_claims()), root / "eleven")
    node, rows = many_arms()
    asked = read_study(node)
    write_report(evidence_of("many", asked, results_from_rows(asked, rows)), root / "many")
    for job in range(4):
        overrides = [f"model.units=[{256 * (1 + job % 2)},256,256,256]", f"seed={job // 2}"]
        write_trial(root / "multirun" / str(job), "", job // 2, 0.5, np.random.default_rng(job), overrides=overrides)
    (root / "multirun" / "3" / "result.json").unlink()
    write_document(multirun_document(read_multirun(root / "multirun")), root / "multirun")
    return {name: root / name / "report.html" for name in PAGES}


@pytest.fixture(scope="module")
def looks(pages, tmp_path_factory):
    """(page, theme) → what the probe saw at the phone's and at the desk's width, and the browser's console."""
    root = tmp_path_factory.mktemp("looks")
    found = {}
    for name, path in pages.items():
        source = html.escape(path.read_text(encoding="utf-8"), quote=True)
        frames = "".join(
            f'<iframe srcdoc="{source}" style="border:0;width:{width}px;height:{height}px"></iframe>'
            for width, height in (PHONE, DESK)
        )
        (root / f"{name}.html").write_text(
            f'<!doctype html><meta charset="utf-8"><pre id="found"></pre>{frames}<script>{PROBE}</script>', "utf-8"
        )
        for theme in ("light", "dark") if name == "study" else ("light",):
            # 0 is dark and 1 is light in Blink's settings.
            setting = f"--blink-settings=preferredColorScheme={int(theme == 'light')}"
            text, log = browse(root, (root / f"{name}.html").as_uri(), setting, "--dump-dom")
            told = re.search(r'<pre id="found">(.*?)</pre>', text, re.DOTALL)
            assert told, log
            found[name, theme] = json.loads(html.unescape(told[1])), log
    return found


@pytest.mark.parametrize("name", PAGES)
def test_the_console_is_silent(looks, name):
    _, log = looks[name, "light"]
    assert "CONSOLE" not in log


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_the_screen(looks, name):
    for seen, (width, _) in zip(looks[name, "light"][0], (PHONE, DESK), strict=True):
        assert seen["width"] == width
        assert seen["scroll"] <= width
        assert seen["wide"] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_picture_has_alternative_text_and_names_are_unique(looks, name):
    seen = looks[name, "light"][0][0]
    assert seen["unnamed"] == 0
    assert seen["ids"] == []
    assert seen["broken"] == 0
    assert (seen["pictures"] > 0) == (name != "multirun")


def test_letters_in_figures_can_be_read_on_a_phone(looks):
    assert looks["study", "light"][0][0]["letters"] > 8.5


def test_question_tally_headline_and_limits_are_on_the_first_screen(looks):
    phone, desk = looks["study", "light"][0]
    assert phone["top"] < 250
    assert phone["bottom"] < PHONE[1]
    assert desk["limits"] < DESK[1]
    assert phone["height"] < 4000
    assert looks["single", "light"][0][0]["height"] < 3000
    phone, desk = looks["eleven", "light"][0]
    assert phone["top"] < 250
    assert desk["limits"] < DESK[1]
    assert phone["height"] < 5000


def test_both_themes_are_legible(looks):
    def luminance(colour):
        red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    papers = {}
    for theme in ("light", "dark"):
        seen = looks["study", theme][0][0]
        papers[theme] = luminance(seen["paper"])
        for ink in (seen["ink"], seen["text"]):
            high, low = sorted((luminance(ink), papers[theme]), reverse=True)
            assert (high + 0.05) / (low + 0.05) > 7  # WCAG's stricter contrast
    assert papers["light"] > 0.8
    assert papers["dark"] < 0.05


def test_it_prints(pages, tmp_path):
    browse(tmp_path, pages["study"].as_uri(), f"--print-to-pdf={tmp_path / 'report.pdf'}")
    assert (tmp_path / "report.pdf").stat().st_size > 20_000
