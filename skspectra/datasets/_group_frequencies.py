"""Published infrared group frequencies: where the bands of functional groups lie.

`group_frequencies.csv` holds one fundamental vibration a row: the range in cm-1, the
width at half height of a liquid, and the height. Ranges are those on which the
collections below agree. They give heights as words: very strong stands as 1 or 1.1,
strong as 0.55 to 0.9, medium as 0.25 to 0.5, weak as 0.1 to 0.2, and what is often not
seen at all as 0.06 or 0.07. Where in its class a band stands is our estimate, and so
are most widths.

- G. Socrates, Infrared and Raman Characteristic Group Frequencies, 3rd ed. (Wiley,
  2001)
- N. B. Colthup, L. H. Daly, S. E. Wiberley, Introduction to Infrared and Raman
  Spectroscopy, 3rd ed. (Academic Press, 1990)
- R. M. Silverstein, F. X. Webster, D. J. Kiemle, Spectrometric Identification of
  Organic Compounds, 7th ed. (Wiley, 2005)
- J. Coates, Interpretation of Infrared Spectra, A Practical Approach, Encyclopedia of
  Analytical Chemistry (2000), https://doi.org/10.1002/9780470027318.a5606

Ranges are those of groups on saturated carbon and without hydrogen bonds, except
carboxylic acids, which are dimers. `conjugation` and `bonding` are the shifts by a
neighbouring multiple bond and by a full hydrogen bond; `sense` is -1 for a band that
moves down where its group's other bands move up. `saturated` and `conjugated` say how
usual a variant of the group is on either kind of carbon; an ester of either of the
usual acids can be conjugated through its other oxygen alone, as vinyl and phenyl
acetate are, which raises C=O. `free` is the height in molecules without hydrogen bonds,
relative to that with them: the torsion of a free O-H lies below 400 cm-1. `overtone` is
0 where the table has the first overtone as a band of its own.
"""

import csv
from functools import cache
from importlib.resources import files

import numpy as np
from sklearn.utils import Bunch

# Groups that make up a skeleton, each there or not, with the share of molecules.
FRAMEWORK = {"alkane": 0.85, "alkene": 0.18, "alkyne": 0.06, "aromatic": 0.4}

# How likely the other groups are relative to each other: without and with a ring.
SUBSTITUENTS = {
    "alcohol": (1.6, 1.2),
    "ether": (1.3, 1.2),
    "amine": (1.2, 1.1),
    "nitrile": (0.6, 0.6),
    "ketone": (1.1, 1.0),
    "aldehyde": (0.5, 0.7),
    "carboxylic acid": (1.0, 0.9),
    "ester": (1.4, 1.2),
    "amide": (1.0, 1.0),
    "nitro": (0.2, 0.9),
    "halide": (0.8, 1.5),
}

GROUPS = (*FRAMEWORK, *SUBSTITUENTS)
DONORS = ("alcohol", "amine", "carboxylic acid", "amide")  # of hydrogen bonds

# Next to what a group counts as conjugated; the others need an aromatic ring.
MULTIPLE_BONDS = ("alkene", "alkyne", "aromatic")
WITH_ANY_MULTIPLE_BOND = (
    *("alkene", "nitrile", "ketone", "aldehyde", "carboxylic acid", "ester", "amide"),
)

_NUMBERS = (
    *("low", "high", "width", "strength", "sense", "conjugation", "bonding", "free"),
)


def is_one_of(names):
    """Return which of `GROUPS` are among the names, a bool array."""
    return np.isin(GROUPS, list(names))


@cache
def group_frequencies():
    """Return the table as arrays of one value a row, and how usual variants are.

    Returns
    -------
    table : Bunch
        - group : which of `GROUPS`; variant : its number within the group
        - low, high, width, strength, sense, conjugation, bonding, free : float
        - carbonyl, overtone : bool, whether it is a C=O stretch, and whether it has
          an overtone that is no row itself; mode : list of str, what vibrates
        - usual : ndarray of shape (2, n_groups, n_variants), cumulative shares of
          the variants on saturated and on conjugated carbon
    """
    source = files("skspectra.datasets") / "group_frequencies.csv"
    rows = list(csv.DictReader(source.read_text(encoding="utf-8").splitlines()))
    names = {group: [] for group in GROUPS}
    shares = np.zeros((2, len(GROUPS), len(rows)))
    for row in rows:
        known = names[row["group"]]
        if row["variant"] not in known:
            at = GROUPS.index(row["group"]), len(known)
            shares[:, *at] = float(row["saturated"]), float(row["conjugated"])
            known.append(row["variant"])
    usual = shares[:, :, : max(map(len, names.values()))].cumsum(axis=2)
    return Bunch(
        group=np.array([GROUPS.index(row["group"]) for row in rows]),
        variant=np.array([names[row["group"]].index(row["variant"]) for row in rows]),
        carbonyl=np.array([row["carbonyl"] == "1" for row in rows]),
        overtone=np.array([row["overtone"] == "1" for row in rows]),
        mode=[row["mode"] for row in rows],
        usual=usual / usual[:, :, -1:],
        **{key: np.array([float(row[key]) for row in rows]) for key in _NUMBERS},
    )
