"""Warnings and errors of this package, so that they can be caught by their class."""

__all__ = [
    "CheckpointError",
    "FewLabelsWarning",
    "ModelFileError",
    "ModelVersionWarning",
    "TransductiveWarning",
]


class CheckpointError(ValueError):
    """Say that a checkpoint is damaged, in use, or belongs to another training.

    See Also
    --------
    skspectra.MaskedSpectralPretrainer : Raises it, with ``checkpoint_dir``.

    Examples
    --------
    >>> from skspectra.exceptions import CheckpointError
    >>> issubclass(CheckpointError, ValueError)
    True
    """


class FewLabelsWarning(UserWarning):
    """Say that an encoder is fine-tuned on so few labels that PLS was mostly better.

    See Also
    --------
    skspectra.SpectralRegressor : Gives it, with ``strategy="fine_tune"``.
    skspectra.SpectralStackingRegressor : What to use with few labels.

    Examples
    --------
    >>> import warnings
    >>> from skspectra.exceptions import FewLabelsWarning
    >>> warnings.simplefilter("ignore", FewLabelsWarning)
    """


class ModelFileError(ValueError):
    """Say that a file holds no model, a damaged one, or one that is not to be trusted.

    See Also
    --------
    skspectra.load_model : Raises it.

    Examples
    --------
    >>> from skspectra.exceptions import ModelFileError
    >>> issubclass(ModelFileError, ValueError)
    True
    """


class ModelVersionWarning(UserWarning):
    """Say that a pickle of an estimator was written by another version.

    See Also
    --------
    skspectra.save_model : Keeps models in a format that stays readable.
    sklearn.exceptions.InconsistentVersionWarning : The same for scikit-learn's own.

    Examples
    --------
    >>> import warnings
    >>> from skspectra.exceptions import ModelVersionWarning
    >>> warnings.simplefilter("error", ModelVersionWarning)
    """


class TransductiveWarning(UserWarning):
    """Say that an estimator was tested on spectra that its frozen encoder had seen.

    See Also
    --------
    skspectra.evaluation.compare : Gives it.

    Examples
    --------
    >>> import warnings
    >>> from skspectra.exceptions import TransductiveWarning
    >>> warnings.simplefilter("ignore", TransductiveWarning)
    """
