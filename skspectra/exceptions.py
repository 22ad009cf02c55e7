"""Warnings of this package, so that they can be filtered by their class."""

__all__ = ["FewLabelsWarning"]


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
