"""One encoder for two instruments, the second of which covers a part of the range.

A pool of spectra without reference values comes from the first instrument, over its
whole range. The calibration is made on the second one: other samples, other steps, and
channels in a part of the range alone. What it lacks is NaN, so that it is hidden from
the encoder, as patches were in its training. Beside it stand PLS and the network from
scratch, on the range that the second instrument has. The data are fetched once:

    python examples/two_instruments.py --set tablets --repeats 5

Half of the samples are the pool and never come back. Of the other half `--labels` are
calibrated on and the rest predicted, in splits drawn anew for each repeat. The ratios
are of RMSEP to that of PLS on the same split, their geometric mean over the repeats.
"""

import argparse
import sys

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
from skspectra.datasets import fetch_corn, fetch_tablets
from skspectra.evaluation import pls_baseline

# Range and every how many channels the second instrument is said to have, in nm.
SECOND = {"corn": (1100, 1900, 2), "tablets": (800, 1500, 3)}


def load(name, options):
    """Return the whole spectra of the first instrument, those of the second, and y."""
    fetch = {"corn": fetch_corn, "tablets": fetch_tablets}[name]
    found = fetch(**options)
    first, second = list(found.instruments.values())[:2]
    whole = pd.DataFrame(first, columns=found.x_axis)
    low, high, step = SECOND[name]
    part = np.flatnonzero((found.x_axis >= low) & (found.x_axis <= high))[::step]
    other = pd.DataFrame(second[:, part], columns=found.x_axis[part])
    target = {"corn": "moisture", "tablets": "assay"}[name]
    return whole, other, found.target[:, list(found.target_names).index(target)]


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


def run(name, n_labels, epochs, seed, options):
    """Return the RMSEP of each model in one split."""
    whole, other, y = load(name, options)
    order = np.random.default_rng(seed).permutation(len(y))
    pool, rest = np.split(order, 2) if len(y) % 2 == 0 else np.split(order[1:], 2)
    train, test = rest[:n_labels], rest[n_labels:]
    errors = {}
    for label, model in models(whole.iloc[pool], epochs, seed).items():
        model.fit(other.iloc[train], y[train])
        predicted = model.predict(other.iloc[test])
        errors[label] = root_mean_squared_error(y[test], predicted)
    return errors


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--set", choices=SECOND, default="tablets")
    parser.add_argument("--labels", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=200, help="of pretraining")
    parser.add_argument("--data", default=None, help="folder of fetched data")
    given = parser.parse_args(arguments)
    errors = []
    for seed in range(given.repeats):
        options = {"data_home": given.data}
        errors.append(run(given.set, given.labels, given.epochs, seed, options))
        print(f"split {seed + 1} of {given.repeats}", file=sys.stderr)
    errors = pd.DataFrame(errors)
    ratios = np.exp(np.log(errors.div(errors["PLS"], axis=0)).mean())
    table = pd.DataFrame(
        {
            "RMSEP": errors.mean(),
            "ratio to PLS": ratios,
            "lower than PLS in": (errors.lt(errors["PLS"], axis=0)).sum(),
        }
    )
    print(table.round(3).to_string())
    return table


if __name__ == "__main__":
    main()
