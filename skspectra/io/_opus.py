"""Read OPUS files of Bruker, through brukeropus."""

import struct
from contextlib import suppress

from skspectra.io._part import Part
from skspectra.io._units import RAMAN

__all__ = ["is_opus", "read_opus"]

_MAGIC = b"\n\n\xfe\xfe"
_UNITS = {"WN": "cm-1", "MI": "um"}
# Results first, then what they were made of; the first that a file has is taken.
_QUANTITIES = {
    "a": "absorbance",
    "t": "transmittance",
    "r": "reflectance",
    "logr": "log(1/R)",
    "km": "Kubelka-Munk",
    "atr": "ATR",
    "pas": "photoacoustic",
    "ra": "Raman intensity",
    "e": "emission",
    "sm": "single channel",
}
_KEPT = {
    "snm": "name",
    "ins": "instrument",
    "res": "resolution",
    "nss": "scans",
    "dtc": "detector",
    "src": "source",
    "bms": "beamsplitter",
    "cnm": "operator",
    "sfm": "sample form",
}
_MOST_BLOCKS = 10_000


def is_opus(data):
    """Whether the first bytes are those of an OPUS file."""
    return data.startswith(_MAGIC)


def read_opus(path, data):
    """Return the result spectrum of an OPUS file, or its series, as a list of a `Part`.

    Of several quantities in a file the most finished one is taken: absorbance before
    the single-channel spectrum that it was computed from.
    """
    try:
        from brukeropus import OPUSFile
    except ImportError as error:
        raise ImportError(
            f"{path} is an OPUS file, which requires brukeropus. "
            "Install it with `pip install 'skspectra[files]'`."
        ) from error
    try:
        _check_blocks(data)
        opus = OPUSFile(str(path))
        keys = [key for key in _QUANTITIES if key in opus.all_data_keys]
        if not keys:
            found = ", ".join(opus.all_data_keys) or "none"
            raise ValueError(f"no spectrum among its data blocks ({found})")
        return [_part(opus, keys[0])]
    except Exception as error:  # it meets damage with whatever comes up
        reason = str(error) or type(error).__name__
        raise ValueError(f"{path} is OPUS, but cannot be read: {reason}.") from error


def _part(opus, key):
    spectrum = getattr(opus, key)
    fields = {"format": "OPUS", "quantity": _QUANTITIES[key]}
    for parameter, name in _KEPT.items():
        value = getattr(opus.params, parameter, None)
        if value not in (None, ""):
            fields[name] = value.strip() if isinstance(value, str) else value
    with suppress(AttributeError):  # None, where it is told in another way
        fields["date"] = spectrum.datetime.isoformat(sep=" ")
    unit = _UNITS.get(spectrum.params.dxu)
    if key == "ra" and unit == "cm-1":
        unit = RAMAN
    return Part(spectrum.y, spectrum.x, unit, fields)


def _check_blocks(data):
    """Refuse sizes that make the reader loop, or ask for more memory than the file."""
    start, most_blocks = struct.unpack_from("<2i", data, 12)
    if not (24 <= start < len(data) and 0 < most_blocks <= _MOST_BLOCKS):
        raise ValueError("its directory lies outside of the file")
    total = 0
    for at in range(start, min(start + 12 * most_blocks, len(data) - 11), 12):
        kind, n_words, begin = struct.unpack_from("<3i", data, at)
        if begin <= 0:
            break
        total += 4 * n_words
        if n_words < 0 or begin + 4 * n_words > len(data) or total > 2 * len(data):
            raise ValueError("its blocks reach beyond the end of the file")
        block = data[begin : begin + 4 * n_words]
        if (kind >> 4) & 63 or kind == 1 << 19:
            _check_parameters(block)
        elif (kind >> 19) & 7 == 2:  # a series of spectra
            _, n_spectra, offset, size, more = struct.unpack_from("<5i", block)
            if min(n_spectra, offset, size, more) < 0 or n_spectra * size > len(block):
                raise ValueError("a series is longer than its block")


def _check_parameters(block):
    at = 0
    while at + 8 <= len(block) and block[at : at + 3] != b"END":
        kind, n_words = struct.unpack_from("<2h", block, at + 4)
        if n_words < 0:
            raise ValueError("a parameter has a negative length")
        if block[at : at + 3] == b"NPT" and kind == 0 and n_words >= 2:
            (n_points,) = struct.unpack_from("<i", block, at + 8)
            if not 0 <= n_points <= 2**24:
                raise ValueError(f"it has {n_points} points")
        at += 8 + 2 * n_words
