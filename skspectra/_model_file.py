"""The file that a model is saved in: arrays and a text, checked before used.

One safetensors file, which any reader of that format reads. Its `__metadata__` holds
the name and the version of this format, a JSON text that says what the arrays are, and
a SHA-256 over all of it. The digest tells a damaged file from a whole one. It does not
tell who wrote it, so nothing here trusts what is read.
"""

import hashlib
import json
import math
import os
import re
import stat
from itertools import pairwise

import numpy as np
import safetensors

from skspectra._strict_json import parse_json, shown
from skspectra._whole_file import write_whole
from skspectra.exceptions import ModelFileError

__all__ = ["MOST_TENSORS", "pack", "read_model_file", "unpack", "write_file"]

FORMAT, FORMAT_VERSION = "skspectra model", 1
MOST_HEADER, MOST_TENSORS, MOST_BYTES = 1_000_000, 10_000, 2**32

_DTYPES = {
    "BOOL": "bool",
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    **{f"I{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
}
_CODES = {np.dtype(name): code for code, name in _DTYPES.items()}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]{0,199}")
_METADATA = {"format", "format_version", "sha256", "config"}


def pack(config: object, arrays: dict[str, np.ndarray]) -> bytes:
    """Return the bytes of a model file; equal models have equal files.

    Parameters
    ----------
    config : object
        What the arrays are, of plain values that JSON knows.
    arrays : dict of ndarray
        By name; letters, digits, dots and underscores.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    ValueError
        If a name or dtype cannot be kept, or it would be more than files may hold.
    """
    text = json.dumps(config, allow_nan=False, separators=(",", ":"))
    # Wide numbers first, so that each array begins at a multiple of its width.
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    entries, data, start = {}, [], 0
    for name in names:
        array = np.asarray(arrays[name])
        little = array.dtype.newbyteorder("<")
        if little not in _CODES:
            raise ValueError(f"numbers of type {array.dtype} cannot be kept: {name}")
        data.append(array.astype(little, copy=False).tobytes())
        end = start + len(data[-1])
        entries[name] = {
            "dtype": _CODES[little],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
        start = end
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "sha256": _digest(text, entries, b"".join(data)),
        "config": text,
    }
    header = json.dumps({"__metadata__": metadata, **entries}, separators=(",", ":"))
    header = header.encode() + b" " * (-len(header.encode()) % 8)
    sizes = len(header) / MOST_HEADER, len(names) / MOST_TENSORS, start / MOST_BYTES
    if max(sizes) > 1:
        raise ValueError(
            f"it is too much for one file: {len(names)} arrays of {start} bytes and "
            f"{len(header)} bytes of description. At most {MOST_TENSORS} arrays, "
            f"{MOST_BYTES} and {MOST_HEADER} bytes are allowed"
        )
    return b"".join([len(header).to_bytes(8, "little"), header, *data])


def unpack(file: bytes) -> tuple[object, dict[str, np.ndarray]]:
    """Check the bytes of a model file and return what is in it.

    Parameters
    ----------
    file : bytes
        All of it.

    Returns
    -------
    config : object
        As given to `pack`; plain values, but nothing else is known of them.
    arrays : dict of ndarray
        By name.

    Raises
    ------
    ModelFileError
        If the file is damaged, or no such file.
    """
    start = 8 + _header_size(file[:8], len(file))
    data = memoryview(file)[start:]
    text, digest, entries = _check_header(file[8:start], len(data))
    if digest != _digest(text, entries, data):
        raise ModelFileError(
            "its SHA-256 is not the one written into it: the file is damaged, or was "
            "changed after it was saved"
        )
    config = parse_json(text)
    arrays = {}
    for name, entry in safetensors.deserialize(file):
        array = np.frombuffer(entry["data"], dtype=_DTYPES[entry["dtype"]])
        if array.dtype == bool and (array.view(np.uint8) > 1).any():
            raise ModelFileError(
                f"the array {name} holds what is neither true nor false"
            )
        native = array.dtype.newbyteorder("=")
        arrays[name] = array.reshape(entry["shape"]).astype(native, copy=False)
    return config, arrays


def _header_size(start, size):
    """Return how long the header is, given the first bytes of a file of some size."""
    n_header = int.from_bytes(start, "little")
    if len(start) < 8 or n_header > min(MOST_HEADER, size - 8):
        raise ModelFileError(
            "it is cut off, or another kind of file: its first bytes announce a header "
            f"of {n_header} bytes, but the file has {size}, and at most {MOST_HEADER} "
            "are allowed"
        )
    return n_header


def _digest(text, entries, data):
    """Return the SHA-256 of all that a file says, in hexadecimal."""
    said = [FORMAT, FORMAT_VERSION, text, sorted(entries.items())]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    digest.update(data)
    return digest.hexdigest()


def _check_header(header, n_bytes):
    """Return the text, the digest and the entries of a header, all of it checked."""
    try:
        found = parse_json(header.decode())
    except UnicodeDecodeError as error:
        raise ModelFileError("its header is not UTF-8") from error
    metadata = found.pop("__metadata__", None) if isinstance(found, dict) else None
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ModelFileError("it is no model that save_model has written")
    if not all(isinstance(value, str) for value in metadata.values()):
        raise ModelFileError("its metadata holds what is no text")
    version = metadata.get("format_version", "")
    if version != str(FORMAT_VERSION):
        raise ModelFileError(
            f"it is of format version {shown(version)}, and this skspectra reads "
            f"version {FORMAT_VERSION}. Load it with the skspectra that saved it, or a "
            "newer one"
        )
    if metadata.keys() != _METADATA:
        raise ModelFileError(f"its metadata must hold {sorted(_METADATA)}")
    _check_entries(found, n_bytes)
    return metadata["config"], metadata["sha256"], found


def _check_entries(entries, n_bytes):
    """Refuse arrays that are not plainly described, or do not fill the file exactly."""
    if len(entries) > MOST_TENSORS or len({*map(str.lower, entries)}) < len(entries):
        raise ModelFileError(
            f"it holds more than {MOST_TENSORS} arrays, or names that differ in upper "
            "and lower case alone"
        )
    for name, entry in entries.items():
        if not _NAME.fullmatch(name):
            raise ModelFileError(f"an array has the name {shown(name)}")
        if not _is_entry(entry):
            raise ModelFileError(f"the array {name} is described as {shown(entry)}")
    spans = sorted(entry["data_offsets"] for entry in entries.values())
    ends = [[0, 0], *spans, [n_bytes, n_bytes]]
    if any(left[1] != right[0] for left, right in pairwise(ends)):
        raise ModelFileError("its arrays overlap, leave a hole, or are cut off")


def _is_entry(entry):
    """Whether an array is described as safetensors wants it, without an empty side."""
    if not isinstance(entry, dict) or entry.keys() != {
        "dtype",
        "shape",
        "data_offsets",
    }:
        return False
    shape, offsets = entry["shape"], entry["data_offsets"]
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or any(type(n) is not int for n in numbers):
            return False
    known = isinstance(entry["dtype"], str) and entry["dtype"] in _DTYPES
    if not known or len(shape) > 8 or len(offsets) != 2:
        return False
    itemsize = np.dtype(_DTYPES[entry["dtype"]]).itemsize
    # Zeros are allowed alone: (0, 2**60) has no bytes, but nobody could count on it.
    sides = all(0 <= side <= MOST_BYTES for side in shape)
    empty = 0 in shape and math.prod(side or 1 for side in shape) > MOST_BYTES
    n_bytes = itemsize * math.prod(shape)
    return sides and not empty and 0 <= offsets[0] == offsets[1] - n_bytes


def read_model_file(path: str | os.PathLike) -> tuple[object, dict[str, np.ndarray]]:
    """Read a model file; nothing of it is believed before it is checked.

    Parameters
    ----------
    path : str or path-like
        Where it lies.

    Returns
    -------
    config : object
        As given to `pack`.
    arrays : dict of ndarray
        By name.

    Raises
    ------
    OSError
        If it cannot be read.
    ModelFileError
        If it is damaged, or no such file.
    """
    _require_file(os.stat(path))  # before it is opened: a pipe or a tape would notice
    # Read and not mapped: what is checked stays what is used, whoever writes meanwhile.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags | getattr(os, "O_CLOEXEC", 0)), "rb") as file:
        size = _require_file(os.fstat(file.fileno()))
        n_header = _header_size(file.read(8), size)
        _check_header(file.read(n_header), size - 8 - n_header)  # before all is read
        file.seek(0)
        return unpack(file.read(size))


def _require_file(status):
    """Return the size of a regular file that may be read whole."""
    if not stat.S_ISREG(status.st_mode):
        raise ModelFileError("it is no file but a folder, a pipe or a device")
    if status.st_size > MOST_BYTES + MOST_HEADER:
        raise ModelFileError(f"it has {status.st_size} bytes, and {MOST_BYTES} may be")
    return status.st_size


def write_file(path: str | os.PathLike, data: bytes, *, overwrite: bool) -> None:
    """Put a whole file in its place, or none.

    Parameters
    ----------
    path : str or path-like
        Where to.
    data : bytes
        What is in it.
    overwrite : bool
        Whether a file that is there already is replaced.

    Raises
    ------
    FileExistsError
        If there is a file and it is not to be replaced, or anything but a file.
    OSError
        If it cannot be written; what was there is as it was.
    """
    shown_path = repr(os.fspath(path))
    if os.path.islink(path) or (os.path.lexists(path) and not os.path.isfile(path)):
        raise FileExistsError(
            f"{shown_path} is a link, a folder, a pipe or a device, which save_model "
            "does not write to. Name a file."
        )
    if os.path.lexists(path) and not overwrite:
        raise FileExistsError(
            f"{shown_path} exists already. Pass overwrite=True to replace it."
        )
    write_whole(path, data, overwrite=overwrite)
