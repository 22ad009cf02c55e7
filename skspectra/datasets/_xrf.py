"""XRF scans of sediment cores, simulated from physics with the truth known."""

from importlib.util import find_spec
from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch

from skspectra._validation import Interval, generator, validate_params
from skspectra.datasets._xrf_physics import LAST_ENERGY, Scanner, add_pile_up
from skspectra.datasets._xrf_sediment import (
    ELEMENTS,
    constituents,
    mean_sediment,
    sediments,
)

_BLOCK = 256  # spectra at a time, a few MB
_USUAL_WATER, _USUAL_FILM = 0.5, 0.001  # mass fraction, cm: the defaults

_DESCR = """\
Simulated XRF scans of sediment cores
=====================================
{} spectra of {} cores, {} of them from a shifted region, {} channels from 0 to
{:.2f} keV.

Mo tube at 30 kV, silicon drift detector, 15 s a spectrum, as an Itrax core scanner has
them. Cross sections and lines are xraylib's; fluorescence, escape and sum peaks,
Rayleigh and Compton scatter, detector resolution and counting statistics follow from
the composition. Targets are wt% of salt-free dry sediment. The sediments are mixtures
of published end-members and belong to no real place.
"""


def _xraylib():
    if find_spec("xraylib") is None:
        raise ImportError(
            "make_xrf_cores requires xraylib. "
            "Install it with `pip install 'skspectra[xrf]'`."
        )
    import xraylib

    return xraylib


def _check_shifted(n_shifted_cores, n_cores):
    if n_shifted_cores is None:
        return n_cores // 4
    if n_shifted_cores > n_cores:
        raise ValueError(
            "The 'n_shifted_cores' parameter of make_xrf_cores must be at most "
            f"n_cores={n_cores}. Got {n_shifted_cores} instead."
        )
    return n_shifted_cores


def _intensities(n_cores, n_samples_per_core, ageing, spread, rng):
    """Return when each spectrum was taken, and how bright the tube then was."""
    order = rng.permutation(n_cores)
    bright = np.exp(spread * rng.standard_normal(n_cores))
    sequence = order[:, None] * n_samples_per_core + np.arange(n_samples_per_core)
    sequence = sequence.ravel()
    age = sequence / max(len(sequence) - 1, 1)
    return sequence, (1 - ageing * age) * np.repeat(bright, n_samples_per_core)


def _scanner(xrl, table, x_axis, resolution):
    """Return the scanner, and what it counts above usual sediment at intensity 1."""
    elements = [xrl.SymbolToAtomicNumber(name) for name in ELEMENTS]
    scanner = Scanner(xrl, elements, table[-1], x_axis, resolution)
    wet = (1 - _USUAL_WATER) * mean_sediment(table) + _USUAL_WATER * table[-1]
    return scanner, scanner.counts(wet, np.array([_USUAL_FILM])).sum()


def _scan(scanner, sediment, intensity, resolving_time, rng):
    """Return counts (n_samples, n_channels), the expected ones without `rng`."""
    data = np.empty((len(intensity), scanner.n_channels), dtype=np.float32)
    for start in range(0, len(data), _BLOCK):
        rows = slice(start, start + _BLOCK)
        counts = scanner.counts(sediment.composition[rows], sediment.film[rows])
        counts *= intensity[rows, None]
        if resolving_time:
            counts = add_pile_up(counts, resolving_time)
        data[rows] = counts if rng is None else rng.poisson(counts)
    return data


@validate_params(
    {
        "n_cores": [Interval(Integral, 1, None, closed="left")],
        "n_samples_per_core": [Interval(Integral, 1, None, closed="left")],
        "n_channels": [Interval(Integral, 2, None, closed="left")],
        "n_shifted_cores": [Interval(Integral, 0, None, closed="left"), None],
        "spacing": [Interval(Real, 0, None, closed="neither")],
        "correlation_length": [Interval(Real, 0, None, closed="neither")],
        "counts": [Interval(Real, 0, None, closed="neither")],
        "resolution": [Interval(Real, 0.12, 1, closed="both")],
        "water": [Interval(Real, 0, 1, closed="left")],
        "water_film": [Interval(Real, 0, None, closed="left")],
        "tube_ageing": [Interval(Real, 0, 1, closed="left")],
        "core_intensity": [Interval(Real, 0, None, closed="left")],
        "pile_up": [Interval(Real, 0, None, closed="left")],
        "noise": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_xrf_cores(
    n_cores=20,
    n_samples_per_core=100,
    n_channels=2048,
    *,
    n_shifted_cores=None,
    spacing=1.0,
    correlation_length=15.0,
    counts=500_000,
    resolution=0.135,
    water=0.5,
    water_film=10.0,
    tube_ageing=0.3,
    core_intensity=0.15,
    pile_up=0.2,
    noise=True,
    random_state=None,
):
    """Simulate XRF scans of sediment cores whose composition is known.

    Marine sediment wanders down-core between shells, opal, clay, silt, volcanic
    detritus and organic matter, and is scanned as an Itrax core scanner does: tube,
    scatter, fluorescence, absorption, detector and counting are computed from
    xraylib's tables [1]_. CaCO3 shows in the lines of Ca and Sr. Organic carbon (TOC)
    has no line of its own and is seen only through what goes with it, Br and S. Both
    relations differ in the cores of a shifted region.

    Parameters
    ----------
    n_cores : int, default=20
        Number of cores, those of the shifted region included.
    n_samples_per_core : int, default=100
        Number of spectra of each core, from the top down.
    n_channels : int, default=2048
        Number of channels, the first at 0, each 20.48 keV / `n_channels` wide: the
        last of 2048 lies at 20.47 keV.
    n_shifted_cores : int, default=None
        How many cores, the last ones, come from the shifted region, at most
        `n_cores`: volcanic detritus whose Ca is no carbonate, more opal, a third less
        Br and two fifths less S for the organic carbon, and half as much Sr again in
        shells.
        None: a quarter of them.
    spacing : float, default=1.0
        Distance of the spectra in cm.
    correlation_length : float, default=15.0
        Distance in cm over which the correlation of the sediment down-core falls to
        37 %. Cores are independent of each other.
    counts : float, default=500000
        Total counts of an average sediment of the reference region under a new tube,
        at the default water and before pile-up.
    resolution : float, default=0.135
        Full width at half maximum of a peak at 5.895 keV (Mn Ka) in keV, from 0.12,
        about the statistical limit of silicon, to 1. It is electronic noise and the
        Fano statistics of the charge, so other peaks have other widths.
    water : float, default=0.5
        Median mass fraction of pore water at the top of a core; compaction takes
        some of it away further down. The water is sea water, with the Cl and Br of
        its salt. 0: dry and free of salt.
    water_film : float, default=10.0
        Median thickness in micrometres of the film of sea water under the foil that
        covers the core. It absorbs the light elements' lines and brings Cl.
    tube_ageing : float, default=0.3
        Share of its intensity that the tube has lost when the last spectrum is
        taken, linear along `sequence`. Cores are scanned in random order.
    core_intensity : float, default=0.15
        Standard deviation of the logarithm of the intensity from core to core.
    pile_up : float, default=0.2
        Time in microseconds within which two pulses are counted as one of the sum
        of their energies. 0: no sum peaks.
    noise : bool, default=True
        Whether counts are drawn from Poisson distributions. False: their
        expectations.
    random_state : int, RandomState instance or None, default=None
        Seed of all draws. Sediment, instrument and counting have draws of their own:
        turning one nuisance off leaves the others as they were, and neither
        resolution nor number of channels changes the sediment.

    Returns
    -------
    cores : Bunch
        - data : ndarray of float32 of shape (n_samples, n_channels), counts in 15 s;
          n_samples is `n_cores` times `n_samples_per_core`
        - target : ndarray of shape (n_samples, 2), CaCO3 and organic carbon in % of
          the mass of dry, salt-free sediment
        - target_names : list of str, ["CaCO3", "TOC"]; target_unit : str
        - groups : ndarray of int of shape (n_samples,), which core
        - region : ndarray of str of shape (n_samples,), "reference" or "shifted"
        - depth : ndarray of shape (n_samples,), cm
        - x_axis : ndarray of shape (n_channels,), middles of channels;
          x_unit : str, "keV"
        - lines : dict of str to float, the energy of each element's strongest line
          in keV; Ar is that of the air in front of the detector
        - composition : ndarray of shape (n_samples, n_elements), mass fractions of
          the sediment as scanned, pore water included
        - element_names : list of str of length n_elements
        - water : ndarray of shape (n_samples,), mass fraction of pore water
        - water_film : ndarray of shape (n_samples,), micrometres
        - intensity : ndarray of shape (n_samples,), of the tube, new and average: 1
        - sequence : ndarray of int of shape (n_samples,), the order of measuring
        - DESCR : str

    Raises
    ------
    ImportError
        If xraylib is not installed; it comes with ``skspectra[xrf]``.
    ValueError
        If a parameter is out of range, or more cores are shifted than there are.

    See Also
    --------
    make_nir_mixtures : Simulated near-infrared spectra.

    Notes
    -----
    Instrument: Mo tube at 30 kV [2]_ with continuum and K lines after Ebel [3]_, beam
    perpendicular to the core, silicon drift detector under 45 degrees. Fluorescence
    is Sherman's integral over the tube's spectrum for a thick sample [4]_, with K and
    L lines; Rayleigh and single Compton scatter by 135 degrees, the latter Doppler
    broadened; escape peaks after Reed and Ware [5]_; sum peaks from the convolution
    of the spectrum with itself. Left out: fluorescence that other fluorescence
    excites, multiple scatter, scatter by air, roughness, the tube's L lines.

    Sediment: clay is average shale [6]_, silt upper continental crust [7]_ with
    quartz and zircon, volcanic detritus ocean-ridge basalt [8]_, salt that of sea
    water [9]_. Bulk constituents have logistic-normal fractions with a mean of each
    core's own and AR(1) series down-core. Br follows organic carbon at 6 mg/g, as in
    marine organic matter [10]_, S as pyrite at 0.25 g/g, below
    the 0.36 of normal marine sediment [11]_; both ratios wander.

    References
    ----------
    .. [1] T. Schoonjans et al., "The xraylib library for X-ray-matter interactions.
       Recent developments", Spectrochimica Acta B 66, 776-784 (2011).
       https://doi.org/10.1016/j.sab.2011.09.011
    .. [2] I. W. Croudace, A. Rindby, R. G. Rothwell, "ITRAX: description and
       evaluation of a new multi-function X-ray core scanner", Geological Society
       Special Publications 267, 51-63 (2006).
    .. [3] H. Ebel, "X-ray tube spectra", X-Ray Spectrometry 28, 255-266 (1999).
    .. [4] J. Sherman, "The theoretical derivation of fluorescent X-ray intensities
       from mixtures", Spectrochimica Acta 7, 283-306 (1955).
       https://doi.org/10.1016/0371-1951(55)80041-0
    .. [5] S. J. B. Reed, N. G. Ware, "Escape peaks and internal fluorescence in X-ray
       spectra recorded with lithium drifted silicon detectors", Journal of Physics E
       5, 582-584 (1972). https://doi.org/10.1088/0022-3735/5/6/029
    .. [6] S. R. Taylor, S. M. McLennan, The Continental Crust: its Composition and
       Evolution, Blackwell (1985).
    .. [7] R. L. Rudnick, S. Gao, "Composition of the continental crust", Treatise on
       Geochemistry 3, 1-64 (2003). https://doi.org/10.1016/B0-08-043751-6/03016-4
    .. [8] A. Gale et al., "The mean composition of ocean ridge basalts",
       Geochemistry, Geophysics, Geosystems 14, 489-518 (2013).
       https://doi.org/10.1029/2012GC004334
    .. [9] F. J. Millero et al., "The composition of standard seawater and the
       definition of the reference-composition salinity scale", Deep-Sea Research I
       55, 50-72 (2008). https://doi.org/10.1016/j.dsr.2007.10.001
    .. [10] L. M. Mayer et al., "Marine vs. terrigenous organic matter in Louisiana
       coastal sediments: the uses of bromine:organic carbon ratios", Marine Chemistry
       107, 244-254 (2007).
    .. [11] R. A. Berner, R. Raiswell, "Burial of organic carbon and pyrite sulfur in
       sediments over Phanerozoic time", Geochimica et Cosmochimica Acta 47, 855-862
       (1983).

    Examples
    --------
    >>> from skspectra.datasets import make_xrf_cores
    >>> cores = make_xrf_cores(8, 5, n_channels=512, random_state=0)
    >>> cores.data.shape, cores.target_names
    ((40, 512), ['CaCO3', 'TOC'])
    >>> sorted(set(cores.groups[cores.region == "shifted"].tolist()))
    [6, 7]
    >>> round(cores.lines["Ca"], 2)
    3.69
    """
    xrl = _xraylib()
    n_shifted = _check_shifted(n_shifted_cores, n_cores)
    seeds = generator(random_state).randint(2**31 - 1, size=3)
    chemistry, instrument, counting = map(np.random.default_rng, seeds)
    regions = np.repeat(["reference", "shifted"], [n_cores - n_shifted, n_shifted])
    depth = spacing * np.arange(n_samples_per_core)
    table = constituents(xrl)
    sediment = sediments(
        *(table, regions, depth, correlation_length / spacing),
        *(water, water_film * 1e-4, chemistry),
    )
    x_axis = np.arange(n_channels) * (LAST_ENERGY / n_channels)
    scanner, unit = _scanner(xrl, table, x_axis, resolution)
    sequence, intensity = _intensities(
        n_cores, n_samples_per_core, tube_ageing, core_intensity, instrument
    )
    data = _scan(
        *(scanner, sediment, counts / unit * intensity, pile_up),
        counting if noise else None,
    )
    in_air = ELEMENTS.index("Ar")
    return Bunch(
        data=data,
        target=sediment.target,
        target_names=["CaCO3", "TOC"],
        target_unit="% of dry mass",
        groups=np.repeat(np.arange(n_cores), n_samples_per_core),
        region=np.repeat(regions, n_samples_per_core),
        depth=np.tile(depth, n_cores),
        x_axis=x_axis,
        x_unit="keV",
        lines=scanner.main_lines(ELEMENTS),
        composition=np.delete(sediment.composition, in_air, axis=1),
        element_names=[name for name in ELEMENTS if name != "Ar"],
        water=sediment.water,
        water_film=sediment.film * 1e4,
        intensity=intensity,
        sequence=sequence,
        DESCR=_DESCR.format(*(len(data), n_cores, n_shifted, n_channels, x_axis[-1])),
    )
