"""What the drawings of this package share: the axis of the spectra and its marks."""

from functools import partial

import numpy as np
from sklearn.isotonic import isotonic_regression

from skspectra._validation import check_x_axis

__all__ = ["channel_positions", "mark_positions", "set_up_axis"]

_QUANTITIES = {
    "nm": "Wavelength",
    "µm": "Wavelength",
    "um": "Wavelength",
    "cm-1": "Wavenumber",
    "cm⁻¹": "Wavenumber",
    "eV": "Energy",
    "keV": "Energy",
}

# Names of elements are written upright; longer ones along the mark. The points are
# what a name then needs on the axis.
_SHORT_NAME = 2
_POINTS_OF_SHORT_NAME, _POINTS_OF_LINE = 13.0, 11.0


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
        name = f"{_QUANTITIES.get(x_unit, 'Position')} ({x_unit})"
    ax.set_xlabel(name)
    ax.set_xlim(positions[0], positions[-1])


def mark_positions(ax, labels):
    """Mark named positions at the upper edge, names moved apart where they collide.

    Marks follow when the limits of the axis are changed afterwards.

    Parameters
    ----------
    ax : Axes
        Where spectra are drawn.
    labels : dict of str to float or list of float
        Positions on the axis; those outside of its limits are left out.
    """
    marks = [
        (position, name)
        for name, positions in labels.items()
        for position in np.atleast_1d(positions)
    ]
    drawn = []
    _draw_marks(marks, drawn, ax)
    ax.callbacks.connect("xlim_changed", partial(_draw_marks, marks, drawn))


def _draw_marks(marks, drawn, ax):
    """Draw the marks that lie within the limits, in place of those in `drawn`."""
    while drawn:
        drawn.pop().remove()
    left, right = ax.get_xlim()
    marks = sorted(((place - left) / (right - left), name) for place, name in marks)
    marks = [mark for mark in marks if 0 <= mark[0] <= 1]
    along = np.array([place for place, _ in marks])
    upright = max((len(name) for _, name in marks), default=0) <= _SHORT_NAME
    style = {"rotation": 0 if upright else 90, "ha": "center", "va": "bottom"}
    texts = _apart(ax, along, _POINTS_OF_SHORT_NAME if upright else _POINTS_OF_LINE)
    for place, text, (_, name) in zip(along, texts, marks, strict=True):
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


def _apart(ax, places, points):
    """Return places moved as little as possible to be `points` apart.

    Least squares under a smallest distance is an isotonic regression of the
    places with that distance taken out.
    """
    if len(places) < 2:
        return places
    width = ax.get_window_extent().width * 72 / ax.figure.dpi
    gap = min(points / width, 1 / (len(places) - 1))
    steps = gap * np.arange(len(places))
    return isotonic_regression(places - steps, y_min=0, y_max=1 - steps[-1]) + steps
