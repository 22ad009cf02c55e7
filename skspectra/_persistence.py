"""save_model and load_model: fitted models in files that run no code."""

import os
import threading
import warnings

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.validation import check_is_fitted

from skspectra import _model_kinds as kinds
from skspectra._model_file import pack, read_model_file, unpack, write_file
from skspectra._model_reader import read
from skspectra._model_writer import write
from skspectra._strict_json import shown
from skspectra._versions import installed
from skspectra.exceptions import ModelFileError

_PACKAGES = ("skspectra", "scikit-learn", "numpy", "torch")
# Channels of a spectrum, and of all that are computed when a model is tried out: a
# normaliser in a file of a few bytes could ask for any number.
_MOST_CHANNELS, _MOST_COMPUTED = 2**18, 2**22
_MOST_ONE_BY_ONE = 2**16  # takes two seconds
_WIDEST = 2**28  # products of numbers that a derivative takes, a fifth of a second
# What warnings do is the whole process's: threads would put back each other's silence.
_ONE_AT_A_TIME = threading.Lock()
# Where estimators keep what spectra look like.
_CENTRES = ("mean_", "x_mean_", "_x_mean", "center_", "data_min_")


def save_model(
    model: BaseEstimator, path: str | os.PathLike, *, overwrite: bool = False
) -> None:
    """Save a fitted model in a file that anybody can load without a risk.

    The file is a safetensors file: arrays, and a text that says what they are. It holds
    no code and no pickle. It is in its place whole or not at all, and what was written
    has been loaded once before it gets there.

    Parameters
    ----------
    model : estimator
        Any fitted estimator of this package, or a fitted
        :class:`~sklearn.pipeline.Pipeline` of them and of scikit-learn's scalers,
        decompositions and linear models. `callbacks`, `checkpoint_dir` and `memory` are
        not kept.
    path : str or path-like
        Where to; ``.safetensors`` is the usual ending.
    overwrite : bool, default=False
        Whether a file that is there already is replaced.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If it holds something that cannot be kept safely, such as a function.
    FileExistsError
        If there is a file and `overwrite` is False; or a link, a folder or a device.
    OSError
        If it cannot be written; what was there is as it was.

    Warns
    -----
    UserWarning
        If there are callbacks, which are not kept.

    See Also
    --------
    load_model : Loads it.

    Examples
    --------
    >>> import os, tempfile
    >>> from skspectra import PLSRegressionCV, load_model, save_model
    >>> from skspectra.datasets import make_nir_mixtures
    >>> spectra = make_nir_mixtures(n_samples=40, n_channels=50, random_state=0)
    >>> model = PLSRegressionCV().fit(spectra.data, spectra.target)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "sugar.safetensors")
    ...     save_model(model, path)
    ...     again = load_model(path)
    >>> bool((again.predict(spectra.data) == model.predict(spectra.data)).all())
    True
    """
    if not isinstance(model, BaseEstimator):
        raise TypeError(f"save_model keeps estimators. Got {type(model).__name__}.")
    check_is_fitted(model)
    node, arrays, left_out = write(model)
    for name in left_out:
        warnings.warn(f"save_model does not keep the {name}.", stacklevel=2)
    try:
        file = pack({"model": node, "versions": installed(*_PACKAGES)}, arrays)
        _load(*unpack(file))  # nobody should find out later
    except ValueError as error:
        name, reason = type(model).__name__, str(error).removesuffix(".")
        raise TypeError(f"This {name} cannot be saved: {reason}.") from error
    write_file(path, file, overwrite=overwrite)


def load_model(path: str | os.PathLike) -> BaseEstimator:
    """Load a model that `save_model` has written.

    Nothing in the file is run, whoever wrote it, and no class is imported because the
    file names it: it gives a model that works, or an error. A SHA-256 in the file tells
    a damaged file from a whole one, but not who wrote it: anybody can write a false
    model with a right sum.

    Parameters
    ----------
    path : str or path-like
        Where it lies.

    Returns
    -------
    estimator
        The fitted model; it predicts what it did. If its `device` is not there, this
        becomes "auto".

    Raises
    ------
    ModelFileError
        If the file is damaged, of a newer format, or no such file.
    OSError
        If it cannot be read.

    Warns
    -----
    InconsistentVersionWarning
        If parts of it are scikit-learn's, of another version.
    UserWarning
        If its `device` is not there, and became "auto".

    See Also
    --------
    save_model : Writes it, and has an example.

    Examples
    --------
    >>> from skspectra import load_model
    >>> load_model("no/such.safetensors")
    Traceback (most recent call last):
    FileNotFoundError: ...
    """
    try:
        model, parts, foreign = _load(*read_model_file(path))
    except OSError:
        raise
    except Exception as error:
        reason = str(error)
        if not isinstance(error, ModelFileError):
            reason = f"{type(error).__name__}: {shown(reason, 400)}"
        raise ModelFileError(
            f"{os.fspath(path)!a} cannot be loaded: {reason.removesuffix('.')}."
        ) from error
    for part, device in parts.items():
        if device is not None:
            part.device = _available(device)
    for warning in foreign:
        warnings.warn(warning, stacklevel=2)
    return model


def _load(config, arrays):
    """Return the model of a file, its parts' devices, and what is to be warned of."""
    if not isinstance(config, dict) or config.keys() != {"model", "versions"}:
        raise ModelFileError("it must speak of a model and of versions")
    written = config["versions"]
    if not isinstance(written, dict) or not all(
        isinstance(each, str) for each in written.values()
    ):
        raise ModelFileError("its versions are no versions")
    with _ONE_AT_A_TIME, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        model, parts = read(config["model"], arrays)
        check_is_fitted(model)
        most = min(_MOST_CHANNELS, _MOST_COMPUTED // len(parts))
        one_by_one = [part for part in parts if kinds.name_in(kinds.ONE_BY_ONE, part)]
        if sum(abs(part.n_features_in_) for part in one_by_one) > _MOST_ONE_BY_ONE:
            raise ModelFileError(
                f"more than {_MOST_ONE_BY_ONE} channels would be transformed one by one"
            )
        for part in parts:
            fitted = kinds.name_in(kinds.OWN, part) and hasattr(part, "n_features_in_")
            if fitted or part is model:
                _try_out(part, most)
    saved, here = written.get("scikit-learn", ""), sklearn.__version__
    foreign = [
        InconsistentVersionWarning(
            estimator_name=name,
            current_sklearn_version=here,
            original_sklearn_version=shown(saved),
        )
        for name in sorted({type(part).__name__ for part in parts} & {*kinds.SKLEARN})
        if saved != here
    ]
    return model, parts, foreign


def _try_out(model, most_channels):
    """Have a model say something of two spectra; refuse one that cannot."""
    first = _first_part(model)
    n_channels = getattr(first, "n_features_in_", 16)
    if type(n_channels) is not int or not 1 <= n_channels <= most_channels:
        raise ModelFileError(
            f"its number of channels is {shown(n_channels)}, and {most_channels} may be"
        )
    window = min(getattr(model, "window", 1), n_channels)
    if window * n_channels > _WIDEST:
        raise ModelFileError(f"a window of {window} channels would take too long")
    X = _typical_spectra(first, n_channels)
    results = [
        np.asarray(getattr(model, method)(X))
        for method in ("predict", "predict_proba", "transform")
        if hasattr(model, method)
    ]
    # What an AxisResampler does not reach is NaN, and may be all that a pipeline gives.
    gaps = hasattr(first, "source_axis_") and not hasattr(model, "predict")
    for result in results:
        fine = 1 <= result.ndim <= 2 and len(result) == len(X)
        given = result[~np.isnan(result)] if gaps else result
        if not fine or (given.dtype.kind in "fc" and not np.isfinite(given).all()):
            raise ModelFileError("what it says of spectra is no result, or not finite")
    if not results:
        raise ModelFileError("it can neither predict nor transform")


def _first_part(model):
    """Return what the spectra meet first."""
    while inner := (
        getattr(model, "steps", None)
        or getattr(model, "estimator", None)
        or ("_views" not in vars(model) and getattr(model, "pretrainer_", None))
    ):
        if isinstance(inner, list):
            steps = [step for _, step in inner if isinstance(step, BaseEstimator)]
            inner = steps[0]
        model = inner
    return model


def _typical_spectra(model, n_channels):
    """Return two spectra in the units of a model, as far as it knows its units."""
    ramp = np.linspace(1.0, 2.0, n_channels)
    centres = [getattr(model, name, None) for name in _CENTRES]
    if hasattr(model, "_views"):
        centres = [model._views.whitenings["none"].mean]
    for centre in centres:
        if isinstance(centre, np.ndarray) and centre.shape == ramp.shape:
            step = 1e-3 * (np.fmax.reduce(np.abs(centre)) or 1.0)
            return np.stack([centre, centre + step * ramp])
    return np.stack([ramp, ramp[::-1]])


def _available(device):
    """Return a device, or "auto" with a warning where this machine has it not."""
    from skspectra._inference import resolve_device  # imports torch

    try:
        resolve_device(device)
    except ValueError:
        warnings.warn(
            f"The model was saved with device={shown(device)}, which is not available "
            "here: device='auto' is set instead.",
            stacklevel=3,
        )
        return "auto"
    return device
