"""Ratios and ranks over many tasks: what they must not depend on, and oracles."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import friedmanchisquare

from skspectra.evaluation import (
    plot_critical_difference,
    plot_ratios,
    summarise_ratios,
)
from skspectra.evaluation._plot import _alike
from skspectra.evaluation._suite import critical_difference

matplotlib.use("Agg")

# AUC of four variants of C4.5 on 14 sets, Table 6 of Demšar (2006). In the last set but
# one, two are equal to three digits; the published mean ranks put the first of them
# ahead, hence its fourth digit.
DEMSAR = """
0.763 0.768 0.771 0.798
0.599 0.591 0.590 0.569
0.954 0.971 0.968 0.967
0.628 0.661 0.654 0.657
0.882 0.888 0.886 0.898
0.936 0.931 0.916 0.931
0.661 0.668 0.609 0.685
0.583 0.583 0.563 0.625
0.775 0.838 0.866 0.875
1.000 1.000 1.000 1.000
0.940 0.962 0.965 0.962
0.619 0.666 0.614 0.669
0.972 0.981 0.9751 0.975
0.957 0.978 0.946 0.970
"""
VARIANTS = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture
def results():
    """Errors of three methods in 8 sets of 1 to 2 targets, 3 repeats, 2 budgets."""
    rng = np.random.default_rng(0)
    rows = [
        (f"set {k}", target, repeat, budget, method, factor * rng.lognormal(k, 0.2))
        for k in range(8)
        for target in range(1 + k % 2)
        for repeat in range(3)
        for budget in (20, "all")
        for method, factor in [("PLS", 1.0), ("better", 0.8), ("equal", 1.0)]
    ]
    names = ["dataset", "target", "repeat", "budget", "method", "rmsep"]
    return pd.DataFrame(rows, columns=names)


@pytest.fixture
def demsar():
    auc = np.array(DEMSAR.split(), dtype=float).reshape(14, 4)
    return pd.DataFrame(
        {
            "task": np.repeat(np.arange(14), 4),
            "method": VARIANTS * 14,
            "rmsep": 2 - auc.ravel(),
        }
    )


def test_the_reference_has_a_ratio_of_exactly_one(results):
    pls = summarise_ratios(results).loc["PLS"]
    assert (pls[["ratio", "ratio_low", "ratio_high", "worst"]] == 1).all()
    assert pls["wins"] == 0
    assert pls["n_cells"] == 24
    assert pls["n_datasets"] == 8


def test_ratios_are_medians_over_repeats_and_geometric_means_over_cells():
    table = pd.DataFrame(
        {
            "task": ["a"] * 6 + ["b"] * 2,
            "repeat": [0, 0, 1, 1, 2, 2, 0, 0],
            "method": ["PLS", "ridge"] * 4,
            "rmsep": [1, 2, 10, 40, 5, 50, 4, 1],
        }
    )
    ridge = summarise_ratios(table).loc["ridge"]
    assert ridge["ratio"] == pytest.approx(np.sqrt(4 * 0.25))
    assert ridge["wins"] == 0.5
    assert ridge["worst"] == 4


def test_units_of_a_cell_do_not_matter(results):
    before = summarise_ratios(results, by="budget")
    cell = (results["dataset"] == "set 3") & (results["repeat"] == 1)
    results.loc[cell, "rmsep"] *= 1000
    pd.testing.assert_frame_equal(summarise_ratios(results, by="budget"), before)


def test_the_order_of_the_rows_does_not_matter(results):
    before = summarise_ratios(results)
    after = summarise_ratios(results.sample(frac=1, random_state=0))
    # The sets are drawn in the order of their rows: intervals agree as draws do.
    columns = ["ratio", "wins", "worst", "n_cells", "n_datasets"]
    pd.testing.assert_frame_equal(after.loc[before.index, columns], before[columns])


def test_the_interval_holds_the_mean_and_grows_with_the_confidence(results):
    narrow = summarise_ratios(results, confidence=0.5).loc["better"]
    wide = summarise_ratios(results, confidence=0.99).loc["better"]
    assert wide["ratio_low"] < narrow["ratio_low"] < narrow["ratio"]
    assert narrow["ratio"] < narrow["ratio_high"] < wide["ratio_high"] < 1


def test_tasks_of_a_set_are_drawn_together(results):
    copies = [results.assign(target=results["target"] + 10 * k) for k in range(5)]
    once = summarise_ratios(results).loc["better"]
    often = summarise_ratios(pd.concat(copies)).loc["better"]
    assert often["n_cells"] == 5 * once["n_cells"]
    # Five times the tasks, and nothing more is known about other sets.
    assert often["ratio_low"] == pytest.approx(once["ratio_low"])


def test_one_set_has_no_interval(results):
    one = summarise_ratios(results[results["dataset"] == "set 1"])
    assert one[["ratio_low", "ratio_high"]].isna().all(axis=None)
    assert one["ratio"].notna().all()


def test_by_gives_the_rows_that_each_part_gives_alone(results):
    table = summarise_ratios(results, by=["budget"])
    assert table.index.unique("budget").to_list() == [20, "all"]
    for budget, part in results.groupby("budget"):
        pd.testing.assert_frame_equal(table.loc[budget], summarise_ratios(part))


def test_failed_trials_are_left_out(results):
    results.loc[results["method"] == "better", "rmsep"] = np.nan
    assert summarise_ratios(results).index.to_list() == ["PLS", "equal"]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda r: r.drop(columns="rmsep"), "Got a table without \\['rmsep'\\]"),
        (lambda r: r.drop(columns="target"), "Got a table without \\['target'\\]"),
        (lambda r: r.assign(rmsep=0.0), "must hold positive finite numbers"),
        (lambda r: r.assign(rmsep=np.inf), "must hold positive finite numbers"),
        (lambda r: r.iloc[:0], "must hold positive finite numbers"),
        (lambda r: pd.concat([r, r]), "must have one row a task, repeat, budget and"),
        (lambda r: r[r["method"] != "PLS"], "'reference' parameter .* Got 'PLS'"),
    ],
)
def test_a_wrong_table_is_named(results, change, message):
    with pytest.raises(ValueError, match=message):
        summarise_ratios(change(results))


def test_a_column_of_by_must_be_there(results):
    with pytest.raises(ValueError, match="Got a table without \\['modality'\\]"):
        summarise_ratios(results, by="modality")


def test_tasks_are_drawn_from_the_best_to_the_worst(results):
    ax = plot_ratios(results, methods=["better", "equal"])
    drawn = ax.lines[0].get_xdata()
    assert len(drawn) == 12
    assert (np.diff(drawn) >= 0).all()
    assert "set 0" in [label.get_text() for label in ax.get_yticklabels()]
    assert "set 1, 1" in [label.get_text() for label in ax.get_yticklabels()]


def test_an_unknown_method_is_not_drawn(results):
    with pytest.raises(
        ValueError, match=r"'methods' parameter of plot_ratios .*'best'"
    ):
        plot_ratios(results, methods=["best"])


def test_ranks_and_critical_difference_are_those_of_demsar(demsar):
    found = critical_difference(demsar, alpha=0.05)
    published = [3.143, 2.000, 2.893, 1.964]
    np.testing.assert_allclose(found.ranks[VARIANTS], published, atol=5e-4)
    assert found.difference == pytest.approx(1.25, abs=5e-3)
    assert critical_difference(demsar, alpha=0.1).difference == pytest.approx(
        1.12, abs=5e-3
    )


def test_friedman_is_that_of_scipy(demsar):
    errors = demsar.pivot(index="task", columns="method", values="rmsep").to_numpy()
    found = critical_difference(demsar, alpha=0.05)
    expected = friedmanchisquare(*errors.T)
    assert (found.statistic, found.p_value) == tuple(expected)


def test_bars_join_the_longest_runs_that_are_not_told_apart():
    ranks = np.array([1.0, 1.5, 2.4, 3.6, 3.7])
    assert _alike(ranks, 1.0) == [(0, 1), (1, 2), (3, 4)]
    assert _alike(ranks, 0.05) == []


def test_ranks_are_drawn_with_the_names(demsar):
    ax = plot_critical_difference(demsar)
    words = " ".join(text.get_text() for text in ax.texts)
    assert all(name in words for name in VARIANTS)
    assert "critical difference 1.25" in words
    assert ax.get_title().startswith("Mean ranks over 14 task-cells (Friedman: p = 0.0")


def test_two_methods_have_no_ranks(demsar):
    two = demsar[demsar["method"].isin(VARIANTS[:2])]
    with pytest.raises(ValueError, match=r"at least 3 methods .* Got 2 methods"):
        plot_critical_difference(two)
