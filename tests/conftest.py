"""What every test sees: the real spectra, where they lie beside the project."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import Bunch

_SPECTRA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def real_spectra():
    """Return a function that loads one of the real sets by name, or skips."""

    def load(name):
        path = _SPECTRA / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"the real spectra of {name!r} are not beside the project")
        with np.load(path, allow_pickle=False) as arrays:
            return Bunch(**arrays)

    return load
