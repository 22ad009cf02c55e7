"""Files named by paths, folders and patterns, in the order people count."""

import glob
import os
import re
from pathlib import Path

__all__ = ["find_files"]

# What systems leave in folders without being asked.
_LITTER = {"thumbs.db", "desktop.ini", "__macosx"}


def find_files(paths):
    """Return the files that paths stand for, each once.

    Parameters
    ----------
    paths : str, path or iterable of them
        Files, folders with all that is below them, or patterns as ``"run*/*.spc"``.
        Below a folder, names that begin with a dot are passed over, and links to
        folders are not followed.

    Returns
    -------
    files : list of Path
        Files below a folder, or of a pattern, are sorted by name, numbers in them as
        numbers: ``s2.spc`` before ``s10.spc``.
    missing : list of tuple
        Of a path and the reason, where there is none.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    files, missing = {}, []
    for path in paths:
        if not os.fspath(path):  # Path("") would be the folder where one is
            raise ValueError("A path must not be empty.")
        path, n_missing = Path(path), len(missing)
        found = _below(path, missing)
        if not found and len(missing) == n_missing:
            missing.append((str(path), _reason(path)))
        files |= dict.fromkeys(found)
    return list(files), missing


def _below(path, missing):
    """Return the files that a path stands for; note those that lead nowhere."""
    if path.is_dir():
        found = []
        for folder, folders, names in os.walk(path, onerror=_note_in(missing)):
            folders[:] = [name for name in folders if not _is_litter(name)]
            found += [Path(folder, name) for name in names if not _is_litter(name)]
        lost = [each for each in found if each.is_symlink() and not each.exists()]
        missing += [(str(each), f"{each} is a link to nothing.") for each in lost]
        return sorted((each for each in found if each.is_file()), key=_as_counted)
    if path.is_file():
        return [path]
    if not glob.has_magic(str(path)):
        return []
    found = map(Path, glob.glob(str(path), recursive=True))
    return sorted((each for each in found if each.is_file()), key=_as_counted)


def _note_in(missing):
    def note(error):
        reason = f"{error.filename} cannot be opened: {error.strerror}."
        missing.append((str(error.filename), reason))

    return note


def _is_litter(name):
    return name.startswith((".", "~$")) or name.lower() in _LITTER


def _as_counted(path):
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _reason(path):
    if path.is_dir():
        return f"{path} is a folder without a file."
    if path.exists():
        return f"{path} is neither a file nor a folder."
    if glob.has_magic(str(path)):
        return f"{path} matches no file."
    return f"{path} does not exist."
