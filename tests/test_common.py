"""scikit-learn's contract, for every estimator that trains a network."""

import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_get_feature_names_out_error,
    check_global_output_transform_pandas,
    check_global_set_output_transform_polars,
    check_inplace_ensure_writeable,
    check_param_validation,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_set_output_transform_polars,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    parametrize_with_checks,
)

from skspectra import (
    MaskedSpectralPretrainer,
    SpectralClassifier,
    SpectralRegressor,
)


def tiny_pretrainer(**parameters):
    defaults = dict(
        patch_size=2,
        embed_dim=8,
        depth=1,
        n_heads=2,
        decoder_dim=8,
        decoder_n_heads=2,
        max_epochs=2,
        random_state=0,
    )
    return MaskedSpectralPretrainer(**{**defaults, **parameters})


def tiny_regressor(hidden_tokens="drop", **parameters):
    pretrainer = tiny_pretrainer(hidden_tokens=hidden_tokens, random_state=None)
    defaults = dict(pretrainer=pretrainer, lr=1e-2, max_epochs=40, random_state=0)
    return SpectralRegressor(**{**defaults, **parameters})


def tiny_classifier(**parameters):
    return SpectralClassifier(**tiny_regressor(**parameters).get_params(deep=False))


PRETRAINERS = [tiny_pretrainer(hidden_tokens=how) for how in ("drop", "replace")]
REGRESSORS = [
    tiny_regressor(hidden_tokens=how, strategy=strategy)
    for how in ("drop", "replace")
    for strategy in ("fine_tune", "probe")
]
CLASSIFIERS = [tiny_classifier(strategy=how) for how in ("fine_tune", "probe")]


@parametrize_with_checks([*PRETRAINERS, *REGRESSORS, *CLASSIFIERS])
def test_estimators_keep_the_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "estimator", [*PRETRAINERS, *REGRESSORS, *CLASSIFIERS], ids=repr
)
@pytest.mark.parametrize(
    "check",
    [
        check_param_validation,
        check_dataframe_column_names_consistency,
        check_inplace_ensure_writeable,
    ],
)
def test_estimators_keep_what_check_estimator_leaves_out(estimator, check):
    check(type(estimator).__name__, estimator)


@pytest.mark.filterwarnings("ignore:X .* feature names")
@pytest.mark.parametrize("estimator", PRETRAINERS, ids=repr)
@pytest.mark.parametrize(
    "check",
    [
        check_get_feature_names_out_error,
        check_global_output_transform_pandas,
        check_global_set_output_transform_polars,
        check_set_output_transform,
        check_set_output_transform_pandas,
        check_set_output_transform_polars,
        check_transformer_get_feature_names_out,
        check_transformer_get_feature_names_out_pandas,
    ],
)
def test_pretrainer_names_its_outputs(estimator, check):
    check(type(estimator).__name__, estimator)
