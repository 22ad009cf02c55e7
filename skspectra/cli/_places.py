"""Where results go: seen to be writable before anything takes its time."""

import tempfile
from pathlib import Path

__all__ = ["check_file", "check_folder"]


def check_folder(out, names, *, force):
    """Make a folder, and see that files of these names can be written to it."""
    there = [path for path in map(out.joinpath, names) if path.exists()]
    if there and not force:
        raise ValueError(f"--out {out} holds a {there[0].name}. --force overwrites it.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
        for path in there:
            path.open("r+b").close()
    except OSError as error:
        raise ValueError(f"--out {out} is not writable: {error.strerror}.") from error


def check_file(out: Path, *, force):
    """See that a file can be written, and that none is lost."""
    if out.is_dir():
        raise ValueError(f"--out {out} is a folder. Give the name of a file.")
    if out.exists() and not force:
        raise ValueError(f"--out {out} is there already. --force overwrites it.")
    check_folder(out.parent, [out.name], force=True)
