"""What a saved model may be made of: closed tables of classes, and what they hold.

A file says names; the classes behind them stand here, and nothing else is ever imported
for it. What stands in a file is checked against the table of its class, so that a
foreign file gives a model that works or an error.
"""

import inspect
from importlib import import_module

import numpy as np
from sklearn.utils import Bunch

from skspectra._model_checks import (
    array,
    count,
    either,
    flag,
    listed,
    named,
    nothing,
    number,
    words,
)

# Estimators whose methods compute with numpy what their arrays say. Those in native
# code that trusts its arrays (libsvm, trees) could be made to read beyond them.
_SKLEARN = {
    "sklearn.cross_decomposition": ("PLSRegression",),
    "sklearn.decomposition": ("PCA", "TruncatedSVD"),
    "sklearn.discriminant_analysis": ("LinearDiscriminantAnalysis",),
    "sklearn.feature_selection": ("VarianceThreshold",),
    "sklearn.frozen": ("FrozenEstimator",),
    "sklearn.linear_model": (
        "BayesianRidge",
        "ElasticNet",
        "ElasticNetCV",
        "HuberRegressor",
        "Lasso",
        "LassoCV",
        "LinearRegression",
        "LogisticRegression",
        "Ridge",
        "RidgeCV",
        "RidgeClassifier",
        "RidgeClassifierCV",
    ),
    "sklearn.pipeline": ("Pipeline",),
    "sklearn.preprocessing": (
        "LabelBinarizer",
        "MaxAbsScaler",
        "MinMaxScaler",
        "Normalizer",
        "PowerTransformer",
        "QuantileTransformer",
        "RobustScaler",
        "StandardScaler",
    ),
}
_SPLITTERS = {
    "sklearn.model_selection": (
        "GroupKFold",
        "GroupShuffleSplit",
        "KFold",
        "LeaveOneGroupOut",
        "LeaveOneOut",
        "ShuffleSplit",
        "StratifiedGroupKFold",
        "StratifiedKFold",
        "TimeSeriesSplit",
    )
}
_OWN = {
    "skspectra._classifier": ("SpectralClassifier",),
    "skspectra._normalizer": ("InstanceNormalizer",),
    "skspectra._novelty": ("SpectralNoveltyDetector",),
    "skspectra._pls": ("PLSRegressionCV",),
    "skspectra._pretrainer": ("MaskedSpectralPretrainer",),
    "skspectra._regressor": ("SpectralRegressor",),
    "skspectra._resampler": ("AxisResampler",),
    "skspectra._stacking": ("SpectralStackingRegressor",),
    "skspectra._tuned_pls": ("TunedPLS",),
}
_RECORDS = {
    "skspectra._stack": ("Combination", "Curve", "Scale"),
    "skspectra._stacking": ("_Target",),
    "skspectra._views": ("Standard", "Views", "Whitening"),
}


def _homes(table):
    return {name: home for home, names in table.items() for name in names}


OWN, SKLEARN = _homes(_OWN), _homes(_SKLEARN)
SPLITTERS, RECORDS = _homes(_SPLITTERS), _homes(_RECORDS)

# Those that take channels one by one, which is slow.
ONE_BY_ONE = {
    name: SKLEARN[name] for name in ("PowerTransformer", "QuantileTransformer")
}

# Types of single numbers.
NUMBERS = {"bool", "float16", "float32", "float64"} | {
    f"{sign}int{size}" for sign in ("", "u") for size in (8, 16, 32, 64)
}

# Not saved, and None when loaded: what would run code or write somewhere, were the
# model fitted again, does not come from a file.
LEFT_OUT = {"callbacks", "checkpoint_dir", "memory"}


def find(table, name):
    """Return the class of a name.

    Parameters
    ----------
    table : dict
        One of the tables above.
    name : str
        What a file says.

    Returns
    -------
    type or None
        None if the table does not know it.
    """
    if not isinstance(name, str) or name not in table:
        return None
    return getattr(import_module(table[name]), name)


def name_in(table, value):
    """Return the name of the class of a value, or None if the table has it not."""
    name = type(value).__name__
    return name if find(table, name) is type(value) else None


def arguments(cls):
    """Return the names of the parameters of a class."""
    return set(inspect.signature(cls).parameters)


# --- What the fitted attributes of an estimator must be -----------------------------


def record(name, **checks):
    """Check a named tuple of `RECORDS` field by field."""

    def check(value, sizes):
        fields = value._asdict() if name_in(RECORDS, value) == name else {}
        return fields.keys() == checks.keys() and all(
            checks[key](each, sizes) for key, each in fields.items()
        )

    return check


def network(kind):
    """Check a torch module of this package, and that it fits the other sizes."""

    def check(value, sizes):
        if type(value).__name__ != kind:
            return False
        own = value.architecture
        told = {"n_features_in_": own["encoder"]["n_channels"]}
        told |= {"patch_size_": own["encoder"]["patch_size"]}
        told |= {"n_tokens_": value.encoder.n_tokens}
        told |= {"n_targets": own["n_targets"]} if "n_targets" in own else {}
        return all(sizes.setdefault(name, size) == size for name, size in told.items())

    return check


def pretrainer(value, sizes):
    """Check a fitted pretrainer, frozen or not."""
    frozen = name_in(SKLEARN, value) == "FrozenEstimator"
    inner = value.estimator if frozen else value
    if name_in(OWN, inner) != "MaskedSpectralPretrainer" or not hasattr(
        inner, "module_"
    ):
        return False
    return inner.n_features_in_ == sizes["n_features_in_"]


def fitted_pls(kind):
    """Check a fitted PLS."""
    return lambda value, sizes: (
        name_in(OWN, value) == kind and "n_features_in_" in vars(value)
    )


def labels(value, sizes):
    """Check the names of classes."""
    fine = isinstance(value, np.ndarray) and value.ndim == 1
    return fine and sizes.setdefault("n_targets", len(value)) == len(value)


def origin(value, sizes):
    """Check what a fit tells of its origin: of that, only the rows are ever read."""
    rows = value.get("rows") if type(value) is Bunch else None
    return array(None, dtype="uint64")(rows, {})


def held_out_errors(value, sizes):
    """Check the errors of held-out rows and the numbers of their groups."""
    return type(value) is list and all(
        type(pair) is tuple
        and len(pair) == 2
        and array("n_known")(pair[0], rows := {})
        and array("n_known", dtype="int64")(pair[1], rows)
        and len(pair[0]) > 0
        and 0 <= pair[1].min() <= pair[1].max() < len(pair[1])
        for pair in value
    )


_COUNT_CHANNELS = {"n_features_in_": count(1, "n_features_in_")}
_CURVE = listed(number())
_TRAINED = {
    **_COUNT_CHANNELS,
    "pretrainer_": pretrainer,
    "encoder_origin_": words("fit", "frozen", "scratch"),
    "module_": network("SpectralPredictor"),
    "loss_curve_": _CURVE,
    "validation_scores_": _CURVE,
    "n_iter_": count(),
}
_COMBINATION = record(
    "Combination",
    scales=named(record("Scale", centre=array(None), unit=number(0))),
    train=named(array(None, None)),
    constant=number(),
    coef=named(array(None)),
    curves=listed(
        record("Curve", view=words(), length=number(0), dual=array(None)),
    ),
)
_CHANNEL = array("n_features_in_")

# Of each class of ours: what a fitted one has.
FITTED = {
    "AxisResampler": {
        **_COUNT_CHANNELS,
        "x_axis_": either(nothing, array(None)),
        "source_axis_": either(nothing, _CHANNEL),
    },
    "InstanceNormalizer": _COUNT_CHANNELS,
    "MaskedSpectralPretrainer": {
        **_COUNT_CHANNELS,
        "module_": network("MaskedAutoencoder"),
        "loss_curve_": _CURVE,
        "n_iter_": count(),
        "patch_size_": count(1, "patch_size_"),
        "n_tokens_": count(1, "n_tokens_"),
        # NaN for a channel that no training spectrum had.
        "mean_": array("n_features_in_", fine=lambda mean: ~np.isinf(mean)),
        "scale_": number(0),
        "x_axis_": either(nothing, _CHANNEL),
    },
    "SpectralRegressor": {
        **_TRAINED,
        "y_mean_": array("n_targets"),
        "y_scale_": array("n_targets"),
        "_y_is_flat": flag,
    },
    "SpectralClassifier": {**_TRAINED, "classes_": labels, "_is_multilabel": flag},
    "PLSRegressionCV": {
        **_COUNT_CHANNELS,
        "n_components_": count(1, "n_components_"),
        "rmsecv_": either(array(None, fine=None), array(None, None, fine=None)),
        "rmsecv_std_error_": either(
            array(None, fine=None), array(None, None, fine=None)
        ),
        "coef_": array("n_targets", "n_features_in_"),
        "intercept_": array("n_targets"),
        "x_mean_": _CHANNEL,
        "x_std_": _CHANNEL,
        "y_mean_": array("n_targets"),
        "y_std_": array("n_targets"),
        "x_weights_": array("n_features_in_", "n_components_"),
        "x_loadings_": array("n_features_in_", "n_components_"),
        "x_rotations_": array("n_features_in_", "n_components_"),
        "y_loadings_": array("n_targets", "n_components_"),
    },
    "TunedPLS": {
        **_COUNT_CHANNELS,
        "treatment_": words("none", "snv", "sg1", "sg2", "snv+sg1", "snv+sg2"),
        "n_components_": count(1),
        "pls_": fitted_pls("PLSRegressionCV"),
        "_rmsecv": named(either(array(None, fine=None), array(None, None, fine=None))),
    },
    "SpectralNoveltyDetector": {
        **_COUNT_CHANNELS,
        "pretrainer_": either(nothing, pretrainer),
        "encoder_origin_": either(nothing, words("fit", "frozen", "scratch")),
        "n_components_": either(nothing, count(0, "n_components_")),
        "q_limit_": either(nothing, number(0)),
        "t2_limit_": either(nothing, number(0)),
        "mean_": either(nothing, _CHANNEL),
        "components_": either(nothing, array("n_components_", "n_features_in_")),
        "explained_variance_": either(nothing, array("n_components_")),
        "held_out_scores_": array(None, fine=None),
        "false_alarm_rate_": number(0),
        "offset_": number(),
    },
    "SpectralStackingRegressor": {
        **_COUNT_CHANNELS,
        "pretrainer_": either(nothing, pretrainer),
        "encoder_origin_": either(nothing, words("fit", "frozen", "scratch")),
        "weights_": either(array(None), array(None, None)),
        "member_names_": listed(words()),
        "held_out_predictions_": either(
            array(None, fine=None), array(None, None, fine=None)
        ),
        "_flat": flag,
        "_views": record(
            "Views",
            standards=named(record("Standard", mean=_CHANNEL, spread=_CHANNEL)),
            whitenings=named(
                record("Whitening", mean=_CHANNEL, axes=array("n_features_in_", None))
            ),
        ),
        "_errors": held_out_errors,
        "_targets": listed(
            record(
                "_Target",
                mean=number(),
                spread=number(0),
                pls=fitted_pls("TunedPLS"),
                pls_weight=number(),
                processes=_COMBINATION,
            )
        ),
    },
}
# What any of them may have besides.
BESIDES = {
    "feature_names_in_": array("n_features_in_", dtype="object", fine=None),
    "provenance_": origin,
    "x_axis_": either(nothing, _CHANNEL),
    "_column_axis": _CHANNEL,  # what older files have for it
    "_sklearn_output_config": named(words("default", "pandas", "polars")),
}
