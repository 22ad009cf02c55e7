"""scikit-learn's contract, for networks and resampling; others have a file each."""

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
    AxisResampler,
    MaskedSpectralPretrainer,
    SpectralClassifier,
    SpectralNoveltyDetector,
    SpectralRegressor,
    SpectralStackingRegressor,
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


def tiny_regressor(options=None, **parameters):
    pretrainer = tiny_pretrainer(random_state=None, **(options or {}))
    defaults = dict(pretrainer=pretrainer, lr=1e-2, max_epochs=40, random_state=0)
    return SpectralRegressor(**{**defaults, **parameters})


def tiny_classifier(**parameters):
    return SpectralClassifier(**tiny_regressor(**parameters).get_params(deep=False))


STRATEGIES = ["fine_tune", "probe"]
PRETRAINERS = [
    tiny_pretrainer(**options)
    for options in (
        dict(hidden_tokens="drop"),
        dict(hidden_tokens="replace", mask_token_lr_scale=10.0),
        dict(encoder="state_space", hidden_tokens="drop"),
        dict(encoder="state_space", hidden_tokens="replace"),
        dict(masking="block", mask_ratio=(0.3, 0.6)),
        dict(masking="self_guided"),
        dict(masking="matched_spans"),
        dict(loss="mse+wasserstein"),
        dict(loss="mse+sinkhorn"),
    )
]
REGRESSORS = [
    tiny_regressor(options, strategy=strategy)
    for options in (
        dict(hidden_tokens="drop"),
        dict(hidden_tokens="replace"),
        dict(encoder="state_space", hidden_tokens="replace"),
    )
    for strategy in STRATEGIES
]
REGRESSORS.append(tiny_regressor(dict(loss="mse+sinkhorn"), strategy="probe"))
CLASSIFIERS = [
    tiny_classifier(options=options, strategy=strategy)
    for options in (dict(), dict(encoder="state_space"))
    for strategy in STRATEGIES
]
STACKS = [
    SpectralStackingRegressor(pretrainer, cv=2, random_state=0)
    for pretrainer in (None, tiny_pretrainer(max_epochs=1, random_state=None))
]
DETECTORS = [
    SpectralNoveltyDetector(),
    SpectralNoveltyDetector(n_components=0.9),
    SpectralNoveltyDetector(tiny_pretrainer(random_state=None), cv=2, random_state=0),
]
RESAMPLERS = [AxisResampler(), AxisResampler(method="average", outside="raise")]
ESTIMATORS = [*PRETRAINERS, *REGRESSORS, *CLASSIFIERS, *STACKS, *DETECTORS, *RESAMPLERS]


@parametrize_with_checks(ESTIMATORS)
def test_estimators_keep_the_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
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
@pytest.mark.parametrize("estimator", [*PRETRAINERS, *RESAMPLERS], ids=repr)
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
def test_transformers_name_their_outputs(estimator, check):
    check(type(estimator).__name__, estimator)
