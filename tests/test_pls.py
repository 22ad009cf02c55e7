"""PLSRegressionCV against scikit-learn's PLS, by hand, and on real spectra."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cross_decomposition import PLSRegression
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneOut,
    RepeatedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks as checks

from skspectra import PLSRegressionCV
from skspectra._folds import group_folds
from skspectra._pls_path import make_splits, select_n_components

BY_HAND = [
    checks.check_dataframe_column_names_consistency,
    checks.check_get_feature_names_out_error,
    checks.check_global_output_transform_pandas,
    checks.check_global_set_output_transform_polars,
    checks.check_inplace_ensure_writeable,
    checks.check_param_validation,
    checks.check_set_output_transform,
    checks.check_set_output_transform_pandas,
    checks.check_set_output_transform_polars,
    checks.check_transformer_get_feature_names_out,
    checks.check_transformer_get_feature_names_out_pandas,
]


def mixtures(n_samples=60, n_channels=40, n_targets=1, seed=0):
    """Spectra of four compounds with noise, and amounts of the first n_targets."""
    rng = np.random.default_rng(seed)
    bands = np.linspace(5, n_channels - 5, 4)[:, None]
    pure = np.exp(-(((np.arange(n_channels) - bands) / 6) ** 2))
    amounts = rng.uniform(size=(n_samples, 4))
    X = amounts @ pure + rng.normal(0, 0.05, (n_samples, n_channels))
    y = amounts[:, :n_targets] + rng.normal(0, 0.05, (n_samples, n_targets))
    return X, y[:, 0] if n_targets == 1 else y


def converged_pls(n_components, scale=False):
    """scikit-learn's PLS, iterated to the end when there are several targets."""
    return PLSRegression(n_components, scale=scale, tol=1e-26, max_iter=100_000)


def brute_force_errors(X, y, splits, n_components, scale=False):
    """Held-out errors of one fresh scikit-learn fit per count and split."""
    return [
        np.stack(
            [
                converged_pls(k, scale).fit(X[train], y[train]).predict(X[test])
                - y[test]
                for k in range(1, n_components + 1)
            ]
        )
        for train, test in splits
    ]


# --- scikit-learn's contract


@checks.parametrize_with_checks(
    [
        PLSRegressionCV(),
        PLSRegressionCV(scale=True),
        PLSRegressionCV(rule="one_standard_error"),
        PLSRegressionCV(rule="one_standard_error", scale=True),
    ]
)
def test_estimator_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X .*feature names:UserWarning")
@pytest.mark.parametrize("check", BY_HAND, ids=lambda check: check.__name__)
def test_estimator_keeps_what_check_estimator_does_not_run(check):
    check("PLSRegressionCV", PLSRegressionCV())


def test_feature_names_out_are_refused_before_fit():
    with pytest.raises(NotFittedError):
        PLSRegressionCV().get_feature_names_out()


def test_feature_names_out_count_the_components():
    X, y = mixtures()
    pls = PLSRegressionCV(3).fit(X, y)
    assert list(pls.get_feature_names_out()) == [
        f"plsregressioncv{k}" for k in range(pls.n_components_)
    ]


def test_fit_transform_returns_the_x_scores_alone():
    X, y = mixtures()
    pls = PLSRegressionCV()
    scores = pls.fit_transform(X, y)
    assert scores.shape == (60, pls.n_components_)
    assert_array_equal(scores, pls.transform(X))


def test_pls_works_in_the_middle_of_a_pipeline():
    X, y = mixtures()
    pipeline = make_pipeline(PLSRegressionCV(), LinearRegression())
    # A linear model of the scores of PLS1 is PLS1.
    assert_allclose(
        pipeline.fit(X, y).predict(X), PLSRegressionCV().fit(X, y).predict(X)
    )


def test_scores_come_out_as_a_table_when_asked_for():
    X, y = mixtures()
    table = PLSRegressionCV().set_output(transform="pandas").fit_transform(X, y)
    assert next(iter(table.columns)) == "plsregressioncv0"


def test_a_grid_may_vary_every_parameter():
    X, y = mixtures()
    grid = {"max_components": [1, 5], "scale": [False, True], "cv": [2, 5]}
    search = GridSearchCV(PLSRegressionCV(), grid).fit(X, y)
    assert search.best_params_["max_components"] == 5


def test_a_pickled_model_predicts_the_same():
    X, y = mixtures()
    pls = PLSRegressionCV().fit(X, y)
    assert_array_equal(pickle.loads(pickle.dumps(pls)).predict(X), pls.predict(X))


def test_importing_the_module_does_not_import_torch():
    code = (
        "import sys, types; package = types.ModuleType('skspectra');"
        f"package.__path__ = [{str(_package_folder())!r}];"
        "sys.modules['skspectra'] = package;"
        "import skspectra._pls; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _package_folder():
    import skspectra

    return skspectra.__path__[0]


# --- the model


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("n_channels", [40, 200])
def test_coefficients_are_those_of_scikit_learn(n_channels, n_targets, scale):
    X, y = mixtures(n_channels=n_channels, n_targets=n_targets)
    ours = PLSRegressionCV(scale=scale).fit(X, y)
    theirs = converged_pls(ours.n_components_, scale).fit(X, y)
    assert ours.n_components_ > 1
    assert ours.coef_.shape == theirs.coef_.shape == (n_targets, n_channels)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-8, rtol=0)
    assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-8, rtol=0)
    for name in ("x_weights_", "x_loadings_", "y_loadings_", "x_rotations_"):
        assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-8)
    assert_allclose(ours.transform(X), theirs.transform(X), atol=1e-8)


def test_coefficients_and_intercept_predict_from_raw_spectra():
    X, y = mixtures(n_targets=2)
    pls = PLSRegressionCV(scale=True).fit(X, y)
    assert_allclose(X @ pls.coef_.T + pls.intercept_, pls.predict(X))


@pytest.mark.parametrize("shape", [(60,), (60, 1), (60, 2)])
def test_everything_that_speaks_of_targets_has_the_shape_of_y(shape):
    X, y = mixtures(n_targets=2)
    y = y[:, 0].reshape(shape) if shape != (60, 2) else y
    pls = PLSRegressionCV(7).fit(X, y)
    assert pls.predict(X).shape == shape
    assert pls.predict(X).dtype == np.float64
    assert pls.rmsecv_.shape == pls.rmsecv_std_error_.shape == (7, *shape[1:])


@pytest.mark.parametrize("factor", [1e-160, 1e-12, 1e9, 1e90])
@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("n_targets", [1, 3])
def test_units_change_nothing_but_the_units(n_targets, scale, factor):
    X, y = mixtures(n_targets=n_targets)
    plain = PLSRegressionCV(scale=scale).fit(X, y)
    # 2**k instead of 10**k, so that the comparison is free of rounding
    factor = 2.0 ** round(np.log2(factor))
    for units in ((factor, 1.0), (1.0, factor)):
        other = PLSRegressionCV(scale=scale).fit(X * units[0], y * units[1])
        assert other.n_components_ == plain.n_components_
        assert_allclose(
            other.predict(X * units[0]), plain.predict(X) * units[1], rtol=1e-9
        )
        assert_allclose(other.rmsecv_, plain.rmsecv_ * units[1], rtol=1e-9)


def test_a_large_offset_of_y_does_not_cost_precision():
    X, y = mixtures()
    offset = PLSRegressionCV().fit(X, y + 1e9)
    plain = PLSRegressionCV().fit(X, y)
    # y + 1e9 itself is rounded to 1e-7
    assert_allclose(offset.predict(X) - 1e9, plain.predict(X), atol=1e-5)


def test_fit_leaves_its_inputs_as_they_were():
    X, y = mixtures()
    X_before, y_before = X.copy(), y.copy()
    PLSRegressionCV(scale=True).fit(X, y)
    assert_array_equal(X, X_before)
    assert_array_equal(y, y_before)


# --- the number of components


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("n_channels", [30, 100])
def test_rmsecv_path_is_that_of_refitting_every_count(n_channels, scale):
    X, y = mixtures(n_channels=n_channels)
    splits = list(KFold(4, shuffle=True, random_state=3).split(X))
    errors = brute_force_errors(X, y, splits, 8, scale)
    expected = np.sqrt(np.mean(np.concatenate(errors, axis=1) ** 2, axis=1))
    pls = PLSRegressionCV(8, cv=splits, scale=scale).fit(X, y)
    assert_allclose(pls.rmsecv_, expected, rtol=1e-9)
    assert pls.n_components_ == expected.argmin() + 1


def test_the_standard_error_is_the_spread_of_the_folds():
    X, y = mixtures()
    splits = list(KFold(4, shuffle=True, random_state=3).split(X))
    rmse = [np.sqrt(np.mean(e**2, axis=1)) for e in brute_force_errors(X, y, splits, 6)]
    pls = PLSRegressionCV(6, cv=splits).fit(X, y)
    assert_allclose(pls.rmsecv_std_error_, np.std(rmse, axis=0, ddof=1) / 2, rtol=1e-9)


def test_rows_held_out_twice_count_twice_and_folds_may_differ_in_size():
    X, y = mixtures()
    rows = np.arange(60)
    splits = [(rows[20:], rows[:20]), (rows[:50], rows[50:]), (rows[:30], rows[50:])]
    errors = np.concatenate(brute_force_errors(X, y, splits, 5), axis=1)
    pls = PLSRegressionCV(5, cv=splits).fit(X, y)
    assert_allclose(pls.rmsecv_, np.sqrt(np.mean(errors**2, axis=1)), rtol=1e-9)


def test_several_targets_are_pooled_without_their_units():
    X, y = mixtures(n_targets=2)
    # The second target needs fewer components, and shouts.
    y[:, 1] = X[:, 10] + np.random.default_rng(1).normal(0, 0.5, 60)
    y[:, 1] *= 1e6
    splits = list(KFold(5, shuffle=True, random_state=0).split(X))
    errors = np.concatenate(brute_force_errors(X, y, splits, 8), axis=1)
    rmsecv = np.sqrt(np.mean(errors**2, axis=1))
    pooled = np.sqrt(np.mean((rmsecv / y.std(axis=0, ddof=1)) ** 2, axis=1))
    pls = PLSRegressionCV(8, cv=splits).fit(X, y)
    assert_allclose(pls.rmsecv_, rmsecv, rtol=1e-7)
    assert pls.n_components_ == pooled.argmin() + 1
    alone = PLSRegressionCV(8, cv=splits).fit(X, y[:, 1])
    assert pls.n_components_ != alone.n_components_


def test_one_standard_error_rule_takes_the_value_worked_out_by_hand(monkeypatch):
    # RMSE of two folds of equal size at 1, 2, 3 and 4 components
    rmse = np.array([[1.0, 3.0, 2.0, 2.0], [7.0, 4.0, 4.0, 4.2]])
    # pooled: 5, 3.54, 3.16, 3.29; standard error at the minimum: sqrt(2)/sqrt(2) = 1
    # (and 3 at one component, which would let that one pass)
    folds = iter(rmse[:, :, None] ** 2)
    monkeypatch.setattr("skspectra._pls_path._held_out_squares", lambda *_: next(folds))
    rows, y = np.arange(4), np.arange(4.0)
    selection = select_n_components(
        np.ones((4, 9)),
        y[:, None] / y.std(ddof=1),
        [(rows[:2], rows[2:]), (rows[2:], rows[:2])],
        max_components=4,
        rule="one_standard_error",
        scale=False,
    )
    assert_allclose(selection.std_error[2], 1.0)
    assert_allclose(selection.rmsecv[:, 0], np.sqrt([25, 12.5, 10, 10.82]))
    assert selection.n_components == 2


def test_one_standard_error_rule_follows_its_definition_on_spectra():
    X, y = mixtures(n_channels=200)
    pls = PLSRegressionCV(rule="one_standard_error").fit(X, y)
    best = pls.rmsecv_.argmin()
    limit = pls.rmsecv_[best] + pls.rmsecv_std_error_[best]
    assert pls.rmsecv_[pls.n_components_ - 1] <= limit
    assert (pls.rmsecv_[: pls.n_components_ - 1] > limit).all()
    assert pls.n_components_ < PLSRegressionCV().fit(X, y).n_components_


def test_one_standard_error_rule_refuses_a_single_split():
    X, y = mixtures()
    rows = np.arange(60)
    single = [(rows[:40], rows[40:])]
    with pytest.raises(ValueError, match=r"needs at least 2 splits\. Got 1"):
        PLSRegressionCV(cv=single, rule="one_standard_error").fit(X, y)
    assert np.isnan(PLSRegressionCV(cv=single).fit(X, y).rmsecv_std_error_).all()


@pytest.mark.parametrize("scale", [False, True])
def test_held_out_rows_move_neither_centre_nor_spread_of_a_fold(scale):
    X, y = mixtures()
    rows = np.arange(60)
    pls = PLSRegressionCV(4, cv=[(rows[:45], rows[45:])], scale=scale).fit(X, y)
    # Held-out spectra and references far away, moved together with what the
    # training rows alone would predict, leave every error as it was.
    coef = [converged_pls(k, scale).fit(X[:45], y[:45]).coef_[0] for k in range(1, 5)]
    direction = np.linalg.svd(np.stack(coef))[2][-1]  # no model sees it
    moved = X.copy()
    moved[45:] += 1e3 * direction
    other = PLSRegressionCV(4, cv=[(rows[:45], rows[45:])], scale=scale).fit(moved, y)
    assert_allclose(other.rmsecv_, pls.rmsecv_, rtol=1e-6)


@pytest.mark.parametrize(
    ("max_components", "n_samples", "n_channels", "n_tried"),
    [(20, 60, 6, 6), (4, 60, 40, 4), (20, 10, 40, 7), (20, 3, 40, 1), (20, 2, 40, 1)],
)
def test_no_more_components_are_tried_than_the_smallest_fold_allows(
    max_components, n_samples, n_channels, n_tried
):
    X, y = mixtures(n_samples, n_channels + 10)
    pls = PLSRegressionCV(max_components).fit(X[:, :n_channels], y)
    assert len(pls.rmsecv_) == n_tried
    assert np.isfinite(pls.coef_).all()


# --- how rows are held out


@pytest.mark.parametrize(
    "cv", [LeaveOneOut(), RepeatedKFold(n_splits=3, n_repeats=2, random_state=0), None]
)
def test_cv_takes_what_scikit_learn_takes(cv):
    X, y = mixtures(n_samples=20)
    assert PLSRegressionCV(3, cv=cv).fit(X, y).predict(X).shape == (20,)


def test_an_integer_cv_does_not_follow_the_order_of_measurement():
    X, y = mixtures()
    for _, test in make_splits(5, X, y, None, "min"):
        assert (np.diff(test) > 1).any()


def test_two_fits_of_the_same_data_are_equal_and_leave_numpy_alone():
    X, y = mixtures()
    state = np.random.get_state()[1].copy()
    first, second = PLSRegressionCV().fit(X, y), PLSRegressionCV().fit(X, y)
    assert_array_equal(first.rmsecv_, second.rmsecv_)
    assert_array_equal(first.coef_, second.coef_)
    assert_array_equal(state, np.random.get_state()[1])


def test_groups_are_kept_whole_by_an_integer_cv():
    X, y = mixtures()
    groups = np.array([f"sample {i // 3}" for i in range(60)])
    splits = make_splits(5, X, y, groups, "min")
    assert len(splits) == 5
    for train, test in splits:
        assert not set(groups[train]) & set(groups[test])
    ours = PLSRegressionCV(6).fit(X, y, groups=groups)
    theirs = PLSRegressionCV(6, cv=group_folds(5, groups)).fit(X, y)
    assert_array_equal(ours.rmsecv_, theirs.rmsecv_)


def test_groups_of_one_size_are_dealt_out_from_the_last():
    groups = np.array([f"sample {i // 3}" for i in range(18)])
    held_out = [sorted(set(groups[test])) for _, test in group_folds(2, groups)]
    assert held_out == [
        ["sample 1", "sample 3", "sample 5"],
        ["sample 0", "sample 2", "sample 4"],
    ]


def test_the_largest_group_goes_first_and_then_where_rows_are_fewest():
    groups = np.repeat(["a", "b", "c", "d", "e"], [1, 2, 8, 4, 3])
    folds = group_folds(2, groups)
    assert [set(groups[test]) for _, test in folds] == [{"c", "a"}, {"d", "e", "b"}]
    theirs = GroupKFold(2).split(groups, groups=groups)  # no two of one size
    for ours, expected in zip(folds, theirs, strict=True):
        assert_array_equal(ours[0], expected[0])
        assert_array_equal(ours[1], expected[1])


def test_replicates_make_the_error_look_smaller_unless_grouped():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 100)), rng.normal(size=20)  # nothing to be learnt
    X = np.repeat(X, 3, axis=0) + 0.01 * rng.normal(size=(60, 100))
    y, groups = np.repeat(y, 3), np.repeat(np.arange(20), 3)
    leaking = PLSRegressionCV().fit(X, y).rmsecv_.min()
    honest = PLSRegressionCV().fit(X, y, groups=groups).rmsecv_.min()
    assert leaking < 0.5 * honest


def test_there_are_never_more_folds_than_rows_or_groups():
    X, y = mixtures(n_samples=4)
    assert len(make_splits(10, X, y, None, "min")) == 4
    assert len(make_splits(10, X, y, ["a", "b", "b", "c"], "min")) == 3


def test_a_splitter_gets_the_groups():
    X, y = mixtures()
    groups = np.repeat(np.arange(20), 3)
    cv = GroupShuffleSplit(3, random_state=0)
    ours = PLSRegressionCV(4, cv=cv).fit(X, y, groups=groups)
    theirs = PLSRegressionCV(4, cv=list(cv.split(X, y, groups))).fit(X, y)
    assert_array_equal(ours.rmsecv_, theirs.rmsecv_)


@pytest.mark.parametrize(
    ("cv", "groups", "message"),
    [
        (5, ["a"] * 60, "at least 2 different groups.*n_groups=1"),
        (5, ["a", "b"], "inconsistent numbers of samples"),
        (RepeatedKFold(n_splits=3, n_repeats=1), np.arange(60) // 3, "the same group"),
        (GroupKFold(3), None, "groups"),
        ([(np.arange(60), np.arange(0))], None, "no training rows or no test rows"),
        ([], None, "at least 1 splits. Got 0"),
    ],
)
@pytest.mark.filterwarnings("ignore:The groups parameter is ignored:UserWarning")
def test_splits_that_cannot_be_right_are_refused(cv, groups, message):
    X, y = mixtures()
    with pytest.raises(ValueError, match=message):
        PLSRegressionCV(cv=cv).fit(X, y, groups=groups)


# --- data that break a careless PLS


@pytest.mark.parametrize("scale", [False, True])
def test_constant_channels_change_nothing(scale):
    X, y = mixtures(n_samples=500)
    constant = np.full((500, 2), [0.1, 1e5 + 0.1])  # their means are rounded
    plain = PLSRegressionCV(scale=scale).fit(X, y)
    padded = PLSRegressionCV(scale=scale).fit(np.hstack([constant, X]), y)
    assert_array_equal(padded.coef_[:, :2], 0.0)
    assert_allclose(padded.coef_[:, 2:], plain.coef_, atol=1e-9)
    assert_allclose(padded.rmsecv_, plain.rmsecv_, rtol=1e-9)


def test_rounding_noise_of_a_channel_is_not_scaled_up_to_a_signal():
    X, y = mixtures()
    X[:, 0] = np.where(y > np.median(y), 0.1, np.nextafter(0.1, 1))
    assert PLSRegressionCV(scale=True).fit(X, y).coef_[0, 0] == 0.0


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e9])
def test_constant_y_is_predicted_exactly_and_said_so(value, scale):
    X, _ = mixtures()
    y = np.full(60, value)
    with pytest.warns(UserWarning, match="y is constant in at least one target"):
        pls = PLSRegressionCV(scale=scale).fit(X, y)
    assert_array_equal(pls.predict(X), y)
    assert_array_equal(pls.rmsecv_, 0.0)
    assert pls.transform(X).shape == (60, 1)


@pytest.mark.parametrize("scale", [False, True])
def test_one_constant_target_does_not_disturb_the_others(scale):
    X, y = mixtures()
    with pytest.warns(UserWarning, match="y is constant in at least one target"):
        both = PLSRegressionCV(scale=scale).fit(X, np.stack([y, np.ones(60)], axis=1))
    alone = PLSRegressionCV(scale=scale).fit(X, y)
    assert both.n_components_ == alone.n_components_
    assert_array_equal(both.predict(X)[:, 1], 1.0)
    assert_allclose(both.predict(X)[:, 0], alone.predict(X), atol=1e-9)


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("n_targets", [1, 2, 4])
def test_components_past_the_rank_are_not_made_up(n_targets, scale):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(50, 3))
    X = scores @ rng.normal(size=(3, 30))  # rank 3, no noise
    y = scores[:, :1] + 0.1 * rng.normal(size=(50, n_targets))
    pls = PLSRegressionCV(scale=scale).fit(X, y)
    assert pls.n_components_ <= 3
    assert np.isfinite(pls.predict(X)).all()
    assert_allclose(pls.rmsecv_[3:], np.broadcast_to(pls.rmsecv_[3], (17, n_targets)))


def test_components_that_only_the_folds_could_tell_are_not_counted():
    X, y = mixtures()
    X[0] *= 1e10  # beside this spectrum, all others are the same
    rows = np.arange(60)
    pls = PLSRegressionCV(cv=[(rows[1:40], rows[40:])]).fit(X, y)
    assert pls.rmsecv_.argmin() > 0
    assert pls.n_components_ == 1
    assert pls.transform(X).shape == (60, 1)


def test_identical_spectra_predict_the_mean():
    pls = PLSRegressionCV().fit(np.ones((10, 5)), np.arange(10.0))
    assert_allclose(pls.predict(np.ones((1, 5))), 4.5)


@pytest.mark.parametrize("n_targets", [1, 3])
def test_a_single_channel_is_a_straight_line(n_targets):
    X, y = mixtures(n_targets=n_targets)
    line = LinearRegression().fit(X[:, :1], y)
    pls = PLSRegressionCV().fit(X[:, :1], y)
    assert_allclose(pls.predict(X[:, :1]), line.predict(X[:, :1]))


X_GOOD, Y_GOOD = mixtures(n_samples=10)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (X_GOOD[:1], Y_GOOD[:1], "minimum of 2 is required by PLSRegressionCV"),
        (X_GOOD, Y_GOOD[:9], "inconsistent numbers of samples"),
        (X_GOOD, None, "requires y to be passed"),
        (X_GOOD, Y_GOOD * np.nan, "Input y contains NaN"),
        (
            np.where(np.eye(10, 40) > 0, np.inf, X_GOOD),
            Y_GOOD,
            "Input X contains infinity",
        ),
        (X_GOOD, np.full(10, "high"), "could not convert string to float"),
        (X_GOOD, Y_GOOD.astype("M8[s]"), "y must hold numbers. Got datetime64"),
        (X_GOOD, Y_GOOD * 1e300, "y holds values beyond 1e"),
        (X_GOOD * 1e300, Y_GOOD, "X holds values beyond 1e"),
    ],
)
def test_bad_data_are_refused_by_name(X, y, message):
    with pytest.raises(ValueError, match=message):
        PLSRegressionCV().fit(X, y)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("max_components", 0),
        ("max_components", 2.0),
        ("cv", 1),
        ("cv", "kfold"),
        ("rule", "two_standard_errors"),
        ("scale", "yes"),
    ],
)
def test_bad_parameters_are_refused_by_name(parameter, value):
    message = f"The '{parameter}' parameter of PLSRegressionCV must be"
    with pytest.raises(ValueError, match=message):
        PLSRegressionCV(**{parameter: value}).fit(X_GOOD, Y_GOOD)


# --- real spectra


@pytest.mark.parametrize("name", ["tecator", "wheat_kernels", "corn"])
def test_collinear_spectra_give_the_coefficients_of_scikit_learn(real_spectra, name):
    data = real_spectra(name)
    X, y = data.X.astype(float), data.y[:, 0].astype(float)
    ours = PLSRegressionCV(15).fit(X, y)
    theirs = converged_pls(ours.n_components_).fit(X, y)
    size = np.abs(theirs.coef_).max()
    assert ours.n_components_ >= 8
    assert_allclose(ours.coef_ / size, theirs.coef_ / size, atol=1e-8, rtol=0)
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8)


def test_tecator_by_groups_reaches_a_known_error(real_spectra):
    data = real_spectra("tecator")
    X, fat = data.X, data.y[:, 1]
    scores = cross_val_score(
        PLSRegressionCV(),
        X,
        fat,
        cv=GroupKFold(5),
        groups=data.groups,
        scoring="neg_root_mean_squared_error",
    )
    # The reference values run from 1 to 49 %, with a standard deviation of 12.7.
    assert 1.0 < -scores.mean() < 3.5
    pls = PLSRegressionCV().fit(X, fat, groups=data.groups)
    assert 1.0 < pls.rmsecv_.min() < 3.5
    sparing = clone(pls).set_params(rule="one_standard_error")
    assert sparing.fit(X, fat, groups=data.groups).n_components_ < pls.n_components_
