"""One encoder for two instruments, the second of which covers a part of the range.

A pool of spectra without reference values comes from the first instrument, over its
whole range. The calibration is made on the second one: other samples, fewer channels,
in a part of the range. What it lacks is NaN, so that it is hidden from the encoder, as
patches were in its training. Beside it stand PLS and the network from scratch, on the
range that the second instrument has. Corn is fetched once:

    python examples/two_instruments.py --repeats 5

or take two tables of yours, the same samples in the same rows, with wavelengths as
names of columns:

    python examples/two_instruments.py --first bench.csv --second portable.csv \
        --target assay

Half of the samples are the pool and never come back. Of the other half `--labels` are
calibrated on and the rest predicted, in splits drawn anew for each repeat. The ratios
are of RMSEP to that of PLS on the same split, their geometric mean over the repeats.
"""

import argparse
import sys
import warnings

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import root_mean_squared_error
from sklearn.pipeline import make_pipeline

from skspectra import (
    AxisResampler,
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    SpectralRegressor,
)
from skspectra.datasets import fetch_corn
from skspectra.evaluation import pls_baseline
from skspectra.exceptions import FewLabelsWarning
from skspectra.io import read_table

# What the second instrument is said to have of the corn's 1100 to 2498 nm, and every
# how many channels. Both instruments have all of it, in fact.
LOW, HIGH, STEP = 1100, 1900, 2


def corn(data_home=None):
    """Return the table of the first instrument, that of the second, and moisture."""
    found = fetch_corn(data_home=data_home)
    whole = pd.DataFrame(found.instruments["m5"], columns=found.x_axis)
    other = pd.DataFrame(found.instruments["mp5"], columns=found.x_axis)
    moisture = found.target[:, list(found.target_names).index("moisture")]
    return whole, part_of(other, LOW, HIGH, STEP), moisture


def part_of(table, low, high, step):
    """Return every few channels in a part of the range."""
    axis = table.columns.to_numpy(dtype=float)
    return table.iloc[:, np.flatnonzero((axis >= low) & (axis <= high))[::step]]


def own(first, second, target):
    """Return the tables of two files, and the target in the second one."""
    whole, other = read_table(first), read_table(second, target=target)
    tables = [pd.DataFrame(t.data, columns=t.x_axis) for t in (whole, other)]
    return *tables, other.target


def models(pool, epochs, seed):
    """Return what is compared, by name; the encoder is trained on the pool now."""
    align = AxisResampler(x_axis=np.asarray(pool.columns, dtype=float))
    before = make_pipeline(align, InstanceNormalizer())
    pretrainer = MaskedSpectralPretrainer(max_epochs=epochs, random_state=seed)
    pretrainer.fit(before.fit_transform(pool))
    scratch = MaskedSpectralPretrainer(max_epochs=0)

    def network(pretrainer, steps, **options):
        model = SpectralRegressor(pretrainer, random_state=seed, **options)
        return make_pipeline(*steps, model)

    frozen, both = FrozenEstimator(pretrainer), (align, InstanceNormalizer())
    return {
        "PLS": pls_baseline(),
        "from scratch": network(scratch, [InstanceNormalizer()]),
        "pretrained, probe": network(frozen, both, strategy="probe"),
        "pretrained, fine-tuned": network(frozen, both),
    }


def run(whole, other, y, *, n_labels, epochs, seed):
    """Return the RMSEP of each model in one split."""
    pool, rest = np.array_split(np.random.default_rng(seed).permutation(len(y)), 2)
    train, test = rest[:n_labels], rest[n_labels:]
    errors = {}
    for label, model in models(whole.iloc[pool], epochs, seed).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FewLabelsWarning)
            model.fit(other.iloc[train], y[train])
        predicted = model.predict(other.iloc[test])
        errors[label] = root_mean_squared_error(y[test], predicted)
    return errors


def main(arguments=None):
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("first", "second", "target"):
        parser.add_argument(f"--{name}", help="a table, or a column of --second")
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=200, help="of pretraining")
    parser.add_argument("--data-home", help="folder of fetched data")
    given = parser.parse_args(arguments)
    tables = (given.first, given.second, given.target)
    if any(tables) and not all(tables):
        parser.error("--first, --second and --target go together")
    table = compare(
        *(own(*tables) if all(tables) else corn(given.data_home)),
        n_labels=given.labels,
        epochs=given.epochs,
        repeats=given.repeats,
    )
    print(table.round(3).to_string())


def compare(whole, other, y, *, n_labels, epochs, repeats):
    """Return the errors of all models, and their ratios to PLS, over some splits."""
    errors = []
    for seed in range(repeats):
        found = run(whole, other, y, n_labels=n_labels, epochs=epochs, seed=seed)
        errors.append(found)
        print(f"split {seed + 1} of {repeats}", file=sys.stderr)
    errors = pd.DataFrame(errors)
    ratios = np.exp(np.log(errors.div(errors["PLS"], axis=0)).mean())
    lower = errors.lt(errors["PLS"], axis=0).sum()
    columns = {"RMSEP": errors.mean(), "ratio to PLS": ratios, "lower in": lower}
    return pd.DataFrame(columns)


if __name__ == "__main__":
    main()
