"""AxisResampler: spectra of any instrument brought onto one axis."""

import numpy as np
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils.validation import check_is_fitted

from skspectra._axes import METHODS, convert_axis, resample_rows, unit_named
from skspectra._callbacks import CallbackMixin, tells_callbacks
from skspectra._inputs import check_size, check_spectra, forget_fit
from skspectra._pickling import PicklableEstimator
from skspectra._table_axis import (
    axis_names,
    column_axis,
    is_sorted,
    same_axis,
    unit_hint,
)
from skspectra._validation import StrOptions, check_x_axis

_READ = {"allow_gaps": True, "dtype": (np.float64, np.float32)}


class AxisResampler(TransformerMixin, CallbackMixin, PicklableEstimator, BaseEstimator):
    """Bring spectra of any instrument onto one axis.

    Each table is read where its own column names say that its channels lie, so that
    tables of several instruments, with different ranges, steps, directions and numbers
    of channels, go through one fitted resampler and come out alike.

    Parameters
    ----------
    x_axis : array-like of shape (n_positions,), default=None
        Positions wanted, strictly rising or falling. None takes those of the first
        table, that of `fit`.
    source_axis : array-like of shape (n_channels,), default=None
        Positions of the channels of arrays, and of tables whose column names are no
        numbers; strictly rising or falling. Names that are numbers go before it.
    x_unit : {"nm", "um", "cm-1", "eV", "keV"}, default=None
        Unit of `x_axis`. None: whatever the unit of X is.
    source_unit : {"nm", "um", "cm-1", "eV", "keV"}, default=None
        Unit of the positions of X. None: that of `x_axis`. Only positions are
        converted: an intensity for each nm does not become one for each cm⁻¹.
    method : {"cubic", "linear", "average"}, default="cubic"
        - "cubic": cubic polynomials between the channels (modified Akima), which look
          at three channels to either side;
        - "linear": straight lines, which look at one;
        - "average": the mean of straight lines over a bin that ends halfway to the
          next positions. For an axis that is coarser than the spectra: the others
          then read single channels, pass over those between, and let a band appear
          that is not there if it is narrower than two steps (aliasing).
    outside : {"nan", "raise"}, default="nan"
        What becomes of positions that a table does not reach: NaN, or an error.
        Nothing is extrapolated; a table that meets `x_axis` nowhere is always refused.

    Attributes
    ----------
    x_axis_ : ndarray of shape (n_positions,) or None
        The axis of what comes out, in `x_unit`. None where neither a parameter nor
        the table of `fit` told one: then X is passed on as it is.
    source_axis_ : ndarray of shape (n_channels,) or None
        Where the channels of `fit` lay, in `source_unit`. Arrays are taken to lie
        there.
    n_features_in_ : int
        Number of channels seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_channels,)
        Names of the channels, where X has names that are strings.

    See Also
    --------
    InstanceNormalizer : Scales each spectrum by itself, to be put behind this.

    Notes
    -----
    Arrays, and tables whose names tell no positions, must have `n_features_in_`
    channels, as scikit-learn wants it. Tables that tell their positions may have any
    number, in any order.

    A missing channel (NaN) is NaN in the result wherever it would be looked at.

    Bringing axes together does not bring instruments together: their responses still
    differ.

    Examples
    --------
    >>> import pandas as pd
    >>> from skspectra import AxisResampler
    >>> bench = pd.DataFrame([[1.0, 2.0, 3.0]], columns=[1000.0, 1100.0, 1200.0])
    >>> portable = pd.DataFrame([[2.5, 1.5]], columns=[1150.0, 1050.0])
    >>> resampler = AxisResampler(method="linear").set_output(transform="pandas")
    >>> resampler.fit(bench).transform(portable)
       1000  1100  1200
    0   NaN   2.0   NaN
    """

    _parameter_constraints = {
        "x_axis": ["array-like", None],
        "source_axis": ["array-like", None],
        "x_unit": [str, None],
        "source_unit": [str, None],
        "method": [StrOptions(set(METHODS))],
        "outside": [StrOptions({"nan", "raise"})],
    }

    def __init__(
        self,
        x_axis=None,
        *,
        source_axis=None,
        x_unit=None,
        source_unit=None,
        method="cubic",
        outside="nan",
    ):
        self.x_axis = x_axis
        self.source_axis = source_axis
        self.x_unit = x_unit
        self.source_unit = source_unit
        self.method = method
        self.outside = outside

    @tells_callbacks
    def fit(self, X, y=None):
        """Remember the axis wanted, and where the channels of X lie.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, one a row; best a table whose column names are positions.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : AxisResampler
            The transformer itself.

        Raises
        ------
        ValueError
            If a parameter or X is not as described, nothing tells where the channels
            of X lie, or they lie nowhere on `x_axis`.
        """
        self._validate_params()
        check_spectra(self, X, reset=True, **_READ)
        try:
            self._learn_axes(column_axis(X))
        except BaseException:
            forget_fit(self)
            raise
        return self

    def transform(self, X):
        """Bring spectra onto the axis.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, one a row: a table whose column names are positions, with any
            number of channels, or else as in `fit`. NaN where a channel is missing.

        Returns
        -------
        ndarray of shape (n_samples, n_positions)
            Spectra on `x_axis_`; float32 if X is, else float64.

        Raises
        ------
        ValueError
            If X lies nowhere on the axis; or not everywhere, with ``outside="raise"``.
        """
        check_is_fitted(self)
        self._validate_params()
        positions = None if self.x_axis_ is None else column_axis(X)
        if positions is None:
            X = check_spectra(self, X, **_READ)
            positions = self.source_axis_
        else:
            # Like the first: it need not have as many channels as that of `fit`.
            X = check_spectra(clone(self), X, reset=True, **_READ)
        if self.x_axis_ is None:
            return X
        check_size(np.where(np.isnan(X), 0.0, X).astype(np.float64), "X")
        positions = self._converted(positions)
        order = np.argsort(positions if self._rises() else -positions)
        X, positions = X[:, order], positions[order]
        if same_axis(positions, self.x_axis_):
            return X
        self._check_range(positions)
        resampled = resample_rows(X, positions, self.x_axis_, self.method)
        return resampled.astype(X.dtype, copy=False)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the channels: the positions on the axis, as strings.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the channels of X; used only where there is no axis.

        Returns
        -------
        ndarray of str of shape (n_positions,)
            Such as "1100" and "1100.5".
        """
        check_is_fitted(self)
        if self.x_axis_ is not None:
            return axis_names(self.x_axis_)
        return OneToOneFeatureMixin.get_feature_names_out(self, input_features)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "source_axis_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _learn_axes(self, source):
        """Set both axes; `source` is what the column names of the first table tell."""
        owner = type(self).__name__
        if source is None:
            n_channels = self.n_features_in_
            source = check_x_axis(self.source_axis, n_channels, owner, "source_axis")
        if self.x_axis is None:
            target = source if source is None else self._converted(source)
            if target is not None and not is_sorted(target):
                target = np.sort(target)
        elif source is None:
            raise ValueError(
                f"{owner} has to know where the channels of X lie. Pass a DataFrame "
                "whose column names are their positions, or source_axis=, one position "
                f"for each of the {self.n_features_in_} channels."
            )
        else:
            target = check_x_axis(self.x_axis, np.size(self.x_axis), owner)
        self.x_axis_, self.source_axis_ = target, source
        if source is not None:
            self._check_range(self._converted(source))

    def _converted(self, positions):
        """Return positions of X in the unit of the axis."""
        if self.source_unit is None:
            if self.x_unit is not None:
                unit_named(self.x_unit)
            return positions
        if self.x_unit is None:
            raise ValueError(
                f"source_unit={self.source_unit!r} was passed, but x_unit was not: "
                f"{type(self).__name__} has to know the unit of x_axis too."
            )
        return convert_axis(positions, self.source_unit, self.x_unit)

    def _rises(self):
        return self.x_axis_[0] <= self.x_axis_[-1]

    def _check_range(self, positions):
        """Refuse spectra that lie nowhere on the axis, or not everywhere if asked."""
        positions = np.sort(positions)
        if not is_sorted(positions):
            raise ValueError("The channels of X must lie at different positions.")
        constant = np.ones((1, len(positions)))
        found = resample_rows(constant, positions, self.x_axis_, self.method)
        n_outside, n_positions = np.isnan(found).sum(), len(self.x_axis_)
        said = (
            f"X reaches from {positions[0]:g} to {positions[-1]:g}, the axis of "
            f"{type(self).__name__} from {self.x_axis_[0]:g} to {self.x_axis_[-1]:g}: "
        )
        if n_outside == n_positions:
            hint = "" if self.x_unit else unit_hint(positions, self.x_axis_)
            raise ValueError(f"{said}no position of the axis can be read from X.{hint}")
        if n_outside and self.outside == "raise":
            raise ValueError(
                f"{said}{n_outside} of {n_positions} positions lie outside. Narrow "
                "x_axis, or have these NaN by outside='nan'."
            )
