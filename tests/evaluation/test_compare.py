"""compare: the same folds, nothing on both sides, an honest interval."""

import re
import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from joblib._parallel_backends import ThreadingBackend
from scipy import sparse, stats
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedKFold,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectra import (
    MaskedSpectralPretrainer,
    PLSRegressionCV,
    SpectralRegressor,
)
from skspectra import metrics as figures_of_merit
from skspectra.evaluation import compare, pls_baseline
from skspectra.evaluation._statistics import corrected_interval

matplotlib.use("Agg")

RIVALS = {"ridge": Ridge(), "mean": DummyRegressor()}


class Witness(RegressorMixin, BaseEstimator):
    """Remembers what `fit` got; column 0 of X is the number of the row."""

    _uses_unlabelled_rows = True
    seen = []

    def fit(self, X, y, *, groups=None):
        type(self).seen.append((X[:, 0].astype(int), y, groups))
        self.mean_ = np.nanmean(y, axis=0)
        return self

    def predict(self, X):
        type(self).seen.append((X[:, 0].astype(int), None, None))
        return np.broadcast_to(self.mean_, (len(X), *np.shape(self.mean_)))


class LabelledWitness(Witness):
    """The same, without a use for unlabelled rows."""

    _uses_unlabelled_rows = False
    seen = []


class Grumbler(DummyRegressor):
    """Warns whenever it is fitted."""

    def fit(self, X, y):
        warnings.warn("of little use", FutureWarning, stacklevel=2)
        return super().fit(X, y)


@pytest.fixture(autouse=True)
def forget():
    for witness in (Witness, LabelledWitness):
        witness.seen = []
    yield
    plt.close("all")


@pytest.fixture
def samples():
    """Rows in groups of three, a third of them without a reference value."""
    rng = np.random.default_rng(0)
    X = np.column_stack([np.arange(60), rng.normal(size=(60, 4))])
    y = X[:, 1] + 0.3 * rng.normal(size=60)
    return X, y, np.repeat(np.arange(20), 3)


def unlabel(y, every=3):
    y = y.copy()
    y[::every] = np.nan
    return y


def calls(witness):
    """Yield (training rows, y, groups, tested rows) of each fold."""
    for fitted, tested in zip(witness.seen[::2], witness.seen[1::2], strict=True):
        yield (*fitted, tested[0])


# ---------------------------------------------------------------- figures


@pytest.mark.parametrize("grouped", [False, True])
def test_predictions_are_those_of_cross_val_predict(samples, grouped):
    X, y, groups = samples
    kind, groups = (GroupKFold, groups) if grouped else (KFold, None)
    folds = list(kind(5, shuffle=True, random_state=0).split(X, y, groups))
    found = compare(RIVALS, X, y, cv=folds, groups=groups)
    predictions = found.predictions.set_index("row").sort_index()
    for name, estimator in RIVALS.items():
        expected = cross_val_predict(estimator, X, y, cv=folds)
        np.testing.assert_allclose(predictions[name], expected, rtol=1e-12)
    np.testing.assert_array_equal(predictions["measured"], y)


def test_figures_are_those_of_the_held_out_predictions(samples):
    X, y, groups = samples
    found = compare(RIVALS, X, y, groups=groups, n_repeats=2, random_state=0)
    assert len(found.folds) == 2 * 2 * 5
    by_fold = found.predictions.groupby(["repeat", "fold"])
    for row in found.folds.itertuples():
        part = by_fold.get_group((row.repeat, row.fold))
        pair = part["measured"], part[row.estimator]
        assert row.n_test == len(part)
        assert row.n_train == 60 - len(part)
        expected = {
            "rmsep": root_mean_squared_error(*pair),
            "r2": r2_score(*pair),
            "bias": figures_of_merit.bias(*pair),
            "sep": figures_of_merit.sep(*pair),
            "rpd": figures_of_merit.rpd(*pair),
            "rpiq": figures_of_merit.rpiq(*pair),
            "ccc": figures_of_merit.concordance_correlation(*pair),
        }
        for figure, value in expected.items():
            assert getattr(row, figure) == pytest.approx(value, rel=1e-9), figure
        assert row.fit_seconds > 0
    means = found.folds.groupby("estimator")["rmsep"].mean()
    np.testing.assert_allclose(found.table["rmsep"], means[found.table.index])


def test_the_interval_is_that_of_nadeau_and_bengio(samples):
    X, y, _ = samples
    found = compare(RIVALS, X, y, cv=4, n_repeats=3, confidence=0.9, random_state=0)
    errors = found.folds.pivot(
        index=["repeat", "fold"], columns="estimator", values="rmsep"
    )
    d = np.log(errors["mean"] / errors["ridge"])
    error = np.sqrt(d.var(ddof=1) * (1 / 12 + 15 / 45))
    t = stats.t(df=11)
    row = found.table.loc["mean"]
    assert row["rmsep_ratio"] == pytest.approx(np.exp(d.mean()))
    assert row["ratio_low"] == pytest.approx(np.exp(d.mean() - t.ppf(0.95) * error))
    assert row["ratio_high"] == pytest.approx(np.exp(d.mean() + t.ppf(0.95) * error))
    assert row["p_value"] == pytest.approx(2 * t.sf(abs(d.mean()) / error))
    own = found.table.loc["ridge", ["rmsep_ratio", "ratio_low", "ratio_high"]]
    assert list(own) == [1, 1, 1]
    assert np.isnan(found.table.loc["ridge", "p_value"])


def test_one_fold_and_an_exact_estimator_have_no_interval():
    assert np.isnan(corrected_interval([0.3], 0.25, 0.95)[1:]).all()
    assert np.isnan(corrected_interval([0.3, -np.inf], 0.25, 0.95)).all()
    assert corrected_interval([0.0, 0.0], 0.25, 0.95) == (0, 0, 1)
    assert corrected_interval([0.5, 0.5], 0.25, 0.95) == (0.5, 0, 0)


def test_the_correction_keeps_its_promise_where_the_usual_test_does_not():
    """Two equal rivals, each with half of what decides: false alarms are few."""
    rng = np.random.default_rng(0)
    alarms, usual = [], []
    for _ in range(100):
        X = rng.normal(size=(40, 4))
        y = X.sum(axis=1) + rng.normal(size=40)
        folds = RepeatedKFold(n_splits=5, n_repeats=5, random_state=0).split(X)
        d = [
            np.subtract(
                *(
                    np.log(np.mean((y[test] - X[test] @ line) ** 2)) / 2
                    for line in halves(X[train], y[train])
                )
            )
            for train, test in folds
        ]
        alarms.append(corrected_interval(d, 8 / 32, 0.95)[2] < 0.05)
        usual.append(stats.ttest_1samp(d, 0).pvalue < 0.05)
    assert np.mean(usual) > 0.25
    assert np.mean(alarms) < 0.12


def halves(X, y):
    """Yield the least squares lines that see columns 0, 1 and columns 2, 3."""
    for zeroed in ([2, 3], [0, 1]):
        part = X.copy()
        part[:, zeroed] = 0
        yield np.linalg.lstsq(part, y)[0]


def test_the_ratio_does_not_depend_on_the_units_of_y(samples):
    X, y, groups = samples
    one, other = (
        compare(RIVALS, X, target, groups=groups, random_state=0)
        for target in (y, 1000 * y - 7)
    )
    columns = ["rmsep_ratio", "ratio_low", "ratio_high", "p_value", "r2", "rpd"]
    pd.testing.assert_frame_equal(one.table[columns], other.table[columns], rtol=1e-6)


def test_a_drifting_series_is_judged_by_its_groups():
    """Neighbours look and measure alike, and cores have nothing in common."""
    rng = np.random.default_rng(0)
    cores = np.repeat(np.arange(8), 25)
    walk = [rng.normal(0, 1, (25, 6)).cumsum(axis=0) for _ in range(8)]
    drift = np.concatenate([w + rng.normal(0, 10, 6) for w in walk])
    X, y = drift[:, :5], drift[:, 5]
    nearest = {"nearest": KNeighborsRegressor(2)}
    by_row = compare(nearest, X, y, random_state=0)
    by_core = compare(nearest, X, y, groups=cores, cv=8, random_state=0)
    r2 = [
        r2_score(found.predictions["measured"], found.predictions["nearest"])
        for found in (by_row, by_core)
    ]
    assert r2[0] > 0.8
    assert r2[1] < 0.2
    assert "grouped" in by_core.to_string()
    assert "grouped" not in by_row.to_string()


def test_memory_of_training_rows_gains_nothing(samples):
    X, _, groups = samples
    noise = np.random.default_rng(1).normal(size=60)
    memory = {"mean": DummyRegressor(), "memory": KNeighborsRegressor(1)}
    found = compare(memory, X, noise, groups=groups, n_repeats=2, random_state=0)
    assert found.table.loc["memory", "rmsep_ratio"] > 1.1
    assert found.table.loc["memory", "r2"] < 0


# ------------------------------------------------- what trains, what tests


def test_groups_are_on_one_side_outside_and_inside(samples):
    X, y, groups = samples
    y = unlabel(y)
    compare({"witness": Witness()}, X, y, groups=groups, random_state=0)
    for rows, _, inner, tested in calls(Witness):
        assert not set(groups[rows]) & set(groups[tested])
        np.testing.assert_array_equal(inner, groups[rows])
        # all other groups train, and with them their unlabelled rows
        np.testing.assert_array_equal(
            rows, np.flatnonzero(~np.isin(groups, groups[tested]))
        )


def test_unlabelled_rows_are_never_tested_and_reach_who_can_use_them(samples):
    X, y, _ = samples
    y = unlabel(y)
    rivals = {"plain": LabelledWitness(), "pipe": make_pipeline(Witness())}
    found = compare(rivals, X, y, random_state=0, n_repeats=2)
    assert not found.predictions["row"].isin(np.flatnonzero(np.isnan(y))).any()
    assert (found.predictions.groupby("repeat")["row"].nunique() == 40).all()
    for rows, target, _, tested in calls(Witness):
        assert sorted([*rows, *tested]) == list(range(60))
        np.testing.assert_array_equal(target, y[rows])
    for rows, target, _, _ in calls(LabelledWitness):
        assert len(rows) == 32
        assert not np.isnan(target).any()
    counted = found.folds.groupby("estimator")["n_unlabelled"].unique()
    assert [list(counted[name]) for name in rivals] == [[0], [20]]


def test_every_estimator_gets_the_same_folds(samples):
    X, y, groups = samples
    rivals = {"a": Witness(), "b": LabelledWitness()}
    compare(rivals, X, y, groups=groups, n_repeats=2, random_state=3)
    for one, other in zip(Witness.seen, LabelledWitness.seen, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


@pytest.mark.parametrize("wrap", [lambda pls: pls, lambda pls: make_pipeline(pls)])
def test_inner_splits_keep_groups_whole(samples, wrap):
    X, y, groups = samples

    class Checking(GroupKFold):
        checked = 0

        def split(self, X, y, groups):
            type(self).checked += len(np.unique(groups)) == 16
            return super().split(X, y, groups)

    inner = wrap(PLSRegressionCV(cv=Checking(4)))
    compare({"pls": inner}, X, y, groups=groups, random_state=0)
    assert Checking.checked == 5


def test_a_search_over_groups_gets_them(samples):
    X, y, groups = samples
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=GroupKFold(4))
    by_row = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=3)
    rivals = {"search": search, "pipe": make_pipeline(search), "by row": by_row}
    compare(rivals, X, y, groups=groups, random_state=0)


def test_groups_are_routed_where_routing_is_on(samples):
    import sklearn

    X, y, groups = samples
    with sklearn.config_context(enable_metadata_routing=True):
        last = PLSRegressionCV(cv=GroupKFold(4)).set_fit_request(groups=True)
        rivals = {"pls": last, "pipe": make_pipeline(StandardScaler(), last)}
        compare(rivals, X, y, groups=groups, random_state=0)


@pytest.mark.parametrize("labelled_only", [False, True])
def test_splitters_split_the_labelled_rows(samples, labelled_only):
    X, y, groups = samples
    y = unlabel(y, 4) if labelled_only else y
    found = compare({"w": Witness()}, X, y, cv=LeaveOneGroupOut(), groups=groups)
    assert found.folds["repeat"].eq(0).all()
    assert len(found.folds) == 20
    for rows, _, _, tested in calls(Witness):
        assert not np.isnan(y[tested]).any()
        assert not set(groups[rows]) & set(groups[tested])


def test_repeats_of_a_splitter_are_counted(samples):
    X, y, _ = samples
    cv = RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)
    found = compare(RIVALS, X, y, cv=cv)
    counted = found.folds.groupby("repeat")["fold"].unique()
    assert [list(folds) for folds in counted] == [[0, 1, 2], [0, 1, 2]]
    assert "2 x 3 folds" in found.to_string()


def test_given_splits_are_row_numbers_of_x(samples):
    X, y, _ = samples
    y = unlabel(y)
    split = [(np.arange(40), np.arange(40, 60))]
    found = compare({"w": Witness()}, X, y, cv=split)
    ((rows, _, _, tested),) = calls(Witness)
    np.testing.assert_array_equal(rows, np.arange(40))
    np.testing.assert_array_equal(tested, [r for r in range(40, 60) if r % 3])
    assert found.folds["n_train"].item() == 26
    Witness.seen = []
    fold = np.where(np.arange(60) < 40, -1, 0)
    compare({"w": Witness()}, X, y, cv=PredefinedSplit(fold))
    np.testing.assert_array_equal(next(calls(Witness))[3], tested)


def test_single_rows_leave_out_what_needs_a_spread(samples):
    X, y, _ = samples
    found = compare(RIVALS, X[:12], y[:12], cv=LeaveOneOut())
    assert found.folds[["sep", "r2", "rpd", "rpiq", "ccc"]].isna().all(axis=None)
    assert found.table[["rmsep", "bias", "rmsep_ratio"]].notna().all(axis=None)


# ---------------------------------------------------------- seeds and jobs


@pytest.mark.filterwarnings("ignore:of little use:FutureWarning")
def test_neither_figures_nor_warnings_depend_on_n_jobs(samples, capfd):
    X, y, groups = samples
    rivals = {**RIVALS, "forest": RandomForestRegressor(3, max_depth=2)}
    rivals["grumbler"] = Grumbler()
    one, two = (
        compare(rivals, X, y, groups=groups, random_state=0, n_jobs=n_jobs)
        for n_jobs in (1, 2)
    )
    pd.testing.assert_frame_equal(one.predictions, two.predictions)
    pd.testing.assert_frame_equal(
        one.folds.drop(columns="fit_seconds"), two.folds.drop(columns="fit_seconds")
    )
    assert "of little use" not in capfd.readouterr().err


def test_random_state_decides_and_numpys_generator_is_left_alone(samples):
    X, y, _ = samples
    forest = {"pipe": make_pipeline(RandomForestRegressor(3, max_depth=2))}
    before = np.random.get_state()[1].copy()
    found = [
        compare(forest, X, y, random_state=seed).predictions["pipe"].to_numpy()
        for seed in (0, 0, 1, None, None)
    ]
    after = np.random.get_state()[1]
    np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(found[0], found[1])
    for other in (found[2], found[3]):
        assert not np.array_equal(found[0], other)
    assert not np.array_equal(found[3], found[4])


def test_a_seed_of_its_own_is_kept(samples):
    X, y, _ = samples
    forest = RandomForestRegressor(3, max_depth=2, random_state=5)
    folds = list(KFold(3).split(X))
    found = compare({"forest": forest}, X, y, cv=folds, random_state=0)
    expected = cross_val_predict(forest, X, y, cv=folds)
    np.testing.assert_allclose(found.predictions["forest"], expected)


def test_an_estimators_figures_do_not_depend_on_its_rivals(samples):
    X, y, _ = samples
    forest = RandomForestRegressor(3, max_depth=2)
    alone = compare({"forest": forest}, X, y, random_state=0)
    beside = compare({**RIVALS, "forest": forest}, X, y, random_state=0)
    np.testing.assert_array_equal(
        alone.predictions["forest"], beside.predictions["forest"]
    )


def test_estimators_are_left_as_they_were(samples):
    X, y, _ = samples
    forest = RandomForestRegressor(2)
    compare({"forest": forest}, X, y, random_state=0)
    assert forest.random_state is None
    assert not hasattr(forest, "estimators_")


# ------------------------------------------------------------ what goes in


def test_frames_and_sparse_matrices_are_passed_on(samples):
    X, y, groups = samples
    frame = pd.DataFrame(X, columns=list("abcde"))
    expected = compare(RIVALS, X, y, groups=groups, random_state=0)
    labels = np.array([f"core {group}" for group in groups])
    named = compare(
        list(RIVALS.items()), frame, list(y), groups=groups.tolist(), random_state=0
    )
    pd.testing.assert_frame_equal(named.predictions, expected.predictions)
    cores = compare(RIVALS, frame, pd.Series(y), groups=pd.Series(labels))
    assert cores.predictions["group"].str.startswith("core").all()
    compare({"ridge": Ridge()}, sparse.csr_array(X), y)


def test_several_targets_are_judged_one_by_one(samples):
    X, y, groups = samples
    Y = pd.DataFrame({"fat": y, "water": 100 - 2 * y})
    Y.loc[0, "fat"] = np.nan
    rivals = {"ridge": Ridge(), "mean": DummyRegressor(), "w": Witness()}
    found = compare(rivals, X, Y, groups=groups, random_state=0)
    assert found.table.index.names == ["target", "estimator"]
    ratio = found.table["rmsep_ratio"].unstack("estimator")
    np.testing.assert_allclose(ratio.loc["fat"], ratio.loc["water"], rtol=1e-9)
    assert not (found.predictions["row"] == 0).any()
    for rows, target, _, _ in calls(Witness):
        assert np.isnan(target[rows == 0]).all()
    one = compare({"ridge": Ridge()}, X[1:], y[1:], groups=groups[1:], random_state=0)
    fat = found.folds.query("target == 'fat' and estimator == 'ridge'")
    np.testing.assert_allclose(fat["rmsep"], one.folds["rmsep"], rtol=1e-9)
    assert "'mean (fat)'" in found.verdict
    assert len(found.plot().get_yticks()) == 4
    assert len(found.plot_predictions()) == 6


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"estimators": []}, ValueError, "at least one estimator"),
        (
            {"estimators": [("a", Ridge()), ("a", Ridge())]},
            ValueError,
            r"names .* must differ\. Got \['a', 'a'\] instead",
        ),
        (
            {"estimators": {"row": Ridge()}},
            ValueError,
            r"strings other than .*'row'.* Got 'row' instead",
        ),
        ({"estimators": {3: Ridge()}}, ValueError, "must be strings"),
        ({"estimators": {"a": StandardScaler()}}, TypeError, "'a' must be an instance"),
        ({"estimators": {"a": Ridge}}, TypeError, "'a' must be an instance with"),
        ({"estimators": [Ridge()]}, ValueError, r"list of \(name, estimator\)"),
        ({"estimators": Ridge()}, ValueError, "'estimators' parameter of compare"),
        (
            {"reference": "pls"},
            ValueError,
            r"'reference' .* \['ridge', 'mean'\]\. Got 'pls' instead",
        ),
        ({"y": np.zeros(59)}, ValueError, "inconsistent numbers of samples"),
        ({"groups": np.zeros(61)}, ValueError, "inconsistent numbers of samples"),
        ({"groups": np.zeros(60)}, ValueError, "cv=5 .* at least 5 groups .* Got 1"),
        ({"cv": 61}, ValueError, "cv=61 folds need at least 61 rows .* Got 60"),
        ({"groups": [None] * 60}, ValueError, "groups contains NaN"),
        ({"y": np.full(60, np.nan)}, ValueError, "every row holds a NaN"),
        ({"y": np.full(60, np.inf)}, ValueError, "y contains infinity"),
        (
            {"y": [1.0] * 3 + [np.nan] * 57},
            ValueError,
            "cv=5 folds need at least 5 rows .* Got 3",
        ),
        ({"cv": 1}, ValueError, "'cv' parameter of compare"),
        ({"cv": KFold(3), "n_repeats": 2}, ValueError, "'n_repeats' .* must be 1"),
        ({"n_repeats": 0}, ValueError, "'n_repeats' parameter of compare"),
        ({"confidence": 1.0}, ValueError, "'confidence' parameter of compare"),
        (
            {"cv": [(range(40), range(39, 60))]},
            ValueError,
            "row .* 39 is on both",
        ),
        ({"cv": [(range(40), [])]}, ValueError, "to test on in repeat 0, fold 0"),
        (
            {"cv": [(range(40), range(40, 60))], "groups": np.arange(60) // 3},
            ValueError,
            "group .* 13 is on both sides of repeat 0, fold 0",
        ),
    ],
)
def test_bad_input_is_named_at_once(samples, changes, error, message):
    X, y, _ = samples
    arguments = {"estimators": RIVALS, "X": X, "y": y, **changes}
    with pytest.raises(error, match=message):
        compare(**arguments)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_failing_fit_names_estimator_and_fold(samples, n_jobs):
    X, y, _ = samples
    X = X.copy()
    X[7, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN") as caught:
        compare(RIVALS, X, y, cv=[(range(40), range(40, 60))], n_jobs=n_jobs)
    assert "the estimator 'ridge' in repeat 0, fold 0" in caught.value.__notes__[-1]


def test_a_pretraining_that_clone_undoes_is_warned_of(samples):
    X, y, _ = samples
    tiny = MaskedSpectralPretrainer(
        patch_size=2, embed_dim=8, depth=1, n_heads=2, decoder_dim=8, max_epochs=0
    )
    head = SpectralRegressor(tiny.fit(X), max_epochs=1)
    with pytest.warns(UserWarning, match=r"pretrainer of 'head' .* FrozenEstimator"):
        compare({"head": make_pipeline(head)}, X, y, cv=2)
    frozen = SpectralRegressor(FrozenEstimator(tiny), max_epochs=1)
    compare({"head": frozen}, X, y, cv=2)


def test_a_pretrained_regressor_uses_unlabelled_rows_and_is_seeded(samples):
    X, y, groups = samples
    y = unlabel(y)
    tiny = MaskedSpectralPretrainer(
        patch_size=2, embed_dim=8, depth=1, n_heads=2, decoder_dim=8, max_epochs=1
    )
    head = SpectralRegressor(
        tiny, max_epochs=2, early_stopping=True, validation_fraction=0.3
    )
    rivals = {"PLS": PLSRegressionCV(), "pipe": make_pipeline(head)}
    one, two = (
        compare(rivals, X, y, cv=2, groups=groups, random_state=0) for _ in range(2)
    )
    pd.testing.assert_frame_equal(one.predictions, two.predictions)
    unlabelled = one.folds.groupby("estimator")["n_unlabelled"].sum()
    assert unlabelled.to_dict() == {"PLS": 0, "pipe": 20}


# ------------------------------------------------------------ what comes out


def test_the_verdict_says_lower_higher_or_not_shown(samples):
    X, y, groups = samples
    weak = Ridge(50)
    rivals = {**RIVALS, "ridge 2": Ridge(1.01), "weak": weak}
    kwargs = {"groups": groups, "n_repeats": 5, "random_state": 0}
    times, unclear, higher = compare(rivals, X, y, **kwargs).verdict.split("\n")
    assert re.search(r"'mean' is \d\.\d times that of 'ridge' \(95 % interval", times)
    assert re.search(r"'weak' is \d+ % higher than that of 'ridge' \(95 %", higher)
    assert "5 x 5 grouped folds" in higher
    assert "No difference shown between the errors of 'ridge 2' and 'ridge'" in unclear
    lower = compare(rivals, X, y, reference="mean", **kwargs).verdict
    assert "error of 'ridge' is " in lower
    assert "% lower than that of 'mean'" in lower
    single = compare(rivals, X, y, cv=[(range(40), range(40, 60))])
    assert "1 fold" in single.verdict
    assert "no interval" in single.verdict


def test_the_report_is_readable(samples):
    X, y, groups = samples
    found = compare(RIVALS, X, y, groups=groups, random_state=0)
    assert repr(found) == found.to_string()
    lines = found.to_string().split("\n")
    assert lines[0] == (
        "Means over 5 grouped folds, 60 tested rows; RMSEP ratio to 'ridge'"
    )
    for word in ("RMSEP", "bias", "SEP", "R²", "RPD", "RPIQ", "CCC", "ratio", "p"):
        assert word in lines[2].split()
    assert lines[3].startswith("ridge")
    assert max(map(len, lines[:5])) < 110


def test_progress_moves_on_stderr_only_when_asked(samples, capsys):
    X, y, _ = samples
    compare(RIVALS, X, y)
    assert capsys.readouterr() == ("", "")
    compare(RIVALS, X, y, verbose=1)
    out, err = capsys.readouterr()
    assert out == ""
    # A log is no terminal: whole lines, and none that goes back to its start.
    assert re.fullmatch(r"comparing: 10/10 fits, took \d\d:\d\d\n", err)


class AllAtOnce(ThreadingBackend):
    """Gives its results when it has all of them, as ray's does."""

    supports_return_generator = False


def test_backends_that_give_all_results_at_once_will_do(samples, capsys):
    X, y, _ = samples
    expected = compare(RIVALS, X, y, random_state=0)
    with parallel_config(AllAtOnce(), n_jobs=2):
        found = compare(RIVALS, X, y, random_state=0, verbose=1)
    assert found.table.drop(columns="fit_seconds").equals(
        expected.table.drop(columns="fit_seconds")
    )
    assert "comparing: 10/10 fits" in capsys.readouterr().err


def test_the_ratio_plot_shows_rivals_intervals_and_folds(samples):
    X, y, groups = samples
    found = compare(RIVALS, X, y, groups=groups, random_state=0)
    ax = found.plot()
    assert "RMSEP ratio to 'ridge'" in ax.get_xlabel()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["mean"]
    assert ax.collections[0].get_offsets().shape == (5, 2)
    keys = [text.get_text() for text in ax.get_legend().get_texts()]
    assert keys == ["excludes 1", "includes 1", "one fold"]
    assert ax.get_legend().get_title().get_text() == "95 % interval"
    other = plt.figure().subplots()
    assert found.plot(ax=other) is other


def test_the_prediction_plot_has_a_panel_for_each(samples):
    X, y, _ = samples
    found = compare(RIVALS, X, y, random_state=0)
    axes = found.plot_predictions()
    assert [ax.get_title().split("\n")[0] for ax in axes] == ["ridge", "mean"]
    assert all(ax.get_xlabel() == "Measured" for ax in axes)
    assert all(ax.get_ylabel() == "Predicted" for ax in axes)
    assert axes[0].get_xlim() == axes[1].get_xlim() == axes[1].get_ylim()
    with pytest.raises(ValueError, match=r"must hold 2 Axes\. Got 1 instead"):
        found.plot_predictions(ax=axes[0])


def test_real_spectra_stand_beside_pls(real_spectra):
    meat = real_spectra("tecator")
    rivals = {"PLS": pls_baseline(), "mean": DummyRegressor()}
    found = compare(
        rivals, meat.X, meat.y[:, 1], groups=meat.groups, n_repeats=2, random_state=0
    )
    assert found.table.loc["PLS", "r2"] > 0.95
    assert found.table.loc["mean", "ratio_low"] > 2
    assert found.predictions.groupby("repeat")["row"].nunique().eq(240).all()


def test_an_estimators_own_complaint_keeps_its_name_and_gets_a_note():
    X, y = np.random.default_rng(0).normal(size=(2, 20, 3))
    with pytest.raises(ValueError, match="'alpha' parameter of Ridge") as caught:
        compare({"wrong": Ridge(alpha=-1.0)}, X, y[:, 0])
    assert "wrong" in "".join(caught.value.__notes__)
