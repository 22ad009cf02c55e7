"""Find the table in a text: what stands before it, and what separates its cells."""

import csv
import re
from dataclasses import dataclass

from skspectra.io._units import unit_in

__all__ = ["Layout", "find_layout", "first_cell", "is_number", "split"]

_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?|[-+]?nan", re.I)
_SAMPLE = 500  # lines, in which the table must begin
_MOST_FIELDS = 60
_WIDE = 8  # cells of a table that has a single line
_FIELD = re.compile(r"[#%*>\s]*([^:=\t;,]{1,60}?)\s*[:=\t;,]+\s*(\S.{0,200}?)[\s;,]*")


@dataclass(frozen=True)
class Layout:
    """Where the table of a text is.

    Parameters
    ----------
    separator : str
        A tab, semicolon or comma; a space stands for any number of spaces.
    names : list of str or None
        The line above the numbers, cell by cell.
    first, last : int
        The lines of the numbers, `last` being the first line behind them. Where the
        names are numbers themselves, they are among these.
    unit : str or None
        Of the axis, as the lines above tell it.
    fields : dict
        What else the lines above tell.
    """

    separator: str
    names: list | None
    first: int
    last: int
    unit: str | None
    fields: dict


def is_number(cell):
    """Whether a cell is a number, with a decimal point or comma."""
    return bool(_NUMBER.fullmatch(cell.strip()))


def split(line, separator):
    """Return the cells of a line."""
    if separator == " ":
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]


def first_cell(line, separator):
    """Return the first cell of a line."""
    if separator == " " or '"' in line:
        return next(iter(split(line, separator)), "")
    return line.partition(separator)[0].strip()


def _count(line, separator):
    """Return how many cells a line has, without taking them apart if possible."""
    if separator == " " or '"' in line:
        return len(split(line, separator))
    return line.count(separator) + 1


def find_layout(lines):
    """Find the table in the lines of a text.

    Parameters
    ----------
    lines : list of str
        The whole text.

    Returns
    -------
    Layout or None
        None if there is no table of numbers in it.
    """
    sample = [line[:1_000_000] for line in lines[:_SAMPLE]]
    best, separator, run = (0, 0), None, None
    for mark in "\t;, ":
        if not any(mark in line for line in sample):
            continue
        cells = [split(line, mark) for line in sample]
        first, last = _longest_run(cells)
        if mark == " " and _is_separated(sample[first:last], separator, best[0]):
            continue
        filled = [cell for row in cells[first:last] for cell in row if cell]
        n_numbers = sum(map(is_number, filled))
        large = last - first >= 2 or len(filled) >= _WIDE
        score = (n_numbers / len(filled), n_numbers) if n_numbers >= 4 else (0, 0)
        if large and score > best:
            best, separator, run = score, mark, (first, last)
    if separator is None:
        return None
    first, last = run
    width = len(split(lines[first], separator))
    _check_whole(sample, first, separator, width)
    if width == 2:  # "Integration time;100" is told above a table, and no row of it
        while first < last - 1 and not is_number(split(lines[first], separator)[0]):
            first += 1
    names, unit, above = _header(lines, first, separator, width)
    fields, told = _fields(lines[:above])
    last = _end(lines, last, separator, width)
    return Layout(separator, names, first, last, unit or told, fields)


def _is_separated(rows, separator, share):
    """Whether rows are tables by a mark already, with spaces inside of their cells.

    "Oat 1" would be a name and a number more. A comma may be a decimal one, which makes
    no more than half of the cells numbers.
    """
    if separator is None or (separator == "," and share <= 0.5):
        return False
    return all(separator in row for row in rows)


def _check_whole(lines, first, separator, width):
    """Refuse a table that begins before `first`, and has a shorter line in it."""
    for i, line in enumerate(lines[:first]):
        cells = split(line, separator)
        if len(cells) == width and all(map(is_number, cells)):
            at, cells = next(
                (j, cells)
                for j in range(i + 1, first)
                if len(cells := split(lines[j], separator)) != width
                or not all(map(is_number, cells))
            )
            raise ValueError(
                f"line {at + 1} is no row of {width} numbers like those around it: "
                f"{lines[at][:60]!r}"
            )


def _longest_run(rows):
    """Return where most numbers stand in lines of one length below each other."""
    best, run, width = (0, 0, 0), [0, 0, 0], None
    for i, cells in enumerate([*rows, []]):
        numbers = sum(map(is_number, cells))
        fits = len(cells) >= 2 and _is_row(cells)
        if fits and len(cells) == width:
            run[1:] = [i + 1, run[2] + numbers]
            continue
        best = max(best, tuple(run), key=lambda each: each[2])
        width = len(cells) if fits else None
        run = [i, i + 1, numbers] if fits else [0, 0, 0]
    return best[:2]


def _is_row(cells):
    """Whether at least half of what a line says are numbers."""
    numbers = sum(map(is_number, cells))
    return numbers > 0 and 2 * numbers >= sum(map(bool, cells))


def _header(lines, first, separator, width):
    """Return the names above the numbers, the unit told there, and where they begin."""
    above = [split(lines[i], separator) for i in range(max(first - 2, 0), first)]
    above = [cells if len(cells) != width - 1 else ["", *cells] for cells in above]
    fits = [len(cells) == width and any(cells) for cells in above]
    if not fits or not fits[-1]:
        unit = unit_in(lines[first - 1]) if first else None
        return None, unit, first
    if fits[0] and len(above) == 2 and _is_unit(above[1][0]):
        return above[0], unit_in(above[1][0]), first - 2
    return above[-1], unit_in(above[-1][0]), first - 1


def _is_unit(cell):
    return len(cell) <= 12 and unit_in(cell) is not None


def _fields(lines):
    """Return what the lines above a table tell, and the unit of the axis if they do."""
    fields, unit = {}, None
    for line in lines[:_SAMPLE]:
        # Runs of spaces can be parted in so many ways that looking takes minutes.
        match = _FIELD.fullmatch(re.sub(" {2,}", " ", line[:400]))
        if match and len(fields) < _MOST_FIELDS:
            key, value = (part.strip().strip('"') for part in match.groups())
            fields.setdefault(key, value)
            if re.fullmatch(r"x[- _]?(axis[- _]?)?(units?|label)", key, re.IGNORECASE):
                unit = unit_in(value)
            if re.fullmatch(r"y[- _]?(axis[- _]?)?(units?|label)", key, re.IGNORECASE):
                fields["quantity"] = value
    return fields, unit


def _end(lines, last, separator, width):
    """Return where the table ends: before lines that are no rows, if none follow."""
    end = last
    for i in range(last, len(lines)):
        if width > 2 and _count(lines[i], separator) == width:
            end = i + 1
            continue
        cells = split(lines[i], separator)
        if len(cells) == width and _is_row(cells):
            end = i + 1
        elif any(cells) and len(cells) != width:
            later = (split(line, separator) for line in lines[i + 1 : i + 1 + _SAMPLE])
            more = any(len(cells) == width and _is_row(cells) for cells in later)
            # A row that breaks off is no remark. To read it will say which line it is.
            torn = _is_row(cells) if len(cells) > 2 else all(map(is_number, cells))
            return len(lines) if more or torn else end
    return end
