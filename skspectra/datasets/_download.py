"""Files from the network: fetched once, kept in a folder, believed only if checked."""

import contextlib
import hashlib
import logging
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Source", "content_digest", "fetch"]


class Source(NamedTuple):
    """Where a set comes from, and how to tell that it is that set."""

    name: str  # of its folder, and fetch_NAME of its function
    address: str  # what the paths of its files are appended to
    digests: dict[str, str]  # SHA-256 of files, where the origin's bytes are known
    content: str  # `content_digest` of what is read from the files
    licence: str
    citation: str
    description: str


def content_digest(*arrays):
    """Return the SHA-256 of numbers, whatever file they came in.

    Parameters
    ----------
    *arrays : array-like of numbers
        Compared in float32 and in this order, NaN with NaN.

    Returns
    -------
    str
        In hexadecimal.
    """
    digest = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array, dtype="<f4")
        array = np.where(np.isnan(array), np.float32(np.nan), array)
        digest.update(f"{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def fetch(source, read, data_home=None, download_if_missing=True):
    """Return what is read from the files of a set; they are fetched if need be.

    Parameters
    ----------
    source : Source
        The set.
    read : callable
        Takes a function that gives the path of a file, by its path at the origin, and
        returns a dict of what is in them. Its `checked` is the list of arrays whose
        `content_digest` is compared.
    data_home : str or path-like, default=None
        Folder of all sets.
    download_if_missing : bool, default=True
        Whether a missing file is fetched.

    Returns
    -------
    dict
        What `read` returned, without `checked`.

    Raises
    ------
    ImportError
        If pooch is not installed.
    OSError
        If a file is missing and may not or cannot be fetched, or the files hold
        something else than they did when their content was noted down; these are then
        removed.
    """
    folder = _home(data_home) / source.name
    used = []

    def path_of(name):
        used.append(_fetch_file(source, name, folder, download_if_missing))
        return used[-1]

    try:
        found = read(path_of)
        got = content_digest(*found.pop("checked"))
        wrong = f"SHA-256 {got[:12]}… instead of {source.content[:12]}…"
    except (ValueError, LookupError) as error:  # what readers raise of another format
        got, wrong = None, f"{type(error).__name__}: {error}"
    if got != source.content:
        for path in used:
            path.unlink(missing_ok=True)
        raise OSError(
            f"The files of fetch_{source.name} in '{folder}' are not those that were "
            f"checked once ({wrong}). They were removed. Call it again; if they come "
            f"the same again, {source.address} has changed."
        )
    return found


def _home(data_home):
    """Return the folder of all sets; it need not be there."""
    given = data_home or os.environ.get("SKSPECTRA_DATA")
    return Path(given).expanduser() if given else Path(_pooch().os_cache("skspectra"))


def _pooch(caller="A function that fetches data"):
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"{caller} requires pooch. Install it with `pip install 'skspectra[data]'`."
        ) from error
    return pooch


def _fetch_file(source, name, folder, download_if_missing):
    """Return the path of a file that is there, and whole where its bytes are known."""
    pooch = _pooch(f"fetch_{source.name}")
    url, known = source.address + name, source.digests.get(name)
    path = folder / name.rpartition("/")[2]
    if path.exists() and (known is None or pooch.file_hash(path) == known):
        return path
    if not download_if_missing:
        raise OSError(
            f"'{path}' is missing or damaged, and download_if_missing=False. It is a "
            f"copy of {url}."
        )
    path.unlink(missing_ok=True)  # pooch would keep a damaged one if it is offline
    try:
        with _quiet(pooch):
            pooch.retrieve(url, known and f"sha256:{known}", path.name, folder)
    except OSError as error:  # of the network, as requests has them, or of the disk
        raise OSError(
            f"{url} could not be fetched ({type(error).__name__}: {error}). fetch_"
            f"{source.name} needs the network once; or put that file, however you get "
            f"it, at '{path}'."
        ) from error
    except ValueError as error:  # what pooch raises of another hash; nothing is left
        raise OSError(
            f"{url} is damaged or has changed: its SHA-256 should be {known}. Nothing "
            "of it was kept. Try again later."
        ) from error
    return path


@contextlib.contextmanager
def _quiet(pooch):
    """Keep pooch from telling users which hash to write into our code."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
