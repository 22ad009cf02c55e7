"""Spectra centred and scaled one by one, each by its own statistics."""

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin

from skspectra._callbacks import CallbackMixin, tells_callbacks
from skspectra._inputs import check_spectra, warn_caller
from skspectra._pickling import PicklableEstimator
from skspectra._table_axis import axis_names
from skspectra._validation import Interval, StrOptions

_EPS = 1e-12
_DTYPES = (np.float64, np.float32)


def _centre_and_spread(Z, method, has_gaps):
    """Return what to subtract and what to divide by, a scalar or one a row."""
    along = {"axis": 1, "keepdims": True}

    def statistic(name, values=Z, *args):  # of what is there
        return getattr(np, f"nan{name}" if has_gaps else name)(values, *args, **along)

    match method:
        case "standard":
            return statistic("mean"), statistic("std")
        case "minmax":
            low = statistic("min")
            return low, statistic("max") - low
        case "area":
            return 0.0, statistic("sum", np.abs(Z))
        case "max":
            return 0.0, statistic("max", np.abs(Z))
        case "robust":
            low, median, high = statistic("percentile", Z, (25, 50, 75))
            return median, high - low


def normalize_rows(X, method="standard", eps=_EPS):
    """Return the normalised rows in float64, and which of them were flat.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        Spectra, NaN where a channel is missing.
    method, eps
        As in :class:`InstanceNormalizer`.

    Returns
    -------
    Z : ndarray of shape (n_samples, n_channels)
        Normalised spectra, float64, with the gaps of X.
    flat : bool ndarray of shape (n_samples,)
        True for those that became zeros.
    """
    Z = np.array(X, dtype=np.float64, order="C")
    # No method sees a row's magnitude. Dividing it out first keeps 1e300 and
    # 1e-300 from overflowing in a square, and makes `eps` relative.
    gaps = np.isnan(Z)
    has_gaps = gaps.any()
    empty = gaps.all(axis=1)
    Z[empty] = 0.0  # the statistics of nothing would warn
    largest = np.fmax.reduce(np.abs(Z), axis=1, keepdims=True)
    Z /= np.where(largest > 0, largest, 1.0)
    centre, spread = _centre_and_spread(Z, method, has_gaps)
    flat = spread <= eps
    Z -= centre
    Z /= np.where(flat, 1.0, spread)
    Z[flat.ravel()] = 0.0
    if has_gaps:
        Z[gaps] = np.nan
    return Z, flat.ravel() & ~empty


def flat_rows(X):
    """Return which spectra `normalize_rows` would make zeros of, without doing it.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        Spectra.

    Returns
    -------
    bool ndarray of shape (n_samples,)
        True where no channel differs from another by more than rounding.
    """
    low, high = X.min(axis=1), X.max(axis=1)
    return high - low <= _EPS * np.maximum(np.abs(low), np.abs(high))


def warn_of_flat_rows(flat):
    """Warn once, at the user's call, of spectra that became zeros.

    Parameters
    ----------
    flat : bool ndarray of shape (n_samples,)
        True for these.
    """
    if flat.any():
        warn_caller(
            f"{flat.sum()} of {len(flat)} spectra are flat and became zeros; "
            f"the first is row {flat.argmax()}."
        )


class InstanceNormalizer(
    OneToOneFeatureMixin,
    TransformerMixin,
    CallbackMixin,
    PicklableEstimator,
    BaseEstimator,
):
    """Centre and scale every spectrum by its own statistics.

    Each row is treated as if it were alone: `fit` learns nothing, so that nothing
    can leak from one spectrum into another. Channels that are NaN are missing: they
    stay NaN, and the statistics are those of the others.

    Parameters
    ----------
    method : {"standard", "minmax", "area", "max", "robust"}, default="standard"
        What is subtracted from a spectrum, and what it is then divided by:

        - "standard": its mean; its standard deviation (ddof=0). Chemometrics
          knows this as SNV, the standard normal variate [1]_.
        - "minmax": its minimum; its range. The result lies in [0, 1].
        - "area": nothing; the sum of its absolute values (channels one wide).
        - "max": nothing; its largest absolute value. The result lies in [-1, 1].
        - "robust": its median; its interquartile range, which is 0 in spectra
          that are mostly zero: not for those.
    eps : float, default=1e-12
        A spectrum is flat, and becomes zeros, when what would divide it is at
        most `eps` times its largest absolute value. In (0, 1), without unit.
        With "area" and "max" only a spectrum of zeros is flat.

    Attributes
    ----------
    x_axis_ : ndarray of shape (n_channels,) or None
        The axis that the column names of X tell, where they are numbers.
    n_features_in_ : int
        Number of channels seen during :term:`fit`.

    Warns
    -----
    UserWarning
        Once a call, and with their number, when some spectra are flat.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : Scales channels, not spectra.

    References
    ----------
    .. [1] R. J. Barnes, M. S. Dhanoa, S. J. Lister, Applied Spectroscopy 43,
       772-777 (1989). https://doi.org/10.1366/0003702894202201

    Examples
    --------
    >>> from skspectra import InstanceNormalizer
    >>> InstanceNormalizer().fit_transform([[1.0, 2.0, 3.0]])
    array([[-1.22474487,  0.        ,  1.22474487]])
    """

    _parameter_constraints = {
        "method": [StrOptions({"standard", "minmax", "area", "max", "robust"})],
        "eps": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(self, method="standard", *, eps=_EPS):
        self.method = method
        self.eps = eps

    @tells_callbacks
    def fit(self, X, y=None):
        """Check the parameters and remember the channels; learn nothing else.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, one a row.
        y : Ignored
            There for the API.

        Returns
        -------
        self : InstanceNormalizer
            The transformer itself.
        """
        self._validate_params()
        check_spectra(self, X, reset=True, allow_gaps=True, dtype=_DTYPES)
        return self

    def transform(self, X):
        """Normalise each spectrum; works without `fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, one a row.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_channels)
            Normalised spectra: computed in float64, float32 if `X` is.
        """
        self._validate_params()
        X = check_spectra(self, X, allow_gaps=True, dtype=_DTYPES)
        X_out, flat = normalize_rows(X, self.method, self.eps)
        warn_of_flat_rows(flat)
        return X_out.astype(X.dtype, copy=False)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the channels, the same as went in.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the channels, to be compared with those of `fit`.

        Returns
        -------
        ndarray of str of shape (n_channels,)
            Where the names of `fit` were numbers, these as strings, so that with
            ``set_output(transform="pandas")`` the next step knows the axis too.
        """
        axis = getattr(self, "x_axis_", None)
        if input_features is None and axis is not None:
            return axis_names(axis)
        return super().get_feature_names_out(input_features)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = True
        return tags
