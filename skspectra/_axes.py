"""Axes of spectra: their units, and values brought from one axis onto another."""

import numpy as np
from scipy import constants

__all__ = [
    "METHODS",
    "UNITS",
    "average_rows",
    "convert_axis",
    "interpolate_rows",
    "resample_rows",
    "unit_named",
]

METHODS = ("linear", "cubic", "average")

_NM_EV = constants.h * constants.c / constants.e * 1e9  # of a photon: nm times eV
# Of one unit in nm, where it is a length; else nm times the unit.
_LENGTHS = {"nm": 1.0, "um": 1e3}
_RECIPROCALS = {"cm-1": 1e7, "eV": _NM_EV, "keV": _NM_EV / 1e3}
UNITS = (*_LENGTHS, *_RECIPROCALS)
_SPELLINGS = {
    "µm": "um",  # micro sign
    "μm": "um",  # Greek letter
    "cm⁻¹": "cm-1",
    "cm^-1": "cm-1",
    "1/cm": "cm-1",
}

_BLOCK = 2**18  # numbers of one pass, which needs a few times their memory
# In steps of an axis: how far off a rounded end may lie, and what is the same place.
_ROUNDED, _SAME = 1e-2, 1e-6


def unit_named(name):
    """Return how this package spells a unit.

    Parameters
    ----------
    name : str
        As the user spells it: "cm⁻¹" and "µm" are known too.

    Returns
    -------
    str
        One of `UNITS`.

    Raises
    ------
    ValueError
        If there is no such unit.
    """
    name = _SPELLINGS.get(name, name)
    if name not in UNITS:
        raise ValueError(
            f"The unit of an axis must be one of {', '.join(UNITS)}. Got {name!r} "
            "instead."
        )
    return name


def convert_axis(values, source, target):
    """Return positions in another unit: wavelengths, wavenumbers, photon energies.

    Only positions are converted: an intensity for each nm is not turned into one for
    each cm⁻¹. Raman shifts are no wavenumbers in this sense, although they are told in
    cm⁻¹: they count from the laser line.

    Parameters
    ----------
    values : array-like
        Positive numbers of any shape.
    source, target : str
        Units, of `UNITS` or spelled otherwise.

    Returns
    -------
    ndarray
        float64, in the order given: rising wavelengths are falling wavenumbers.

    Raises
    ------
    ValueError
        If a unit is unknown, or one of the values has no counterpart.

    Examples
    --------
    >>> from skspectra._axes import convert_axis
    >>> convert_axis([1000.0, 2500.0], "nm", "cm-1")
    array([10000.,  4000.])
    """
    values = np.asarray(values, dtype=np.float64)
    source, target = unit_named(source), unit_named(target)
    if source == target:
        return values.copy()
    if not (np.isfinite(values) & (values > 0)).all():
        wrong = values[~(np.isfinite(values) & (values > 0))].flat[0]
        raise ValueError(
            f"Positions must be positive to be converted from {source} to {target}. "
            f"Got {wrong:g}."
        )
    if source in _LENGTHS:
        in_nm = values * _LENGTHS[source]
    else:
        in_nm = _RECIPROCALS[source] / values
    if target in _LENGTHS:
        return in_nm / _LENGTHS[target]
    return _RECIPROCALS[target] / in_nm


def resample_rows(X, source, target, method="linear"):
    """Bring spectra from one axis onto another; never beyond where they were measured.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        Spectra; NaN where a channel is missing.
    source : ndarray of shape (n_channels,)
        Positions of their channels, strictly rising or falling.
    target : ndarray of shape (n_positions,)
        Positions wanted, in the same unit; in any order, unless averaged.
    method : {"linear", "cubic", "average"}, default="linear"
        As in `interpolate_rows`, or as `average_rows`.

    Returns
    -------
    ndarray of shape (n_samples, n_positions)
        float64. NaN outside of the range of `source`, and where a missing channel
        would be needed.
    """
    most = max(1, _BLOCK // max(len(source), len(target)))
    blocks = [X[start : start + most] for start in range(0, max(1, len(X)), most)]
    if method == "average":
        return np.concatenate([average_rows(b, source, target) for b in blocks])
    found = [interpolate_rows(b, source, target, method) for b in blocks]
    return np.concatenate(found)


def interpolate_rows(X, source, target, method="linear"):
    """Read spectra at other positions, between the channels that are there.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        Spectra; NaN where a channel is missing.
    source : ndarray of shape (n_channels,)
        Positions of their channels, strictly rising or falling.
    target : ndarray of shape (n_positions,)
        Positions wanted, in the same unit and in any order.
    method : {"linear", "cubic"}, default="linear"
        Straight lines between channels, or cubic polynomials (modified Akima), which
        look at three channels to either side.

    Returns
    -------
    ndarray of shape (n_samples, n_positions)
        float64. NaN outside of the range of `source`, and where one of the channels
        looked at is missing. At the position of a channel only this one is looked at.
    """
    X, source = _rising(X, source)
    at, outside = _within(source, target)
    if len(source) == 1:
        return np.where(outside, np.nan, X)
    missing = np.isnan(X)
    filled = np.where(missing, 0.0, X) if missing.any() else X
    left = np.clip(np.searchsorted(source, at, side="right") - 1, 0, len(source) - 2)
    share = (at - source[left]) / (source[left + 1] - source[left])
    share[share <= _SAME], share[share >= 1 - _SAME] = 0.0, 1.0
    if method == "linear" or len(source) == 2:
        out = filled[:, left] * (1 - share) + filled[:, left + 1] * share
        width = 0
    else:
        out = _cubics(filled, source, left, share)
        width = 2
    if missing.any():
        first = np.where(share == 1, left + 1, left - width * (share != 0))
        last = np.where(share == 0, left, left + 1 + width * (share != 1))
        out[_any_between(missing, first, last)] = np.nan
    out[:, outside] = np.nan
    return out


def average_rows(X, source, target):
    """Average spectra around other positions, each as far as halfway to the next.

    Of straight lines between the channels the mean over each bin is taken. Where the
    target is coarser, no channel is passed over, as interpolation would.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        Spectra; NaN where a channel is missing.
    source : ndarray of shape (n_channels,)
        Positions of their channels, strictly rising or falling.
    target : ndarray of shape (n_positions,)
        Middles of the bins, in the same unit, strictly rising or falling. The first
        and the last bin end at the first and the last position.

    Returns
    -------
    ndarray of shape (n_samples, n_positions)
        float64. NaN where a bin reaches outside of the range of `source`, or a channel
        that it needs is missing.
    """
    target = np.asarray(target, dtype=np.float64)
    if len(target) == 1 or len(source) == 1:
        return interpolate_rows(X, source, target)
    X, source = _rising(X, source)
    falling = target[0] > target[-1]
    middles = target[::-1] if falling else target
    edges = np.r_[middles[0], (middles[1:] + middles[:-1]) / 2, middles[-1]]
    edges, outside = _within(source, edges)
    missing = np.isnan(X)
    filled = np.where(missing, 0.0, X)
    left = np.clip(np.searchsorted(source, edges, side="right") - 1, 0, len(source) - 2)
    at_edges = interpolate_rows(filled, source, edges)
    areas = np.diff(source) * (filled[:, 1:] + filled[:, :-1]) / 2
    until = np.cumsum(np.pad(areas, ((0, 0), (1, 0))), axis=1)[:, left]
    until += (edges - source[left]) * (filled[:, left] + at_edges) / 2
    with np.errstate(invalid="ignore"):  # bins that lie outside have no width
        out = np.diff(until) / np.diff(edges)
    if missing.any():
        last = np.searchsorted(source, edges[1:], side="left")
        out[_any_between(missing, left[:-1], last)] = np.nan
    out[:, outside[1:] | outside[:-1]] = np.nan
    return out[:, ::-1] if falling else out


def _rising(X, source):
    X, source = np.asarray(X, dtype=np.float64), np.asarray(source, dtype=np.float64)
    return (X[:, ::-1], source[::-1]) if source[0] > source[-1] else (X, source)


def _within(source, target):
    """Return the positions brought into a range, and which of them lie outside of it.

    What lies beyond its end by less than the rounding of a column name is that end.
    """
    target = np.asarray(target, dtype=np.float64)
    low, high = source[[0, -1]]
    steps = np.diff(source) if len(source) > 1 else np.abs(source) * _SAME
    first, last = _ROUNDED * steps[[0, -1]]
    outside = (target < low - first) | (target > high + last)
    return np.clip(target, low, high), outside


def _cubics(X, source, left, share):
    """Return cubic polynomials at a share of the way from one channel to the next."""
    slopes, right, rest = _slopes(X, source), left + 1, 1 - share
    step = source[right] - source[left]
    out = X[:, left] * ((1 + 2 * share) * rest**2)
    out += X[:, right] * ((1 + 2 * rest) * share**2)
    out += slopes[:, left] * (step * share * rest**2)
    out -= slopes[:, right] * (step * rest * share**2)
    return out


def _slopes(X, source):
    """Return the slopes of spectra at their channels, by the modified Akima formula.

    scipy's own depend on the largest value of the table: a faint spectrum would not be
    the same alone and beside a strong one.
    """
    between = np.diff(X, axis=1) / np.diff(source)
    first, last = between[:, :1], between[:, -1:]
    first = first + (first - between[:, 1:2]) * [2, 1]
    last = last + (last - between[:, -2:-1]) * [1, 2]
    between = np.hstack([first, between, last])
    bent = np.abs(np.diff(between, axis=1))
    weights = bent + np.abs(between[:, 1:] + between[:, :-1]) / 2
    before, after = weights[:, :-2], weights[:, 2:]
    total = before + after
    share = np.divide(before, total, out=np.full_like(total, 0.5), where=total > 0)
    return between[:, 1:-2] * (1 - share) + between[:, 2:-1] * share


def _any_between(missing, first, last):
    """Return for each row and position whether a channel from first to last misses."""
    counted = np.cumsum(np.pad(missing, ((0, 0), (1, 0))), axis=1)
    first = np.maximum(first, 0)
    last = np.minimum(last, missing.shape[1] - 1)
    return counted[:, last + 1] > counted[:, first]
