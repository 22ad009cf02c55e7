"""Checkpoints of a long training: whole or absent, checked, never mixed up.

A checkpoint is one file: tensors and a JSON text as safetensors, then a SHA-256 of it
all. The name has the number of training steps; the newest two are kept, so that a disk
that spoils one leaves another.
"""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.torch
import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from torch import Tensor

from skspectra._whole_file import TEMPORARY, write_whole
from skspectra.exceptions import CheckpointError

__all__ = ["Checkpoint", "CheckpointFolder", "differences"]

_FORMAT = 2
_NAME = re.compile(r"step-(\d{12})\.checkpoint")
_LOCK = "lock"
_KEPT = 2
_DIGEST_SIZE = hashlib.sha256().digest_size


class Checkpoint(NamedTuple):
    """What a training goes on from."""

    tensors: dict[str, Tensor]
    state: dict  # of numbers, strings, lists and dicts: what JSON keeps


class CheckpointFolder:
    """The folder of one training, to be used in a with statement.

    Other processes are kept out as long as that lasts. Parts of files that a killed
    process left behind are removed at its beginning.

    Parameters
    ----------
    folder : str or os.PathLike
        Must be there, and writable.

    Raises
    ------
    OSError
        If it is not there, no folder, or not writable.
    CheckpointError
        If another training uses it.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder)
        if not self.folder.exists():
            raise FileNotFoundError(
                f"checkpoint_dir={os.fspath(folder)!r} does not exist. Create it first."
            )
        if not self.folder.is_dir():
            raise NotADirectoryError(
                f"checkpoint_dir={os.fspath(folder)!r} is a file, not a folder."
            )
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise PermissionError(
                f"checkpoint_dir={os.fspath(folder)!r} is not writable."
            )
        # The system opens the lock when its process dies, however it dies.
        self._lock = FileLock(self.folder / _LOCK, thread_local=False)

    def __enter__(self) -> "CheckpointFolder":
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise CheckpointError(
                f"Another training uses checkpoint_dir={str(self.folder)!r}. Wait for "
                "it, or give each training a folder of its own."
            ) from None
        for left_behind in self.folder.glob(f"step-*.checkpoint.*{TEMPORARY}"):
            left_behind.unlink()
        return self

    def __exit__(self, *exception) -> None:
        self._lock.release()

    def load(self) -> Checkpoint | None:
        """Return the newest checkpoint, or None where there is none.

        Raises
        ------
        CheckpointError
            If it is damaged or of another format. An older one is not taken
            instead: that is for the user to decide.
        """
        paths = self._paths()
        if not paths:
            return None
        try:
            return _read(paths[-1])
        except CheckpointError as error:
            older = f" to go on from {paths[-2].name}" if len(paths) > 1 else ""
            begin = "" if older else " to begin anew"
            raise CheckpointError(f"{error} Remove it{older}{begin}.") from None

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; only when it is safe on the disk, remove older ones.

        Raises
        ------
        OSError
            If it cannot be written; the older ones are as they were.
        """
        tensors = {name: _plain(tensor) for name, tensor in checkpoint.tensors.items()}
        text = json.dumps({"format": _FORMAT} | checkpoint.state).encode()
        tensors["json"] = torch.from_numpy(np.frombuffer(text, np.uint8).copy())
        blob = safetensors.torch.save(tensors)
        path = self.folder / f"step-{checkpoint.state['n_steps']:012d}.checkpoint"
        write_whole(path, blob, hashlib.sha256(blob).digest())
        for old in self._paths()[:-_KEPT]:
            old.unlink()

    def _paths(self):
        return sorted(p for p in self.folder.iterdir() if _NAME.fullmatch(p.name))


def _plain(tensor):
    """Copy a tensor to the CPU, with memory of its own."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _read(path):
    content = path.read_bytes()
    blob, expected = content[:-_DIGEST_SIZE], content[-_DIGEST_SIZE:]
    if len(content) < _DIGEST_SIZE:
        raise CheckpointError(
            f"The checkpoint {str(path)!r} is damaged: it has {len(content)} bytes."
        )
    found = hashlib.sha256(blob).digest()
    if found != expected:
        raise CheckpointError(
            f"The checkpoint {str(path)!r} is damaged: its SHA-256 should be "
            f"{expected.hex()}, and is {found.hex()}."
        )
    try:
        tensors = safetensors.torch.load(blob)
        state = json.loads(bytes(tensors.pop("json").numpy()))
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"The file {str(path)!r} is no checkpoint of this package: {error}."
        ) from error
    if (written := state.pop("format", None)) != _FORMAT:
        raise CheckpointError(
            f"The checkpoint {str(path)!r} is in format {written}, of another version "
            f"of this package. This one reads format {_FORMAT}."
        )
    return Checkpoint(tensors, state)


def differences(there: dict, here: dict) -> str:
    """Say in which entries two dicts differ, or nothing.

    Parameters
    ----------
    there : dict
        What a checkpoint says.
    here : dict
        What the caller says.

    Returns
    -------
    str
        Empty if they are equal.
    """
    absent = "nothing"
    return ", ".join(
        f"{name} was {there.get(name, absent)!r} and is {here.get(name, absent)!r}"
        for name in {**there, **here}
        if there.get(name, absent) != here.get(name, absent)
    )
