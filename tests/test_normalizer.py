import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler, normalize
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skspectra._normalizer import InstanceNormalizer

METHODS = ("standard", "minmax", "area", "max", "robust")
CENTRING = ("standard", "minmax", "robust")
every_method = pytest.mark.parametrize("method", METHODS)
every_centring_method = pytest.mark.parametrize("method", CENTRING)


@pytest.fixture
def spectra():
    """Return 20 spectra of 64 channels, offset and slope included."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 64)) + np.linspace(1, 3, 64) + rng.normal(size=(20, 1))


def transform(X, method="standard", **params):
    return InstanceNormalizer(method, **params).transform(X)


# ---- scikit-learn's contract


@parametrize_with_checks([InstanceNormalizer(m) for m in METHODS])
def test_scikit_learn_common_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X .* feature names:UserWarning")
@every_method
@pytest.mark.parametrize(
    "check",
    [
        "dataframe_column_names_consistency",
        "param_validation",
        "set_output_transform",
        "set_output_transform_pandas",
        "set_output_transform_polars",
        "global_output_transform_pandas",
        "global_set_output_transform_polars",
        "transformer_get_feature_names_out",
        "transformer_get_feature_names_out_pandas",
        "get_feature_names_out_error",
        "inplace_ensure_writeable",
    ],
)
def test_checks_that_scikit_learn_leaves_to_the_caller(check, method):
    function = getattr(estimator_checks, f"check_{check}")
    function("InstanceNormalizer", InstanceNormalizer(method))


def test_the_tags_say_stateless_and_which_types_are_preserved():
    tags = get_tags(InstanceNormalizer())
    assert not tags.requires_fit
    assert tags.transformer_tags.preserves_dtype == ["float64", "float32"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"method": "snv"}, "The 'method' parameter of InstanceNormalizer must be a"),
        ({"eps": 0.0}, r"The 'eps' parameter of InstanceNormalizer must be a float in"),
        ({"eps": 1.0}, r"in the range \(0.0, 1.0\). Got 1.0 instead"),
        ({"eps": np.nan}, "Got nan instead"),
        ({"eps": "small"}, "Got 'small' instead"),
    ],
)
@pytest.mark.parametrize("call", ["fit", "transform", "fit_transform"])
def test_bad_parameters_are_named_with_what_is_allowed(spectra, call, params, message):
    with pytest.raises(ValueError, match=message):
        getattr(InstanceNormalizer(**params), call)(spectra)


def test_feature_names_pass_through_and_need_a_fit(spectra):
    frame = pd.DataFrame(spectra, columns=[f"{x} nm" for x in range(64)])
    normalizer = InstanceNormalizer().set_output(transform="pandas")
    with pytest.raises(NotFittedError):
        normalizer.get_feature_names_out()
    out = normalizer.fit_transform(frame)
    assert list(out.columns) == list(frame.columns)
    assert_array_equal(out.to_numpy(), transform(spectra))


def test_polars_frames_go_in_and_out(spectra):
    frame = pl.DataFrame(spectra, schema=[f"{x} nm" for x in range(64)])
    out = InstanceNormalizer().set_output(transform="polars").fit_transform(frame)
    assert out.columns == frame.columns
    assert_array_equal(out.to_numpy(), transform(spectra))


def test_it_works_as_a_pipeline_step_and_through_clone(spectra):
    pipeline = make_pipeline(clone(InstanceNormalizer("area")), StandardScaler())
    expected = StandardScaler().fit_transform(transform(spectra, "area"))
    assert_array_equal(pipeline.fit_transform(spectra), expected)


# ---- values


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # of 1, 2, 3, 4, 10: mean 4, variance 10, median 3, quartiles 2 and 4
        ("standard", (np.array([1, 2, 3, 4, 10]) - 4) / np.sqrt(10)),
        ("minmax", np.array([0, 1, 2, 3, 9]) / 9),
        ("area", np.array([1, 2, 3, 4, 10]) / 20),
        ("max", np.array([1, 2, 3, 4, 10]) / 10),
        ("robust", np.array([-2, -1, 0, 1, 7]) / 2),
    ],
)
def test_values_worked_out_by_hand(method, expected):
    assert_allclose(transform([[1, 2, 3, 4, 10]], method)[0], expected, rtol=1e-14)


def test_negative_values_count_by_their_size_in_area_and_max():
    assert_allclose(transform([[-3.0, 1.0]], "area"), [[-0.75, 0.25]])
    assert_allclose(transform([[-4.0, 1.0]], "max"), [[-1.0, 0.25]])


@pytest.mark.parametrize(
    ("method", "oracle"),
    [
        ("standard", lambda X: StandardScaler().fit_transform(X.T).T),
        ("minmax", lambda X: MinMaxScaler().fit_transform(X.T).T),
        ("area", lambda X: normalize(X, "l1")),
        ("max", lambda X: normalize(X, "max")),
        ("robust", lambda X: RobustScaler().fit_transform(X.T).T),
    ],
)
def test_scikit_learn_agrees_on_the_transposed_table(spectra, method, oracle):
    assert_allclose(transform(spectra, method), oracle(spectra), rtol=0, atol=1e-13)


def test_every_method_has_its_unit(spectra):
    assert_allclose(transform(spectra).mean(axis=1), 0, atol=1e-14)
    assert_allclose(transform(spectra).std(axis=1), 1, rtol=1e-13)
    assert_array_equal(transform(spectra, "minmax").min(axis=1), 0)
    assert_array_equal(transform(spectra, "minmax").max(axis=1), 1)
    assert_allclose(np.abs(transform(spectra, "area")).sum(axis=1), 1, rtol=1e-13)
    assert_array_equal(np.abs(transform(spectra, "max")).max(axis=1), 1)


@every_method
def test_a_positive_factor_for_each_spectrum_changes_nothing(spectra, method):
    factor = np.random.default_rng(1).uniform(0.01, 100, size=(20, 1))
    expected = transform(spectra, method)
    assert_allclose(transform(factor * spectra, method), expected, atol=1e-13)


@every_centring_method
def test_an_offset_for_each_spectrum_changes_nothing(spectra, method):
    offset = np.random.default_rng(1).uniform(-5, 5, size=(20, 1))
    expected = transform(spectra, method)
    assert_allclose(transform(spectra + offset, method), expected, atol=1e-12)


@every_method
def test_a_row_does_not_depend_on_its_company(spectra, method):
    together = transform(spectra, method)
    alone = np.concatenate([transform(row[None], method) for row in spectra])
    assert_array_equal(together, alone)
    assert_array_equal(together[::-1], transform(spectra[::-1], method))


# ---- flat spectra


@every_centring_method
@pytest.mark.parametrize("level", [0.0, 0.1, -3.0, 1e8, 1e-300, -1e300])
@pytest.mark.parametrize("n_channels", [1, 3, 1000])
def test_a_constant_spectrum_becomes_zeros_with_a_warning(method, level, n_channels):
    with pytest.warns(UserWarning, match="1 of 1 spectra are flat"):
        out = transform(np.full((1, n_channels), level), method)
    assert_array_equal(out, 0)


@pytest.mark.parametrize("method", ["area", "max"])
def test_a_constant_spectrum_still_has_an_area_and_a_maximum(method):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = transform([[-2.0, -2.0]], method)
    assert_array_equal(out, [[-0.5, -0.5]] if method == "area" else [[-1.0, -1.0]])


@every_method
def test_a_spectrum_of_zeros_stays_zeros_with_a_warning(method):
    with pytest.warns(UserWarning, match="flat and became zeros"):
        assert_array_equal(transform([[0.0, 0.0, 0.0]], method), 0)


def test_one_warning_counts_all_flat_spectra_and_points_at_the_caller(spectra):
    spectra[[4, 7, 9]] = 2.0
    with pytest.warns(UserWarning) as caught:
        out = transform(spectra)
    assert len(caught) == 1
    assert str(caught[0].message) == (
        "3 of 20 spectra are flat and became zeros; the first is row 4."
    )
    assert caught[0].filename == __file__
    assert_array_equal(np.flatnonzero((out == 0).all(axis=1)), [4, 7, 9])


@every_centring_method
def test_a_ripple_too_small_for_a_huge_offset_is_flat(method):
    with pytest.warns(UserWarning, match="flat"):
        out = transform(1e8 + 1e-9 * np.arange(8.0)[None], method)
    assert_array_equal(out, 0)


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e5])
def test_flatness_is_relative_to_the_spectrum(unit):
    ripple = np.array([[1.0, 1.0 + 1e-6, 1.0 - 1e-6, 1.0]]) * unit
    assert np.ptp(transform(ripple)) > 2
    with pytest.warns(UserWarning, match="flat"):
        assert_array_equal(transform(ripple, eps=1e-5), 0)


def test_a_mostly_empty_spectrum_is_flat_for_robust_alone():
    counts = np.zeros((1, 40))
    counts[0, 3] = 1000
    with pytest.warns(UserWarning, match="flat"):
        assert_array_equal(transform(counts, "robust"), 0)
    assert all(transform(counts, m).any() for m in METHODS if m != "robust")


# ---- numbers of every kind


@every_method
@pytest.mark.parametrize("unit", [1e-310, 1e-300, 1e-42, 1e30, 1e39, 1e307])
def test_very_small_and_very_large_values_give_the_same_result(spectra, method, unit):
    # 1e-310 is subnormal: four digits are left of it.
    rtol = 1e-2 if unit < 1e-307 else 1e-12
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        out = transform(spectra * unit, method)
    assert_allclose(out, transform(spectra, method), rtol=rtol, atol=rtol)


@every_method
def test_subnormal_float32_is_no_flat_spectrum(method):
    tiny = np.array([[1e-42, 2e-42, 4e-42, 8e-42, 3e-42]], dtype=np.float32)
    out = transform(tiny, method)
    assert out.dtype == np.float32
    assert_allclose(out, transform(tiny.astype(np.float64), method), rtol=1e-6)


@every_method
def test_float32_stays_float32_and_is_computed_in_float64(spectra, method):
    single = (1e4 + spectra).astype(np.float32)
    out = transform(single, method)
    assert out.dtype == np.float32
    expected = transform(single.astype(np.float64), method)
    assert_array_equal(out, expected.astype(np.float32))


@pytest.mark.parametrize(
    "dtype", ["u2", "i4", "?", "f2", "longdouble", ">f8", ">f4", "O"]
)
def test_other_types_become_float64(dtype):
    out = transform(np.array([[1, 0, 0, 1, 1]]).astype(dtype))
    assert out.dtype == np.dtype(np.float64)
    assert_allclose(out, np.array([[2, -3, -3, 2, 2]]) / np.sqrt(6), rtol=1e-14)


def test_counts_do_not_wrap_around():
    counts = np.array([[65535, 0, 65535, 0]], dtype=np.uint16)
    assert_allclose(transform(counts), [[1, -1, 1, -1]])


@every_method
@pytest.mark.parametrize("layout", ["fortran", "strided", "reversed", "memmap"])
def test_input_is_never_written_and_its_layout_does_not_matter(
    spectra, method, layout, tmp_path
):
    expected = transform(spectra, method)
    if layout == "fortran":
        X = np.asfortranarray(spectra)
    elif layout == "strided":
        X = np.repeat(spectra, 2, axis=1)[:, ::2]
    elif layout == "reversed":
        X = spectra[:, ::-1].copy()[:, ::-1]
    else:
        np.save(tmp_path / "spectra.npy", spectra)
        X = np.load(tmp_path / "spectra.npy", mmap_mode="r")
    X.flags.writeable = False
    before = X.copy()
    out = transform(X, method)
    assert_array_equal(out, expected)
    assert_array_equal(X, before)
    assert not np.shares_memory(out, X)


def test_lists_and_nullable_columns_are_accepted():
    assert_allclose(transform([[1, 3]]), [[-1, 1]])
    nullable = pd.DataFrame({"a": [1.0], "b": [3.0]}, dtype="Float64")
    assert_allclose(InstanceNormalizer().fit_transform(nullable), [[-1, 1]])


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([[1.0, np.inf]], ValueError, "infinity"),
        ([1.0, 2.0], ValueError, "Expected 2D array"),
        (np.ones((2, 2, 2)), ValueError, "Expected 2D array, got 3D"),
        (np.ones((0, 3)), ValueError, "0 sample"),
        (np.ones((3, 0)), ValueError, "0 feature"),
        ([[1.0, 2.0], [3.0]], ValueError, "inhomogeneous"),
        ([["a", "b"]], ValueError, "could not convert string to float"),
        (np.array([[1j, 2]]), ValueError, "Complex data not supported"),
        (sparse.csr_array([[1.0, 2.0]]), TypeError, "Sparse data was passed"),
    ],
)
def test_bad_spectra_are_refused(X, error, message):
    with pytest.raises(error, match=message):
        transform(X)


def test_another_number_of_channels_than_fitted_is_refused(spectra):
    normalizer = InstanceNormalizer().fit(spectra)
    with pytest.raises(ValueError, match="X has 63 features, but InstanceNormalizer"):
        normalizer.transform(spectra[:, 1:])


def test_reordered_column_names_are_refused(spectra):
    frame = pd.DataFrame(spectra, columns=[f"{x} nm" for x in range(64)])
    normalizer = InstanceNormalizer().fit(frame)
    with pytest.raises(ValueError, match="must be in the same order"):
        normalizer.transform(frame.iloc[:, ::-1])


def test_real_spectra_keep_their_shape_under_snv(real_spectra):
    X = real_spectra("tecator").X
    out = transform(X)
    assert out.dtype == np.float32
    correlation = [np.corrcoef(a, b)[0, 1] for a, b in zip(X, out, strict=True)]
    assert_allclose(correlation, 1, atol=1e-6)
