"""Real spectra out of installed packages, and spectra simulated from physics."""

from skspectra.datasets._infrared import make_infrared
from skspectra.datasets._real import load_coffee, load_fermentation, load_tecator
from skspectra.datasets._simulated import make_nir_mixtures
from skspectra.datasets._xrf import make_xrf_cores

__all__ = [
    "load_coffee",
    "load_fermentation",
    "load_tecator",
    "make_infrared",
    "make_nir_mixtures",
    "make_xrf_cores",
]
