"""The folder of a fitted model: all that is needed to predict with it."""

import json
from typing import NamedTuple

__all__ = ["FILES", "ModelFolder", "read_folder", "write_folder"]

_MODEL, _DETECTOR = "model.safetensors", "detector.safetensors"
_HELD_OUT, _SETTINGS = "held_out.csv", "settings.json"
FILES = (_MODEL, _DETECTOR, _HELD_OUT, _SETTINGS)
_FORMAT = 1


class ModelFolder(NamedTuple):
    """What `skspectra fit` hands on to `skspectra predict`."""

    model: object  # predicts the target
    detector: object  # tells foreign spectra
    held_out: object  # DataFrame: row, group if there are any, measured, predicted
    settings: dict


def write_folder(folder, out):
    """Write the files; a folder with a settings.json is whole."""
    from skspectra import save_model

    (out / _SETTINGS).unlink(missing_ok=True)
    save_model(folder.model, out / _MODEL, overwrite=True)
    save_model(folder.detector, out / _DETECTOR, overwrite=True)
    folder.held_out.to_csv(out / _HELD_OUT, index=False)
    text = json.dumps(
        {"format": _FORMAT} | folder.settings, indent=2, ensure_ascii=False
    )
    (out / _SETTINGS).write_text(text + "\n", encoding="utf-8")


def read_folder(path):
    """Return what a folder holds, or say that it is no such folder."""
    import pandas as pd

    from skspectra import load_model

    settings = _read_settings(path)
    held_out = pd.read_csv(path / _HELD_OUT)
    return ModelFolder(
        load_model(path / _MODEL), load_model(path / _DETECTOR), held_out, settings
    )


def _read_settings(path):
    try:
        settings = json.loads((path / _SETTINGS).read_text(encoding="utf-8"))
        written = settings["format"]
        settings["channels"], settings["x_axis"], settings["options"]["ignore"]
    except (FileNotFoundError, NotADirectoryError, KeyError, TypeError, ValueError):
        raise ValueError(
            f"{path} is no folder that `skspectra fit` has written: it needs "
            f"{', '.join(FILES)}."
        ) from None
    if written != _FORMAT:
        raise ValueError(
            f"{path} is in format {written}, of another version of this package. This "
            f"one reads format {_FORMAT}."
        )
    return settings
