"""Random molecules out of functional groups, and the infrared bands they show."""

from typing import NamedTuple

import numpy as np

from skspectra.datasets._group_frequencies import (
    DONORS,
    FRAMEWORK,
    GROUPS,
    MULTIPLE_BONDS,
    SUBSTITUENTS,
    WITH_ANY_MULTIPLE_BOND,
    group_frequencies,
    is_one_of,
)

_N = len(GROUPS)
_SLOTS = 2 * _N  # a molecule has room for every group twice
_NUMBER_OF_SUBSTITUENTS = (0.05, 0.35, 0.4, 0.2)  # chances of 0, 1, 2, 3
_TWICE = 0.2  # share of groups that a molecule has two of
_CONJUGATED = 0.5  # share of groups next to the multiple bond, if there is one
_SKELETON_BANDS = 20
_SKELETON_FROM, _SKELETON_TO = 420.0, 1450.0  # cm-1
_STREAMS = ("structure", "substituents", "bands", "coupling", "skeleton")


class Chemistry(NamedTuple):
    """What `make_infrared` says about molecules, under the same names."""

    allowed: np.ndarray  # bool, of `GROUPS`
    skeleton: float
    anharmonicity: float
    coupling: float
    hydrogen_bonding: float


class Bands(NamedTuple):
    """Bands of several molecules, one value a band each."""

    molecule: np.ndarray
    position: np.ndarray  # cm-1
    width: np.ndarray  # cm-1, at half height
    strength: np.ndarray  # height

    def __add__(self, other):
        """Return the bands of both."""
        return Bands(*map(np.concatenate, zip(self, other, strict=True)))


class Molecules:
    """A never-ending line of molecules, drawn some at a time.

    Each kind of property has a generator of its own and takes the same number of
    draws from it for every molecule. So a molecule depends neither on how many are
    asked for at once nor on the effects that are turned off.
    """

    def __init__(self, chemistry, seed):
        self.chemistry = chemistry
        seeds = seed.spawn(len(_STREAMS))
        self._draw = dict(zip(_STREAMS, map(np.random.default_rng, seeds), strict=True))

    def draw(self, n_molecules):
        """Return labels (n_molecules, n_groups), bool, and the next ones' bands."""
        widths = (_N, _N, 1, _N, _SLOTS, _SLOTS, 1, 1)
        uniform = self._draw["structure"].random((n_molecules, sum(widths)))
        structure = np.split(uniform, np.cumsum(widths)[:-1], axis=1)
        labels = _compose(*structure[:3], self.chemistry.allowed)
        slots = np.hstack([labels, labels & (structure[3] < _TWICE)])
        conjugated = (structure[4] < _CONJUGATED) & _may_conjugate(labels)
        donates = (labels & is_one_of(DONORS)).any(axis=1, keepdims=True)
        associated = donates & (structure[6] < self.chemistry.hydrogen_bonding)
        bond = associated * (0.7 + 0.4 * structure[7])
        rows = _which_rows(slots, conjugated, structure[5])
        fundamentals, slot, row = self._fundamentals(rows, conjugated, bond)
        bands = fundamentals + self._overtones(fundamentals, slot, row)
        return labels, bands + self._skeletons(n_molecules)

    def _fundamentals(self, rows, conjugated, bond):
        """Return the groups' own bands, and the slot and the row of each."""
        table, n_molecules = group_frequencies(), len(conjugated)
        shape = (n_molecules, 2, _SLOTS)
        slot_shift, slot_strength = np.moveaxis(
            self._draw["substituents"].standard_normal(shape), 1, 0
        )
        shape = (n_molecules, 3, 2 * len(table.group))
        own = self._draw["bands"].standard_normal(shape)
        molecule, place = np.nonzero(rows)
        copy, row = np.divmod(place, len(table.group))
        slot = copy * _N + table.group[row]
        own_shift, own_width, own_strength = own[molecule, :, place].T
        # Neighbours move the bands of a group together, half of the variance.
        move = table.sense[row] * slot_shift[molecule, slot] + own_shift
        low, high = table.low[row], table.high[row]
        bonding = table.bonding[row] * bond[molecule, 0]
        bands = Bands(
            molecule,
            (low + high) / 2
            + (high - low) / 2 * np.tanh(0.6 * move)
            + table.conjugation[row] * conjugated[molecule, slot]
            + bonding,
            table.width[row] * np.exp(0.2 * own_width) + 0.75 * np.abs(bonding),
            table.strength[row]
            * np.where(bond[molecule, 0] > 0, 1.0, table.free[row])
            * np.exp(0.3 * (own_strength + slot_strength[molecule, slot])),
        )
        bands = self._coupled(bands, slot, table.carbonyl[row], n_molecules)
        return bands, slot, row

    def _coupled(self, bands, slot, carbonyl, n_molecules):
        """Return the bands after the C=O stretches of a molecule met each other."""
        shape = (n_molecules, _SLOTS + 1, 3)
        directions = self._draw["coupling"].standard_normal(shape)
        # A normal variable's mean size is sqrt(2 / pi).
        energy = self.chemistry.coupling * np.sqrt(np.pi / 2) * directions[:, -1, 0]
        at = np.flatnonzero(carbonyl)
        count = np.bincount(bands.molecule[at], minlength=n_molecules)
        for size in range(2, count.max(initial=0) + 1):
            which = at[count[bands.molecule[at]] == size].reshape(-1, size)
            molecule = bands.molecule[which]
            dipoles = directions[molecule, slot[which]]
            dipoles /= np.linalg.norm(dipoles, axis=2, keepdims=True)
            values = couple(
                *(value[which] for value in bands[1:]),
                dipoles,
                energy[molecule[:, 0]],
            )
            for old, new in zip(bands[1:], values, strict=True):
                old[which] = new
        return bands

    def _overtones(self, bands, slot, row):
        """Return first overtones, and sums of neighbouring bands of one group."""
        first = second = np.flatnonzero(group_frequencies().overtone[row])
        for lag in (1, 2):
            start = np.arange(max(len(slot) - lag, 0))
            same = (slot[start] == slot[start + lag]) & (
                bands.molecule[start] == bands.molecule[start + lag]
            )
            first = np.concatenate([first, start[same]])
            second = np.concatenate([second, start[same] + lag])
        anharmonicity = self.chemistry.anharmonicity
        position, width = bands.position, bands.width
        return Bands(
            bands.molecule[first],
            (position[first] + position[second]) * (1 - anharmonicity),
            0.75 * (width[first] + width[second]),
            anharmonicity * np.sqrt(bands.strength[first] * bands.strength[second]),
        )

    def _skeletons(self, n_molecules):
        """Return bands that belong to no group and are one molecule's alone."""
        shape = (n_molecules, 3, _SKELETON_BANDS)
        place, width, strength = np.moveaxis(
            self._draw["skeleton"].random(shape), 1, 0
        ).reshape(3, -1)
        return Bands(
            np.repeat(np.arange(n_molecules), _SKELETON_BANDS),
            _SKELETON_FROM + (_SKELETON_TO - _SKELETON_FROM) * place,
            8 + 16 * width,
            -0.12 * self.chemistry.skeleton * np.log1p(-strength),
        )


def couple(position, width, strength, dipoles, energy):
    """Return the bands of oscillators that feel each other.

    Their wavenumbers are the eigenvalues of a matrix with the single ones on the
    diagonal and the coupling beside it; transition dipoles and widths mix like the
    eigenvectors. The sums of wavenumbers and of strengths stay what they were.

    Parameters
    ----------
    position, width, strength : ndarray of shape (n_molecules, n_oscillators)
        The bands without coupling.
    dipoles : ndarray of shape (n_molecules, n_oscillators, 3)
        Directions of the transition dipoles, of length 1.
    energy : ndarray of shape (n_molecules,)
        Coupling between any two oscillators of a molecule, cm-1.

    Returns
    -------
    position, width, strength : ndarray of shape (n_molecules, n_oscillators)
        The bands with it; positions ascend.
    """
    size = position.shape[1]
    matrix = energy[:, None, None] * (1 - np.eye(size))
    matrix += position[:, :, None] * np.eye(size)
    position, modes = np.linalg.eigh(matrix)
    mixed = np.einsum("mij,mix->mjx", modes, dipoles * np.sqrt(strength)[:, :, None])
    return position, np.einsum("mij,mi->mj", modes**2, width), (mixed**2).sum(axis=2)


def _compose(framework, keys, number, allowed):
    """Return which groups molecules have, bool (n_molecules, n_groups)."""
    share = np.array([FRAMEWORK.get(group, 0.0) for group in GROUPS])
    labels = (framework < share) & allowed
    usual = np.array([SUBSTITUENTS.get(group, (0.0, 0.0)) for group in GROUPS])
    weight = np.where(labels[:, [GROUPS.index("aromatic")]], *usual.T[::-1]) * allowed
    # The k largest of log(weight) + Gumbel variables are k draws without replacement.
    gumbel = -np.log(-np.log(np.maximum(keys, 1e-12)))
    with np.errstate(divide="ignore"):
        key = np.log(weight) + gumbel
    rank = (-key).argsort(axis=1).argsort(axis=1)
    wanted = (number > np.cumsum(_NUMBER_OF_SUBSTITUENTS)[:-1]).sum(axis=1)
    labels |= (rank < wanted[:, None]) & (weight > 0)
    nothing = ~labels.any(axis=1)
    labels[nothing, np.where(allowed, gumbel, -np.inf).argmax(axis=1)[nothing]] = True
    return labels


def _may_conjugate(labels):
    """Return which slots have a multiple bond to be next to."""
    multiple = (labels & is_one_of(MULTIPLE_BONDS)).sum(axis=1, keepdims=True)
    others = multiple - is_one_of(MULTIPLE_BONDS)
    ring = labels[:, [GROUPS.index("aromatic")]]
    may = np.where(is_one_of(WITH_ANY_MULTIPLE_BOND), others > 0, ring)
    return np.hstack([may, may])


def _which_rows(slots, conjugated, chance):
    """Return which rows of the table, taken twice, each molecule's groups show."""
    table = group_frequencies()
    slot = np.concatenate([table.group, table.group + _N])
    usual = np.tile(table.usual, (1, 2, 1))
    usual = np.where(conjugated[:, :, None], usual[1], usual[0])
    variant = (usual <= chance[:, :, None]).sum(axis=2)
    variant = np.where(slots, variant, -1)
    return variant[:, slot] == np.tile(table.variant, 2)
