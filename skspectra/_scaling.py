"""Spectra in the units of a model: centred by channel, scaled by one number."""

import numpy as np

from skspectra._inputs import check_size, check_unit


class MeanAndSpread:
    """The mean spectrum and the spread around it, of rows that come piece by piece.

    Pieces are merged as in [1]_, so that no digits are lost however many there are.

    Parameters
    ----------
    n_channels : int
        Number of channels.

    References
    ----------
    .. [1] Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
       computing sample variances", COMPSTAT 1982.
    """

    def __init__(self, n_channels):
        self.n, self.squares = np.zeros(n_channels), np.zeros(n_channels)
        self.mean, self.largest = np.zeros(n_channels), 0.0

    def add(self, X):
        """Take in rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_channels)
            Spectra, float64, NaN where a channel is missing.

        Raises
        ------
        ValueError
            If the values are too large for their squares.
        """
        # The digits of a sum depend on how a table lies in memory.
        X = np.ascontiguousarray(X)
        there = ~np.isnan(X)
        if there.all():
            n, filled = float(len(X)), X
        else:
            n, filled = there.sum(axis=0), np.where(there, X, 0.0)
        check_size(filled, "X")
        self.largest = max(self.largest, filled.max(), -filled.min())
        mean = filled.sum(axis=0) / np.maximum(n, 1)
        from_mean = X - mean
        if filled is not X:
            from_mean = np.where(there, from_mean, 0.0)
        total = np.maximum(self.n + n, 1)
        away = np.where(n > 0, mean - self.mean, 0.0)
        self.squares += (from_mean**2).sum(axis=0) + away**2 * (self.n * n / total)
        self.mean += away * (n / total)
        self.n = self.n + n

    def result(self):
        """Return the mean spectrum and the scale.

        Returns
        -------
        mean : ndarray of shape (n_channels,)
            Mean of each channel; NaN where it is missing in all spectra.
        scale : float
            Root mean square deviation from it over all entries; 1 where that is
            not above rounding, so that equal spectra become zeros.

        Raises
        ------
        ValueError
            If the values are too small for their squares.
        """
        check_unit(np.array([self.largest]), "X")
        mean = np.where(self.n > 0, self.mean, np.nan)
        if not self.n.any():
            return mean, 1.0
        scale = float(np.sqrt(self.squares.sum() / self.n.sum()))
        return mean, scale if scale > rounding(mean) else 1.0


def rounding(mean):
    """Return below what a spread around a mean is that of rounded numbers."""
    return 10 * np.finfo(np.float64).eps * np.nanmax(np.abs(mean))


def scale_spectra(X, mean, scale, first_row=0):
    """Return `(X - mean) / scale` as float32.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        Spectra, float64 or float32, NaN where a channel is missing.
    mean : ndarray of shape (n_channels,)
        Mean of each channel, float64.
    scale : float
        The common scale.
    first_row : int, default=0
        What the error calls the first row: X may be a part of a table.

    Returns
    -------
    ndarray of shape (n_samples, n_channels)
        Scaled in float64 and then cast to float32, its rows contiguous. NaN where X or
        the mean is.

    Raises
    ------
    ValueError
        If a spectrum lies too far from the training spectra for float32.
    """
    with np.errstate(over="ignore"):
        scaled = ((X - mean) / scale).astype(np.float32, order="C")
    infinite = np.isinf(scaled)
    if infinite.any():
        row, channel = np.argwhere(infinite)[0]
        raise ValueError(
            f"X contains a value too large for float32 after scaling: "
            f"{X[row, channel]:.3g} in row {first_row + row}, channel {channel}."
        )
    return scaled
