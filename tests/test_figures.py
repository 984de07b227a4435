"""Laws of every picture: words lie over nothing, names are whole, marks are their own comparison's, numbers agree."""

import math
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.text import Text

from litmus.claims.contrast import FEWEST_SEEDS, Contrast
from litmus.claims.finding import warning
from litmus.claims.leaf import Gain
from litmus.claims.notation import spelled
from litmus.claims.quantity import Quantity
from litmus.claims.results_table import results_from_rows
from litmus.claims.runs import Run
from litmus.claims.scale import Scale, effect
from litmus.claims.statistics import Summary
from litmus.claims.study import read_study
from litmus.report.blocks import Picture
from litmus.report.document import document, limiting
from litmus.report.effects import outcome
from litmus.report.evidence import evidence_of
from litmus.report.figures import headline
from litmus.report.figures.forest import Plan, panels
from litmus.report.figures.grids import heatmap
from litmus.report.figures.headline import chosen, meaning
from litmus.report.figures.lanes import arrowheads, drawable, level
from litmus.report.figures.picture import saved
from litmus.report.figures.sensitivity import averaged, tuned
from litmus.report.figures.sheet import ticks, width_of, wrapped
from litmus.report.figures.strips import in_order, strips
from litmus.report.figures.style import SHAPES, VERDICTS
from litmus.report.render import markdown
from litmus.report.sections.interactions import crossed, gridded

LONG = "a_model_with_a_name_that_nobody_would_type_twice"
LEVELS = ["none", "batch", "instance", LONG, f"{LONG}_and_more_of_it_than_any_label_has_room_for", "group"]


def asked(seeds):
    """Eleven predictions about six arms with long names; the effects are large, small, none, and the other way."""
    arms = [{"norm": level} for level in LEVELS]
    claims = {
        "long": {"kind": "compare", "quantity": "loss", "better": arms[3], "than": arms[:3], "primary": True,
                 "claim": "This claim says a great deal. " * 6},
        "again": {"kind": "compare", "quantity": "loss", "better": arms[3], "than": [arms[0]]},
        "opposite": {"kind": "compare", "quantity": "loss", "better": arms[0], "than": arms[4]},
        "far": {"kind": "compare", "quantity": "loss", "better": arms[1], "than": arms[0], "by": "60%"},
        "not_worse": {"kind": "compare", "quantity": "loss", "better": arms[5], "than": arms[1], "by": "-2%"},
        "best": {"kind": "best", "quantity": "loss", "arms": [arms[3]]},
        "same": {"kind": "equivalent", "quantity": "accuracy", "arms": [arms[1], arms[2]]},
        "accurate": {"kind": "compare", "quantity": "accuracy", "better": arms[3], "than": arms[0]},
        "value": {"kind": "bound", "quantity": "accuracy", "arm": arms[3], "low": 0.7, "high": 0.8},
        "order": {"kind": "order", "quantity": "accuracy", "arms": [arms[3], arms[5], arms[0]]},
        "all": {"kind": "all_of", "of": ["long", "accurate"]},
    }  # fmt: skip
    return read_study(
        {
            "question": "Which of them?", "factors": {"norm": LEVELS}, "seeds": seeds, "predictions": claims,
            "quantities": {
                "loss": {"metric": "test/loss", "scale": "log", "sesoi": "2%"},
                "accuracy": {"metric": "test/acc", "sesoi": 0.01},
            },
        }
    )  # fmt: skip


def made(seeds):
    """The evidence, with curves; one seed of one arm is far off."""
    study, generator, rows, runs = asked(seeds), np.random.default_rng(0), [], []
    epochs = np.arange(8.0)
    for place, arm in enumerate(study.arms):
        for seed in range(seeds):
            loss = math.exp(generator.normal(-0.1 * min(place, 3), 0.03)) * (4 if (place, seed) == (0, 1) else 1)
            spent = {"epochs": 8, "updates": 80, "seconds": 1.0 + place + 0.01 * seed}
            rows.append({"arm": arm, "seed": seed, "loss": loss, "accuracy": 1 - loss / 4, **spent})
            curve = {"epoch": epochs, "updates": 10 * epochs, "val/loss": loss * (1 + np.exp(-epochs))}
            runs.append(Run(arm, seed, curve))
    return evidence_of("study", study, results_from_rows(study, rows), runs=runs)


@pytest.fixture(scope="module")
def drawn():
    """Seeds → the evidence, its document, and name → the figure that each picture was saved from."""
    import matplotlib.figure
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    kept, plain = [], matplotlib.figure.Figure
    patch = pytest.MonkeyPatch()

    # What is laid out is looked at here; that it can be saved is tested elsewhere, and takes its time.
    def unprinted(canvas, file, **_):
        if canvas.figure.draw.__name__ == "_draw":  # matplotlib's layout asks its way for a renderer
            canvas.figure.draw(canvas.get_renderer())
        file.write(b"png")

    patch.setattr(FigureCanvasAgg, "print_png", unprinted)
    patch.setattr(FigureCanvasSVG, "print_svg", lambda self, file, **_: file.write("<svg"))

    class Kept(plain):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            kept.append(self)

    found = {}
    patch.setattr(matplotlib.figure, "Figure", Kept)
    try:
        for seeds in (2, 6):
            evidence = made(seeds)
            shown, figures = document(evidence), {}
            for picture in shown.pictures:
                for one in filter(None, (picture, picture.narrow)):
                    kept.clear()
                    assert one.png
                    (figures[one.name],) = kept
            found[seeds] = evidence, shown, figures
    finally:
        patch.undo()
    return found


def words(figure):
    """Every text that is seen, with its box in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    beyond = {id(label) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in unseen(axis)}
    every = [one for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip()]
    every = [one for one in every if id(one) not in beyond]
    boxes = [(one.get_text(), one.get_window_extent(renderer)) for one in every]
    return [(text, box) for text, box in boxes if box.width and inside(figure, box)]


def unseen(axis):
    """Labels of ticks beyond an axis' ends, which are never drawn."""
    low, high = sorted(axis.get_view_interval())
    for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
        if not low <= tick.get_loc() <= high:
            yield from (tick.label1, tick.label2)


def inside(figure, box):
    """Nor are texts beyond the figure."""
    return box.x1 > 0 and box.y1 > 0 and box.x0 < figure.bbox.x1 and box.y0 < figure.bbox.y1


def marks(figure):
    """The boxes of everything that is data: lines, marks, bands."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    renderer = FigureCanvasAgg(figure).get_renderer()
    for axes in figure.axes:
        for artist in (*axes.lines, *axes.collections, *axes.patches):
            box = artist.get_window_extent(renderer)
            if (cut := Bbox.intersection(box, axes.bbox)) is not None:
                yield cut


def meets(one, other, slack=1.5):
    """Whether two boxes share more than a hair."""
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    down = min(one.y1, other.y1) - max(one.y0, other.y0)
    return across > slack and down > slack


@pytest.mark.long
@pytest.mark.briefly("6")
@pytest.mark.parametrize("seeds", [2, 6])
def test_words_lie_over_neither_data_nor_each_other_and_none_is_cut(drawn, seeds):
    _, _, figures = drawn[seeds]
    kinds = {name.partition("-")[0] for name in figures}
    assert kinds == {"headline", "forest", "results", "curves", "cost"}
    for name, figure in figures.items():
        seen, data = words(figure), list(marks(figure))
        for place, (text, box) in enumerate(seen):
            assert "…" not in text
            assert box.x0 > -1, (name, text)
            assert box.x1 < figure.bbox.x1 + 1, (name, text)
            assert not [other for other, there in seen[place + 1 :] if meets(box, there)], (name, text)
            assert not any(meets(box, mark, 0.5) for mark in data), (name, text)
    joined = "".join(text for text, _ in words(figures["forest"])).replace(" ", "")
    assert spelled(asked(3), f"norm={LEVELS[4]}") in joined.replace("\n", "")


@pytest.mark.long
@pytest.mark.briefly("6")
@pytest.mark.parametrize("seeds", [2, 6])
def test_every_mark_has_the_colour_and_the_shape_of_its_own_comparison(drawn, seeds):
    evidence, _, figures = drawn[seeds]
    leaves = [leaf for panel in panels(evidence)[0] for leaf in panel.leaves if drawable(leaf)]
    wanted = Counter((SHAPES[outcome(leaf)], VERDICTS[outcome(leaf)]) for leaf in leaves)
    for name in ("forest", "forest-narrow"):
        lines = [line for axes in figures[name].axes for line in axes.lines if line.get_markersize() == 7]
        assert Counter((line.get_marker(), line.get_color()) for line in lines) == wanted
    if seeds == 6:
        assert len(wanted) == 3
        # Marks of one prediction may differ; its verdict stands beside them once.
        assert any(text.startswith("✗ rejected") for text, _ in words(figures["forest"]))


def test_a_mark_follows_from_the_interval_that_is_drawn_however_often_one_has_looked():
    """✓ the dot beyond the bar and the line clear of 0, ✗ the whole line short of the bar: as the foot says it."""
    draw, sesoi, told = np.random.default_rng(0), 0.02, Counter()
    quantity = Quantity("loss", "test/loss", scale="log", sesoi=sesoi)
    for mean in np.repeat([-0.01, 0.0, 0.01, 0.02, 0.03], 30):
        values = draw.normal(mean, 0.02, 10)
        first = Contrast(quantity, {"a": 1.0, "b": -1.0}, values[:5], "a", "against b", corrected=True)
        leaf = Gain(replace(first, values=values, earlier=(first,)), 0.0, sesoi)
        low, high = leaf.contrast.interval
        drawn = (
            "confirmed" if leaf.contrast.mean >= sesoi and low > 0 else "rejected" if high < sesoi else "inconclusive"
        )
        assert outcome(leaf) == drawn
        told[drawn, bool(leaf.rejects())] += 1
    assert len({word for word, _ in told}) == 3
    assert told["inconclusive", True]  # what five seeds had shown is not drawn over the interval of ten


def test_the_primary_stands_first_and_a_comparison_of_fewer_seeds_says_so():
    evidence = made(6)
    node = evidence.study.predictions
    primary = {name: replace(one, primary=name == "accurate") for name, one in node.items()}
    study = replace(evidence.study, predictions=primary)
    trials = [one for one in evidence.results.trials if (one.arm, one.seed) != (f"norm={LEVELS[5]}", 0)]
    found = evidence_of("study", study, replace(evidence.results, trials=tuple(trials)))
    shown, left_out = panels(found)
    assert shown[0].scale.quantity.name == "accuracy"
    plan = Plan(found, shown, left_out, wide=True)
    names = {" ".join(line.name) for lines in plan.lines for line in lines if line.leaf is not None}
    assert "group vs batch (5 seeds)" in names
    assert "batch vs none" in {name.removesuffix(" (needs 60 % →)") for name in names}


def test_there_is_no_interval_of_two_seeds(drawn):
    _, shown, figures = drawn[2]
    assert FEWEST_SEEDS > 2
    text = markdown(shown)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert "2 seeds" in text
    for told in [*tables, *(text for figure in figures.values() for text, _ in words(figure))]:
        assert not re.search(r"\[[+−\d.]+, [+−\d.]+\]", told), told
    for picture in shown.pictures:
        assert not re.search(r"\[[+−\d.]+, [+−\d.]+\]", picture.alt)
    widths = [line for axes in figures["forest"].axes for line in axes.lines if line.get_linewidth() == 2.2]
    assert not [line for line in widths if line.get_marker() == "None" and len(line.get_xdata()) == 2]


def test_the_alternative_text_has_the_numbers_that_are_shown(drawn):
    evidence, shown, figures = drawn[6]
    forest = next(one for one in shown.pictures if one.name == "forest")
    seen = {text for text, _ in words(figures["forest"])}
    numbers = [effect(leaf.contrast) for panel in panels(evidence)[0] for leaf in panel.leaves]
    assert len(numbers) >= 10
    for mean, ends in numbers:
        assert {mean, ends} <= seen
        assert f"{mean} {ends}" in forest.alt
    head = shown.headline
    for mean, ends in re.findall(r"([+−][\d.]+ %) (\[[^]]+\])", head.alt):
        assert ends in {text for text, _ in words(figures[head.name])}
        assert any(mean in text for text, _ in words(figures[head.name]))
    assert "log" not in head.alt


@pytest.mark.parametrize(
    ("low", "high"), [(-0.02, 0.03), (-0.5, 3.0), (-12.0, 9.0), (0.6, 0.61), (-1e-4, 5e-4), (-0.08, 0.2)]
)
@pytest.mark.parametrize("scale", ["log", "identity"])
def test_every_axis_has_three_numbers_that_do_not_touch(low, high, scale):
    for metric, oriented in (("test/loss", True), ("test/acc", True), ("test/acc", False)):
        shown = Scale(Quantity("q", metric, scale=scale, sesoi=0.02), oriented)
        for width in (150.0, 330.0):
            places = ticks(shown, low, high, width)
            assert len(places) >= 3
            at = [width * (place - low) / (high - low) for place in places]
            texts = [shown.tick(place) for place in places]
            assert len(set(texts)) == len(texts)
            half = [width_of(text, 9.2) / 2 for text in texts]
            ends = [(a - side, a + side) for a, side in zip(at, half, strict=True)]
            assert all(one[1] < other[0] for one, other in pairwise(ends)), texts


def test_a_name_is_wrapped_and_keeps_every_letter():
    for name in (LONG, "short", "a=1,b=[2,3]/c_d", "x" * 200, "word " * 30):
        lines = wrapped(name, 90)
        assert "".join(lines).replace(" ", "") == name.replace(" ", "")
        assert all(width_of(line) <= 90 for line in lines)


def grid(**more):
    """A study of 2 × 3 arms; `more` are further settings of each arm, as functions of both."""
    arms = {
        f"{width}/{lr}": {"width": width, "lr": lr, **{name: of(width, lr) for name, of in more.items()}}
        for width in (16, 32)
        for lr in (0.1, 0.2, 0.4)
    }
    study = read_study({"question": "?", "arms": arms, "quantities": {"loss": {"metric": "test/loss"}}, "seeds": 3})
    rows = [{"arm": arm, "seed": seed, "loss": 1.0 + seed} for arm in arms for seed in range(3)]
    return evidence_of("grid", study, results_from_rows(study, rows))


def test_a_number_keeps_its_unit_and_no_line_begins_with_a_dot_that_parts():
    text = "loss +0.3 % [−1.0, +1.7] of 5 seeds · ┃ what 2 pts · are"
    for most in range(110, 400, 7):
        lines = wrapped(text, most, 9)
        assert " ".join(lines) == text
        assert not any(line.startswith(("%", "seeds", "·", "pts", "what")) for line in lines)


def test_what_keeps_a_verdict_open_is_said_in_the_headline():
    evidence = made(6)
    verdict = next(one for one in evidence.judgement.verdicts.values() if one.leaf is not None)
    for fragile, cap, told in (
        ("", "cannot be judged: too early", "cannot be judged: too early"),
        ("", "lint: mixed_code", "6 seeds; what limits it stands below"),
        ("skewed", "", "6 seeds, but fragile: skewed"),
    ):
        assert meaning(replace(verdict, verdict="inconclusive", fragile=fragile), verdict.leaf, cap) == told


def test_what_limits_a_study_is_told_once_for_each_kind(drawn):
    evidence, _, _ = drawn[6]
    lint = [warning(code, f"{name} {code}. More.") for code, name in (("a", "one"), ("a", "two"), ("b", "three"))]
    told = list(limiting(replace(evidence, judgement=replace(evidence.judgement, lint=tuple(lint)))))
    assert told == ["One a.", "Three b.", "1 further finding: see Lint, under Design."]


def test_tuning_on_several_seeds_is_a_mean_at_each_value():
    points = [(0.1, 3.0), (0.01, 1.0), (0.1, 1.0), (0.01, 2.0), (1.0, 4.0)]
    assert averaged(points) == [(0.01, 1.5), (0.1, 2.0), (1.0, 4.0)]
    told = tuned("sensitivity-lr", "lr", "val/loss", True, {"a": points}, ["a"], sign=-1)
    assert "its mean over trials" in told.caption
    assert "Best: a: 0.01 with 1.5" in told.alt
    alone = tuned("sensitivity-lr", "lr", "val/loss", True, {"a": points[:2]}, ["a"], sign=-1)
    assert "a dot per tuning trial" in alone.caption


def test_cells_are_single_arms_and_no_third_setting_follows_the_two():
    clean = grid()
    assert crossed(clean) == [("width", "lr")]
    assert sorted(gridded(clean, "width", "lr").values()) == sorted(clean.study.arms)
    assert crossed(grid(rate=lambda width, lr: width * lr)) == []
    lacking = grid()
    arms = {name: own for name, own in lacking.study.arms.items() if name != "16/0.1"}
    assert crossed(replace(lacking, study=replace(lacking.study, arms=arms))) == []
    assert crossed(grid(fixed=lambda width, lr: 7)) == [("width", "lr")]


def test_numbers_share_their_decimals_and_zero_has_no_sign():
    loss, accuracy = Quantity("loss", "test/loss", scale="log"), Quantity("acc", "test/acc", direction="up")
    assert Scale(accuracy).text(0.0204, 1) + Scale(accuracy).unit == "+2.0 pts"
    assert Scale(loss).text(1e-5, 1) == "0.0"
    assert Scale(loss).text(0.02, 1) == "−2.0"
    rise = Scale(Quantity("rise", "val/loss", at="rise"))
    assert [rise.decimals(half) for half in (0.013, 0.14, 26.0)] == [3, 2, 0]
    assert not Scale(Quantity("rise", "val/acc", at="rise", direction="down")).points


def test_the_level_that_is_said_is_that_of_the_intervals():
    """As verdicts have it: by the looks of the contrast, and by no number in a text."""
    leaf = panels(made(5))[0][0].leaves[0]
    assert level([leaf]) == "95 %"
    looked = replace(leaf, contrast=replace(leaf.contrast, corrected=True))
    assert level([leaf, looked]) == f"{100 * (1 - looked.contrast.alpha):.4g} %" == "98.66 %"


@pytest.mark.parametrize(
    ("form", "both", "side"), [("synergy", 0.4, "more"), ("redundancy", 0.8, "less"), ("none", 0.64, "more")]
)
def test_the_words_beside_an_interaction_are_of_the_side_that_is_confirmed(form, both, side):
    study = read_study(
        {
            "question": "?", "factors": {"norm": [0, 1], "dropout": [0, 1]}, "seeds": 5,
            "quantities": {"loss": {"metric": "test/loss", "sesoi": "2%"}},
            "predictions": {"it": {"kind": "interaction", "form": form}},
        }
    )  # fmt: skip
    level = {(0, 0): 1.0, (1, 0): 0.8, (0, 1): 0.8, (1, 1): both}
    rows = [
        {**own, "seed": seed, "loss": level[own["norm"], own["dropout"]] * (1 + 0.001 * ((7 * seed + place) % 5))}
        for place, own in enumerate(study.arms.values())
        for seed in range(5)
    ]
    evidence = evidence_of("study", study, results_from_rows(study, rows))
    verdict = evidence.judgement.verdicts["it"]
    assert verdict.verdict == "confirmed"
    rows = chosen(verdict)
    _, _, right, _, _ = headline.Plan(evidence, verdict, rows, Scale(rows[0].contrast.quantity), True).zones()
    assert right.startswith(side)


def test_a_picture_has_a_name_that_paths_and_pages_and_markdown_can_have():
    plain = "headline-better@mnist1d-wide"
    assert Picture(plain, "", "", lambda: ("", b"")).name == plain
    names = ['a"><script>', "val/acc better", "val.acc_better", "../up", "a\\d", "val acc/better", "größer"]
    made = [Picture(name, "", "", lambda: ("", b"")).name for name in names]
    assert len(set(made)) == len(names)
    assert not [name for name in made if re.search(r"[^\w.@=,+-]", name)]
    assert made[-1] == "größer"


def test_the_numbers_of_a_small_axis_are_not_all_zero():
    tiny = Scale(Quantity("mse", "test/mse", sesoi=1e-11))
    told = [tiny.tick(place) for place in ticks(tiny, -3e-10, 2e-10, 500)]
    assert len(set(told)) == len(told) >= 3
    assert "0" in told


def levels(values):
    """The evidence of arms of one numeric factor: level → loss by seed."""
    study = read_study(
        {
            "question": "?",
            "factors": {"lr": list(values)},
            "quantities": {"loss": {"metric": "test/loss"}},
            "seeds": 3,
        }
    )
    rows = [
        {"lr": level, "seed": seed, "loss": value} for level, own in values.items() for seed, value in enumerate(own)
    ]
    return evidence_of("levels", study, results_from_rows(study, rows))


def test_of_more_arms_than_there_is_room_for_the_best_are_drawn_in_the_order_of_their_levels():
    evidence = levels({level: [100.0 - level + seed for seed in range(3)] for level in range(1, 41)})
    shown = in_order(evidence, evidence.leading)
    assert shown == ["lr=1", *(f"lr={level}" for level in range(18, 41))]


def test_an_arm_says_how_many_of_its_runs_have_a_value():
    evidence = levels({0.1: [1.0, 2.0, math.inf], 1.0: [1.0, 1.5, 2.0]})
    alt = strips(evidence, evidence.leading).alt
    assert "0.1 1.5 (2 of 3)" in alt
    assert "1 1.5." in alt


def test_an_interval_that_goes_on_beyond_the_axis_has_a_head_there():
    _, axes = pyplot.subplots()
    axes.set_xlim(0, 1)
    arrowheads(axes, (-1.0, 2.0), 0.5, "black")
    arrowheads(axes, (0.0, 1.0), 0.5, "black")
    assert [line.get_marker() for line in axes.lines] == ["<", ">"]
    pyplot.close()


def test_predictions_that_are_decided_are_not_counted_among_those_that_seeds_are_too_few_for(drawn):
    evidence, _, _ = drawn[6]
    verdicts = evidence.judgement.verdicts
    undecided = [name for name, one in verdicts.items() if one.verdict == "inconclusive"]
    assert 0 < len(undecided) < len(verdicts)
    lint = (warning("low_resolution", "Few.", list(verdicts)),)
    judgement = replace(evidence.judgement, lint=lint)
    (told,) = limiting(replace(evidence, judgement=judgement))
    assert told.startswith(f"6 seeds are too few for {len(undecided)} of {len(verdicts)} predictions")


def test_a_forest_without_an_interval_names_none(drawn):
    few, many = (" ".join(text for text, _ in words(drawn[seeds][2]["forest"])) for seeds in (2, 6))
    assert "intervals" not in few
    assert "95 % intervals" in many


def test_a_name_in_letters_that_the_font_lacks_is_drawn_without_a_warning():
    assert width_of("学习率") > 0
    assert saved("name", lambda figure: figure.text(0.1, 0.5, "学习率"), 1, 2)[1]


@pytest.mark.parametrize(("scale", "share"), [("log", 0.5), ("identity", 9 / 99)])
def test_the_colours_of_cells_have_the_scale_on_which_arms_are_compared(scale, share):
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    values = {("a", "x"): 1.0, ("a", "y"): 10.0, ("b", "x"): 100.0}
    cells = {cell: Summary(3, value, 0.1, 0.06) for cell, value in values.items()}
    quantity = Quantity("loss", "test/loss", scale=scale)
    shown = heatmap("cells", quantity, ("row", "column"), [["a", "b"], ["x", "y"]], cells)
    for part in (0.0, share, 1.0):
        assert to_hex(colormaps["cividis_r"](part)) in shown.svg


def test_two_seeds_or_fewer_are_counted_once_in_the_headline(drawn):
    figures = drawn[2][2]
    (name,) = [one for one in figures if one.startswith("headline-") and one.endswith("-wide")]
    told = " ".join(text.get_text() for text in figures[name].texts)
    assert "; 2 seeds" in told
    assert "2 seeds; 2 seeds" not in told
