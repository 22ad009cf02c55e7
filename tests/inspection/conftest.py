"""What the tests of all drawings share."""

import matplotlib
import matplotlib.pyplot as plt
import pytest

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


@pytest.fixture
def cut_off():
    """Return a function that names the texts of a figure that its edge cuts off."""

    def find(figure):
        figure.canvas.draw()
        hidden = set()
        for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
            ticks = {*axis.majorTicks, *axis.minorTicks} - {*axis._update_ticks()}
            hidden |= {id(each) for t in ticks for each in (t.label1, t.label2)}
        texts = figure.findobj(lambda artist: hasattr(artist, "get_text"))
        boxes = {
            text.get_text(): text.get_window_extent().padded(-1)
            for text in texts
            if text.get_text() and text.get_visible() and id(text) not in hidden
        }
        return [
            text
            for text, box in boxes.items()
            if not figure.bbox.contains(*box.min) or not figure.bbox.contains(*box.max)
        ]

    return find


@pytest.fixture
def key_is_clear():
    """Return a function that tells whether the key lies outside of the drawing."""

    def tell(ax):
        ax.figure.canvas.draw()
        inner = ax.get_window_extent().padded(-2)
        return not ax.get_legend().get_window_extent().overlaps(inner)

    return tell
