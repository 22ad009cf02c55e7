"""Label-efficiency curves: nested, by whole groups, the same for every estimator."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge

from skspectra.evaluation import compare, label_efficiency_curve, pls_baseline

matplotlib.use("Agg")

RIVALS = {"ridge": Ridge(), "mean": DummyRegressor()}


class Recorder(RegressorMixin, BaseEstimator):
    """Remembers its training rows, of which column 0 of X is the number."""

    seen = []

    def fit(self, X, y):
        rows = X[:, 0].astype(int)
        type(self).seen.append((rows, y))
        self.mean_ = np.nanmean(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


class SemiSupervised(Recorder):
    """The same, with a use for rows without a reference value."""

    _uses_unlabelled_rows = True
    seen = []


@pytest.fixture(autouse=True)
def forget():
    for recorder in (Recorder, SemiSupervised):
        recorder.seen = []
    yield
    plt.close("all")


@pytest.fixture
def samples():
    """Rows in 24 groups of 1 to 5, and the first of each group's values missing."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(24), np.arange(24) % 5 + 1)
    n_samples = len(groups)
    X = np.column_stack([np.arange(n_samples), rng.normal(size=(n_samples, 4))])
    y = X[:, 1] + 0.5 * rng.normal(size=n_samples)
    return X, y, groups


def subsets(recorder, n_sizes):
    """Return the labelled rows of each fold, smallest size first."""
    labelled = [set(rows[~np.isnan(y)]) for rows, y in recorder.seen]
    return [labelled[k : k + n_sizes] for k in range(0, len(labelled), n_sizes)]


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("sizes", [[5, 10, 30], [0.1, 0.45, 1.0], [30, 5, 10, 5]])
def test_smaller_sets_are_parts_of_larger_ones(samples, sizes, grouped):
    X, y, groups = samples
    label_efficiency_curve(
        {"r": Recorder()},
        X,
        y,
        train_sizes=sizes,
        groups=groups if grouped else None,
        n_repeats=2,
        random_state=0,
    )
    folds = subsets(Recorder, 3)
    assert len(folds) == 10
    for small, middle, large in folds:
        assert small < middle < large
    assert len({frozenset(small) for small, *_ in folds}) == 10


def test_sizes_are_exact_without_groups(samples):
    X, y, _ = samples
    ridge = {"ridge": Ridge()}
    curve = label_efficiency_curve(ridge, X, y, train_sizes=[7, 20], random_state=0)
    assert curve.results["n_labelled"].eq(curve.results["train_size"]).all()
    curve = label_efficiency_curve(ridge, X, y, train_sizes=[0.29], random_state=0)
    parts = np.floor(0.29 * curve.results["n_pool"])
    assert curve.results["n_labelled"].eq(parts).all()


def test_groups_are_labelled_whole_and_do_not_exceed_the_size(samples):
    X, y, groups = samples
    curve = label_efficiency_curve(
        {"r": Recorder()},
        X,
        y,
        train_sizes=[1, 12, 30],
        groups=groups,
        random_state=0,
    )
    whole = pd.Series(groups).value_counts()
    for fold in subsets(Recorder, 3):
        for rows in fold:
            kept = np.unique(groups[list(rows)])
            assert len(rows) == whole[kept].sum()
        assert len(np.unique(groups[list(fold[0])])) == 1
        # a further group would have been too large
        assert 12 - 5 < len(fold[1]) <= 12
    sizes = [len(rows) for fold in subsets(Recorder, 3) for rows in fold]
    assert curve.results["n_labelled"].to_list() == sizes


def test_hidden_labels_leave_the_rows_to_who_can_use_them(samples):
    X, y, groups = samples
    missing = np.flatnonzero(np.diff(groups, prepend=-1))
    y[missing] = np.nan
    curve = label_efficiency_curve(
        {"plain": Recorder(), "semi": SemiSupervised()},
        X,
        y,
        train_sizes=[8, 20],
        groups=groups,
        random_state=0,
    )
    plain, semi = Recorder.seen, SemiSupervised.seen
    for (rows, target), (every, partly) in zip(plain, semi, strict=True):
        assert not np.isnan(target).any()
        np.testing.assert_array_equal(every[~np.isnan(partly)], rows)
        np.testing.assert_array_equal(partly[~np.isnan(partly)], y[rows])
        assert not np.isin(missing, rows).any()
    for small, large in zip(semi[::2], semi[1::2], strict=True):
        np.testing.assert_array_equal(small[0], large[0])
    counts = curve.results.groupby("estimator")
    assert counts["n_unlabelled"].max()["plain"] == 0
    together = curve.results.query("estimator == 'semi'")
    together = together["n_labelled"] + together["n_unlabelled"]
    assert (together == [len(rows) for rows, _ in semi]).all()


def test_no_group_trains_and_tests_hidden_rows_included(samples):
    X, y, groups = samples
    curve = label_efficiency_curve(
        {"semi": SemiSupervised()},
        X,
        y,
        train_sizes=[8],
        cv=4,
        groups=groups,
        random_state=0,
    )
    left = [set(groups) - set(groups[rows]) for rows, _ in SemiSupervised.seen]
    assert set.union(*left) == set(groups)
    assert sum(map(len, left)) == len(set(groups))
    n_test = [np.isin(groups, list(out)).sum() for out in left]
    assert curve.results["n_test"].to_list() == n_test


def test_all_labels_give_the_figures_of_compare(samples):
    X, y, groups = samples
    kwargs = {"groups": groups, "n_repeats": 2, "random_state": 0}
    forest = {**RIVALS, "forest": RandomForestRegressor(3, max_depth=2)}
    curve = label_efficiency_curve(forest, X, y, train_sizes=[0.3, 1.0], **kwargs)
    found = compare(forest, X, y, **kwargs)
    columns = ["rmsep", "r2", "rmsep_ratio", "ratio_low", "p_value"]
    pd.testing.assert_frame_equal(curve.table.loc[1.0][columns], found.table[columns])


def test_means_errors_and_ratios_by_hand(samples):
    X, y, _ = samples
    curve = label_efficiency_curve(
        RIVALS, X, y, train_sizes=[10, 40], n_repeats=3, random_state=0
    )
    ratio = (curve.results["n_test"] / curve.results["n_pool"])[::4].mean()
    for size in (10, 40):
        part = curve.results.query("train_size == @size")
        errors = part.pivot(
            index=["repeat", "fold"], columns="estimator", values="rmsep"
        )
        row = curve.table.loc[size, "mean"]
        assert row["rmsep"] == pytest.approx(errors["mean"].mean())
        spread = errors["mean"].std(ddof=1)
        assert row["rmsep_se"] == pytest.approx(spread * np.sqrt(1 / 15 + ratio))
        log = np.log(errors["mean"] / errors["ridge"])
        assert row["rmsep_ratio"] == pytest.approx(np.exp(log.mean()))
        assert row["ratio_low"] < row["rmsep_ratio"] < row["ratio_high"]
    assert curve.table.loc[(40, "ridge"), "rmsep_ratio"] == 1


def test_more_labels_give_smaller_errors(samples):
    X, y, _ = samples
    curve = label_efficiency_curve(
        {"line": LinearRegression()}, X, y, train_sizes=[8, 50], random_state=0
    )
    small, large = curve.table["rmsep"]
    assert large < 0.9 * small


def test_figures_do_not_depend_on_n_jobs_and_leave_numpys_generator(samples):
    X, y, groups = samples
    forest = {"forest": RandomForestRegressor(3, max_depth=2)}
    kwargs = {"train_sizes": [0.5], "groups": groups, "random_state": 0}
    before = np.random.get_state()[1].copy()
    with parallel_config(backend="threading"):
        one, two = (
            label_efficiency_curve(forest, X, y, n_jobs=n_jobs, **kwargs).results
            for n_jobs in (1, 2)
        )
    after = np.random.get_state()[1]
    np.testing.assert_array_equal(after, before)
    timed = ["fit_seconds"]
    pd.testing.assert_frame_equal(one.drop(columns=timed), two.drop(columns=timed))


def test_several_targets_have_a_curve_each(samples):
    X, y, _ = samples
    Y = pd.DataFrame({"fat": y, "water": 100 - 2 * y})
    curve = label_efficiency_curve(RIVALS, X, Y, train_sizes=[10, 40], random_state=0)
    assert curve.table.index.names == ["target", "train_size", "estimator"]
    ratio = curve.table["rmsep"].unstack("target")
    np.testing.assert_allclose(2 * ratio["fat"], ratio["water"], rtol=1e-6)
    assert curve.plot(target="water").get_ylabel().startswith("RMSEP water")
    assert curve.plot().get_ylabel().startswith("RMSEP fat")
    assert "water" in curve.to_string()


@pytest.mark.parametrize(
    ("sizes", "got"),
    [
        ([0, 5], r"Got \[0, 5\] instead"),
        ([5, 99], "Got"),
        ([0.5, 1.5], r"in the range \(0, 1\]"),
        ([0.0], "Got"),
        ([-1], r"in the range \[1, \d+\]"),
        ([], "Got"),
        ([np.nan], "Got"),
        (["all"], "Got"),
    ],
)
def test_sizes_out_of_range_are_refused(samples, sizes, got):
    X, y, _ = samples
    with pytest.raises(ValueError, match=f"'train_sizes' parameter .*{got}"):
        label_efficiency_curve(RIVALS, X, y, train_sizes=sizes)


def test_a_failing_fit_names_estimator_fold_and_size(samples):
    X, y, groups = samples
    with pytest.raises(ValueError, match="groups") as caught:
        label_efficiency_curve(
            {"PLS": pls_baseline()},
            X,
            y,
            train_sizes=[1, 30],
            groups=groups,
            random_state=0,
        )
    note = caught.value.__notes__[-1]
    assert "'PLS' in repeat 0, fold 0, train_size 1" in note


def test_the_report_has_sizes_down_and_estimators_across(samples):
    X, y, groups = samples
    curve = label_efficiency_curve(
        RIVALS, X, y, train_sizes=[10, 30], groups=groups, n_repeats=2, random_state=0
    )
    text = repr(curve)
    assert text == curve.to_string()
    assert text.startswith("Means over 2 x 5 grouped folds")
    for word in ("labelled", "RMSEP", "ratio to 'ridge'", "mean", "10", "30"):
        assert word in text


def test_the_plot_has_a_line_an_estimator(samples):
    X, y, _ = samples
    curve = label_efficiency_curve(RIVALS, X, y, train_sizes=[5, 50], random_state=0)
    ax = curve.plot()
    assert ax.get_xlabel() == "Labelled training rows"
    assert ax.get_ylabel() == "RMSEP (mean and standard error)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(RIVALS)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["5", "50"]
    other = plt.figure().subplots()
    assert curve.plot(ax=other) is other


def test_real_spectra_have_a_curve(real_spectra):
    meat = real_spectra("tecator")
    curve = label_efficiency_curve(
        {"PLS": pls_baseline(), "mean": DummyRegressor()},
        meat.X,
        meat.y[:, 1],
        train_sizes=[25, 100],
        groups=meat.groups,
        random_state=0,
    )
    errors = curve.table["rmsep"].unstack()
    assert (errors["PLS"] < 0.6 * errors["mean"]).all()
