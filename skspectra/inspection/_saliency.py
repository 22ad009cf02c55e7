"""saliency_map: which channels a prediction rests on."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch, check_array, check_consistent_length, get_tags

from skspectra._attribution import integrated_gradients, smooth_gradients
from skspectra._inference import input_gradients
from skspectra._inputs import check_columns, check_spectra, known_axis
from skspectra._patches import without_gaps
from skspectra._scaling import scale_spectra
from skspectra._table_axis import axis_of, column_axis
from skspectra._validation import (
    HasMethods,
    Interval,
    StrOptions,
    generator,
    validate_params,
)
from skspectra.inspection._steps import last_step
from skspectra.inspection._targets import column_of

__all__ = ["METHODS", "saliency_map"]

METHODS = ("gradient", "loss_gradient", "integrated_gradients", "smooth_gradient")
_OF_CAPTUM = METHODS[2:]


@validate_params(
    {
        "estimator": [HasMethods("predict")],
        "X": ["array-like"],
        "y": ["array-like", None],
        "method": [StrOptions(set(METHODS))],
        "target": "no_validation",
        "target_names": ["array-like", None],
        "baseline": [StrOptions({"mean", "zero"}), "array-like"],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "normalize": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def saliency_map(
    estimator,
    X,
    y=None,
    *,
    method="gradient",
    target=None,
    target_names=None,
    baseline="mean",
    n_steps=50,
    noise=0.1,
    normalize=False,
    random_state=None,
):
    """Tell which channels of spectra a prediction rests on.

    The network is differentiated, or followed along a path, by its input. A map
    describes the network and not the sample: whether it shows chemistry is another
    question, and two checks of it are cheap. The same map of a network with random
    weights must look different [4]_, and that of a second training alike.

    Parameters
    ----------
    estimator : SpectralRegressor, SpectralClassifier or Pipeline
        Fitted; any may be frozen. The prediction of a classifier is here the logarithm
        of the odds of one class or label, which takes the place of y and has no unit.
        Of a pipeline the last step is looked into: the steps before it transform X,
        and the map then belongs to the transformed spectra, channel by channel, and
        not to X. Only the network is differentiated.
    X : array-like of shape (n_samples, n_channels)
        Spectra, in the unit of the training data.
    y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
        Reference values, for "loss_gradient" alone.
    method : {"gradient", "loss_gradient", "integrated_gradients", \
            "smooth_gradient"}, default="gradient"
        What the map holds, for each spectrum:

        - "gradient": by how much the prediction rises when a channel does, signed,
          in units of y per unit of the spectra;
        - "loss_gradient": the absolute derivative of the squared error, y and the
          spectra in the units of the network (`y_scale_` and the pretrainer's
          `scale_`), as in MAX [1]_. It vanishes where a prediction is right, and
          is for regressors alone;
        - "integrated_gradients": how the difference between the prediction and
          that of `baseline` is shared among the channels, in units of y [2]_;
        - "smooth_gradient": the gradient, averaged over noisy copies of the
          spectrum [3]_.

        The last two need captum.
    target : int, str or class, default=None
        Which column of y, by its number or name, or which class as in `classes_`.
        None where there is only one column, or for the second of two classes.
    target_names : list of str of shape (n_targets,), default=None
        Names of the columns of y in `fit`, by which `target` may choose. None takes
        those of y, if it is passed here as a DataFrame.
    baseline : {"mean", "zero"} or array-like of shape (n_channels,), default="mean"
        Where the paths of "integrated_gradients" start: at the mean spectrum of the
        pretrainer's training data, at a spectrum of zeros, or at one of yours, in
        the unit of the spectra. A map answers the question "why this value
        and not that of the baseline", so report which it was.
    n_steps : int, default=50
        Number of points on a path, or of noisy copies.
    noise : float, default=0.1
        Standard deviation of the noise of "smooth_gradient", as a part of the
        pretrainer's `scale_`.
    normalize : bool, default=False
        Divide the map of each spectrum by its largest absolute value before the
        averages are taken, as in MAX, so that each counts alike. The averages have
        no unit then. `saliency` is left as it is.
    random_state : int, RandomState instance or None, default=None
        Decides the noise of "smooth_gradient", which is the same for each spectrum.

    Returns
    -------
    Bunch
        - saliency : ndarray of shape (n_samples, n_channels), one map a spectrum
        - mean : ndarray of shape (n_channels,), their mean, signs kept. Of
          "gradient" it compares with the coefficients of a linear model;
          "integrated_gradients" from the mean spectrum cancel in it
        - mean_absolute : ndarray of shape (n_channels,), the mean of their absolute
          values: which channels matter, in whatever direction
        - spectrum : ndarray of shape (n_channels,), mean of the spectra that the
          network got
        - baseline : ndarray of shape (n_channels,), as used, in the unit of the
          spectra; None where a method has none
        - completeness_error : ndarray of shape (n_samples,), sum of the map minus
          the difference that it shares out, in units of y; None but for
          "integrated_gradients". More `n_steps` lower it
        - method : str; target : int, the column of y or place in `classes_`
        - x_axis : ndarray of shape (n_channels,) or None, of the pretrainer, of an
          earlier step or of the column names of X

    Raises
    ------
    ValueError
        If a parameter or the data are not as described, or channels are missing and the
        method needs captum.
    TypeError
        If the estimator, or the last step of the pipeline, has no network.
    NotFittedError
        If it is not fitted.
    ImportError
        If captum is needed and not installed; it comes with
        ``skspectra[inspection]``.

    See Also
    --------
    SaliencyDisplay : Draws it on the axis of the spectra.

    Notes
    -----
    With the network f in its own units, the prediction is
    `f((X - mean_) / scale_) * y_scale_ + y_mean_`, so the gradient of f is
    multiplied by `y_scale_ / scale_`.

    Integrated gradients are large where spectra differ from the baseline. With
    random weights too they are brightest at the strongest lines, so compare maps
    rather than read one.

    Neighbouring channels of real spectra rise and fall together. How a network
    divides the weight among them is open, as it is for any regression, so expect
    two trainings to agree on bands rather than on channels.

    References
    ----------
    .. [1] "MAX: Masked Autoencoder for X-ray Fluorescence in Geological
       Investigation", arXiv:2410.12330.
    .. [2] Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017,
       arXiv:1703.01365.
    .. [3] Smilkov et al., "SmoothGrad: removing noise by adding noise",
       arXiv:1706.03825.
    .. [4] Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018,
       arXiv:1810.03292.

    Examples
    --------
    >>> from skspectra import MaskedSpectralPretrainer, SpectralRegressor
    >>> from skspectra.datasets import make_nir_mixtures
    >>> from skspectra.inspection import saliency_map
    >>> spectra = make_nir_mixtures(n_samples=60, n_channels=100, random_state=0)
    >>> pretrainer = MaskedSpectralPretrainer(
    ...     patch_size=10, embed_dim=16, depth=1, max_epochs=10
    ... )
    >>> model = SpectralRegressor(pretrainer, max_epochs=10, random_state=0)
    >>> found = saliency_map(model.fit(spectra.data, spectra.target), spectra.data)
    >>> found.saliency.shape, found.mean.shape
    ((60, 100), (100,))
    """
    x_axis = column_axis(X)
    model, X = last_step(
        estimator, X, "pooling", "a SpectralRegressor or SpectralClassifier"
    )
    X = _spectra(model, X)
    names = _names_of_targets(model, target_names, y)
    if names is None:
        output = _output(model, target)
    else:
        output = column_of(names, len(names), target, "saliency_map")
    start = _baseline(baseline, model) if method == "integrated_gradients" else None
    saliency, error = _maps(
        model,
        X,
        method,
        output,
        y=_known_values(y, X, model, output) if method == "loss_gradient" else None,
        start=start,
        n_steps=n_steps,
        noise=noise,
        seed=generator(random_state).randint(2**31 - 1),
    )
    counted = _divide_by_largest(saliency) if normalize else saliency
    return Bunch(
        saliency=saliency,
        mean=counted.mean(axis=0),
        mean_absolute=np.abs(counted).mean(axis=0),
        spectrum=np.ma.masked_invalid(X).mean(axis=0).filled(np.nan),
        baseline=start,
        completeness_error=error,
        method=method,
        target=output,
        x_axis=axis_of(estimator, x_axis),
    )


def _spectra(model, X):
    """Check spectra as `predict` does."""
    check_columns(X, known_axis(model.pretrainer_), type(model).__name__)
    gaps = {"allow_gaps": get_tags(model).input_tags.allow_nan}
    return check_spectra(model, X, dtype=np.float64, **gaps)


def _names_of_targets(model, target_names, y):
    """Return the names of the columns of y, or None where they are not known."""
    if hasattr(model, "classes_") and not model._is_multilabel:
        return None
    n_targets = len(getattr(model, "classes_", getattr(model, "y_scale_", ())))
    if target_names is None:
        names = list(getattr(y, "columns", ()))
        return names if len(names) == n_targets else None
    if len(target_names) != n_targets:
        raise ValueError(
            "The 'target_names' parameter of saliency_map must hold a name for each of "
            f"the {n_targets} targets that {type(model).__name__} was fitted on. Got "
            f"{target_names!r} instead."
        )
    return list(target_names)


def _output(model, target):
    """Return which output of the network belongs to a target."""
    if hasattr(model, "classes_"):
        allowed = np.asarray(model.classes_).tolist()
        if target is None and len(allowed) == 2 and not model._is_multilabel:
            return 1
        kind, remedy = "one of the classes", "one of these"
    else:
        allowed = list(range(len(model.y_scale_)))
        if target is None and len(allowed) == 1:
            return 0
        kind, remedy = "the column of one of the targets", "which column of y"
    # True is equal to 1, and no column or class 1.
    misread = isinstance(target, bool | np.bool_) and not isinstance(allowed[0], bool)
    if np.ndim(target) or misread or target not in allowed:
        raise ValueError(
            f"The 'target' parameter of saliency_map must be {kind} that "
            f"{type(model).__name__} was fitted on, {allowed}. Got {target!r} instead: "
            f"pass target=, {remedy}."
        )
    return allowed.index(target)


def _spread(model, output):
    """Return how many units of the prediction are one of the network's output."""
    return 1.0 if hasattr(model, "classes_") else model.y_scale_[output]


def _known_values(y, X, model, output):
    """Return one target in the units of the network."""
    if hasattr(model, "classes_"):
        raise ValueError(
            "method='loss_gradient' differentiates a squared error. Got "
            f"{type(model).__name__}: use 'gradient', of the log odds of a class."
        )
    if y is None:
        raise ValueError("method='loss_gradient' needs y, the reference values of X.")
    y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
    check_consistent_length(X, y)
    y = y.reshape(len(y), -1)
    if y.shape[1] != len(model.y_scale_):
        raise ValueError(
            f"y has {y.shape[1]} targets, but {type(model).__name__} was fitted on "
            f"{len(model.y_scale_)}."
        )
    spread = model.y_scale_[output] or 1.0
    return (y[:, output] - model.y_mean_[output]) / spread


def _baseline(baseline, model):
    """Return the spectrum where paths start."""
    mean = model.pretrainer_.mean_
    if isinstance(baseline, str):
        return mean.copy() if baseline == "mean" else np.zeros_like(mean)
    baseline = check_array(
        baseline, dtype=np.float64, ensure_2d=False, input_name="baseline"
    )
    if baseline.shape != mean.shape:
        raise ValueError(
            "The 'baseline' parameter of saliency_map must hold one value for each of "
            f"the {len(mean)} channels. Got shape {baseline.shape} instead."
        )
    return baseline


def _maps(model, X, method, output, *, y, start, n_steps, noise, seed):
    """Return the map of each spectrum, and the error of the shares if they are such."""
    mean, scale = model.pretrainer_.mean_, model.pretrainer_.scale_
    spread = _spread(model, output)
    x, *missing = without_gaps(
        scale_spectra(X, mean, scale), model.pretrainer_.patch_size_
    )
    asked = model.module_, x, output
    options = {
        "log_odds": hasattr(model, "classes_") and not model._is_multilabel,
        "device": model.device,
    }
    if method in _OF_CAPTUM:
        _require_captum(method)
        if missing:
            raise ValueError(
                f"method={method!r} needs spectra without missing channels. Fill them "
                "in, leave these spectra out, or use method='gradient'."
            )
    elif missing:
        options["missing"] = missing[0]
    if method == "gradient":
        return input_gradients(*asked, **options) * spread / scale, None
    if method == "loss_gradient":
        # The prediction of a target without spread is a constant.
        return np.abs(input_gradients(*asked, y, **options)) * (spread > 0), None
    if method == "smooth_gradient":
        draws = {"noise": noise, "n_draws": n_steps, "seed": seed}
        return smooth_gradients(*asked, **draws, **options) * spread / scale, None
    start = scale_spectra(start[None], mean, scale)[0]
    shares, error = integrated_gradients(
        *asked, baseline=start, n_steps=n_steps, **options
    )
    return shares * spread, error * spread


def _require_captum(method):
    from importlib.util import find_spec

    if find_spec("captum") is None:
        raise ImportError(
            f"saliency_map with method={method!r} requires captum. "
            "Install it with `pip install 'skspectra[inspection]'`."
        )


def _divide_by_largest(saliency):
    largest = np.abs(saliency).max(axis=1, keepdims=True)
    return saliency / np.where(largest > 0, largest, 1.0)
