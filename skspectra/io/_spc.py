"""Read SPC, the binary files of Galactic's and Thermo's GRAMS."""

import re
import struct
from itertools import count

import numpy as np

from skspectra.io._part import Part
from skspectra.io._units import CHANNEL, RAMAN

__all__ = ["is_spc", "read_spc"]

# Flags of the file.
_HALF, _MANY, _LABELS, _OWN_AXES, _AXIS = 0x01, 0x04, 0x20, 0x40, 0x80
_FLOATS = -128  # in place of an exponent
_NEW, _NEW_SWAPPED, _OLD = 0x4B, 0x4C, 0x4D
_HEADERS = {_NEW: 512, _NEW_SWAPPED: 512, _OLD: 256}
_UNITS = {1: "cm-1", 2: "um", 3: "nm", 13: RAMAN, 14: "eV", 16: CHANNEL, 17: CHANNEL}
_UNITS[22] = CHANNEL
_QUANTITIES = {
    1: "interferogram",
    2: "absorbance",
    3: "Kubelka-Munk",
    4: "counts",
    10: "log(1/R)",
    11: "percent",
    12: "intensity",
    13: "relative intensity",
    128: "transmittance",
    129: "reflectance",
    131: "emission",
}


def is_spc(data):
    """Whether the first bytes are those of an SPC file."""
    return len(data) >= 256 and data[1] in _HEADERS and 0 in data[:256]


def read_spc(path, data):
    """Return the spectra of an SPC file: one `Part`, or one each where axes differ."""
    try:
        if data[1] == _OLD:
            return _read_old(data)
        return _read_new(data, ">" if data[1] == _NEW_SWAPPED else "<")
    except (ValueError, struct.error, OverflowError) as error:
        raise ValueError(f"{path} is a damaged SPC file: {error}.") from error


def _read_new(data, order):
    flags, _, _, exponent, n_points = struct.unpack_from(f"{order}BBBbI", data)
    first, last, n_spectra = struct.unpack_from(f"{order}ddI", data, 8)
    fields, unit = _fields(data, order), _UNITS.get(data[28])
    at, x_axis = 512, None
    if flags & _AXIS and not flags & _OWN_AXES:
        x_axis, at = _array(data, at, n_points, f"{order}f4")
    elif not flags & _AXIS:
        if n_points > len(data):
            raise ValueError(f"it has {len(data)} bytes for {n_points} points")
        x_axis = np.linspace(first, last, n_points)
    rows, seconds, parts = [], [], []
    for _ in range(n_spectra if flags & _MANY else 1):
        own, z, n_own = struct.unpack_from(f"{order}xbxxf8xI8x", data, at)
        power = own if flags & _MANY else exponent
        floats = _FLOATS in (exponent, power)
        kind = "f4" if floats else "i2" if flags & _HALF else "i4"
        at += 32
        if flags & _AXIS and flags & _OWN_AXES:
            own_axis, at = _array(data, at, n_own, f"{order}f4")
            y, at = _array(data, at, n_own, order + kind)
        else:
            own_axis = None
            y, at = _array(data, at, n_points, order + kind)
        y = y if floats else y * 2.0 ** (power - 8 * int(kind[1]))
        if own_axis is not None:
            parts.append(Part(y, own_axis, unit, fields | {"z": z}))
        else:
            rows.append(y)
            seconds.append(z)
    if parts:
        return parts
    fields |= {"z": seconds} if flags & _MANY else {}
    return [Part(np.array(rows), x_axis, unit, fields)]


def _read_old(data):
    """Read the older format: no number of spectra, and words in another order."""
    flags, _, exponent, n_points, first, last = struct.unpack_from("<BBhfff", data)
    if not 2 <= n_points <= len(data):
        raise ValueError(f"it has {len(data)} bytes for {n_points:g} points")
    n_points, rows = int(n_points), []
    floats = exponent in (_FLOATS, 128)
    at = 256 - 32  # the header of the first spectrum is part of the file's
    for i in count():
        if i and (not flags & _MANY or at + 32 + 4 * n_points > len(data)):
            break
        power = struct.unpack_from("b", data, at + 1)[0] if flags & _MANY else exponent
        at += 32
        if floats:
            y, at = _array(data, at, n_points, "<f4")
        else:
            words, at = _array(data, at, 2 * n_points, "<u2")
            y = (words[::2] * 65536.0 + words[1::2] + 2.0**31) % 2.0**32 - 2.0**31
            y = y * 2.0 ** (power - 32)
        rows.append(y)
    fields = {"format": "SPC", "comment": _text(data[64:194])}
    fields["quantity"] = _QUANTITIES.get(data[17])
    x_axis = np.linspace(first, last, n_points)
    return [Part(np.array(rows), x_axis, _UNITS.get(data[16]), fields)]


def _array(data, at, n_values, kind):
    """Return numbers that stand in the file, and where they end."""
    kind = np.dtype(kind)
    end = at + n_values * kind.itemsize
    if n_values < 2 or end > len(data):
        raise ValueError(
            f"{n_values} values from byte {at} on would end at {end} of {len(data)}"
        )
    return np.frombuffer(data, kind, n_values, at).astype(np.float64), end


def _fields(data, order):
    (date,) = struct.unpack_from(f"{order}I", data, 32)
    year, month, day = date >> 20, date >> 16 & 15, date >> 11 & 31
    time = f"{date >> 6 & 31:02}:{date & 63:02}"
    fields = {
        "format": "SPC",
        "quantity": _QUANTITIES.get(data[29]),
        "date": f"{year:04}-{month:02}-{day:02} {time}" if date else None,
        "resolution": _text(data[36:45]),
        "instrument": _text(data[45:54]),
        "comment": _text(data[88:218]),
    }
    if data[0] & _LABELS and not fields["quantity"]:
        labels = data[218:248].split(b"\0")
        fields["quantity"] = _text(labels[1]) if len(labels) > 1 else None
    return {key: value for key, value in fields.items() if value}


def _text(data):
    text = data.split(b"\0")[0].decode("cp1252", errors="replace")
    return re.sub(r"\s+", " ", text).strip()
