"""What every test sees: the real spectra beside the project, repeatable examples."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from sklearn.utils import Bunch

# The same examples in every run, whatever failed before and however busy the machine.
settings.register_profile(
    "repeatable",
    max_examples=50,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

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
