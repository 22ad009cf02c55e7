"""Bring the spectra of several files into one table on one axis."""

from collections import Counter

import numpy as np
import pandas as pd

from skspectra._axes import UNITS, convert_axis, resample_rows
from skspectra.io._units import CHANNEL, RAMAN

__all__ = ["join"]

# In smallest steps of an axis: how far off a rounded position may lie.
_ROUNDED = 0.01
_FIRST_COLUMNS = ["file", "position", "name", "unit", "format", "quantity"]


def join(parts, x_axis=None, x_unit=None):
    """Return all spectra as one table.

    Parameters
    ----------
    parts : list of Part
        At least one.
    x_axis : array-like of shape (n_channels,), default=None
        Axis to bring all of them onto; None takes the one that they have in common.
    x_unit : str, default=None
        Unit to convert all axes to.

    Returns
    -------
    X : ndarray of shape (n_samples, n_channels)
    x_axis : ndarray of shape (n_channels,) or None
    metadata : DataFrame
    outside : list of tuple
        Of the paths and reasons of parts that have nothing on `x_axis`.

    Raises
    ------
    ValueError
        If axes or units differ, and it was not said what to bring them to.
    """
    axes, outside = _in_one_unit(parts, x_unit), []
    if x_axis is None:
        rows, kept, x_axis = _stack(parts, axes, x_unit), parts, axes[0]
    else:
        x_axis = _checked_axis(x_axis)
        rows, kept = [], []
        for part, axis in zip(parts, axes, strict=True):
            if _is_apart(axis, x_axis):
                reason = f"{part.path} has {_span(axis)}, all outside of x_axis."
                outside.append((part.path, reason))
                continue
            rows.append(_onto(part, axis, x_axis))
            kept.append(part)
        if not kept:
            raise ValueError(" ".join(reason for _, reason in outside[:3]))
    return np.concatenate(rows), x_axis, _metadata(kept), outside


def _is_apart(axis, other):
    if axis is None:
        return False
    return axis.max() < other.min() or axis.min() > other.max()


def _in_one_unit(parts, x_unit):
    """Return the axis of each part, in one unit."""
    told = Counter(part.unit for part in parts if part.unit)
    if x_unit is None:
        if len({unit.replace(RAMAN, "cm-1") for unit in told}) > 1:
            units = ", ".join(f"{unit} ({n} files)" for unit, n in told.items())
            can = all(unit in UNITS for unit in told)
            remedy = (
                f"x_unit={next(iter(told))!r} converts them"
                if can
                else ("No unit is common to them: read them apart")
            )
            raise ValueError(f"The axes are in different units: {units}. {remedy}.")
        return [part.x_axis for part in parts]
    # A file that does not tell its unit is in that of the others, if there are any.
    usual = next(iter(told)) if len(told) == 1 else x_unit if not told else None
    return [_converted(part, part.unit or usual, x_unit) for part in parts]


def _converted(part, unit, x_unit):
    if part.x_axis is None or unit == x_unit:
        return part.x_axis
    calibrated = {"E-gain", "E-offset"} <= part.fields.keys()
    if unit == CHANNEL and calibrated and x_unit in ("keV", "eV"):
        energies = part.x_axis * part.fields["E-gain"] + part.fields["E-offset"]
        return energies if x_unit == "keV" else energies * 1e3
    if unit not in UNITS or x_unit not in UNITS:
        told = f"in {unit!r}" if unit else "in a unit that it does not tell"
        raise ValueError(
            f"{part.path} has its axis {told}, which cannot be converted to {x_unit!r}."
        )
    try:
        return convert_axis(part.x_axis, unit, x_unit)
    except ValueError as error:
        raise ValueError(f"{part.path}: {error}") from error


def _checked_axis(x_axis):
    x_axis = np.asarray(x_axis, dtype=np.float64)
    steps = np.diff(x_axis) if x_axis.ndim == 1 else np.zeros(0)
    if not len(steps) or not ((steps > 0).all() or (steps < 0).all()):
        raise ValueError(
            "x_axis must have at least 2 positions that rise or fall from the first to "
            f"the last. Got an array of shape {x_axis.shape}."
        )
    return x_axis


def _stack(parts, axes, x_unit):
    """Return the spectra of each part in the order of the first one's channels."""
    rows = []
    for part, axis in zip(parts, axes, strict=True):
        order = _same(axis, axes[0])
        if axis is None and order and _channels(part) != _channels(parts[0]):
            order = None
        if axis is None and part.X.shape[1] != parts[0].X.shape[1]:
            order = None
        if order is None:
            raise ValueError(_differ(parts[0], axes[0], part, axis, axes, x_unit))
        rows.append(part.X[:, ::order])
    return rows


def _channels(part):
    return part.fields.get("channels")


def _same(axis, other):
    """Return 1 if axes are equal, -1 if one runs backwards, None if they differ."""
    if axis is None or other is None:
        return 1 if axis is other else None
    if axis.shape != other.shape:
        return None
    order = 1 if (axis[0] < axis[-1]) == (other[0] < other[-1]) else -1
    tolerance = _ROUNDED * np.abs(np.diff(other)).min()
    return order if np.abs(axis[::order] - other).max() <= tolerance else None


def _differ(first, first_axis, part, axis, axes, x_unit):
    """Say how two axes differ, and which one would serve all."""
    if axis is None or first_axis is None:
        without = part if axis is None else first
        return (
            f"{without.path} has channels without an axis, or others than the files "
            "before. Read it apart."
        )
    text = f"{part.path} has {_span(axis)}, but {first.path} has {_span(first_axis)}. "
    low = max(each.min() for each in axes if each is not None)
    high = min(each.max() for each in axes if each is not None)
    n_channels = min(len(each) for each in axes if each is not None)
    if low < high:
        unit = f", x_unit={x_unit!r}" if x_unit else ""
        return text + (
            "Say which axis to bring all onto; common to all files would be "
            f"x_axis=numpy.linspace({low:g}, {high:g}, {n_channels}){unit}. Channels "
            "beyond the range of a file become NaN."
        )
    return text + (
        "No position is common to all files. With x_axis=, channels beyond the range "
        "of a file become NaN."
    )


def _span(axis):
    return f"{len(axis)} channels from {axis[0]:g} to {axis[-1]:g}"


def _onto(part, axis, x_axis):
    """Return the spectra of a part on another axis, NaN beyond its own range."""
    if axis is None:
        raise ValueError(f"{part.path} has no axis, so that none can be made of it.")
    order = _same(axis, x_axis)
    if order is not None:
        return part.X[:, ::order]
    return resample_rows(part.X, axis, x_axis)


def _metadata(parts):
    """Return what is known of each spectrum, one a row."""
    names = dict.fromkeys(_FIRST_COLUMNS)
    for part in parts:
        names |= dict.fromkeys(_renamed(key) for key in part.fields)
    columns = {name: [] for name in names}
    counted = Counter()
    for part in parts:
        n_rows = len(part.X)
        begin = counted[part.path]
        counted[part.path] += n_rows
        known = {_renamed(key): value for key, value in part.fields.items()}
        known |= {"file": part.path, "unit": part.unit}
        known["position"] = list(range(begin, begin + n_rows))
        if known.get("name") is None:
            known["name"] = _stem(part.path)
        for name, column in columns.items():
            value = known.get(name)
            column += value if isinstance(value, list) else [value] * n_rows
    columns.pop("channels", None)
    return pd.DataFrame(columns).infer_objects()


def _renamed(key):
    """Keep a file's own column out of the way of ours."""
    return f"{key}_" if key in ("file", "position", "unit") else key


def _stem(path):
    name = path.replace("\\", "/").rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    # OPUS numbers the spectra of a sample in what would be the suffix.
    return stem if dot and stem and not suffix.isdecimal() else name
