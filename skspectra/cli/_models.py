"""The models that `skspectra fit` fits."""

import warnings

__all__ = ["build", "fit_model", "load_encoder", "predict_held_out"]


def load_encoder(path):
    """Return the normaliser, None if there is none, and the pretrainer of a file."""
    from skspectra import InstanceNormalizer, MaskedSpectralPretrainer, load_model

    model = load_model(path)
    *before, last = getattr(model, "named_steps", {"": model}).values()
    known = isinstance(last, MaskedSpectralPretrainer) and len(before) <= 1
    if not known or not all(isinstance(step, InstanceNormalizer) for step in before):
        raise ValueError(
            f"{path} holds no encoder as `skspectra pretrain` writes it. Got "
            f"{type(model).__name__}."
        )
    return (before or [None])[0], last


def build(options, x_axis, encoder, verbose):
    """Return the model, not yet fitted; `encoder` is of `load_encoder`, or None."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import make_pipeline

    from skspectra import (
        InstanceNormalizer,
        MaskedSpectralPretrainer,
        SpectralRegressor,
        SpectralStackingRegressor,
    )
    from skspectra.evaluation import pls_baseline

    if options["model"] == "pls":
        return pls_baseline()
    normalizer, pretrainer = encoder or (None, None)
    pretrainer = pretrainer and FrozenEstimator(pretrainer)
    if options["model"] == "stack":
        model = SpectralStackingRegressor(pretrainer, random_state=options["seed"])
    else:
        if pretrainer is None:
            if options["normalize"] != "none":
                normalizer = InstanceNormalizer(options["normalize"])
            pretrainer = MaskedSpectralPretrainer(
                max_epochs=options["pretrain_epochs"],
                x_axis=x_axis,
                device=options["device"],
                verbose=verbose,
            )
        model = SpectralRegressor(
            pretrainer,
            max_epochs=options["epochs"],
            device=options["device"],
            random_state=options["seed"],
            verbose=verbose,
        )
    return model if normalizer is None else make_pipeline(normalizer, model)


def fit_model(model, X, samples):
    """Fit a model to what it can use of the rows, groups kept whole inside."""
    import numpy as np

    from skspectra.evaluation import TunedPLS

    rows = slice(None)
    if isinstance(model, TunedPLS):  # it has no use for the others
        rows = ~np.isnan(samples.y)
    passed = {}
    if samples.groups is not None:
        name = f"{model.steps[-1][0]}__groups" if hasattr(model, "steps") else "groups"
        passed[name] = samples.groups[rows]
    return model.fit(X[rows], samples.y[rows], **passed)


def predict_held_out(model, X, samples, options):
    """Return the labelled rows, predicted by models fitted without their fold.

    All that a model chooses is chosen anew without the fold, so that errors are those
    of new rows, or of new groups; and how many of them a frozen encoder had seen.
    """
    import joblib

    from skspectra.evaluation import compare
    from skspectra.exceptions import FewLabelsWarning, TransductiveWarning

    with (
        warnings.catch_warnings(),
        joblib.parallel_config("loky", inner_max_num_threads=1),
    ):
        # The fit to all rows says the first, and `n_seen` the other.
        warnings.simplefilter("ignore", FewLabelsWarning)
        warnings.simplefilter("ignore", TransductiveWarning)
        comparison = compare(
            {"predicted": model},
            X,
            samples.y,
            cv=options["folds"],
            groups=samples.groups,
            n_jobs=options["jobs"],
            random_state=options["seed"],
            verbose=int(not options["quiet"]),
        )
    table = comparison.predictions.drop(columns="repeat").sort_values("row")
    table = table.assign(row=samples.rows[table["row"]])
    return table, int(comparison.folds["n_seen"].sum())
