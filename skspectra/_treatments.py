"""Spectral treatments: what a chemometrician does to each spectrum by itself."""

from scipy.signal import savgol_filter

from skspectra._normalizer import flat_rows, normalize_rows, warn_of_flat_rows

__all__ = ["TREATMENTS", "treated", "warn_of_flat_spectra"]

# name -> (SNV first, order of the derivative)
TREATMENTS = {
    "none": (False, 0),
    "snv": (True, 0),
    "sg1": (False, 1),
    "sg2": (False, 2),
    "snv+sg1": (True, 1),
    "snv+sg2": (True, 2),
}
POLYORDER = 2
NARROWEST = POLYORDER + 1  # channels without which neither SNV nor a derivative is


def treated(X, window, names=tuple(TREATMENTS)):
    """Yield each treatment's name and spectra; SNV is computed once for all.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        Spectra. With fewer than 3 channels they are yielded once, as "none".
    window : int
        Width of the Savitzky-Golay window in channels, odd; in a narrower spectrum
        the widest odd window that fits is used.
    names : sequence of str
        Keys of `TREATMENTS`.

    Yields
    ------
    name : str
        The treatment.
    spectra : ndarray of shape (n_samples, n_channels)
        Treated, row by row: none depends on another.
    """
    n_channels = X.shape[1]
    if n_channels < NARROWEST:
        yield "none", X
        return
    window = min(window, n_channels - 1 + n_channels % 2)
    sources = {False: X}
    if any(TREATMENTS[name][0] for name in names):
        sources[True] = normalize_rows(X)[0]
    for name in names:
        snv, order = TREATMENTS[name]
        spectra = sources[snv]
        if order:
            spectra = savgol_filter(spectra, window, POLYORDER, deriv=order)
        yield name, spectra


def warn_of_flat_spectra(X):
    """Warn of spectra that SNV makes zeros of; `treated` itself does not.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        Spectra.
    """
    if X.shape[1] >= NARROWEST:
        warn_of_flat_rows(flat_rows(X))
