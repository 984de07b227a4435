"""A run's picture is read whatever the run's length and its losses' size."""

import pytest
from matplotlib.figure import Figure

from litmus.trial.curves import draw_curves


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draws losses and accuracies by epoch; gives the panels of the figure, laid out."""
    figures = []
    save = Figure.savefig

    def kept(figure, path, **style):
        figures.append(figure)
        save(figure, path, **style)

    def draw(losses, accuracies=None, **more):
        rows = [
            {"epoch": epoch, "batch_size": 32, "train/loss": loss, "val/loss": loss}
            for epoch, loss in enumerate(losses)
        ]
        for row, accuracy in zip(rows, accuracies or [], strict=False):
            row["val/acc"] = accuracy
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        (tmp_path / "metrics.csv").write_text("\n".join(lines) + "\n")
        draw_curves(tmp_path / "metrics.csv", tmp_path / "curves.png", len(losses) - 1, **more)
        figures[-1].canvas.draw()  # at its own resolution again, in which places are asked for
        return figures[-1]

    monkeypatch.setattr(Figure, "savefig", kept)
    return draw


@pytest.mark.briefly(0)
@pytest.mark.parametrize("epochs", [1, 2, 3, 40])
def test_epochs_are_whole_numbers(drawn, epochs):
    figure = drawn([1 / (1 + epoch) for epoch in range(epochs)])
    ticks = figure.axes[0].get_xticks()
    assert len(ticks)
    assert all(tick == round(tick) for tick in ticks)


@pytest.mark.briefly(1)
@pytest.mark.parametrize("size", [1e-9, 3e-5, 0.004, 0.7, 30, 2.5e3, 6e5, 1e12])
def test_nothing_is_drawn_outside_of_the_picture_or_over_the_title(drawn, size):
    figure = drawn([size / (1 + epoch / 10) for epoch in range(20)], [0.5] * 20, guessing=0.1, title="mnist1d · MLP")
    paper = figure.bbox
    words = [*figure.texts, *(axis.label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis))]
    boxes = [text.get_window_extent() for text in words]
    assert all(box.x0 >= paper.x0 and box.x1 <= paper.x1 and box.y0 >= paper.y0 and box.y1 <= paper.y1 for box in boxes)
    said = [*figure.legends[0].get_texts(), *(axes.yaxis.get_offset_text() for axes in figure.axes)]
    below = [text.get_window_extent() for text in said]
    assert figure.texts[0].get_window_extent().y0 >= max(box.y1 for box in below if box.height)
    for axes in figure.axes:
        ticks = [tick.get_window_extent() for tick in axes.get_yticklabels()]
        assert not any(axes.yaxis.label.get_window_extent().overlaps(tick) for tick in ticks)


@pytest.mark.briefly(0)
@pytest.mark.parametrize(
    ("losses", "scale"),
    [([2.0, 1.0, 3e6, 0.5, 0.4], "log"), ([2.0, 1.0, 0.5, 0.4], "linear"), ([-2.0, 1.0, 3e6, 0.5, 0.4], "linear")],
)
def test_one_loss_does_not_flatten_all_others_where_a_logarithm_can_tell_them(drawn, losses, scale):
    axes = drawn(losses).axes[0]
    assert axes.get_yscale() == scale
    assert ("log scale" in axes.get_ylabel()) == (scale == "log")


def test_whoever_always_guesses_stands_beside_the_curves(drawn):
    figure = drawn([1.0, 0.5], [0.2, 0.3], guessing=0.25)
    assert not figure.axes[1].texts
    assert "always guessing: 0.250" in [text.get_text() for text in figure.legends[0].get_texts()]
