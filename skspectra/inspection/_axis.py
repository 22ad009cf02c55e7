"""What the drawings of this package share: the axis of the spectra and its marks."""

from functools import partial

import numpy as np
from sklearn.isotonic import isotonic_regression

from skspectra._validation import check_x_axis

__all__ = [
    "channel_positions",
    "check_labels",
    "mark_positions",
    "set_up_axis",
    "written",
]

_WRITTEN = {"cm-1": "cm⁻¹", "um": "µm"}
_QUANTITIES = {
    "nm": "Wavelength",
    "µm": "Wavelength",
    "cm⁻¹": "Wavenumber",
    "eV": "Energy",
    "keV": "Energy",
}

# Names of elements are written upright; longer ones along the mark. The points are
# what a name then needs on the axis.
_SHORT_NAME = 2
_POINTS_OF_SHORT_NAME, _POINTS_OF_LINE = 13.0, 11.0
_FULL = 0.8  # of the width; with more names their lines run nearly flat


def written(unit):
    """Return a unit as it stands in print."""
    return _WRITTEN.get(unit, unit)


def channel_positions(x_axis, n_channels, owner):
    """Return where the channels lie: the axis, or their numbers without one."""
    x_axis = check_x_axis(x_axis, n_channels, owner)
    return np.arange(n_channels, dtype=np.float64) if x_axis is None else x_axis


def set_up_axis(ax, positions, *, known, x_unit):
    """Name the axis of the spectra and let it run as they do, falling too.

    Parameters
    ----------
    ax : Axes
        Where spectra are drawn.
    positions : ndarray of shape (n_channels,)
        Of the channels.
    known : bool
        False where they are only counted.
    x_unit : str or None
        Of the positions.
    """
    if not known:
        name = "Channel"
    elif x_unit is None:
        name = "Position of the channel"
    else:
        unit = written(x_unit)
        name = f"{_QUANTITIES.get(unit, 'Position')} ({unit})"
    ax.set_xlabel(name)
    ax.set_xlim(positions[0], positions[-1])


def check_labels(labels, owner):
    """Return named positions, one (position, name) each.

    Raises
    ------
    ValueError
        If they are no names with numbers.
    """
    marks = []
    try:
        for name, positions in labels.items():
            positions = np.atleast_1d(positions)
            numbers = positions.ndim == 1 and positions.dtype.kind in "iuf"
            if not isinstance(name, str) or not numbers:
                raise TypeError
            marks += [(float(position), name) for position in positions]
    except (AttributeError, TypeError, ValueError):
        marks = [(np.nan, "")]
    if not all(np.isfinite(position) for position, _ in marks):
        raise ValueError(
            f"The 'labels' parameter of {owner} must map names to numbers, positions "
            f"on the axis, or to lists of them. Got {labels!r} instead."
        )
    return marks


def mark_positions(ax, marks, weights):
    """Mark named positions at the upper edge, names moved apart where they collide.

    Where there is no room for all, those of the lowest weight are left out. Marks
    follow when the limits of the axis are changed afterwards.

    Parameters
    ----------
    ax : Axes
        Where spectra are drawn.
    marks : list of (float, str)
        As from `check_labels`; those outside of the limits are left out.
    weights : sequence of float
        Of each mark.
    """
    drawn, marks = [], sorted(zip(marks, weights, strict=True))
    # Only now does a layout engine decide how wide the axes are.
    ax.figure.draw_without_rendering()
    _draw_marks(marks, drawn, ax)
    ax.callbacks.connect("xlim_changed", partial(_draw_marks, marks, drawn))


def _draw_marks(marks, drawn, ax):
    """Draw the marks that lie within the limits, in place of those in `drawn`."""
    while drawn:
        drawn.pop().remove()
    left, right = ax.get_xlim()
    marks = [
        ((position - left) / (right - left), name, weight)
        for (position, name), weight in marks
        if 0 <= (position - left) / (right - left) <= 1
    ]
    upright = max((len(name) for _, name, _ in marks), default=0) <= _SHORT_NAME
    points = _POINTS_OF_SHORT_NAME if upright else _POINTS_OF_LINE
    gap = points / (ax.get_window_extent().width * 72 / ax.figure.dpi)
    marks = sorted(_heaviest(marks, max(1, int(_FULL / gap))))
    style = {"rotation": 0 if upright else 90, "ha": "center", "va": "bottom"}
    along = np.array([place for place, _, _ in marks])
    for place, text, (_, name, _) in zip(along, _apart(along, gap), marks, strict=True):
        drawn += ax.plot(
            [place, place, text],
            [0.95, 1.0, 1.06],
            transform=ax.transAxes,
            clip_on=False,
            color="0.3",
            lw=0.8,
            scalex=False,
            scaley=False,
        )
        where = {"xy": (text, 1.07), "xycoords": "axes fraction"}
        drawn.append(ax.annotate(name, **where, **style, fontsize="small"))


def _heaviest(marks, n_marks):
    return sorted(marks, key=lambda mark: -mark[2])[:n_marks]


def _apart(places, gap):
    """Return places from 0 to 1 moved as little as possible to be `gap` apart.

    Least squares under a smallest distance is an isotonic regression of the
    places with that distance taken out.
    """
    if len(places) < 2:
        return places
    steps = gap * np.arange(len(places))
    return isotonic_regression(places - steps, y_min=0, y_max=1 - steps[-1]) + steps
