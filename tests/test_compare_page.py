"""The comparison's page in a real browser: ticked, sorted, filtered, zoomed, brushed, reloaded; and fast enough."""

import io
import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from litmus.claims.runs import Run
from litmus.compare.comparison import compare
from litmus.compare.rendering import write_page
from litmus.report.figures.curves import Band
from tests.browser import EXECUTABLE, NAMES, Browser
from tests.compare_data import DAMAGE, write_damaged, write_job, write_many
from tests.report_data import write_study

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("compare_page")]  # one browser for all of them

if EXECUTABLE is None and os.environ.get("REQUIRE_DATA") != "1":
    pytest.skip(f"no browser: expected one of {', '.join(NAMES)} (apt install chromium)", allow_module_level=True)

ARM, OTHER = "dropout=0,norm=instance", "dropout=0.1,norm=none"
TRACES = "[...panels.values()].map(panel => panel.data.filter(trace => trace.name).map(trace => trace.name))"
RANGE = "[...panels.values()].map(panel => panel._fullLayout.xaxis.range)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("browser"), 1400, 1000)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Pages by name: a study with a broken trial, a multirun with damage and a hostile name, 500 runs of 100 epochs."""
    root = tmp_path_factory.mktemp("pages")
    write_study(root / "study")
    write_damaged(root / "damaged")
    hostile = "</script><img src=x onerror=console.error(1)>"
    write_job(root / "damaged" / "99", 0, np.random.default_rng(0), norm=hostile)
    write_many(root / "many")
    for name in ("study", "damaged", "many"):
        write_page(compare([root / name]), root / f"{name}.html")
    return root


@pytest.fixture(scope="module")
def opened(browser, places):
    browser.open((places / "study.html").as_uri())
    browser.run("drawing")
    return browser


@pytest.fixture
def page(opened):
    """The study's page as it is when it is opened."""
    opened.run("get('reset').click()")
    opened.run("drawing")
    # With more than what is there at first, which a test of its own knows.
    opened.run("document.querySelector('.options').open = true")
    opened.run("state.tuning = true; state.metrics = 'train/loss val/loss'; changed('all')")
    opened.run("drawing")
    yield opened
    assert opened.console == []


def choose(page, name, value):
    """Takes a value of a list or a slider as a reader does."""
    event = "input" if name in ("smooth", "filter") else "change"
    page.run(f"get('{name}').value = {value!r}; get('{name}').dispatchEvent(new Event('{event}'))")
    page.run("drawing")


def cells(page, table):
    """What a table shows: the texts of its rows."""
    rows = f"[...document.querySelectorAll('{table} tbody tr')].filter(row => !row.hidden)"
    return page.run(f"{rows}.map(row => [...row.cells].map(cell => cell.textContent))")


def test_it_opens_without_a_word_on_the_console_or_the_network(page, places):
    assert set(page.requests) - {"about:blank"} == {(places / "study.html").as_uri()}
    assert page.run("document.querySelectorAll('.main-svg').length") > 0


@pytest.mark.parametrize("selector", ["#panels .panel", "#axes", "#settings"])
def test_something_is_drawn(page, selector):
    """A screenshot of an empty frame has a handful of colours; one with curves or letters in it has their shades."""
    x, y = page.place(selector, 0, 0)
    box = page.run(f"(box => [box.width, box.height])(document.querySelector('{selector}').getBoundingClientRect())")
    part = Image.open(io.BytesIO(page.picture())).convert("RGB").crop((x, y, x + box[0], min(y + box[1], 1000)))
    assert len(part.getcolors(1 << 24)) > 40


def test_an_arm_is_let_go_and_taken_back(page):
    assert [len(names) for names in page.run(TRACES)] == [4, 4]
    page.click("#arms li:nth-child(2) input")
    page.run("drawing")
    assert all(ARM not in names and len(names) == 3 for names in page.run(TRACES))
    assert "14 drawn" in page.run("get('filter-note').textContent")
    page.click("#arms li:nth-child(2) input")
    page.run("drawing")
    assert all(ARM in names for names in page.run(TRACES))


def test_single_runs_are_overlaid_and_named(page):
    page.click("#none")
    page.run("drawing")
    assert page.run(TRACES) == [[], []]
    choose(page, "show", "runs")
    page.click("#run-6 input")
    page.click("#run-13 input")
    page.run("drawing")
    names = page.run("panels.get('val/loss').data.map(trace => [...new Set(trace.text)].filter(Boolean))")
    assert names == [[f"{ARM}/seed=1"], [f"{OTHER}/seed=3"]]
    page.run("Plotly.Fx.hover(panels.get('val/loss'), [{ curveNumber: 0, pointNumber: 3 }])")
    assert f"{ARM}/seed=1" in page.run("panels.get('val/loss').querySelector('.hoverlayer').textContent")


def test_the_mean_and_its_interval_are_those_of_the_report(page, places):
    found = compare([places / "study"])
    runs = [run.record for run in found.runs if run.arm.name == ARM and run.arm.part == "trial"]
    band = Band([Run(ARM, run.seed, run.history) for run in runs], "val/loss", "seconds")
    choose(page, "by", "seconds")
    trace = f"panels.get('val/loss').data.find(trace => trace.name === {ARM!r})"
    assert page.run(f"{trace}.x") == pytest.approx(band.clock, rel=1e-4)
    assert page.run(f"{trace}.y") == pytest.approx(band.mean, rel=1e-4)
    place = page.run(f"panels.get('val/loss').data.indexOf({trace})")
    edges = np.array(page.run(f"panels.get('val/loss').data[{place - 1}].y"))
    assert edges[:12] == pytest.approx(band.high, rel=1e-4)
    assert edges[12:][::-1] == pytest.approx(band.low, rel=1e-4)
    choose(page, "show", "range")
    edges = np.array(page.run(f"panels.get('val/loss').data[{place - 1}].y"))
    assert edges[:12] == pytest.approx(band.values.max(axis=0), rel=1e-4)


def test_smoothing_keeps_the_raw_curve_faint_behind(page):
    page.click("#none")
    page.click("#run-6 input")
    choose(page, "show", "runs")
    raw = page.run("panels.get('val/loss').data[0].y.filter(value => value !== null)")
    choose(page, "smooth", "0.8")
    traces = "panels.get('val/loss').data.map(({ y, opacity }) => [y.filter(value => value !== null), opacity])"
    faint, smooth = page.run(traces)
    assert faint[0] == raw
    assert faint[1] < 0.5
    weights = [0.8 ** np.arange(at, -1, -1) for at in range(len(raw))]
    expected = [np.average(raw[: at + 1], weights=weight) for at, weight in enumerate(weights)]
    assert smooth[0] == pytest.approx(expected)


def test_axes_are_chosen(page):
    page.click("#logy")
    page.click("#logx")
    page.click("#metrics label:nth-of-type(1) input")
    choose(page, "by", "updates")
    kinds = page.run("[...get('panels').children].map(({ layout }) => [layout.xaxis.type, layout.yaxis.type])")
    assert kinds == [["log", "log"]] * 3
    titles = page.run("[...get('panels').children].map(({ layout }) => [layout.title.text, layout.xaxis.title.text])")
    assert titles == [["train/acc", "updates"], ["train/loss", "updates"], ["val/loss", "updates"]]
    beyond = "panel.querySelector('.main-svg').clientWidth - panel.clientWidth"
    assert max(map(abs, page.run(f"[...panels.values()].map(panel => {beyond})"))) <= 2


def test_the_table_is_sorted_by_a_click_and_by_the_keyboard(page):
    def values():
        place = page.run("columns.findIndex(column => column.name === 'test/loss')")
        return page.run(
            f"[...document.querySelectorAll('#table tbody tr')].map(row => columns[{place}].values[row.id.slice(4)])"
        )

    button = "#table thead th:nth-child({}) button"
    place = page.run("columns.findIndex(column => column.name === 'test/loss')") + 2
    page.click(button.format(place))
    page.run("drawing")
    rising = values()
    assert rising[-1] is None
    assert rising[:-1] == sorted(rising[:-1])
    page.run(f"document.querySelector('{button.format(place)}').focus()")
    page.press("Enter")
    page.run("drawing")
    falling = values()
    assert falling[-1] is None
    assert falling[:-1] == rising[-2::-1]
    assert page.run(f"document.querySelector('#table thead th:nth-child({place})').ariaSort") == "descending"


KEPT = {
    "norm=instance seed<2": 4,
    "lr>1e-3": 12,
    "lr>=1e-3 lr<=0.001": 20,
    "seed=0|1 arm!=dropout=0,norm=none": 6,
    "status=diverged": 1,
    "finite": 0,
    "arm~TUNING": 24,
    '"dropout=0,norm=instance (tuning)"': 0,
    'arm="dropout=0,norm=instance (tuning)"': 6,
    "test/loss=": 1,
}


def test_the_filter_keeps_what_it_says(page):
    for text, kept in KEPT.items():
        page.type("#filter", text)
        page.run("drawing")
        drawn = page.run("shown.filter(run => drawn.has(run)).length")
        assert len(cells(page, "#table")) == kept, text
        assert page.run("get('filter-note').textContent") == f"{kept} of 44 runs, {drawn} drawn."
    page.type("#filter", "test/loss<0.45")
    page.run("drawing")
    values = page.run("byName['test/loss'].values")
    assert page.run("shown") == [run for run, value in enumerate(values) if value is not None and value < 0.45]


def test_a_filter_that_cannot_be_understood_says_why(page):
    told = {"lrr>1": "There is no column lrr; there are run, arm", "lr>many": "lr>many compares with many, which is no"}
    for text, answer in told.items():
        page.type("#filter", text)
        page.run("drawing")
        assert answer in page.run("get('filter-note').textContent")
        assert page.run("get('filter').getAttribute('aria-invalid')") == "true"
        assert page.run("shown.length") == 44


def test_a_zoom_holds_in_all_panels_and_while_arms_are_chosen(page):
    whole = page.run(RANGE)
    page.drag(page.place("#panels .panel .nsewdrag", 0.3, 0.3), page.place("#panels .panel .nsewdrag", 0.6, 0.7))
    page.wait(f"JSON.stringify({RANGE}[1]) !== JSON.stringify({whole[1]})")
    zoomed = page.run(RANGE)
    assert zoomed[0] == pytest.approx(zoomed[1])
    low, high = whole[0]
    assert zoomed[0] == pytest.approx([low + 0.3 * (high - low), low + 0.6 * (high - low)], abs=0.3)
    page.click("#arms li:nth-child(1) input")
    page.run("drawing")
    assert page.run(RANGE)[0] == pytest.approx(zoomed[0])
    page.click("#panels .panel .nsewdrag", count=2)
    page.wait(f"Math.abs({RANGE}[1][1] - {whole[1][1]}) < 0.1")


def test_the_buttons_of_a_panel_upload_nothing(page):
    buttons = "panels.get('val/loss').querySelectorAll('.modebar-btn')"
    titles = page.run(f"[...{buttons}].map(button => button.dataset.title)")
    assert [title.split()[0] for title in titles] == ["Download", "Zoom", "Pan", "Zoom", "Zoom", "Reset"]


def test_brushing_an_axis_writes_the_filter(page):
    handle = "[data-axis='lr']"
    page.drag(page.place(handle, 0.5, 0.3), page.place(handle, 0.5, 0.7))
    page.run("drawing")
    terms = dict(re.findall(r"lr(>=|<=)(\S+)", page.run("get('filter').value")))
    low, high = float(terms[">="]), float(terms["<="])
    # The axis is linear, for its ends are less than twenty-fold apart; the handle is 6 pixels longer at both ends.
    assert [low, high] == pytest.approx([3e-3 - (312 * part - 6) / 300 * 2.7e-3 for part in (0.7, 0.3)], rel=0.02)
    rates = page.run("shown.map(run => Number(byName.lr.values[run]))")
    assert low <= min(rates) <= max(rates) <= high
    assert page.run("document.querySelectorAll('#axes .lines path').length") == len(rates) < 44
    page.click(handle)
    page.run("drawing")
    assert page.run("get('filter').value") == ""
    page.drag(page.place(handle, 0.5, 0.001), page.place(handle, 0.5, 0.5))
    page.run("drawing")
    assert re.fullmatch(r"lr>=\S+", page.run("get('filter').value"))
    page.click(handle)
    page.run("drawing")
    names = "[data-axis='norm']"
    page.drag(page.place(names, 0.5, 0.02), page.place(names, 0.5, 0.45))
    page.run("drawing")
    assert page.run("get('filter').value") == "norm=none"
    assert page.run("new Set(shown.map(run => byName.norm.values[run])).size") == 1


def test_parallel_coordinates_of_arms_are_their_means(page):
    choose(page, "lines", "arms")
    assert page.run("document.querySelectorAll('#axes .lines path').length") == 8
    means = page.run("armLines(dataSets[0]).map(line => line.cell(byName['val/loss']))")
    own = page.run(f"runsOf(labels.indexOf({ARM!r})).map(run => byName['val/loss'].values[run])")
    assert means[1] == pytest.approx(np.mean(own))


def test_the_difference_of_two_configurations(page):
    page.type("#a", f"{ARM}/seed=1")
    page.press("Tab")
    page.type("#b", f"{OTHER}/seed=1")
    page.press("Tab")
    page.run("drawing")
    assert cells(page, "#settings") == [["dropout", "0", "0.1"], ["norm", "instance", "none"]]
    page.click("#every-setting")
    page.run("drawing")
    assert ["batch_size", "32", "32"] in cells(page, "#settings")
    assert page.run("document.querySelectorAll('#settings .differs').length") == 2
    outcome = {row[0]: row[3] for row in cells(page, "#outcomes")}
    a, b = (page.run(f"byName['test/loss'].values[named['{arm}/seed=1']]") for arm in (ARM, OTHER))
    assert float(outcome["test/loss"].replace("−", "-")) == pytest.approx(b - a, rel=1e-3)
    page.type("#a", "nobody")
    page.press("Tab")
    page.run("drawing")
    assert page.run("get('difference-note').textContent").startswith("There is no run nobody.")


def test_the_address_brings_the_view_back(page, places):
    page.click("#none")
    page.click("#run-6 input")
    choose(page, "by", "updates")
    choose(page, "smooth", "0.5")
    page.click("#logy")
    page.type("#filter", "norm=instance")
    page.run("drawing")
    page.run("sortBy('test/loss')")
    page.run("drawing")
    look = "JSON.stringify([state, [...drawn], shown])"
    before, address = page.run(look), page.run("location.href")
    page.run("get('reset').click()")
    page.run("drawing")
    assert page.run(look) != before
    page.open(address)
    page.run("drawing")
    assert page.run(look) == before
    # Ticks of a page that had other runs, and what is no choice, are left alone.
    page.run("location.hash = '#runs=zzz.ff&by=fortnights&smooth=much&show=bar&lines=foo'")
    page.run("new Promise(done => setTimeout(done, 50)).then(() => drawing)")
    assert page.run("[state.by, state.smooth, state.show, state.lines, drawn.size]") == [
        "epoch",
        0,
        "interval",
        "runs",
        19,
    ]


def test_it_follows_the_theme_and_fits_a_phone(page):
    page.theme("dark")
    page.wait("panels.get('val/loss').layout.paper_bgcolor === '#171c21'")
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 23)"
    page.theme("light")
    page.wait("panels.get('val/loss').layout.paper_bgcolor === '#ffffff'")
    page.size(390, 844)
    page.wait("document.documentElement.clientWidth === 390")
    assert page.run("document.documentElement.scrollWidth") <= 390
    page.size(1400, 1000)


def test_damage_is_listed_and_the_rest_is_shown_whatever_it_is_called(browser, places):
    browser.open((places / "damaged.html").as_uri())
    browser.run("drawing")
    listed = cells(browser, "#problems")
    assert [status for _, status, _ in listed] == [status for _, status, _ in DAMAGE.values()]
    for (_, _, why), (_, _, words) in zip(listed, DAMAGE.values(), strict=True):
        assert words in why
    assert browser.run("drawn.size") == 4
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.run("labels.some(label => label.includes('</script><img'))")
    browser.click("#all")
    browser.run("drawing")
    assert browser.run("panels.get('val/loss').data.length") > 2
    assert browser.console == []


def test_five_hundred_runs_are_drawn_without_lag(browser, places):
    """Counted in the page's own seconds of computing, for other processes may use the machine."""
    browser.send("Performance.enable", timeDomain="threadTicks")
    browser.open((places / "many.html").as_uri())
    browser.run("drawing")

    def seconds(action):
        def spent():
            told = browser.send("Performance.getMetrics")["metrics"]
            return next(entry["value"] for entry in told if entry["name"] == "TaskDuration")

        before = spent()
        for _ in range(2):
            browser.run(f"{action}; drawing")
        return (spent() - before) / 2

    assert browser.run("drawn.size") == 500
    assert seconds("document.querySelector('#arms input').click()") < 0.6
    assert seconds("sortBy('test/loss')") < 0.6
    choose(browser, "show", "runs")
    assert seconds("document.querySelector('#arms input').click()") < 0.6
    assert browser.run("panels.get('val/loss').data.length") == 25
    assert browser.console == []


def test_a_seed_that_ran_twice_counts_once(browser, tmp_path):
    """In the list of arms, in the curves and in the parallel coordinates, however they are ticked."""
    generator = np.random.default_rng(0)
    for job, seed in enumerate((0, 1, 1, 1)):
        write_job(tmp_path / str(job), seed, generator, worse=float(job))
    write_page(compare([tmp_path]), tmp_path / "page.html")
    values = [run.record.summary["val/loss"] for run in compare([tmp_path]).runs]
    browser.open((tmp_path / "page.html").as_uri())
    browser.run("drawing")
    choose(browser, "lines", "arms")
    assert browser.run("[...drawn].sort()") == [0, 1]
    members = "onceOf(membersOf('val/loss', dataSets[0], 0)).map(({ run }) => run)"
    shown = "get('arms').querySelector('.numbers').textContent.split(' ')[0]"
    line = "armLines(dataSets[0])[0].cell(byName['val/loss'])"
    for word, kept in (("", [0, 1]), ("run!=0", [1]), ("run!=1", [0, 2]), ("run=2|3", [2])):
        page_filter = f"get('filter').value = '{word}'; get('filter').dispatchEvent(new Event('input'))"
        browser.run(page_filter)
        browser.run("drawing")
        browser.run("get('all').click()")
        browser.run("drawing")
        assert browser.run(members) == kept
        mean = np.mean([values[run] for run in kept])
        assert float(browser.run(shown)) == pytest.approx(mean, rel=0.2)
        assert browser.run(line) == pytest.approx(mean)
    assert browser.run("byName.repeats.values") == ["", "", "1", "1"]
    assert browser.console == []


def test_at_first_there_is_one_metric_of_each_data_set_and_no_run_that_tunes(browser, places, tmp_path):
    generator = np.random.default_rng(0)
    for place, data in enumerate(("ads", "mnist1d")):
        for seed in range(3):
            job = tmp_path / f"{place}-{seed}"
            write_job(job, seed, generator, norm=("batch", "none")[place])
            result = json.loads((job / "result.json").read_text())
            result["data"] = {**(result.get("data") or {}), "name": data}
            (job / "result.json").write_text(json.dumps(result))
    write_page(compare([tmp_path]), tmp_path / "two.html")
    browser.open((tmp_path / "two.html").as_uri())
    browser.run("drawing")
    assert browser.run("[...panels.keys()]") == ["val/loss on ads", "val/loss on mnist1d"]
    # Nor do they share an axis of the parallel coordinates, or an order of the table.
    told = browser.run("[...get('axes').children].map(one => one.ariaLabel ?? one.textContent)")
    assert [words.partition(" for ")[2] or words for words in told] == ["ads", "3 runs", "mnist1d", "3 runs"]
    browser.run("sortBy('val/loss')")
    browser.run("drawing")
    assert browser.run("shown.map(run => runs[run].data)") == ["ads"] * 3 + ["mnist1d"] * 3
    drawn = browser.run("[...panels.values()].map(panel => panel.getAttribute('aria-label'))")
    assert [told.partition(":")[2] for told in drawn] == [" 3 runs of 1 arms"] * 2
    browser.open((places / "study.html").as_uri())
    browser.run("drawing")
    assert browser.run("[...panels.keys()]") == ["val/loss"]
    assert browser.run("shown.length") == 20
    assert browser.run("[...document.querySelectorAll('#arms li')].filter(one => !one.hidden).length") == 4
    browser.click("#tuning")
    browser.run("drawing")
    assert browser.run("shown.length") == 44
    assert browser.console == []


def test_the_ranking_of_an_arm_with_a_long_name_keeps_to_the_page(browser, tmp_path):
    for place, norm in enumerate(("none", "very_long_" * 15)):
        for seed in range(3):
            write_job(tmp_path / f"{place}-{seed}", seed, np.random.default_rng(seed), norm=norm)
    write_page(compare([tmp_path]), tmp_path / "page.html")
    browser.open((tmp_path / "page.html").as_uri())
    assert browser.run("document.querySelector('.ranking table').getBoundingClientRect().right <= innerWidth")
