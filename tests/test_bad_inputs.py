"""What every estimator does with odd inputs: which error with which words, or none.

One table. Its rows are numbered as in a catalogue of 78 inputs; of these, damaged and
foreign checkpoint files (66 to 69) and models of older versions (75) are tested
elsewhere. An overflow of float16 (5) cannot happen: nothing is computed in it. Spectra
of a shifted instrument (78) are valid numbers, which only column names can tell (47).
"""

import datetime
import functools
import re
import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback
from test_common import tiny_pretrainer

import skspectra._inference as inference
from skspectra import (
    InstanceNormalizer,
    PLSRegressionCV,
    SpectralClassifier,
    SpectralNoveltyDetector,
    SpectralRegressor,
    SpectralStackingRegressor,
    load_model,
    save_model,
)
from skspectra.evaluation import TunedPLS, compare
from skspectra.exceptions import FewLabelsWarning

pytestmark = pytest.mark.filterwarnings("ignore::skspectra.exceptions.FewLabelsWarning")

TINY = tiny_pretrainer(embed_dim=4, decoder_dim=4, random_state=None)
ESTIMATORS = {
    "normalizer": InstanceNormalizer(),
    "pretrainer": tiny_pretrainer(embed_dim=4, decoder_dim=4),
    "novelty": SpectralNoveltyDetector(cv=2),
    "fine_tune": SpectralRegressor(TINY, max_epochs=2, random_state=0),
    "probe": SpectralRegressor(TINY, strategy="probe", random_state=0),
    "classifier": SpectralClassifier(TINY, max_epochs=2, random_state=0),
    "stack": SpectralStackingRegressor(cv=2, random_state=0),
    "PLS": PLSRegressionCV(max_components=2, cv=2),
    "TunedPLS": TunedPLS(max_components=2, cv=2),
}
ALL = tuple(ESTIMATORS)
LEARNING = ALL[1:]
FROM_Y = tuple(name for name in LEARNING if name not in ("pretrainer", "novelty"))
REGRESSORS = ("fine_tune", "probe", "stack", "PLS", "TunedPLS")
HEADS = ("fine_tune", "probe", "classifier")
NETWORKS = ("pretrainer", *HEADS)
LABELS_MAY_MISS = ("fine_tune", "probe", "stack")
BY_PLS = ("PLS", "TunedPLS")
TAKE_GAPS = ("normalizer", *NETWORKS)
NEED_ALL = ("stack", *BY_PLS)

N_ROWS, N_CHANNELS = 12, 6
# Whole numbers that every dtype below holds exactly.
X = np.random.default_rng(0).integers(1, 200, (N_ROWS, N_CHANNELS)).astype(float)
Y = X @ np.arange(1.0, 7.0) / 100
CLASSES = np.repeat(["quartz", "calcite"], N_ROWS // 2)
NAMES = list("abcdef")
AXIS = np.linspace(1100.0, 1150.0, N_CHANNELS)


def target(name):
    return CLASSES if name == "classifier" else Y


def fit(name, X=X, y=None, *, parameters=None, **passed):
    estimator = clone(ESTIMATORS[name]).set_params(**(parameters or {}))
    return estimator.fit(X, target(name) if y is None else y, **passed)


def answer(model, X=X):
    for method in ("predict_proba", "predict"):
        if hasattr(model, method):
            return getattr(model, method)(X)
    return model.transform(X)


@functools.cache
def fitted(name):
    return fit(name)


def assert_unfitted(model):
    if isinstance(model, InstanceNormalizer):  # works unfitted, so it must be that
        assert not [key for key in vars(model) if key.endswith("_")]
        return
    with pytest.raises(NotFittedError):
        answer(model)


class Case(NamedTuple):
    row: int
    what: str
    value: Any  # a function of nothing
    error: Any = ValueError
    says: str = ""
    who: tuple = ALL


def params(cases):
    """Return a case with each estimator that it is about."""
    return [
        pytest.param(name, case, id=f"{case.row:02d}-{case.what}-{name}")
        for case in cases
        for name in case.who
    ]


def rows(cases):
    return [pytest.param(case, id=f"{case.row:02d}-{case.what}") for case in cases]


def put(value, row=3, channel=2, dtype=float, source=X):
    changed = source.astype(dtype)
    changed[row, channel] = value
    return changed


def frame(columns=None, data=X, **options):
    return pd.DataFrame(data, columns=columns, **options)


# --- spectra that are refused, in `fit` and in `predict` or `transform` ------------


def matrix():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.matrix(X)


STRUCTURED = np.zeros(N_ROWS, dtype=[("a", float), ("b", float)])
RAGGED = [*X.tolist()[:-1], [1.0]]
GAPS = {  # ways of writing that channel 2 of row 3 is missing
    "an object array": lambda: put(pd.NA, dtype=object),
    "an object frame": lambda: frame(data=put(pd.NA, dtype=object)),
    "a nullable frame": lambda: frame(data=put(np.nan)).astype("Float64"),
    "a list (None)": lambda: put(None, dtype=object).tolist(),
}
SPECTRA = [
    Case(
        1,
        "NaN",
        lambda: put(np.nan),
        says="X contains NaN: 1 of 12 spectra, the first in row 3, channel 2",
        who=NEED_ALL,
    ),
    Case(
        1,
        "NaN in a frame",
        lambda: frame(data=put(np.nan)),
        says="X contains NaN: 1 of 12 spectra, the first in row 3, channel 2",
        who=NEED_ALL,
    ),
    Case(
        1,
        "NaN in float32",
        lambda: put(np.nan, dtype=np.float32),
        says="X contains NaN: 1 of 12 spectra, the first in row 3, channel 2",
        who=NEED_ALL,
    ),
    Case(2, "inf", lambda: put(np.inf), says="X contains infinity.*row 3, channel 2"),
    Case(2, "-inf", lambda: put(-np.inf), says="X contains infinity.*row 3, channel 2"),
    Case(22, "0 samples", lambda: X[:0], says="minimum of [12] is required"),
    Case(22, "0 channels", lambda: X[:, :0], says="0 feature"),
    Case(24, "1-D", lambda: X[0], says="Expected 2D array, got 1D"),
    Case(
        24,
        "3-D",
        lambda: X.reshape(2, 6, 6),
        says=r"Expected 2D array, got 3D.*\(2, 6, 6\).*X.reshape\(-1, X.shape\[-1\]\)",
    ),
    *(
        Case(29, f"numeric strings in {what}", make, TypeError, "X holds strings.*'")
        for what, make in {
            "an array": lambda: X.astype(str),
            "bytes": lambda: X.astype(bytes),
            "an object array": lambda: X.astype(str).astype(object),
            "one cell": lambda: put("7.5", dtype=object),
            "a list": lambda: X.astype(str).tolist(),
            "a frame": lambda: frame(data=X.astype(str)),
            "a frame's column": lambda: frame().astype({2: str}),
            "categories": lambda: frame().astype({2: str}).astype({2: "category"}),
        }.items()
    ),
    Case(
        30,
        "datetimes",
        lambda: np.full(X.shape, np.datetime64("2026-01-01")),
        says="X must hold numbers. Got datetime64",
    ),
    Case(
        30,
        "a column of times",
        lambda: frame().assign(when=pd.Timestamp("2026-01-01")),
        says="X must hold numbers. Got datetime64.*'when'",
    ),
    Case(31, "complex", lambda: X + 1j, says="Complex data not supported"),
    Case(40, "a dict in a cell", lambda: put({}, dtype=object), TypeError, "'dict'"),
    Case(40, "a word", lambda: put("high", dtype=object), says="could not convert"),
    Case(
        41,
        "masked cells",
        lambda: np.ma.masked_greater(X, 100),
        says="X has masked values; fill or drop them",
    ),
    Case(42, "sparse", lambda: scipy.sparse.csr_array(X), TypeError, "Sparse data was"),
    *(
        Case(43, f"NA in {what}", make, says="X contains NaN.*2", who=NEED_ALL)
        for what, make in GAPS.items()
    ),
    Case(48, "names of two types", lambda: frame([*"abcde", 5]), TypeError, "types"),
    Case(49, "double names", lambda: frame([*"abcde", "e"]), says="'e'"),
    Case(49, "double numbers", lambda: frame([*AXIS[:5], AXIS[4]]), says="1140"),
    Case(
        57,
        "a tensor with gradient",
        lambda: torch.tensor(X, requires_grad=True),
        RuntimeError,
        "detach",
    ),
    Case(58, "a ragged list", lambda: RAGGED, says="inhomogeneous"),
    Case(58, "a dict", lambda: {"a": X}, TypeError, "dict"),
    Case(58, "records", lambda: STRUCTURED, (TypeError, ValueError), "structured"),
    Case(58, "np.matrix", matrix, TypeError, "np.matrix"),
]


@pytest.mark.parametrize("name, case", params(SPECTRA))
def test_spectra_that_are_refused(name, case):
    model = clone(ESTIMATORS[name])
    with pytest.raises(case.error, match=case.says):
        model.fit(case.value(), target(name))
    assert_unfitted(model)
    with pytest.raises(case.error, match=case.says):
        answer(fitted(name), case.value())


FRAMES = [
    Case(
        1,
        "NaN in a named column",
        lambda: frame(NAMES, put(np.nan)),
        says=r"row 3, channel 2 \('c'\)",
        who=NEED_ALL,
    ),
    Case(
        43,
        "NA in a named column",
        lambda: frame(NAMES, put(pd.NA, dtype=object)),
        says=r"row 3, channel 2 \('c'\)",
        who=NEED_ALL,
    ),
    Case(
        43,
        "NA in a column of wavelengths",
        lambda: frame(AXIS, put(np.nan)).astype("Float64"),
        says=r"row 3, channel 2 \(1120\.0\)",
        who=NEED_ALL,
    ),
]


@pytest.mark.parametrize("name, case", params(FRAMES))
def test_the_column_with_missing_values_is_named(name, case):
    with pytest.raises(case.error, match=case.says):
        fit(name, case.value())


@pytest.mark.parametrize("name", TAKE_GAPS)
@pytest.mark.parametrize("make", GAPS.values(), ids=GAPS)
def test_a_missing_channel_is_like_nan(make, name):
    expected = answer(fit(name, put(np.nan)), put(np.nan))
    assert_array_equal(answer(fit(name, make()), make()), expected)
    infinite = put(np.inf, row=0, source=put(np.nan)).astype(object)
    with pytest.raises(ValueError, match="X contains infinity"):
        fit(name, frame(data=infinite))


AT_PREDICT = [
    Case(
        10,
        "a channel less",
        lambda: X[:, 1:],
        says="X has 5 features, but {name} is expecting 6",
    ),
    Case(23, "0 samples", lambda: X[:0], says="minimum of 1 is required"),
    Case(25, "1-D", lambda: X[0], says="Expected 2D array, got 1D"),
]


@pytest.mark.parametrize("name, case", params(AT_PREDICT))
def test_spectra_that_predict_refuses(name, case):
    model = fitted(name)
    says = case.says.format(name=type(model).__name__)
    with pytest.raises(case.error, match=says):
        answer(model, case.value())


# --- spectra that are taken, whatever holds them -----------------------------------


def memmap():
    X_mapped = X.copy()
    X_mapped.setflags(write=False)
    return X_mapped


TAKEN = [
    Case(39, "objects", lambda: X.astype(object)),
    Case(41, "a masked array without masked cells", lambda: np.ma.array(X)),
    Case(44, "nullable floats", lambda: frame().astype("Float64")),
    Case(44, "nullable integers", lambda: frame().astype("Int32")),
    Case(54, "uint16", lambda: X.astype(np.uint16)),
    Case(54, "int32", lambda: X.astype(np.int32)),
    Case(55, "float16", lambda: X.astype(np.float16)),
    Case(55, "longdouble", lambda: X.astype(np.longdouble)),
    Case(55, "big-endian", lambda: X.astype(">f8")),
    Case(56, "read-only", memmap),
    Case(56, "Fortran", lambda: np.asfortranarray(X)),
    Case(56, "strided", lambda: np.repeat(X, 2, axis=1)[::1, ::2]),
    Case(56, "backwards", lambda: X[::-1].copy()[::-1]),
    Case(57, "a tensor", lambda: torch.tensor(X)),
    Case(58, "lists", lambda: X.tolist()),
]


@pytest.mark.parametrize("name, case", params(TAKEN))
def test_the_same_numbers_give_the_same_answer(name, case):
    given, expected = case.value(), answer(fitted(name))
    assert_allclose(answer(fitted(name), given), expected, atol=1e-6)
    model = fit(name, given)
    assert_allclose(answer(model, given), expected, rtol=1e-5, atol=1e-5)
    assert_array_equal(np.asarray(given), X)  # never written to


ODD = [
    Case(9, "negative values", lambda: X - 100),
    Case(55, "booleans", lambda: X.mean(axis=1, keepdims=True) < X),
    Case(21, "fewer rows than a batch", lambda: X[:4]),
]


@pytest.mark.parametrize("name, case", params(ODD))
def test_spectra_that_are_odd_and_right(name, case):
    given = case.value()
    y = target(name)[:: N_ROWS // len(given)]
    assert np.isfinite(answer(fit(name, given, y), given)).all()


@pytest.mark.parametrize("unit", [1e39, 1e30, 1e-30, 1e-42, 1e-60])
@pytest.mark.parametrize("name", ALL)
def test_row_04_units_do_not_matter(name, unit):
    answers = answer(fit(name, X * unit), X * unit)
    assert_allclose(answers, answer(fitted(name)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", LEARNING)
def test_row_03_values_too_large_for_their_squares(name):
    with pytest.raises(ValueError, match=r"X.*(too large|beyond)"):
        fit(name, X * 1e300)


@pytest.mark.parametrize("size", [1e39, 1e200, 1e300])
@pytest.mark.parametrize("name", LEARNING)
def test_row_03_spectra_far_from_those_of_fit_give_no_nan(name, size):
    try:
        predicted = answer(fitted(name), X * size)
    except ValueError as error:
        assert re.search("X.*(too large|beyond|too far)", str(error))
    else:
        assert np.isfinite(predicted).all()


@pytest.mark.parametrize("name", LEARNING)
def test_row_04_values_too_small_for_a_result_are_no_model(name):
    try:
        predicted = answer(fit(name, X * 1e-310), X * 1e-310)
    except ValueError as error:
        assert re.search("X.*too small", str(error))
    else:
        assert np.isfinite(predicted).all()


# --- flat spectra ------------------------------------------------------------------

FLAT = [
    Case(6, "a constant spectrum", lambda: put(7.0, channel=slice(None))),
    Case(7, "a dead scan", lambda: put(0.0, channel=slice(None))),
    Case(
        8,
        "constant but for rounding",
        lambda: put(1e8 + 1e-9 * np.arange(6), channel=slice(None)),
    ),
]
BY_SNV = ("normalizer", "stack", "TunedPLS")


@pytest.mark.parametrize("name, case", params([c._replace(who=BY_SNV) for c in FLAT]))
def test_flat_spectra_warn_once_at_the_callers_line(name, case):
    given = case.value()
    says = "1 of 12 spectra are flat and became zeros.*row 3"
    model = clone(ESTIMATORS[name])
    with pytest.warns(UserWarning, match=says) as caught:
        if name == "normalizer":
            model.fit_transform(given)
        else:
            model.fit(given, target(name))
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert np.isfinite(answer(model, given)).all()
    by_snv = name != "TunedPLS" or model.treatment_.startswith("snv")
    assert [warning.filename for warning in caught] == [__file__] * by_snv


@pytest.mark.parametrize("name, case", params([c._replace(who=NETWORKS) for c in FLAT]))
def test_flat_spectra_are_spectra_like_others_for_a_network(name, case):
    predicted = answer(fit(name, case.value()), case.value())
    assert np.isfinite(predicted).all()


# --- reference values --------------------------------------------------------------

TARGETS = [
    Case(20, "1 sample", lambda: Y[:1], says="1 sample|n_samples=1", who=LEARNING),
    Case(26, "NaN", lambda: put_y(np.nan), says="y contains NaN.*row 3", who=BY_PLS),
    Case(26, "nothing but NaN", lambda: Y * np.nan, says="y contains NaN", who=BY_PLS),
    Case(
        26,
        "nothing but NaN",
        lambda: Y * np.nan,
        says="at least 2 reference values",
        who=LABELS_MAY_MISS,
    ),
    Case(26, "inf", lambda: put_y(np.inf), says="y contains infinity", who=REGRESSORS),
    Case(26, "inf", lambda: put_y(np.inf), says="y contains inf", who=("classifier",)),
    Case(27, "words", lambda: CLASSES, says="could not convert.*quartz"),
    Case(
        27, "categories", lambda: pd.Series(CLASSES, dtype="category"), says="convert"
    ),
    *(
        Case(28, f"numeric strings in {what}", make, TypeError, "y holds strings.*'")
        for what, make in {
            "an array": lambda: Y.astype(str),
            "a list": lambda: Y.astype(str).tolist(),
            "an object array": lambda: Y.astype(str).astype(object),
            "one cell": lambda: put_y("7.5", dtype=object),
            "a series": lambda: pd.Series(Y.astype(str)),
            "categories": lambda: pd.Series(Y.astype(str), dtype="category"),
        }.items()
    ),
    Case(
        30,
        "datetimes",
        lambda: np.arange(N_ROWS).astype("datetime64[D]"),
        says="y must hold numbers. Got datetime64",
    ),
    Case(
        30,
        "timestamps",
        lambda: pd.Series(pd.date_range("2026-01-01", periods=N_ROWS)),
        says="y must hold numbers. Got datetime64",
    ),
    Case(
        30,
        "datetime objects",
        lambda: [datetime.datetime(2026, 1, 1)] * N_ROWS,
        TypeError,
        "datetime",
    ),
    Case(31, "complex", lambda: Y + 1j, says="Complex data not supported"),
    Case(33, "wrong length", lambda: Y[:-1], says="inconsistent numbers of samples"),
    Case(37, "1e300", lambda: put_y(1e300), says="y.*(too large|beyond)"),
    Case(40, "dicts", lambda: [{}] * N_ROWS, TypeError, "dict"),
    Case(
        41, "masked cells", lambda: np.ma.masked_less(Y, Y.mean()), says="y has masked"
    ),
    Case(
        43, "NA", lambda: put_y(pd.NA, dtype=object), says="y contains NaN", who=BY_PLS
    ),
    Case(24, "3-D", lambda: Y.reshape(12, 1, 1), says="dim 3"),
]


def put_y(value, dtype=float):
    return put(value, channel=..., dtype=dtype, source=Y)


def regressors(cases):
    return [c._replace(who=REGRESSORS) if c.who == ALL else c for c in cases]


@pytest.mark.parametrize("name, case", params(regressors(TARGETS)))
def test_reference_values_that_are_refused(name, case):
    y, model = case.value(), clone(ESTIMATORS[name])
    with pytest.raises(case.error, match=case.says):
        model.fit(X[: len(y)] if case.row == 20 else X, y)
    assert_unfitted(model)


@pytest.mark.parametrize("name", FROM_Y)
def test_row_32_no_reference_values(name):
    with pytest.raises(ValueError, match="requires y to be passed"):
        clone(ESTIMATORS[name]).fit(X, None)


CLASS_TARGETS = [
    Case(27, "continuous", lambda: Y + 0.123, says="Unknown label type"),
    Case(27, "one class", lambda: ["quartz"] * N_ROWS, says="2 classes"),
    Case(27, "nothing known", lambda: [None] * N_ROWS, says="2 classes"),
    Case(
        40,
        "two types",
        lambda: np.array([1, "b"] * 6, dtype=object),
        says="one type.*'int', 'str'",
    ),
    Case(31, "complex", lambda: Y + 1j, says="Complex data not supported"),
    Case(33, "wrong length", lambda: CLASSES[:-1], says="inconsistent numbers of"),
    Case(
        35, "two columns of words", lambda: np.c_[CLASSES, CLASSES], says="labels: 1, 0"
    ),
]


@pytest.mark.parametrize("case", rows(CLASS_TARGETS))
def test_classes_that_are_refused(case):
    model = clone(ESTIMATORS["classifier"])
    with pytest.raises(case.error, match=case.says):
        model.fit(X, case.value())
    assert_unfitted(model)


@pytest.mark.parametrize("y", [np.repeat(["1", "2"], 6), pd.Categorical(CLASSES)])
def test_rows_27_and_28_strings_are_classes_to_a_classifier(y):
    assert set(fit("classifier", y=y).predict(X)) <= set(np.asarray(y))


TAKEN_TARGETS = [
    Case(39, "objects", lambda: Y.astype(object)),
    Case(41, "a masked array without masked cells", lambda: np.ma.array(Y)),
    Case(44, "a nullable series", lambda: pd.Series(Y, dtype="Float64")),
    Case(56, "strided", lambda: np.repeat(Y, 2)[::2]),
    Case(57, "a tensor", lambda: torch.tensor(Y)),
    Case(58, "a list", lambda: Y.tolist()),
]


@pytest.mark.parametrize("name, case", params(regressors(TAKEN_TARGETS)))
def test_the_same_reference_values_give_the_same_answer(name, case):
    assert_allclose(answer(fit(name, y=case.value())), answer(fitted(name)))


MISSING = [
    Case(43, "NA among objects", lambda: put_y(pd.NA, dtype=object)),
    Case(43, "NA in a series", lambda: pd.Series(put_y(np.nan), dtype="Float64")),
    Case(43, "None in a list", lambda: put_y(None, dtype=object).tolist()),
]


@pytest.mark.parametrize(
    "name, case", params([c._replace(who=LABELS_MAY_MISS) for c in MISSING])
)
def test_a_reference_value_that_is_missing_is_like_nan(name, case):
    expected = answer(fit(name, y=put_y(np.nan)))
    assert_array_equal(answer(fit(name, y=case.value())), expected)


@pytest.mark.parametrize("name", REGRESSORS)
def test_row_34_a_column_of_reference_values_gives_a_column(name):
    assert_allclose(answer(fit(name, y=Y[:, None])), answer(fitted(name))[:, None])


def test_row_34_a_column_of_classes_is_ravelled_with_a_warning():
    with pytest.warns(DataConversionWarning, match="1d array was expected") as caught:
        model = fit("classifier", y=CLASSES[:, None])
    assert [warning.filename for warning in caught] == [__file__]
    assert_array_equal(answer(model), answer(fitted("classifier")))


@pytest.mark.parametrize("name", REGRESSORS)
def test_row_35_two_targets(name):
    assert answer(fit(name, y=np.c_[Y, -Y])).shape == (N_ROWS, 2)


@pytest.mark.parametrize("value", [0.0, 0.1, -7e5])
@pytest.mark.parametrize("name", REGRESSORS)
def test_row_36_a_constant_is_predicted_exactly_with_one_warning(name, value):
    with pytest.warns(UserWarning) as caught:
        model = fit(name, y=np.full(N_ROWS, value))
    caught = [w for w in caught if w.category is not FewLabelsWarning]
    assert [str(w.message).split(" in ")[0] for w in caught] == ["y is constant"]
    assert caught[0].filename == __file__
    assert_array_equal(answer(model), value)


def test_row_36_the_warning_names_the_line_that_calls_a_pipeline():
    with pytest.warns(UserWarning, match="y is constant") as caught:
        make_pipeline(InstanceNormalizer(), clone(ESTIMATORS["PLS"])).fit(X, Y * 0)
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(UserWarning, match="y is constant") as caught:
        compare({"PLS": clone(ESTIMATORS["PLS"])}, X, Y * 0, cv=2)
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("name", REGRESSORS)
def test_row_38_a_small_spread_on_a_large_offset(name):
    far = fit(name, y=Y * 1e-2 + 1e9)
    assert_allclose(
        (answer(far) - 1e9) * 1e2, answer(fitted(name)), rtol=1e-3, atol=1e-2
    )


# --- parameters --------------------------------------------------------------------


def refused(row, parameter, values, says, who):
    # No addresses in names: tests run in two processes have to be the same in both.
    return [
        Case(
            row,
            f"{parameter}={value!r}".split(" at 0x")[0],
            lambda p=parameter, v=value: {p: v},
            ValueError,
            says,
            who,
        )
        for value in values
    ]


OF_PRETRAINER = ("pretrainer",)
SEEDED = (*NETWORKS, "stack")
PARAMETERS = [
    *refused(
        13, "patch_size", [0, -1, 4.0, "8"], r"patch_size.*\[1, inf\)", OF_PRETRAINER
    ),
    *refused(
        14,
        "mask_ratio",
        [0, 1, -0.1, 1.1, np.nan, "0.5", None, (0.5,), (0.9, 0.1), (0.5, 1.0)],
        r"mask_ratio.*range \(0(\.0)?, 1(\.0)?\)",
        OF_PRETRAINER,
    ),
    *refused(
        15,
        "mask_ratio",
        [0.9, (0.2, 0.9)],
        "hides all of the 3 patches; at most 2 .*below 0.833",
        OF_PRETRAINER,
    ),
    *refused(17, "embed_dim", [5], "embed_dim=5.*n_heads=2", OF_PRETRAINER),
    *refused(17, "decoder_dim", [5], "decoder_dim=5.*decoder_n_heads=2", OF_PRETRAINER),
    *refused(18, "lr", [0, -1, np.nan, np.inf, "1"], "lr.*range", NETWORKS),
    *refused(18, "batch_size", [0, 2.0], "batch_size.*range", NETWORKS),
    *refused(18, "max_epochs", [-1, 1.5], "max_epochs.*range", NETWORKS),
    *refused(18, "max_epochs", [0], r"max_epochs.*range \[1, inf\)", HEADS),
    *refused(
        59,
        "random_state",
        ["a", -1, 2**40, np.random.default_rng(0), torch.Generator()],
        "random_state.*RandomState",
        SEEDED,
    ),
    *refused(
        63, "device", ["cuda"], "device='cuda' was requested, but only cpu is", NETWORKS
    ),
    *refused(
        64,
        "device",
        ["cuda:7", "mps", "foo", ""],
        "requested, but only cpu is",
        NETWORKS,
    ),
]


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name, case", params(PARAMETERS))
def test_parameters_that_are_refused(name, case):
    model = clone(ESTIMATORS[name]).set_params(**case.value())
    with pytest.raises(case.error, match=case.says):
        model.fit(X, target(name))
    assert_unfitted(model)


def test_rows_12_and_16_patches_and_masks_are_fitted_to_the_spectrum():
    model = fit("pretrainer", parameters=dict(patch_size=500, mask_ratio=0.01))
    assert model.patch_size_ == 3
    assert model.reconstruct(X).hidden.any(axis=1).all()


@pytest.mark.parametrize("parameters", [dict(max_epochs=0), dict(batch_size=1000)])
def test_rows_18_and_21_an_untrained_pretrainer_and_a_batch_larger_than_x(parameters):
    assert np.isfinite(answer(fit("pretrainer", parameters=parameters))).all()


def test_row_11_the_last_patch_is_filled_up():
    assert fit("pretrainer", parameters=dict(patch_size=4)).n_tokens_ == 2


@pytest.mark.parametrize("name", ("pretrainer", "fine_tune", "classifier"))
def test_row_19_a_training_that_diverges_is_no_model(name):
    model = clone(ESTIMATORS[name]).set_params(lr=1e38, max_epochs=5)
    with pytest.raises(
        FloatingPointError, match=r"epoch \d.*Lower lr \(got 1e\+38\).*y"
    ):
        model.fit(X, target(name))
    assert_unfitted(model)


@pytest.mark.parametrize("name", SEEDED)
def test_row_60_a_random_state_instance_is_used_up_by_fit(name):
    parameters = [dict(random_state=np.random.RandomState(0)) for _ in range(2)]
    if name == "stack":
        for each in parameters:
            each["pretrainer"] = TINY
    twice = [fit(name, parameters=parameters[0]) for _ in range(2)]
    again = fit(name, parameters=parameters[1])
    state = parameters[0]["random_state"].get_state()[2]
    scores = [scored(model) for model in (*twice, again)]
    assert state > parameters[1]["random_state"].get_state()[2]
    assert np.abs(scores[0] - scores[1]).max() > 0
    assert_array_equal(scores[0], scores[2])


def scored(model):
    return answer(model)


# --- the axis ----------------------------------------------------------------------

REVERSED = frame(AXIS).iloc[:, ::-1]
AXES = [
    Case(
        47,
        "reversed",
        lambda: REVERSED,
        says="1150 to 1100.*1100 to 1150.*reversed",
    ),
    Case(
        47,
        "shifted",
        lambda: frame(AXIS + 5),
        says="1105 to 1155.*1100 to 1150.*shifted by 5",
    ),
    Case(
        47,
        "two swapped",
        lambda: frame(AXIS[[0, 2, 1, 3, 4, 5]]),
        says="1100 to 1150.*the same in another order. Sort them",
    ),
    Case(
        52,
        "other unit",
        lambda: frame(1e7 / AXIS),
        says="9090.91 to 8695.65.*AxisResampler.*one is in nm and the other in cm-1",
    ),
    Case(
        52,
        "no number",
        lambda: frame(np.where(AXIS == 1110, np.nan, AXIS)),
        says="1100 to 1150.*some are no positions",
    ),
    Case(52, "whole numbers", lambda: frame(range(1, 7)), says="1 to 6.*1100 to 1150"),
]


@pytest.mark.parametrize("name, case", params(AXES))
def test_numeric_columns_are_compared_with_those_of_fit(name, case):
    model = fit(name, frame(AXIS))
    with pytest.raises(ValueError, match=f"columns of X run from {case.says}"):
        answer(model, case.value())
    expected = answer(model, X)
    assert_allclose(answer(model, frame(AXIS + 1e-9)), expected)
    assert_allclose(answer(model, frame()), expected)  # counted: no axis


@pytest.mark.parametrize("name", ALL)
def test_row_47_counted_columns_in_another_order_are_not_those_of_fit(name):
    for counted in (X, frame()):
        model = fit(name, counted)
        with pytest.raises(ValueError, match=r"from 5 to 0.*from 0 to 5.*reversed"):
            answer(model, frame().iloc[:, ::-1])
        assert_allclose(answer(model, frame()), answer(model, X))


@pytest.mark.parametrize("name", ALL)
def test_row_51_a_falling_axis_and_an_unsorted_one_are_axes(name):
    for columns in (AXIS[::-1], AXIS[[1, 0, 4, 2, 5, 3]]):
        model = fit(name, frame(columns))
        answer(model, frame(columns))
        with pytest.raises(ValueError, match="columns of X run"):
            answer(model, frame(columns[::-1]))


@pytest.mark.parametrize("name", ALL)
def test_row_47_counted_columns_and_arrays_are_no_axis(name):
    model = fit(name, frame())
    assert_allclose(answer(model, frame(AXIS)), answer(model))
    assert_allclose(answer(model, frame(range(10, 16))), answer(model))


@pytest.mark.parametrize("name", ALL)
def test_row_47_a_second_fit_forgets_the_axis(name):
    model = fit(name, frame(AXIS))
    model.fit(X, target(name))
    answer(model, REVERSED)


@pytest.mark.parametrize("name", (*HEADS, "stack"))
def test_row_47_a_frozen_pretrainer_brings_its_axis(name):
    frozen = FrozenEstimator(fit("pretrainer", frame(AXIS)))
    parameters = dict(pretrainer=frozen)
    with pytest.raises(ValueError, match="columns of X run from 1150 to 1100"):
        fit(name, REVERSED, parameters=parameters)
    model = fit(name, X, parameters=parameters)
    with pytest.raises(ValueError, match="columns of X run from 1150 to 1100"):
        answer(model, REVERSED)


@pytest.mark.parametrize("name", ALL)
def test_row_47_a_saved_model_remembers_its_columns(name, tmp_path):
    save_model(fit(name, frame(AXIS)), tmp_path / "model")
    with pytest.raises(ValueError, match="columns of X run from 1150 to 1100"):
        answer(load_model(tmp_path / "model"), REVERSED)


BAD_AXES = [
    Case(50, "duplicated", lambda: [1, 2, 2, 3, 4, 5], says="rising.*at index 1"),
    Case(50, "unsorted", lambda: [1, 2, 4, 3, 5, 6], says="rising.*at index 2"),
    Case(50, "NaN", lambda: [1, 2, 3, 4, 5, np.nan], says="finite.*at index 5"),
    Case(50, "inf", lambda: [1, 2, np.inf, 4, 5, 6], says="finite.*at index 2"),
    Case(50, "too short", lambda: AXIS[:-1], says="one value for each of the 6"),
    Case(50, "words", lambda: NAMES, (TypeError, ValueError), "x_axis.*numbers"),
]


@pytest.mark.parametrize("case", rows(BAD_AXES))
def test_axes_that_are_refused(case):
    model = clone(ESTIMATORS["pretrainer"]).set_params(x_axis=case.value())
    with pytest.raises(case.error, match=case.says):
        model.fit(X)
    assert_unfitted(model)


@pytest.mark.parametrize("name", ALL)
def test_row_45_names_in_another_order(name):
    with pytest.raises(ValueError, match="must be in the same order"):
        answer(fit(name, frame(NAMES)), frame(NAMES)[NAMES[::-1]])


@pytest.mark.parametrize("name", ALL)
def test_row_46_names_that_are_missing(name):
    with pytest.raises(ValueError, match="Feature names unseen at fit time:\\n- z"):
        answer(fit(name, frame(NAMES)), frame([*NAMES[:-1], "z"]))


@pytest.mark.parametrize("name", ALL)
def test_row_53_named_at_fit_and_not_at_predict_and_the_reverse(name):
    model = fit(name, frame(NAMES))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        answer(model, X)
    with pytest.warns(UserWarning, match="X has feature names, but"):
        answer(fitted(name), frame(NAMES))


# --- groups and inner splits -------------------------------------------------------

GROUPED = (*HEADS, "stack", "PLS", "TunedPLS", "novelty")
GROUPS = [
    Case(61, "two columns", lambda: np.c_[CLASSES, CLASSES], says="groups.*(12, 2)"),
    Case(61, "wrong length", lambda: CLASSES[:-1], says="inconsistent numbers"),
    Case(61, "NaN", lambda: put(np.nan, 3, 2)[:, 2], says="groups contains NaN"),
    Case(
        61, "None", lambda: [None] + ["a", "b"] * 5 + ["c"], says="groups contains NaN"
    ),
]


@pytest.mark.parametrize(
    "name, case", params([c._replace(who=GROUPED) for c in GROUPS])
)
def test_groups_that_are_refused(name, case):
    model = clone(ESTIMATORS[name])
    with pytest.raises(case.error, match=case.says):
        model.fit(X, target(name), groups=case.value())
    assert_unfitted(model)


@pytest.mark.parametrize("name", ("stack", *BY_PLS))
def test_row_62_one_group_is_too_few(name):
    with pytest.raises(
        ValueError, match="groups must hold at least 2 different groups"
    ):
        fit(name, groups=[1] * N_ROWS)


@pytest.mark.parametrize("name", ("fine_tune", "classifier"))
@pytest.mark.parametrize("groups", [None, np.repeat([1, 2], 6)])
def test_row_62_too_few_rows_for_early_stopping(name, groups):
    parameters = dict(early_stopping=True, validation_fraction=0.95)
    with pytest.raises(
        ValueError, match=r"validation_fraction=0.95.*early_stopping=Fal"
    ):
        fit(name, groups=groups, parameters=parameters)


@pytest.mark.parametrize("name", BY_PLS)
def test_rows_61_and_76_no_group_is_on_both_sides(name):
    splits = [(np.arange(8), np.arange(8, 12))]
    fit(name, groups=np.repeat([0, 1, 2], 4), parameters=dict(cv=splits))
    with pytest.raises(ValueError, match="trains and tests on the same group"):
        fit(name, groups=np.repeat([0, 1], 6), parameters=dict(cv=splits))


# --- devices -----------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("device", ["auto", "cpu", "cpu:0"])
@pytest.mark.usefixtures("no_gpu")
def test_row_63_the_cpu_has_two_names(name, device):
    assert_array_equal(
        answer(fit(name, parameters=dict(device=device))), answer(fitted(name))
    )


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name", (*HEADS, "stack"))
def test_row_63_a_missing_device_is_said_before_any_work(name, monkeypatch):
    def work(*args, **kwargs):
        raise AssertionError("something was trained")

    monkeypatch.setattr("skspectra._pretrainer.train", work)
    bad = dict(device="cuda")
    if name == "stack":
        bad = dict(pretrainer=clone(TINY).set_params(device="cuda"))
    with pytest.raises(ValueError, match="device='cuda' was requested"):
        fit(name, parameters=bad)


@pytest.mark.parametrize("name", ("pretrainer", "fine_tune", "classifier"))
def test_row_65_a_full_gpu_is_explained(name, monkeypatch):
    def step(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    model = clone(ESTIMATORS[name])
    if name in HEADS:
        model.set_params(pretrainer__max_epochs=0)
    with monkeypatch.context() as patch:
        patch.setattr("skspectra._training._run", step)
        with pytest.raises(torch.OutOfMemoryError) as caught:
            model.fit(X, target(name))
    message = str(caught.value)
    assert message.startswith("CUDA out of memory.")
    assert f"batch_size={model.batch_size}" in message
    assert "6 channels" in message and "Lower batch_size" in message
    assert_unfitted(model)


@pytest.mark.parametrize("in_worker", [True, False])
def test_row_77_a_gpu_in_a_worker_process_warns(in_worker, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(inference, "_in_worker", lambda: in_worker)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inference.check_training_device("cuda")
        inference.check_training_device("cpu")
    says = [str(warning.message) for warning in caught]
    assert len(says) == in_worker
    assert all("n_jobs" in each and "cuda:0" in each for each in says)


# --- fits that fail or are stopped -------------------------------------------------


class Interrupt(Callback):
    """Ctrl-C after the first epoch."""

    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ("fine_tune", "classifier", "pretrainer"))
def test_row_70_an_interrupt_reaches_the_caller(name):
    model = clone(ESTIMATORS[name]).set_params(callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, target(name))
    assert_unfitted(model)


def test_row_70_an_interrupt_stops_a_search():
    started = []

    class Counted(SpectralRegressor):
        def fit(self, X, y):
            started.append(self.lr)
            return super().fit(X, y)

    parameters = ESTIMATORS["fine_tune"].get_params(deep=False)
    model = Counted(**{**parameters, "callbacks": [Interrupt()]})
    search = GridSearchCV(model, {"lr": [1e-3, 1e-2]}, cv=2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert len(started) == 1
    assert not hasattr(search, "best_estimator_")


@pytest.mark.parametrize("name", LEARNING)
def test_row_71_nothing_answers_before_fit(name):
    model = clone(ESTIMATORS[name])
    methods = (
        "predict predict_proba decision_function predict_interval transform "
        "score_samples reconstruct"
    )
    for method in methods.split():
        if hasattr(model, method):
            with pytest.raises(NotFittedError):
                getattr(model, method)(X)
    if hasattr(model, "get_feature_names_out"):
        with pytest.raises(NotFittedError):
            model.get_feature_names_out()


def bad_spectra(name):
    return put(np.inf, source=X[:, :5]), target(name), {}


def bad_names(name):
    return frame(list("uvwxyz"), put(np.inf)), target(name), {}


def bad_targets(name):
    return X[:, :5], [*target(name)[:-1], {}], {}


def bad_groups(name):
    return X[:, :5], target(name), {"groups": np.c_[CLASSES, CLASSES]}


FAILURES = [
    *((name, how) for name in ALL for how in (bad_spectra, bad_names)),
    *((name, bad_targets) for name in FROM_Y),
    *((name, bad_groups) for name in GROUPED),
]


@pytest.mark.parametrize("name, how", FAILURES)
def test_row_74_a_second_fit_that_fails_leaves_no_model(name, how):
    model = fit(name)
    bad_X, bad_y, passed = how(name)
    with pytest.raises((TypeError, ValueError)):
        model.fit(bad_X, bad_y, **passed)
    assert_unfitted(model)
    assert_array_equal(answer(model.fit(X, target(name))), answer(fitted(name)))


@pytest.mark.parametrize("name", ALL)
def test_row_74_a_parameter_that_is_refused_leaves_the_model(name):
    model, expected = fit(name), answer(fitted(name))
    own = {"normalizer": "eps", "stack": "shrinkage", "novelty": "false_alarm_rate"}
    parameter = own.get(name, "batch_size")
    parameter = "max_components" if name in BY_PLS else parameter
    before = model.get_params(deep=False)[parameter]
    model.set_params(**{parameter: {"bad": "value"}})
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of"):
        model.fit(X[:, :5], target(name))
    model.set_params(**{parameter: before})
    assert_array_equal(answer(model), expected)


def test_row_74_a_training_that_diverges_leaves_no_model():
    model = fit("fine_tune").set_params(lr=1e38, max_epochs=5)
    with pytest.raises(FloatingPointError):
        model.fit(X, Y)
    assert_unfitted(model)


# --- nested pretrainers ------------------------------------------------------------

NESTING = (*HEADS, "stack")


@pytest.mark.parametrize("name", NESTING)
def test_row_72_a_frozen_pretrainer_that_is_not_fitted(name):
    with pytest.raises(NotFittedError, match="inside FrozenEstimator is not fitted"):
        fit(name, parameters=dict(pretrainer=FrozenEstimator(TINY)))


@pytest.mark.parametrize("name", NESTING)
def test_row_72_a_fitted_pretrainer_that_is_not_frozen(name):
    model = clone(ESTIMATORS[name])
    model.pretrainer = clone(TINY).fit(X)
    with pytest.warns(UserWarning, match="FrozenEstimator") as caught:
        model.fit(X, target(name))
    caught = [each for each in caught if each.category is not FewLabelsWarning]
    assert [warning.filename for warning in caught] == [__file__]
    assert model.encoder_origin_ == "fit"


@pytest.mark.parametrize("name", NESTING)
def test_row_73_a_pretrainer_of_other_channels(name):
    frozen = FrozenEstimator(clone(TINY).fit(X[:, :4]))
    with pytest.raises(ValueError, match=r"6 channels.*fitted on 4. Resample"):
        fit(name, parameters=dict(pretrainer=frozen))


@pytest.mark.parametrize("name", NESTING)
@pytest.mark.parametrize("bad", [Ridge(), FrozenEstimator(Ridge()), "pretrainer"])
def test_row_72_what_is_no_pretrainer(name, bad):
    with pytest.raises((TypeError, ValueError), match="MaskedSpectralPretrainer"):
        fit(name, parameters=dict(pretrainer=bad))


# --- what is true of single estimators ---------------------------------------------


def test_sinkhorn_on_negative_values_names_both_remedies():
    says = "row 3, channel 2.*mse.wasserstein.*InstanceNormalizer\\('minmax'\\)"
    with pytest.raises(ValueError, match=says):
        fit("pretrainer", put(-1.0), parameters=dict(loss="mse+sinkhorn"))


def test_sinkhorn_in_a_stack_is_refused_with_the_reason():
    pretrainer = clone(TINY).set_params(loss="mse+sinkhorn")
    with pytest.raises(ValueError, match=r"derivatives.*signed.*FrozenEstimator"):
        fit("stack", parameters=dict(pretrainer=pretrainer))
    frozen = FrozenEstimator(pretrainer.fit(X))
    assert np.isfinite(answer(fit("stack", parameters=dict(pretrainer=frozen)))).all()


def test_infinite_ranges_are_said_once():
    model = fit("stack", X[:8], Y[:8])
    with pytest.warns(UserWarning, match="8 .*rows.*at least 9") as caught:
        lower, upper = model.predict_interval(X)
    assert [warning.filename for warning in caught] == [__file__]
    assert np.isneginf(lower).all() and np.isposinf(upper).all()
    fitted("stack").predict_interval(X)  # 12 rows: no warning


def test_a_comparison_of_classifiers_is_refused():
    classifiers = {"pipe": make_pipeline(InstanceNormalizer(), DummyClassifier())}
    for estimators in (classifiers, {"ours": ESTIMATORS["classifier"]}):
        with pytest.raises(TypeError, match=r"is a classifier.*regressors"):
            compare(estimators, X, Y)
