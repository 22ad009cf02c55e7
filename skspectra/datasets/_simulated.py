"""Spectra simulated from the physics of a measurement, with the truth known."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch, check_random_state

from skspectra._validation import Interval, validate_params

_SHORTEST, _LONGEST = 1100.0, 2500.0  # nm
_BANDS = 8  # of each component

_NIR_DESCR = """\
Simulated near-infrared mixtures
================================
{} spectra of {} mixtures of {} components, {} channels from 1100 to 2500 nm.

Beer-Lambert law with a path length of each spectrum's own, an offset, a slope and
detector noise, in absorbance. `target` is the mass fraction of component 0; the
bands are drawn at random and belong to no real substance.
"""


def _pure_spectra(x_axis, n_components, rng):
    """Return spectra (n_components, n_channels) whose bands are plausible ones.

    Bands are Gaussian in wavenumber, 60-180 cm-1 wide (standard deviation), hence
    broader in nm at long wavelengths. They fade tenfold for each 3000 cm-1, about
    what an overtone loses to the one below. The number of random draws depends on
    `n_components` alone, so the chemistry does not change with the resolution.
    """
    size = (n_components, _BANDS, 1)
    wavenumber = 1e7 / x_axis  # cm-1
    position = rng.uniform(1e7 / _LONGEST, 1e7 / _SHORTEST, size)
    width = rng.uniform(60.0, 180.0, size)
    height = rng.uniform(0.2, 1.0, size) * 10 ** (-(position - 1e7 / _LONGEST) / 3000)
    bands = height * np.exp(-0.5 * ((wavenumber - position) / width) ** 2)
    return bands.sum(axis=1)


def _mixtures(n_samples, n_groups, n_components, rng):
    """Return mass fractions (n_samples, n_components) and whose they are."""
    # Exponential variables over their sum are uniform over all mixtures.
    fractions = rng.standard_exponential((n_groups, n_components))
    fractions /= fractions.sum(axis=1, keepdims=True)
    groups = np.arange(n_samples) * n_groups // n_samples
    return fractions[groups], groups


def _measure(absorbance, noise, baseline, stray_light, rng):
    """Return what an instrument would show for these absorbances."""
    n_samples, n_channels = absorbance.shape
    offset, slope = baseline * rng.standard_normal((2, n_samples, 1))
    absorbance = absorbance + offset + slope * np.linspace(-1.0, 1.0, n_channels)
    if stray_light:
        absorbance = -np.log10((10**-absorbance + stray_light) / (1 + stray_light))
    return absorbance + noise * rng.standard_normal(absorbance.shape)


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_channels": [Interval(Integral, 2, None, closed="left")],
        "n_components": [Interval(Integral, 2, None, closed="left")],
        "n_groups": [Interval(Integral, 1, None, closed="left"), None],
        "noise": [Interval(Real, 0, None, closed="left")],
        "scatter": [Interval(Real, 0, None, closed="left")],
        "baseline": [Interval(Real, 0, None, closed="left")],
        "stray_light": [Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_nir_mixtures(
    n_samples=200,
    n_channels=200,
    *,
    n_components=4,
    n_groups=None,
    noise=0.001,
    scatter=0.1,
    baseline=0.05,
    stray_light=0.0,
    random_state=None,
):
    """Simulate near-infrared spectra of mixtures whose composition is known.

    Absorbance adds up over the components (Beer-Lambert), is multiplied by a path
    length that light scattering makes different for each spectrum [1]_, and comes
    with an offset, a slope and noise. With the defaults no channel alone tells the
    composition, while PLS on 100 spectra explains 98 to 99 % of it.

    Parameters
    ----------
    n_samples : int, default=200
        Number of spectra.
    n_channels : int, default=200
        Number of channels, evenly spaced from 1100 to 2500 nm.
    n_components : int, default=4
        Number of components, at least 2. Their mass fractions sum to 1 and are
        uniform over all such mixtures.
    n_groups : int, default=None
        Number of different mixtures, at most `n_samples`. Spectra of one mixture
        differ in path length, baseline and noise alone. None: each is its own.
    noise : float, default=0.001
        Standard deviation of the noise of each channel, in absorbance units.
    scatter : float, default=0.1
        Standard deviation of the logarithm of the path length, without unit.
    baseline : float, default=0.05
        Standard deviation of the offset, and of the rise from the middle of the
        axis to its end, in absorbance units.
    stray_light : float, default=0.0
        Share of the light that reaches the detector without passing the sample.
        It bends the absorbance, A -> -log10((10**-A + s) / (1 + s)), before the
        noise comes: with 0.01 nothing shows an absorbance much above 2.
    random_state : int, RandomState instance or None, default=None
        Seed of all draws. The components' spectra depend on it and on
        `n_components` alone; turning one nuisance off leaves the others as they
        were.

    Returns
    -------
    mixtures : Bunch
        - data : ndarray of shape (n_samples, n_channels), absorbance
        - target : ndarray of shape (n_samples,), mass fraction of component 0
        - concentrations : ndarray of shape (n_samples, n_components)
        - pure_spectra : ndarray of shape (n_components, n_channels), absorbance
          of each component alone at path length 1
        - path_lengths : ndarray of shape (n_samples,), 1 without scatter
        - groups : ndarray of int of shape (n_samples,), which mixture
        - x_axis : ndarray of shape (n_channels,), nm; x_unit : str, "nm"
        - target_names : list of str; target_unit : str; DESCR : str

    Raises
    ------
    ValueError
        If a parameter is out of range, or there are more groups than samples.

    See Also
    --------
    load_tecator : Real spectra with fat contents.

    References
    ----------
    .. [1] P. Geladi, D. MacDougall, H. Martens, "Linearization and
       scatter-correction for near-infrared reflectance spectra of meat", Applied
       Spectroscopy 39, 491-500 (1985). https://doi.org/10.1366/0003702854248656

    Examples
    --------
    >>> from skspectra.datasets import make_nir_mixtures
    >>> mixtures = make_nir_mixtures(n_samples=50, n_channels=128, random_state=0)
    >>> mixtures.data.shape, mixtures.target.shape
    ((50, 128), (50,))
    """
    n_groups = n_samples if n_groups is None else n_groups
    if n_groups > n_samples:
        raise ValueError(
            "The 'n_groups' parameter of make_nir_mixtures must be at most "
            f"n_samples={n_samples}. Got {n_groups} instead."
        )
    rng = check_random_state(random_state)
    x_axis = np.linspace(_SHORTEST, _LONGEST, n_channels)
    pure_spectra = _pure_spectra(x_axis, n_components, rng)
    concentrations, groups = _mixtures(n_samples, n_groups, n_components, rng)
    path_lengths = np.exp(scatter * rng.standard_normal(n_samples))
    absorbance = path_lengths[:, None] * (concentrations @ pure_spectra)
    return Bunch(
        data=_measure(absorbance, noise, baseline, stray_light, rng),
        target=concentrations[:, 0].copy(),
        concentrations=concentrations,
        pure_spectra=pure_spectra,
        path_lengths=path_lengths,
        groups=groups,
        x_axis=x_axis,
        x_unit="nm",
        target_names=["component_0"],
        target_unit="mass fraction",
        DESCR=_NIR_DESCR.format(n_samples, n_groups, n_components, n_channels),
    )
