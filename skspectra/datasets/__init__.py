"""Real spectra, installed or fetched, and spectra simulated from physics."""

from skspectra.datasets._fetched import (
    fetch_corn,
    fetch_forage,
    fetch_fruit_purees,
    fetch_olive_oils,
    fetch_raman_biomolecules,
    fetch_sediment_core,
)
from skspectra.datasets._infrared import make_infrared
from skspectra.datasets._real import load_coffee, load_fermentation, load_tecator
from skspectra.datasets._simulated import make_nir_mixtures
from skspectra.datasets._xrf import make_xrf_cores

__all__ = [
    "fetch_corn",
    "fetch_forage",
    "fetch_fruit_purees",
    "fetch_olive_oils",
    "fetch_raman_biomolecules",
    "fetch_sediment_core",
    "load_coffee",
    "load_fermentation",
    "load_tecator",
    "make_infrared",
    "make_nir_mixtures",
    "make_xrf_cores",
]
