"""Figures of merit: values worked out by hand, identities and invariances."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge
from sklearn.metrics import make_scorer, r2_score, root_mean_squared_error
from sklearn.model_selection import cross_val_score

from skspectra.metrics import bias, concordance_correlation, rpd, rpiq, sep

ALL = [bias, concordance_correlation, rpd, rpiq, sep]
SPREADS = [concordance_correlation, rpd, rpiq, sep]

# errors 1, 0, 1, -1, 4: mean 1, squares sum 19, squared deviations sum 14;
# reference: mean 4, squared deviations 9+4+0+1+16 = 30, quartiles 2 and 5
TRUE = [1.0, 2.0, 4.0, 5.0, 8.0]
PRED = [2.0, 2.0, 5.0, 4.0, 12.0]


@pytest.fixture
def two_targets():
    rng = np.random.default_rng(0)
    y_true = rng.normal(size=(30, 2)) * [1.0, 50.0]
    return y_true, y_true + rng.normal(size=(30, 2)) * [0.3, 20.0] + [0.2, -5.0]


@pytest.mark.parametrize(
    ("metric", "options", "value"),
    [
        (bias, {}, 1.0),
        (sep, {}, np.sqrt(14 / 4)),
        (rpd, {}, np.sqrt(30 / 4) / np.sqrt(14 / 4)),
        (rpd, {"error": "rmsep"}, np.sqrt(30 / 4) / np.sqrt(19 / 5)),
        (rpiq, {}, 3 / np.sqrt(19 / 5)),
        # prediction: mean 5, squared deviations 9+9+0+1+49 = 68, products 42
        (concordance_correlation, {}, 2 * 42 / 5 / (30 / 5 + 68 / 5 + 1)),
    ],
)
def test_value_worked_out_by_hand(metric, options, value):
    result = metric(TRUE, PRED, **options)
    assert isinstance(result, float)
    assert_allclose(result, value, rtol=1e-12)


def test_quartiles_between_samples_are_interpolated_linearly():
    # position 0.25 * 3 = 0.75: the first quartile is 1.75, the third 3.25
    assert_allclose(rpiq([1, 2, 3, 4], [2, 3, 4, 5]), 1.5)


def test_bias_is_positive_where_predictions_are_too_high():
    assert bias([1.0, 2.0], [2.0, 3.0]) == 1.0


def test_rmsep_consists_of_bias_and_sep(two_targets):
    y_true, y_pred = two_targets
    parts = (
        bias(y_true, y_pred, multioutput="raw_values") ** 2
        + sep(y_true, y_pred, multioutput="raw_values") ** 2 * 29 / 30
    )
    rmsep = root_mean_squared_error(y_true, y_pred, multioutput="raw_values")
    assert_allclose(parts, rmsep**2, rtol=1e-12)


def test_rpd_with_rmsep_and_r2_say_the_same(two_targets):
    y_true, y_pred = two_targets
    ratio = rpd(y_true, y_pred, error="rmsep", multioutput="raw_values")
    r2 = r2_score(y_true, y_pred, multioutput="raw_values")
    assert_allclose(1 - 30 / (29 * ratio**2), r2, rtol=1e-12)


def test_sep_and_rpd_forgive_a_bias_and_the_others_do_not():
    shifted = np.add(PRED, 10.0)
    assert_allclose(sep(TRUE, shifted), sep(TRUE, PRED))
    assert_allclose(rpd(TRUE, shifted), rpd(TRUE, PRED))
    assert rpd(TRUE, shifted, error="rmsep") < rpd(TRUE, PRED, error="rmsep")
    assert rpiq(TRUE, shifted) < rpiq(TRUE, PRED)
    assert concordance_correlation(TRUE, shifted) < concordance_correlation(TRUE, PRED)


@pytest.mark.parametrize("metric", [rpd, rpiq, concordance_correlation])
def test_ratios_have_no_unit(metric):
    other_unit = metric(np.multiply(TRUE, 1e3) + 7, np.multiply(PRED, 1e3) + 7)
    assert_allclose(other_unit, metric(TRUE, PRED), rtol=1e-12)


@pytest.mark.parametrize("metric", [bias, sep])
def test_errors_carry_the_unit_of_y(metric):
    other_unit = metric(np.multiply(TRUE, 1e3), np.multiply(PRED, 1e3))
    assert_allclose(other_unit, 1e3 * metric(TRUE, PRED), rtol=1e-12)


@pytest.mark.parametrize(
    ("metric", "sign"), [(bias, -1), (sep, 1), (concordance_correlation, 1)]
)
def test_exchanging_reference_and_prediction(metric, sign):
    assert_allclose(metric(PRED, TRUE), sign * metric(TRUE, PRED), rtol=1e-12)


@pytest.mark.parametrize("metric", [rpd, rpiq])
def test_ratios_belong_to_the_reference(metric):
    y_true, y_pred = [0.0, 1.0, 3.0, 7.0], [0.0, 1.0, 4.0, 5.0]
    assert abs(metric(y_pred, y_true) - metric(y_true, y_pred)) > 0.1


def test_concordance_is_one_only_on_the_line_of_identity():
    assert_allclose(concordance_correlation(TRUE, TRUE), 1.0)
    assert_allclose(concordance_correlation([-1, 0, 1], [1, 0, -1]), -1.0)
    assert concordance_correlation(TRUE, np.multiply(TRUE, 2)) < 0.9
    assert concordance_correlation(TRUE, [3.0] * 5) == 0.0


@pytest.mark.parametrize("metric", [rpd, rpiq])
def test_no_error_is_an_infinite_ratio_without_a_warning(metric):
    assert metric(TRUE, TRUE) == np.inf


@pytest.mark.parametrize("metric", [rpd, rpiq, concordance_correlation])
def test_neither_error_nor_spread_is_nan_without_a_warning(metric):
    assert np.isnan(metric([2.0, 2.0], [2.0, 2.0]))


@pytest.mark.parametrize("metric", ALL)
def test_several_targets_are_averaged_as_in_scikit_learn(metric, two_targets):
    y_true, y_pred = two_targets
    raw = metric(y_true, y_pred, multioutput="raw_values")
    assert raw.shape == (2,)
    for target in range(2):
        assert_allclose(raw[target], metric(y_true[:, target], y_pred[:, target]))
    assert_allclose(metric(y_true, y_pred), raw.mean())
    weighted = metric(y_true, y_pred, multioutput=[3.0, 1.0])
    assert_allclose(weighted, (3 * raw[0] + raw[1]) / 4)


@pytest.mark.parametrize("metric", ALL)
def test_a_column_is_one_target(metric):
    column = np.reshape(TRUE, (-1, 1))
    assert metric(column, PRED) == metric(TRUE, PRED)
    assert metric(TRUE, PRED, multioutput="raw_values").shape == (1,)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([1.0, np.nan], [1.0, 2.0], "Input y_true contains NaN"),
        ([1.0, 2.0], [1.0, np.inf], "Input y_pred contains infinity"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], "inconsistent numbers of samples"),
        ([], [], "0 sample"),
        ([[1, 2], [3, 4]], [1, 2], "y_true has 2 targets, but y_pred has 1"),
        (["1", "2"], [1, 2], "bytes/strings"),
        (None, [1, 2], "The 'y_true' parameter of"),
    ],
)
def test_bad_values_are_refused_by_name(metric, y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        metric(y_true, y_pred)


@pytest.mark.parametrize("metric", SPREADS)
def test_one_sample_has_no_spread(metric):
    with pytest.raises(ValueError, match="n_samples=1"):
        metric([1.0], [2.0])


def test_one_sample_has_a_bias():
    assert bias([1.0], [3.0]) == 2.0


@pytest.mark.parametrize(
    ("multioutput", "message"),
    [
        ("mean", "The 'multioutput' parameter of sep must be"),
        ([1.0, 2.0, 3.0], "must hold 2 weights"),
    ],
)
def test_bad_averages_are_refused(two_targets, multioutput, message):
    with pytest.raises(ValueError, match=message):
        sep(*two_targets, multioutput=multioutput)


def test_an_unknown_denominator_is_refused():
    with pytest.raises(ValueError, match="The 'error' parameter of rpd must be"):
        rpd(TRUE, PRED, error="rmse")


def test_metrics_score_inside_cross_validation():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    y = X.sum(axis=1) + 0.1 * rng.normal(size=40)
    assert (cross_val_score(Ridge(), X, y, scoring=make_scorer(rpd)) > 3).all()
    lower_is_better = make_scorer(sep, greater_is_better=False)
    assert (cross_val_score(Ridge(), X, y, scoring=lower_is_better) < 0).all()
