"""What every test sees: the real spectra beside the project, repeatable examples."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, settings
from pandas import DataFrame
from sklearn.utils import Bunch

from skspectra.cli import main
from skspectra.datasets import make_nir_mixtures

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


def make_table(n_samples=24, seed=0):
    mixtures = make_nir_mixtures(
        n_samples, 21, n_groups=n_samples // 2, random_state=seed
    )
    table = DataFrame(mixtures.data, columns=[f"{x:g}" for x in mixtures.x_axis])
    table.insert(0, "sample", [f"S{group:02d}" for group in mixtures.groups])
    return table.assign(fat=mixtures.target)


@pytest.fixture
def meat(tmp_path, monkeypatch):
    """The table in meat.csv: two scans of each sample, 21 channels, fat."""
    monkeypatch.chdir(tmp_path)
    table = make_table()
    table.to_csv("meat.csv", index=False)
    return table


@pytest.fixture
def run():
    """Return a function that runs `skspectra` in this process."""
    return lambda *arguments: CliRunner().invoke(
        main, [word for argument in arguments for word in argument.split()]
    )
