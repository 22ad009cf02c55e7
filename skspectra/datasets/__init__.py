"""Real spectra out of installed packages, and spectra simulated from physics."""

from skspectra.datasets._real import load_coffee, load_fermentation, load_tecator
from skspectra.datasets._simulated import make_nir_mixtures

__all__ = ["load_coffee", "load_fermentation", "load_tecator", "make_nir_mixtures"]
