"""Units of axes as files spell them."""

import re

import numpy as np

__all__ = ["CHANNEL", "RAMAN", "as_float", "axis_in_names", "channel_name"]
__all__ += ["is_count", "is_monotone", "names_axis", "unit_in"]

CHANNEL = "channel"
RAMAN = "Raman cm-1"  # counted from the laser line, so that it is no wavenumber

_NUMBER = r"[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?"
_LONGEST = 200  # characters of a name that are looked at
_MINUS = r"[-\u2212\u207b\u2010\u2013]"
_CM = rf"cm\s*(?:\^|\*\*)?\s*[{{(]?\s*{_MINUS}\s*[1\u00b9][)}}]?|1\s*/\s*cm|/\s*cm\b"
# The first that is found counts, so that a Raman shift comes before its cm-1.
_SPELLED = [
    (RAMAN, r"raman|\bshift\b|rel(?:ative)?\.?\s*(?:1/cm|cm-1)"),
    ("cm-1", rf"{_CM}|wave\s*-?_?numbers?|wellenzahl|nombre d.onde"),
    ("nm", r"(?<![a-z])nm(?![a-z])|nanom"),
    ("um", r"(?<![a-z])[uµμ]m(?![a-z])|microm(?:eter|etre)|\bmicrons?\b"),
    ("keV", r"\bkev\b"),
    ("eV", r"\bev\b|electron\s*-?volt"),
    (CHANNEL, r"\bchannels?\b|\bpixels?\b|\bkanal\b"),
]
_SPELLED = [(unit, re.compile(text, re.IGNORECASE)) for unit, text in _SPELLED]
_AXIS = re.compile(
    r"wave|wellenl|lambda|λ|longueur|longitud|energ|frequen|spectral|x[- _]?axis"
    r"|\bx\b|\bwl\b|\bbands?\b",
    re.IGNORECASE,
)
# "850 nm", "850.5", "X850" and "X.850" as R writes it, "spc.850", "wl_850"
_CHANNEL_NAME = re.compile(
    rf"(?P<prefix>[a-z]{{1,12}}[._ ]?)?(?P<number>{_NUMBER})\s*(?P<unit>[^\d\s].*)?",
    re.IGNORECASE,
)
_PREFIXES = {"x", "wl", "spc", "nm", "wn", "lambda", "wave", "wavelength", "spec", "ch"}


def unit_in(text):
    """Return the unit that a text names, or None; "Wavelength" alone names none."""
    text = re.sub(r"\s+", " ", text[:_LONGEST])
    found = (unit for unit, spelled in _SPELLED if spelled.search(text))
    return next(found, None)


def names_axis(text):
    """Whether the name of a column is one of an axis."""
    return unit_in(text) is not None or bool(_AXIS.search(text))


def channel_name(name):
    """Return the number and the unit in a column name of a channel, or None."""
    match = _CHANNEL_NAME.fullmatch(name.strip()[:_LONGEST])
    if match is None:
        return None
    prefix, unit = match["prefix"] or "", match["unit"] or ""
    if prefix and prefix.rstrip("._ ").lower() not in _PREFIXES:
        return None
    if unit and unit_in(unit) is None:
        return None
    return match["number"], unit_in(unit or prefix)


def axis_in_names(names):
    """Return the numbers in the names of channels, and their unit.

    Parameters
    ----------
    names : dict of int to str
        Names of columns, by their positions.

    Returns
    -------
    numbers : dict of int to str, or None
        By the positions of the channels; None if names tell no axis.
    unit : str or None
    """
    found = {i: channel_name(name) for i, name in names.items()}
    found = {i: each for i, each in found.items() if each is not None}
    positions = [as_float(number) for number, _ in found.values()]
    if len(found) < 2 or not is_monotone(positions):
        return None, None
    plain = all(names[i].strip() == number for i, (number, _) in found.items())
    if not plain and is_count(positions):
        return None, None  # "X1", "X2", … number the variables
    units = {unit for _, unit in found.values()} - {None}
    unit = units.pop() if len(units) == 1 else None
    return {i: number for i, (number, _) in found.items()}, unit


def as_float(number):
    """Return a number that may have a decimal comma."""
    return float(number.replace(",", "."))


def is_monotone(values):
    """Whether numbers rise, or fall, from the first to the last."""
    steps = np.diff(values)
    return bool(len(steps) and ((steps > 0).all() or (steps < 0).all()))


def is_count(values):
    """Whether numbers only count, from 0 or 1."""
    values = np.asarray(values)
    return values[0] in (0, 1) and bool((np.diff(values) == 1).all())
