"""Marine sediments that wander down-core, as mass fractions of elements."""

import numpy as np
from scipy.signal import lfilter
from scipy.special import expit, logit, softmax
from sklearn.utils import Bunch

ELEMENTS = (
    *("H", "C", "N", "O", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar", "K", "Ca"),
    *("Ti", "V", "Cr", "Mn", "Fe", "Ni", "Cu", "Zn", "Br", "Rb", "Sr", "Zr", "Ba"),
)

# What sediment is made of, in per cent of mass of oxides and ppm of trace elements.
# Its five bulk constituents first.
_CONSTITUENTS = {
    # shells without their Sr, which differs from region to region
    "carbonate": {"CaCO3": 98.5, "MgCO3": 1.5},
    "opal": {"SiO2": 90.0, "H2O": 10.0},
    # post-Archaean average shale [Taylor and McLennan]
    "clay": {
        **{"SiO2": 62.8, "TiO2": 1.0, "Al2O3": 18.9, "Fe2O3": 7.2, "MnO": 0.11},
        **{"MgO": 2.2, "CaO": 1.3, "Na2O": 1.2, "K2O": 3.7, "P2O5": 0.16},
        "ppm": {"Rb": 160, "Sr": 200, "Zr": 210, "Ba": 650, "Zn": 85, "Ni": 55}
        | {"Cu": 50, "V": 150, "Cr": 110},
    },
    # upper continental crust [Rudnick and Gao] with as much quartz and more zircon
    "silt": {
        **{"SiO2": 83.3, "TiO2": 0.4, "Al2O3": 7.7, "Fe2O3": 2.8, "MnO": 0.05},
        **{"MgO": 1.2, "CaO": 1.8, "Na2O": 1.6, "K2O": 1.4, "P2O5": 0.08},
        "ppm": {"Rb": 42, "Sr": 160, "Zr": 400, "Ba": 310, "Zn": 34, "Ni": 24}
        | {"Cu": 14, "V": 48, "Cr": 46},
    },
    # mid-ocean ridge basalt [Gale et al.]
    "volcanic": {
        **{"SiO2": 50.5, "TiO2": 1.7, "Al2O3": 14.7, "FeO": 10.4, "MnO": 0.18},
        **{"MgO": 7.6, "CaO": 11.4, "Na2O": 2.8, "K2O": 0.16, "P2O5": 0.18},
        "ppm": {"Rb": 3, "Sr": 129, "Zr": 117, "Ba": 29, "Zn": 90, "Ni": 90}
        | {"Cu": 74, "V": 309, "Cr": 250},
    },
    "organic": {"C106H263O110N16": 100.0},  # Redfield's ratios
    "pyrite": {"FeS2": 100.0},
    "oxide": {"MnO2": 100.0},
    # of salinity 35 [Millero et al.]
    "water": {
        **{"H2O": 96.5, "Cl": 1.935, "Na": 1.078, "Mg": 0.128, "S": 0.0905},
        **{"Ca": 0.0412, "K": 0.0399},
        "ppm": {"Br": 67.3, "Sr": 7.9},
    },
}
_BULK = 5

# Means of the logarithm of the bulk constituents up to a constant, and of ratios
# of mass. The shifted region gets detritus from volcanoes too and some of its organic
# matter from land, which brings little Br; its shells are rich in Sr.
_REGIONS = {
    "reference": {
        "bulk": (0.2, -1.6, 0.3, -0.3, -4.0),
        "ratios": {"Br/C": 0.006, "S/C": 0.25, "Sr/CaCO3": 0.0013},
    },
    "shifted": {
        "bulk": (0.0, -1.0, -0.3, -0.7, -0.1),
        "ratios": {"Br/C": 0.004, "S/C": 0.15, "Sr/CaCO3": 0.002},
    },
}
# Standard deviations of logarithms, of whole cores and down a core.
_SPREAD = {
    "bulk": (0.7, 0.6),
    "carbon": (0.5, 0.45),
    "Br/C": (0.15, 0.12),
    "S/C": (0.4, 0.3),
    "Sr/CaCO3": (0.07, 0.04),
    "oxide": (0.5, 1.0),
    "water": (0.15, 0.15),
    "film": (0.2, 0.5),
}
_CARBON = 0.006  # median mass fraction of organic carbon
_OXIDE = 0.0005  # of MnO2
_LOSS_OF_WATER = 0.5, 100.0  # logit units, and the depth in cm that takes 63 % of it


def constituents(xrl):
    """Return mass fractions (n_constituents, n_elements), pure seawater the last."""
    table = np.zeros((len(_CONSTITUENTS), len(ELEMENTS)))
    for row, recipe in zip(table, _CONSTITUENTS.values(), strict=True):
        for formula, amount in recipe.items():
            if formula == "ppm":
                for symbol, ppm in amount.items():
                    row[ELEMENTS.index(symbol)] += ppm * 1e-4
                continue
            parsed = xrl.CompoundParser(formula)
            for z, share in zip(
                parsed["Elements"], parsed["massFractions"], strict=True
            ):
                row[ELEMENTS.index(xrl.AtomicNumberToSymbol(z))] += amount * share
        row /= row.sum()
    return table


def _wander(shape, memory, rng):
    """Return standard normal series (n_cores, n_samples, n_series), and of cores.

    Each is an AR(1) process that forgets all but 37 % over `memory` samples.
    """
    n_cores, _, n_series = shape
    whole = rng.standard_normal((n_cores, 1, n_series))
    steps = rng.standard_normal(shape)
    kept = np.exp(-1 / memory)
    steps[:, 1:] *= np.sqrt(1 - kept**2)
    return whole, lfilter([1.0], [1.0, -kept], steps, axis=1)


def _series(shape, memory, rng):
    """Return the logarithm of everything that wanders, around zero."""
    n_cores, n_samples = shape
    found = {}
    for name, (between, within) in _SPREAD.items():
        n_series = _BULK if name == "bulk" else 1
        whole, inside = _wander((n_cores, n_samples, n_series), memory, rng)
        found[name] = (between * whole + within * inside).reshape(-1, n_series)
    return found


def _dry(table, series, regions):
    """Return mass fractions of constituents, and elements, of salt-free sediment."""
    log_bulk = series["bulk"] + [_REGIONS[name]["bulk"] for name in regions]
    ratio = {
        key: np.exp(series[key][:, 0]) * [_REGIONS[n]["ratios"][key] for n in regions]
        for key in ("Br/C", "S/C", "Sr/CaCO3")
    }
    names = list(_CONSTITUENTS)
    symbol = ELEMENTS.index
    carbon = _CARBON * np.exp(series["carbon"][:, 0])
    minor = [
        carbon / table[names.index("organic"), symbol("C")],
        carbon * ratio["S/C"] / table[names.index("pyrite"), symbol("S")],
        _OXIDE * np.exp(series["oxide"][:, 0]),
    ]
    fractions = np.column_stack([softmax(log_bulk, axis=1), *minor])
    fractions /= fractions.sum(axis=1, keepdims=True)
    carbon = fractions[:, _BULK] * table[_BULK, symbol("C")]
    elements = fractions @ table[:-1]
    elements[:, symbol("Br")] += carbon * ratio["Br/C"]
    shells = 0.985 * fractions[:, 0]  # pure CaCO3
    elements[:, symbol("Sr")] += shells * ratio["Sr/CaCO3"]
    total = elements.sum(axis=1)
    return shells / total, carbon / total, elements / total[:, None]


def sediments(table, regions, depth, memory, water, film, rng):
    """Return target, composition, water and film (in cm) of whole cores, as a Bunch.

    Parameters
    ----------
    table : ndarray of shape (n_constituents, n_elements)
        What `constituents` returned.
    regions : ndarray of str of shape (n_cores,)
        The region of each core.
    depth : ndarray of shape (n_samples_per_core,)
        In cm.
    memory : float
        Length of correlation in samples.
    water : float
        Median mass fraction of water at the depth 0.
    film : float
        Median thickness of the film of water in cm.
    rng : numpy.random.Generator
        For the wandering.
    """
    series = _series((len(regions), len(depth)), memory, rng)
    shells, carbon, dry = _dry(table, series, np.repeat(regions, len(depth)))
    loss, scale = _LOSS_OF_WATER
    packed = np.tile(loss * np.expm1(-depth / scale), len(regions))
    content = np.zeros(len(dry))
    if water:
        content = expit(logit(water) + packed + series["water"][:, 0])
    wet = (1 - content)[:, None] * dry + content[:, None] * table[-1]
    return Bunch(
        target=100 * np.column_stack([shells, carbon]),
        composition=wet,
        water=content,
        film=film * np.exp(series["film"][:, 0]),
    )


def mean_sediment(table):
    """Return the composition of an average dry sediment of the reference region."""
    zeros = {name: np.zeros((1, _BULK if name == "bulk" else 1)) for name in _SPREAD}
    return _dry(table, zeros, ["reference"])[2]
