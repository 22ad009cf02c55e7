"""Files that are there whole or not at all, whenever the process dies."""

import contextlib
import errno
import os
import secrets
from pathlib import Path

__all__ = ["TEMPORARY", "write_whole"]

TEMPORARY = ".tmp"  # how the name of a file ends that is not whole yet


def write_whole(path: str | os.PathLike, *parts: bytes, overwrite: bool = True) -> None:
    """Write a file in one go, as far as anybody can see.

    Parameters
    ----------
    path : str or os.PathLike
        Where to.
    *parts : bytes
        What it is to hold, one after the other.
    overwrite : bool, default=True
        Whether a file that is there is replaced.

    Raises
    ------
    FileExistsError
        If it is there and not to be replaced.
    OSError
        If it cannot be written. What was there is as it was, unless the disk failed
        when the new file had its name.
    """
    path = Path(path)
    # In the same folder: a file is renamed in one go on its own disk only.
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}{TEMPORARY}")
    try:
        with open(temporary, "xb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        _rename(temporary, path, overwrite)
        _sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):  # a full disk does not say where
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _rename(temporary, path, overwrite):
    if overwrite:
        os.replace(temporary, path)
    elif os.name == "nt":
        os.rename(temporary, path)  # refuses a name that is taken
    else:
        try:
            os.link(temporary, path)  # refuses it too, where a renaming would not
            temporary.unlink()
        except FileExistsError:
            raise
        except OSError:  # a file system without links: what is left is to look
            if os.path.lexists(path):
                raise
            os.replace(temporary, path)


def _sync_folder(folder):
    """Have the disk know the names in a folder, where there is such a call."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EBADF, errno.EINVAL):  # no call for folders
            raise
    finally:
        os.close(handle)
