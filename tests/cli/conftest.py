"""A table as a laboratory keeps it, in the folder that a test works in."""

import pytest
from click.testing import CliRunner
from pandas import DataFrame

from skspectra.cli import main
from skspectra.datasets import make_nir_mixtures


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
