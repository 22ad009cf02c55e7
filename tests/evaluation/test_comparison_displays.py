"""Displays of what was compared: the drawings of Comparison and of the curve."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyRegressor

from skspectra.datasets import make_nir_mixtures
from skspectra.evaluation import (
    ComparisonDisplay,
    LabelEfficiencyDisplay,
    compare,
    label_efficiency_curve,
)

MODELS = {"PLS": PLSRegression(4), "one": PLSRegression(1), "mean": DummyRegressor()}
SPECTRA = make_nir_mixtures(n_samples=40, n_channels=30, random_state=0)
DATA = SPECTRA.data, np.c_[SPECTRA.target, -3 * SPECTRA.target]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def lines(ax):
    return [np.asarray(line.get_xydata(), dtype=float) for line in ax.get_lines()]


def test_a_comparison_is_drawn_in_the_axes_given():
    y = DATA[1][:, 0]
    _, ax = plt.subplots()
    display = ComparisonDisplay.from_estimators(
        MODELS, DATA[0], y, ax=ax, cv=3, random_state=0
    )
    assert display.ax_ is ax and display.figure_ is ax.figure
    expected = compare(MODELS, DATA[0], y, cv=3, random_state=0)
    ratios = expected.table["rmsep_ratio"].drop("PLS")
    drawn = [xy[0, 0] for xy in lines(ax) if len(xy) == 1]
    assert_allclose(drawn, ratios)
    again = ComparisonDisplay(expected).plot()
    assert again.ax_ is not ax
    for first, second in zip(lines(ax), lines(again.ax_), strict=True):
        assert_allclose(first, second)


def test_a_curve_is_drawn_of_the_target_asked_for():
    options = {"train_sizes": [10, 20], "cv": 3, "random_state": 0}
    second = LabelEfficiencyDisplay.from_estimators(MODELS, *DATA, target=1, **options)
    curve = label_efficiency_curve(MODELS, *DATA, **options)
    first = LabelEfficiencyDisplay(curve).plot()
    assert second.figure_ is second.ax_.figure
    expected = curve.table.xs(1, level="target")["rmsep"].unstack()["mean"]
    drawn = [xy[:, 1] for xy in lines(second.ax_) if len(xy) == 2]
    assert any(np.allclose(values, expected) for values in drawn)
    # The second target is three times the first.
    for one, three in zip(lines(first.ax_), lines(second.ax_), strict=True):
        assert_allclose(3 * one[:, 1], three[:, 1])


def test_dollars_in_names_begin_no_formula(tmp_path):
    models = {r"x$\frac{x$_^": PLSRegression(2), "$2": DummyRegressor()}
    y = DATA[1][:, 0]
    found = compare(models, DATA[0], y, cv=3, random_state=0)
    panels = found.plot_predictions()
    for drawing in (found.plot().figure, panels[0].figure):
        drawing.savefig(tmp_path / "drawing.png")
    assert panels[0].get_title().startswith(r"x\$\frac{x\$_^")
    curve = label_efficiency_curve(models, DATA[0], y, train_sizes=[10, 20], cv=3)
    curve.plot().figure.savefig(tmp_path / "curve.png")
    page = found.to_html(X=DATA[0], y=y, target=r"a$\b{$ ($)")
    assert r"x$\frac{x$_^" in page
