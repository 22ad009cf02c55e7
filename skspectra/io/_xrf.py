"""Read X-ray fluorescence scans of cores: Itrax, Avaatech, and SPE files in general."""

import csv
import re
from dataclasses import dataclass
from pathlib import PureWindowsPath

import numpy as np
import pandas as pd

from skspectra.io._part import Part
from skspectra.io._units import CHANNEL

__all__ = [
    "ElementTable",
    "annotate",
    "is_element_table",
    "is_itrax",
    "is_spe",
    "read_element_table",
    "read_itrax",
    "read_spe",
]

_MOST_CHANNELS = 2**20
# Keys of the headers, and what the metadata call them.
_ITRAX = {
    "Date:": "date",
    "Time:": "time",
    "Sample name:": "name",
    "Section name:": "section",
    "Position": "position (mm)",
    "sample surface": "sample surface",
    "Tube anode:": "tube anode",
    "Tube voltage:": "tube voltage",
    "Tube current:": "tube current",
    "livetime": "livetime",
    "runtime": "runtime",
    "comments": "comments",
}
_SPE = {
    "SPEC_ID": "identifier",
    "DATE_MEA": "date",
    "MEAS_TIM": "livetime",
    "X_POSITION": "X position",
    "Y_POSITION": "Y position",
    "SLIT_DC": "slit down-core",
    "SLIT_CC": "slit cross-core",
    "TOTALCPS": "cps",
    "ACC_VOLT": "tube voltage",
    "TUBE_CUR": "tube current",
}
_AVAATECH = {"SLIT_DC", "SLIT_CC", "X_POSITION", "TOTALCPS"}


@dataclass(frozen=True)
class ElementTable:
    """What an evaluation of a scan tells of each spectrum, by the name of its file."""

    path: str
    program: str
    rows: pd.DataFrame


def is_itrax(text):
    """Whether a text is a spectrum of an Itrax scanner."""
    head = re.split(r"[\r\n]+", text[:20_000])
    lines = {line.split("\t")[0].strip() for line in head}
    return "channel" in lines and {"Position", "Tube anode:"} <= lines


def read_itrax(path, text):
    """Return the spectrum of an Itrax file, on channels, as a list of a `Part`.

    The energies in its header are placeholders in the files known; those that were
    fitted stand in the table of results.
    """
    lines = [line.split("\t") for line in re.split(r"[\r\n]+", text)]
    begin = next(i for i, line in enumerate(lines) if line[0].strip() == "channel")
    known = {line[0].strip(): line[1].strip() for line in lines[:begin] if line[1:]}
    fields = {"format": "Itrax", "quantity": "counts"}
    fields |= {new: _value(known[old]) for old, new in _ITRAX.items() if known.get(old)}
    rows = [line for line in lines[begin + 1 :] if line[0].strip()]
    try:
        numbers = np.array([[_as_float(cell) for cell in row[:2]] for row in rows])
        if not re.fullmatch(r"[\d.]+", known.get("number_mca_channels", "")):
            declared = len(numbers)
        else:
            declared = int(float(known["number_mca_channels"]))
        if numbers.ndim != 2 or len(numbers) < min(declared, 2):
            raise ValueError("no channels follow its header")
        if len(numbers) < declared:
            raise ValueError(f"{declared} channels are told, {len(numbers)} are there")
        part = Part(numbers[:, 1], numbers[:, 0], CHANNEL, fields)
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path} is a damaged spectrum of Itrax: {error}.") from error
    return [part]


def is_spe(text):
    """Whether a text is an SPE file, of sections such as ``$DATA:``."""
    return text.lstrip()[:1] == "$" and bool(re.search(r"^\$DATA:", text, re.M | re.I))


def read_spe(path, text):
    """Return the spectrum of an SPE file, as Avaatech and others write it.

    It is on energies where the file tells a calibration, else on channels.
    """
    sections, key = {}, None
    for line in text.splitlines():
        if line.startswith("$"):
            key = line[1:].partition(":")[0].strip().upper()
            sections[key] = [line.partition(":")[2]]
        elif key is not None:
            sections[key].append(line)
    sections = {key: "\n".join(lines).strip() for key, lines in sections.items()}
    try:
        bounds, _, counts = sections["DATA"].partition("\n")
        first, last = (int(number) for number in bounds.split()[:2])
        counts = np.array([_as_float(number) for number in counts.split()])
        n_channels = last - first + 1
        if not 2 <= n_channels <= _MOST_CHANNELS or len(counts) != n_channels:
            raise ValueError(
                f"channels {first} to {last} are told, but {len(counts)} counts follow"
            )
        x_axis, unit = np.arange(first, last + 1.0), CHANNEL
        calibration = _calibration(sections)
        if calibration is not None:
            x_axis, unit = np.polynomial.Polynomial(calibration)(x_axis), "keV"
        name = "Avaatech" if _AVAATECH & sections.keys() else "SPE"
        fields = {"format": name, "quantity": "counts"} | _spe_fields(path, sections)
        return [Part(counts, x_axis, unit, fields)]
    except ValueError as error:
        raise ValueError(f"{path} is a damaged SPE file: {error}.") from error


def _spe_fields(path, sections):
    fields = {}
    for key, name in _SPE.items():
        first = sections.get(key, "").partition("\n")[0].strip()
        if first:
            number = first.split()[0] if key == "MEAS_TIM" else first
            fields[name] = first if key == "DATE_MEA" else _value(number)
    # Avaatech's files are named core!…!position!date!…
    stem = PureWindowsPath(path).name
    return fields | ({"core": stem.partition("!")[0]} if "!" in stem else {})


def _calibration(sections):
    """Return the coefficients of energies in keV, or None where there are none."""
    terms = sections.get("MCA_CAL", "").split("\n")[1:2]
    terms = terms or sections.get("ENER_FIT", "").split("\n")[:1]
    words = terms[0].split() if terms else []
    numbers = [_value(word) for word in words]
    factor = {"ev": 1e-3, "mev": 1e3}.get(words[-1].lower() if words else "", 1.0)
    numbers = [factor * number for number in numbers if isinstance(number, float)]
    if len(numbers) < 2 or numbers[1] in (0.0, factor):  # never calibrated
        return None
    return numbers


def is_element_table(text):
    """Whether a text is a table of results of Itrax, or of bAxil for Avaatech."""
    return _program(text.splitlines()[:3]) is not None


def _program(lines):
    for line in lines:
        if line.startswith("filename\t") and "validity" in line:
            return "Itrax"
        if re.match(r'"?\s*Spectrum"?\s*,', line) and "cps" in line:
            return "bAxil"
    return None


def read_element_table(path, text):
    """Return the table of results of a scan, each row by the name of its spectrum."""
    lines = text.splitlines()
    program = _program(lines[:3])
    mark = "\t" if program == "Itrax" else ","
    begin = next(i for i, line in enumerate(lines) if _program([line]))
    records = csv.reader(lines[begin:], delimiter=mark)
    names = [name.strip(' "') for name in next(records)]
    rows = [dict(zip(names, row, strict=False)) for row in records if any(row)]
    key = names[0]
    rows = [row for row in rows if row[key].strip()]
    files = [PureWindowsPath(row.pop(key).strip()).name for row in rows]
    rows = [{k: _value(v.strip()) for k, v in row.items() if k} for row in rows]
    table = pd.DataFrame(rows, index=files)
    return ElementTable(str(path), program, table[~table.index.duplicated()])


def annotate(parts, tables):
    """Add what tables of results tell to the spectra they name, in or below a folder.

    Returns
    -------
    list of ElementTable
        Those that name none of the spectra.
    """
    unused = []
    deepest_first = sorted(tables, key=lambda t: -len(PureWindowsPath(t.path).parts))
    for table in deepest_first:
        folder = PureWindowsPath(table.path).parent
        named = [
            part
            for part in parts
            if part.fields.get("format") in ("Itrax", "Avaatech", "SPE")
            and PureWindowsPath(part.path).name in table.rows.index
            and PureWindowsPath(part.path).is_relative_to(folder)
        ]
        for part in named:
            row = table.rows.loc[PureWindowsPath(part.path).name]
            part.fields = {**row.to_dict(), **part.fields}
        if not named:
            unused.append(table)
    return unused


def _value(text):
    """Return a number where a text is one, else the text."""
    try:
        return _as_float(text)
    except ValueError:
        return text


def _as_float(text):
    return float(text.strip().replace(",", "."))
