"""Read JCAMP-DX: labelled text, with numbers plain or squeezed."""

import re

import numpy as np

from skspectra.io._part import Part
from skspectra.io._units import RAMAN, unit_in

__all__ = ["is_jcamp", "read_jcamp"]

_FIRST = re.compile(r"\s*(\$\$[^\n]*\n\s*)*##\s*(TITLE|JCAMP)", re.IGNORECASE)
_LABEL = re.compile(r"##([^=]*)=(.*)", re.DOTALL)
_AFFN = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_SQUEEZED = re.compile(r"[@A-DF-Za-df-s%]")
# Digits of which the first says its sign, that it is a difference, or how often.
_TOKEN = re.compile(r"\?|[@A-Ia-i%J-Rj-rS-Zs][\d.]*|[-+]?\d+\.?\d*|[-+]?\.\d+")
_SQZ = {c: f"+{i}" for i, c in enumerate("@ABCDEFGHI")}
_SQZ |= {c: f"-{i}" for i, c in enumerate("abcdefghi", 1)}
_DIF = {c: f"+{i}" for i, c in enumerate("%JKLMNOPQR")}
_DIF |= {c: f"-{i}" for i, c in enumerate("jklmnopqr", 1)}
_DUP = {c: str(i) for i, c in enumerate("STUVWXYZs", 1)}
# More channels than any spectrum has; three letters can ask for any number.
_MOST_POINTS = 2**24
_KEPT = {
    "TITLE": "name",
    "YUNITS": "quantity",
    "DATATYPE": "kind",
    "ORIGIN": "origin",
    "OWNER": "owner",
    "DATE": "date",
    "LONGDATE": "date",
    "SPECTROMETERDATASYSTEM": "instrument",
    "RESOLUTION": "resolution",
    "SAMPLEDESCRIPTION": "sample description",
    "STATE": "state",
    "PATHLENGTH": "path length",
}


def is_jcamp(text):
    """Whether a text is labelled as JCAMP-DX."""
    return bool(_FIRST.match(text[:10_000]))


def read_jcamp(path, text):
    """Return the spectra of a JCAMP-DX file, one `Part` each.

    Evenly spaced values (``XYDATA``) in all forms of the standard, and pairs
    (``XYPOINTS``), in single and in linked blocks.
    """
    parts, passed_over = [], set()
    for labels in _blocks(text):
        if "XYDATA" in labels or "XYPOINTS" in labels:
            try:
                parts.append(_spectrum(labels))
            except (ValueError, KeyError, OverflowError) as error:
                title = labels.get("TITLE", "")[:60]
                reason = f"it has no ##{error.args[0]}=" * isinstance(error, KeyError)
                raise ValueError(
                    f"{path}, block {title!r}: {reason or error}."
                ) from error
        else:
            passed_over |= labels.keys() & {"NTUPLES", "PEAKTABLE", "RADATA"}
    if not parts:
        what = f" but {', '.join(sorted(passed_over))}" if passed_over else ""
        raise ValueError(f"{path} is JCAMP-DX without XYDATA or XYPOINTS{what}.")
    return parts


def _blocks(text):
    """Yield the labels of each block, inner ones before those that link them."""
    open_blocks, key = [], None
    for line in text.splitlines():
        line = line.partition("$$")[0].rstrip()
        match = _LABEL.match(line)
        if match is None:
            if key and line.strip():
                open_blocks[-1][key].append(line)
            continue
        key = re.sub(r"[\s/_-]", "", match[1]).upper()
        if key == "TITLE" or not open_blocks:
            open_blocks.append({})
        if key == "END":
            yield _joined(open_blocks.pop())
            key = None
        else:
            open_blocks[-1].setdefault(key, []).append(match[2].strip())
    while open_blocks:  # a file that breaks off, or whose last line was forgotten
        yield _joined(open_blocks.pop())


def _joined(labels):
    return {key: "\n".join(lines) for key, lines in labels.items()}


def _spectrum(labels):
    key = "XYDATA" if "XYDATA" in labels else "XYPOINTS"
    form, *lines = labels[key].split("\n")
    if re.sub(r"\s", "", form).upper().startswith("(X++"):
        x_axis, y = _even(labels, lines)
    else:
        x_axis, y = _pairs(labels, lines)
    fields = {name: labels[key] for key, name in _KEPT.items() if labels.get(key)}
    unit = unit_in(labels.get("XUNITS", ""))
    if unit == "cm-1" and "raman" in labels.get("DATATYPE", "").lower():
        unit = RAMAN
    return Part(y, x_axis, unit, {"format": "JCAMP-DX"} | fields)


def _even(labels, lines):
    """Return axis and values of a table of which each line begins with its place."""
    n_points = int(_number(labels["NPOINTS"]))
    if not 2 <= n_points <= _MOST_POINTS:
        raise ValueError(f"NPOINTS must be from 2 to {_MOST_POINTS}, got {n_points}")
    if any(map(_SQUEEZED.search, lines)):
        y = _unsqueeze(lines, n_points)
    else:
        y = []
        for line in lines:
            numbers = re.findall(rf"{_AFFN}|\?", line)
            y += [np.nan if n == "?" else float(n) for n in numbers[1:]]
    if len(y) != n_points:
        raise ValueError(f"NPOINTS is {n_points}, but {len(y)} values follow")
    x_axis = np.linspace(_number(labels["FIRSTX"]), _number(labels["LASTX"]), n_points)
    return x_axis, np.array(y) * _number(labels.get("YFACTOR", "1"))


def _pairs(labels, lines):
    """Return axis and values of pairs, x and y."""
    numbers = re.findall(rf"{_AFFN}|\?", "\n".join(lines))
    if len(numbers) % 2:
        raise ValueError(f"pairs are an even number of numbers, got {len(numbers)}")
    numbers = [np.nan if n == "?" else float(n) for n in numbers]
    x_axis = np.array(numbers[::2]) * _number(labels.get("XFACTOR", "1"))
    return x_axis, np.array(numbers[1::2]) * _number(labels.get("YFACTOR", "1"))


def _unsqueeze(lines, n_points):
    """Return the values of lines in which digits stand for signs and differences."""
    y, step, was_difference = [], None, False
    for line in filter(str.strip, lines):
        tokens = _TOKEN.findall(line)
        for i, token in enumerate(tokens[1:]):  # the first one is the place
            first, rest = token[0], token[1:]
            if first in _DUP:
                _repeat(y, step, int(_DUP[first] + rest) - 1, n_points)
                continue
            difference = first in _DIF
            if token == "?":
                value, step = np.nan, None
            elif difference:
                if not y:
                    raise ValueError(f"a difference comes first in {line[:40]!r}")
                step = float(_DIF[first] + rest)
                value = y[-1] + step
            else:
                value, step = float(_SQZ.get(first, first) + rest), None
            if i == 0 and was_difference and not difference:
                if value != y[-1]:
                    raise ValueError(
                        f"the line {line[:40]!r} should begin with the last value of "
                        f"the one before, {y[-1]:g}, but says {value:g}"
                    )
                continue  # a check and no value of its own
            y.append(value)
            if len(y) > n_points:
                raise ValueError(f"NPOINTS is {n_points}, but more values follow")
        was_difference = step is not None
    return y


def _repeat(y, step, times, n_points):
    """Repeat the last value, or the last difference, as often as is said."""
    if not y or times > n_points - len(y):
        raise ValueError(f"NPOINTS is {n_points}, but more values follow")
    for _ in range(times):
        y.append(y[-1] + (step or 0.0))


def _number(text):
    match = re.match(rf"\s*({_AFFN})", text.replace(",", "."))
    if match is None:
        raise ValueError(f"{text[:40]!r} should be a number")
    return float(match[1])
