"""Mid-infrared spectra of random molecules made of functional groups."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch

from skspectra._validation import Interval, generator, validate_params
from skspectra.datasets._group_frequencies import GROUPS, is_one_of
from skspectra.datasets._lineshapes import LineShapes
from skspectra.datasets._molecules import Bands, Chemistry, Molecules

_LOWEST, _HIGHEST = 400.0, 4000.0  # cm-1
_ABSORBANCE = 0.5  # of a very strong band at path length 1
_BLOCK = 64  # molecules at once: the arrays stay in the cache
_NUISANCES = ("path", "baseline", "gas", "noise")

_INFRARED_DESCR = """\
Simulated mid-infrared spectra of organic molecules
===================================================
{} spectra of {} molecules, {} channels from 400 to 4000 cm-1.

Molecules are drawn out of {} functional groups, whose bands lie at published group
frequencies; `target` says which groups a molecule has. Absorbance of a film or a
solution, through an interferometer, with baseline, carbon dioxide and noise. The
molecules are no real substances.
"""


class _Instrument:
    """Measures absorbances; each nuisance has a generator of its own."""

    def __init__(self, x_axis, lines, seed, *, scatter, baseline, gas, noise):
        self.scatter, self.baseline, self.gas, self.noise = (
            np.float32(size) for size in (scatter, baseline, gas, noise)
        )
        seeds = seed.spawn(len(_NUISANCES))
        self._draw = dict(
            zip(_NUISANCES, map(np.random.default_rng, seeds), strict=True)
        )
        gas_lines = lines.absorb(_carbon_dioxide(), 1)[0]
        self._gas_shape = gas_lines / max(gas_lines.max(), 1e-12)
        curves = [x_axis**0, np.linspace(-1, 1, len(x_axis)), (x_axis / _HIGHEST) ** 4]
        self._curves = np.array(curves, dtype=np.float32)

    def measure(self, absorbance):
        """Return path lengths and measured absorbance, written over the given one."""
        n_samples = len(absorbance)
        paths = np.exp(self.scatter * self._draw["path"].standard_normal(n_samples))
        absorbance *= (_ABSORBANCE * paths).astype(np.float32)[:, None]
        amounts = self._draw["baseline"].standard_normal((n_samples, 3))
        amounts[:, 2] = np.abs(amounts[:, 2])  # scattered light is lost, never won
        gas = self._draw["gas"].standard_normal((n_samples, 1))
        if self.baseline:
            absorbance += (self.baseline * amounts).astype(np.float32) @ self._curves
        if self.gas:
            absorbance += (self.gas * gas).astype(np.float32) * self._gas_shape
        if self.noise:
            self._add_noise(absorbance)
        return paths, absorbance

    def _add_noise(self, absorbance):
        noise = self._draw["noise"].standard_normal(absorbance.shape, dtype=np.float32)
        absorbance *= np.float32(-np.log(10))
        transmittance = np.exp(absorbance, out=absorbance)
        transmittance += np.multiply(noise, self.noise, out=noise)
        np.maximum(transmittance, self.noise / 2, out=transmittance)
        np.log10(transmittance, out=absorbance)
        np.negative(absorbance, out=absorbance)


def _carbon_dioxide():
    """Return the lines of the gas's antisymmetric stretch as bands of one molecule.

    A linear rotor at 296 K with the constants of 12C16O2; levels of even J alone exist.
    """
    centre, lower, upper = 2349.14, 0.39022, 0.38714  # cm-1
    j = np.arange(0.0, 80.0, 2.0)
    step = np.concatenate([-j, j + 1])  # P and R branch
    j = np.concatenate([j, j])
    position = centre + (upper + lower) * step + (upper - lower) * step**2
    strength = np.abs(step) * np.exp(-1.4388 * lower * j * (j + 1) / 296)
    return Bands(np.zeros(len(j), np.intp), position, np.full(len(j), 6.0), strength)


def _allowed(functional_groups):
    """Return which of all groups molecules may have, bool."""
    if functional_groups is None:
        return is_one_of(GROUPS)
    names = list(functional_groups)
    wrong = [name for name in names if name not in GROUPS]
    if wrong or not names or len(set(names)) < len(names):
        raise ValueError(
            "The 'functional_groups' parameter of make_infrared must hold different "
            f"names out of {list(GROUPS)}. Got {names} instead."
        )
    return is_one_of(names)


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_channels": [Interval(Integral, 2, None, closed="left")],
        "n_spectra_per_molecule": [Interval(Integral, 1, None, closed="left")],
        "functional_groups": ["array-like", None],
        "skeleton": [Interval(Real, 0, None, closed="left")],
        "anharmonicity": [Interval(Real, 0, 0.1, closed="both")],
        "coupling": [Interval(Real, 0, 100, closed="both")],
        "hydrogen_bonding": [Interval(Real, 0, 1, closed="both")],
        "resolution": [Interval(Real, 0, 100, closed="both")],
        "scatter": [Interval(Real, 0, None, closed="left")],
        "baseline": [Interval(Real, 0, None, closed="left")],
        "carbon_dioxide": [Interval(Real, 0, None, closed="left")],
        "noise": [Interval(Real, 0, 1, closed="both")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_infrared(
    n_samples=1000,
    n_channels=1801,
    *,
    n_spectra_per_molecule=1,
    functional_groups=None,
    skeleton=1.0,
    anharmonicity=0.01,
    coupling=10.0,
    hydrogen_bonding=0.75,
    resolution=4.0,
    scatter=0.3,
    baseline=0.02,
    carbon_dioxide=0.002,
    noise=0.001,
    random_state=None,
):
    """Simulate mid-infrared spectra of molecules made of functional groups.

    Random molecules get a skeleton, up to three functional groups with their usual
    company, and each group a second time with a chance of one in five. A group's
    bands lie at published group frequencies [1]_ [2]_, moved within the published
    range by the molecule's other parts, half of the variance in common to the bands
    of one group. Next to a multiple bond most C=O, C=C, C#N and NO2 come 15 to
    30 cm-1 lower, amides 8, and esters conjugated through oxygen 20 higher. Hydrogen
    bonds lower and broaden O-H and N-H [3]_ and lower C=O; two C=O of one molecule
    repel each other like coupled oscillators [4]_. First overtones and sums
    of a group's bands, and 20 bands of the skeleton that belong to no group, stand
    among them. Bands are pseudo-Voigt [5]_ and seen through an interferometer [6]_.

    A linear classifier learns much of this and not all; some groups, such as internal
    alkynes, hardly show.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of spectra.
    n_channels : int, default=1801
        Number of channels, evenly spaced from 400 to 4000 cm-1. 1801 are 2 cm-1 apart,
        as at a resolution of 4 cm-1 they should be at most.
    n_spectra_per_molecule : int, default=1
        How often each molecule is measured. Its spectra differ in path length,
        baseline, carbon dioxide and noise alone. The last molecule may have fewer.
    functional_groups : array-like of str, default=None
        Names of the groups that molecules may have. None: the 15 in `target_names`.
        Molecules without any do not occur.
    skeleton : float, default=1.0
        Height of the skeleton's bands between 420 and 1450 cm-1, relative to usual. 0
        leaves the groups' bands alone.
    anharmonicity : float, default=0.01
        The anharmonic constant relative to the wavenumber, 0 to 0.1: a first overtone
        lies at 2 v (1 - anharmonicity) and has this share of the fundamental's
        height, as for a Morse oscillator whose dipole is linear. 0: no overtones.
    coupling : float, default=10.0
        Mean size of the coupling between the C=O stretches of a molecule, in cm-1, 0
        to 100.
    hydrogen_bonding : float, default=0.75
        Share of the molecules with O-H or N-H that are associated, the others being
        dilute. Carboxylic acids are dimers always.
    resolution : float, default=4.0
        Of the interferometer, in cm-1: the inverse of the largest path difference, with
        Happ-Genzel apodization. 0 is an ideal one, 100 the coarsest. It acts on the
        absorbance, which is exact for bands that are not much narrower.
    scatter : float, default=0.3
        Standard deviation of the logarithm of the path length times concentration,
        without unit.
    baseline : float, default=0.02
        Standard deviation of the offset and of the rise from the middle of the axis
        to its end, and root mean square of the light lost by scattering at 4000 cm-1,
        which grows with the fourth power of the wavenumber and is never negative. In
        absorbance units.
    carbon_dioxide : float, default=0.002
        Standard deviation of what is left of the room's carbon dioxide near 2349 cm-1
        after the background was divided out, in absorbance units, of either sign.
    noise : float, default=0.001
        Standard deviation of the noise of each channel, in transmittance, 0 to 1.
        Transmittances below half of it read as half of it, so that no absorbance
        exceeds ``-log10(noise / 2)``.
    random_state : int, RandomState instance or None, default=None
        Seed of all draws. A molecule depends on it, on its number and on
        `functional_groups` alone; turning one effect off leaves the others as they
        were.

    Returns
    -------
    spectra : Bunch
        - data : ndarray of float32 of shape (n_samples, n_channels), absorbance; below
          0 where the baseline or the noise is
        - target : ndarray of int of shape (n_samples, n_functional_groups), 1 where
          the molecule has the group
        - target_names : list of str, the groups
        - groups : ndarray of int of shape (n_samples,), which molecule
        - path_lengths : ndarray of shape (n_samples,), path length times
          concentration; at 1 a very strong band has an absorbance of 0.5
        - x_axis : ndarray of shape (n_channels,), cm-1; x_unit : str, "cm-1"
        - DESCR : str

    Raises
    ------
    ValueError
        If a parameter is out of range, or a group unknown or named twice.

    See Also
    --------
    make_nir_mixtures : Near-infrared mixtures with known composition.

    Notes
    -----
    The 15 groups are those of the usual correlation charts. The post on masked
    pretraining for spectra, whose experiment with 15 groups this makes possible, does
    not publish its list, nor do the quantum-chemical spectra that it was run on [7]_
    come with labels. Here no molecule is computed: bands are drawn independently
    within their ranges, symmetry forbids none of them, and water vapour is absent.

    References
    ----------
    .. [1] G. Socrates, Infrared and Raman Characteristic Group Frequencies, 3rd ed.,
       Wiley (2001).
    .. [2] N. B. Colthup, L. H. Daly, S. E. Wiberley, Introduction to Infrared and Raman
       Spectroscopy, 3rd ed., Academic Press (1990).
    .. [3] G. C. Pimentel, A. L. McClellan, The Hydrogen Bond, Freeman (1960): the width
       grows by about three quarters of the shift.
    .. [4] H. Torii, M. Tasumi, "Model calculations on the amide-I infrared bands of
       globular proteins", Journal of Chemical Physics 96, 3379-3387 (1992).
    .. [5] G. K. Wertheim, M. A. Butler, K. W. West, D. N. E. Buchanan, "Determination
       of the Gaussian and Lorentzian content of experimental line shapes", Review of
       Scientific Instruments 45, 1369-1371 (1974). https://doi.org/10.1063/1.1686503
    .. [6] P. R. Griffiths, J. A. de Haseth, Fourier Transform Infrared Spectrometry,
       2nd ed., Wiley (2007). https://doi.org/10.1002/047010631X
    .. [7] Z. Zou et al., "A deep learning model for predicting selected organic
       molecular spectra", Nature Computational Science 3, 957-964 (2023).
       https://doi.org/10.1038/s43588-023-00550-y

    Examples
    --------
    >>> from skspectra.datasets import make_infrared
    >>> spectra = make_infrared(n_samples=50, n_channels=901, random_state=0)
    >>> spectra.data.shape, spectra.target.shape
    ((50, 901), (50, 15))
    >>> spectra.target_names[:4]
    ['alkane', 'alkene', 'alkyne', 'aromatic']
    """
    allowed = _allowed(functional_groups)
    n_molecules = -(-n_samples // n_spectra_per_molecule)
    seed = np.random.SeedSequence(generator(random_state).randint(2**31 - 1))
    of_molecules, of_nuisances = seed.spawn(2)
    x_axis = np.linspace(_LOWEST, _HIGHEST, n_channels)
    lines = LineShapes(x_axis, resolution)
    chemistry = Chemistry(allowed, skeleton, anharmonicity, coupling, hydrogen_bonding)
    molecules = Molecules(chemistry, of_molecules)
    instrument = _Instrument(
        x_axis,
        lines,
        of_nuisances,
        scatter=scatter,
        baseline=baseline,
        gas=carbon_dioxide,
        noise=noise,
    )
    groups = np.arange(n_samples) // n_spectra_per_molecule
    data = np.empty((n_samples, n_channels), dtype=np.float32)
    path_lengths = np.empty(n_samples)
    labels = []
    for first in range(0, n_molecules, _BLOCK):
        size = min(_BLOCK, n_molecules - first)
        block_labels, bands = molecules.draw(size)
        labels.append(block_labels[:, allowed])
        rows = slice(*np.searchsorted(groups, [first, first + size]))
        absorbance = lines.absorb(bands, size)[groups[rows] - first]
        path_lengths[rows], data[rows] = instrument.measure(absorbance)
    return Bunch(
        data=data,
        target=np.concatenate(labels).astype(int)[groups],
        target_names=[name for name, may in zip(GROUPS, allowed, strict=True) if may],
        groups=groups,
        path_lengths=path_lengths,
        x_axis=x_axis,
        x_unit="cm-1",
        DESCR=_INFRARED_DESCR.format(n_samples, n_molecules, n_channels, allowed.sum()),
    )
