"""Many bands of many molecules as spectra, through the interferogram."""

import numpy as np
from scipy import fft

_NARROW = np.array([6.0, 9.6, 15.0, 24.0, 39.0])  # cm-1, full widths at half height
_BROAD = np.array([62.0, 100.0, 160.0, 255.0, 410.0, 655.0])
_COARSE = 8  # the broad bands' grid has one point in so many
_GUARD = 400.0  # cm-1 beyond either end, against what comes round
_STEP = 1.0  # cm-1, the finer grid's widest


class LineShapes:
    """Turns bands into absorbance on an evenly spaced axis.

    A band is a spike, put between the points of a fine grid by cubic interpolation.
    Spikes of about the same width are transformed together and multiplied by the
    transform of their shape and of the instrument: an interferogram. So the cost does
    not grow with the number of bands, and the instrument function costs nothing.

    Bands are pseudo-Voigt, more Gaussian the broader they are, since broad ones are
    the sum of many surroundings. A width between two of the tabulated ones is made of
    both shapes.

    Parameters
    ----------
    x_axis : ndarray of shape (n_channels,)
        Wavenumbers, cm-1, ascending, evenly spaced.
    resolution : float
        Inverse of the largest path difference, cm-1, with Happ-Genzel apodization. 0
        is an ideal instrument.
    """

    def __init__(self, x_axis, resolution):
        self._n_channels = len(x_axis)
        spacing = (x_axis[-1] - x_axis[0]) / (len(x_axis) - 1)
        self._every = int(np.ceil(spacing / _STEP))
        self._step = spacing / self._every
        self._guard = int(np.ceil(_GUARD / self._step))
        self._start = x_axis[0] - self._guard * self._step
        shortest = 2 * self._guard + (len(x_axis) - 1) * self._every + 1
        self._size = _COARSE * fft.next_fast_len(-(-shortest // _COARSE), real=True)
        delay = np.arange(self._size // 2 + 1) / (self._size * self._step)  # cm
        window = np.ones_like(delay)
        if resolution:
            delay = delay[delay * resolution <= 1]
            window = 0.54 + 0.46 * np.cos(np.pi * delay * resolution)
        window /= self._step
        self._narrow = (_shape(_NARROW, delay) * window).astype(np.float32)
        coarse = self._size // (2 * _COARSE) + 1
        shape = _shape(_BROAD, delay[:coarse]) * window[:coarse]
        self._broad = shape.astype(np.float32)

    def absorb(self, bands, n_molecules):
        """Return the absorbance of these bands, float32 (n_molecules, n_channels)."""
        widths = np.log(np.concatenate([_NARROW, _BROAD]))
        place = np.interp(np.log(bands.width), widths, np.arange(len(widths)))
        lower = np.minimum(place.astype(np.intp), len(widths) - 2)
        upper_share = place - lower
        molecule = np.tile(bands.molecule, 2)
        number = np.concatenate([lower, lower + 1])
        position = np.tile((bands.position - self._start) / self._step, 2)
        height = np.concatenate([1 - upper_share, upper_share])
        height *= np.tile(bands.strength, 2)
        spikes = np.array([molecule, number, position, height])
        inside = (position > _COARSE * 2) & (position < self._size - _COARSE * 3)
        spikes = spikes[:, inside & (height > 0)]
        narrow = spikes[1] < len(_NARROW)
        signal = _transform(spikes[:, narrow], n_molecules, self._size, self._narrow)
        spikes = spikes[:, ~narrow] - [[0], [len(_NARROW)], [0], [0]]
        spikes[2] /= _COARSE
        size = self._size // _COARSE
        broad = _transform(spikes, n_molecules, size, self._broad)
        signal[:, : broad.shape[1]] += broad
        spectra = fft.irfft(signal, self._size, axis=1)
        stop = self._guard + self._every * (self._n_channels - 1) + 1
        return spectra[:, self._guard : stop : self._every]


def _shape(widths, delay):
    """Return the transforms (n_widths, n_delays) of shapes of height 1."""
    width = widths[:, None]
    lorentz = np.interp(np.log(width), np.log([6, 600]), [0.8, 0.2])
    decay = np.pi * width * delay
    lorentz_part = lorentz * np.pi / 2 * width * np.exp(-decay)
    area = width / 2 * np.sqrt(np.pi / np.log(2))
    return lorentz_part + (1 - lorentz) * area * np.exp(-(decay**2) / (4 * np.log(2)))


def _transform(spikes, n_molecules, size, shape):
    """Return the interferograms of spikes (molecule, number of shape, place, height).

    Lagrange's cubic through four grid points errs by less than 1e-3 of a band's height
    for bands six points wide.
    """
    n_shapes, n_delays = shape.shape
    molecule, number, place, height = spikes
    point = np.floor(place)
    s = place - point
    weights = (
        -s * (s - 1) * (s - 2) / 6,
        (s + 1) * (s - 1) * (s - 2) / 2,
        -(s + 1) * s * (s - 2) / 2,
        (s + 1) * s * (s - 1) / 6,
    )
    first = ((molecule * n_shapes + number) * size + point - 1).astype(np.intp)
    grid = np.bincount(
        np.concatenate([first + offset for offset in range(4)]),
        np.concatenate([height * weight for weight in weights]),
        minlength=n_molecules * n_shapes * size,
    )
    grid = grid.astype(np.float32).reshape(n_molecules, n_shapes, size)
    signal = fft.rfft(grid, axis=2, overwrite_x=True)[:, :, :n_delays]
    return np.einsum("mkd,kd->md", signal, shape)
