"""The models that `skspectra compare` compares, and their fits."""

import warnings

from skspectra.cli._group import say
from skspectra.cli._options import fill, normalizer

__all__ = ["fit_all"]


def fit_all(samples, options):
    """Return the comparison of PLS with the other models."""
    import joblib
    from threadpoolctl import threadpool_limits

    from skspectra import MaskedSpectralPretrainer, SpectralRegressor
    from skspectra.evaluation import compare
    from skspectra.exceptions import FewLabelsWarning, TransductiveWarning

    n_epochs = MaskedSpectralPretrainer().max_epochs, SpectralRegressor().max_epochs
    fill(options, {"pretrain_epochs": n_epochs[0], "epochs": n_epochs[1]})
    fill(options, {"jobs": joblib.cpu_count()})
    estimators = _estimators(samples, options)
    _note_few_labels(samples, options)
    # One thread a fit, however many fits run at once: the last digits of a network
    # depend on the number of threads.
    with (
        warnings.catch_warnings(),
        joblib.parallel_config("loky", inner_max_num_threads=1),
        threadpool_limits(1),
    ):
        # Noted once, above and below, in words that fit the command.
        warnings.simplefilter("ignore", FewLabelsWarning)
        warnings.simplefilter("ignore", TransductiveWarning)
        return compare(
            estimators,
            samples.X,
            samples.y,
            cv=options["folds"],
            n_repeats=options["repeats"],
            groups=samples.groups,
            n_jobs=options["jobs"],
            random_state=options["seed"],
            verbose=1,
        )


def _note_few_labels(samples, options):
    """Say once what each fine-tuned network would warn of."""
    from skspectra._regressor import FEW_LABELS

    n_labelled = samples.description["labelled"] * (1 - 1 / options["folds"])
    if n_labelled < FEW_LABELS:
        say(
            f"Note: about {n_labelled:.0f} labels a fold. With fewer than about "
            f"{FEW_LABELS} a fine-tuned network was mostly behind PLS on public sets; "
            "the stack was not."
        )


def _estimators(samples, options):
    """Return PLS, the stack and three networks; these have seen the pool, if any."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import make_pipeline

    from skspectra import (
        MaskedSpectralPretrainer,
        SpectralRegressor,
        SpectralStackingRegressor,
    )
    from skspectra.evaluation import pls_baseline

    def network(pretrainer, strategy="fine_tune"):
        # On the CPU: many fits run at once, and would crowd an accelerator.
        model = SpectralRegressor(
            pretrainer, strategy=strategy, max_epochs=options["epochs"], device="cpu"
        )
        return make_pipeline(normalizer(options["normalize"]), model)

    where = {"x_axis": samples.x_axis, "device": "cpu"}
    scratch = MaskedSpectralPretrainer(max_epochs=0, **where)
    pretrainer = MaskedSpectralPretrainer(
        max_epochs=options["pretrain_epochs"], **where
    )
    if samples.pool is not None:
        say(f"Pretraining on the pool, {options['pretrain_epochs']} epochs ...")
        pool = normalizer(options["normalize"]).fit_transform(samples.pool)
        pretrainer.set_params(device="auto", random_state=options["seed"]).fit(pool)
        pretrainer = FrozenEstimator(pretrainer)
    return {
        "PLS": pls_baseline(),
        "stack": SpectralStackingRegressor(),
        "scratch": network(scratch),
        "pretrained probe": network(pretrainer, "probe"),
        "pretrained fine-tuned": network(pretrainer),
    }
