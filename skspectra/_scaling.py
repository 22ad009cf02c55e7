"""Spectra in the units of a model: centred by channel, scaled by one number."""

import numpy as np

from skspectra._inputs import check_unit


def centre_and_scale(X):
    """Return the mean spectrum and the spread around it.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        Spectra, float64, NaN where a channel is missing.

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
        If the values are too large or too small for their squares.
    """
    # The digits of a sum depend on how a table lies in memory.
    X = np.ascontiguousarray(X)
    there = ~np.isnan(X)
    if there.all():
        check_unit(X, "X")
        mean = X.mean(axis=0)
        scale = float(np.sqrt(np.mean((X - mean) ** 2)))
    elif not there.any():
        return np.full(X.shape[1], np.nan), 1.0
    else:
        check_unit(X[there], "X")
        n_there = there.sum(axis=0)
        mean = np.nansum(X, axis=0) / np.where(n_there, n_there, np.nan)
        scale = float(np.sqrt(np.mean((X - mean)[there] ** 2)))
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
