"""
How long cross-validating PLS takes
===================================

``PLSRegressionCV`` fits each fold once and reads every smaller number of components
on the way. A grid search over ``PLSRegression`` fits each number in each fold. Both
choose on the same folds, and have to choose the same number.

Runs are interleaved, so that a machine that slows down slows both, and the median
is reported. Set ``OMP_NUM_THREADS=1`` to compare the work and not the threads.
"""

import argparse
from statistics import median
from time import perf_counter

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import GridSearchCV, KFold

from skspectra import PLSRegressionCV


def make_spectra(n_samples, n_channels):
    """Mixtures of 15 broad bands with noise; the first band's amount is y."""
    rng = np.random.default_rng(0)
    centres, widths = rng.uniform(0, 1, (15, 1)), rng.uniform(0.02, 0.2, (15, 1))
    bands = np.exp(-(((np.linspace(0, 1, n_channels) - centres) / widths) ** 2))
    amounts = rng.uniform(size=(n_samples, 15))
    noise = rng.normal(0, 0.01, (n_samples, n_channels))
    return amounts @ bands + noise, amounts[:, 0] + rng.normal(0, 0.05, n_samples)


def timed(estimator, X, y):
    """Return the seconds that a fit takes, and the fitted estimator."""
    start = perf_counter()
    estimator.fit(X, y)
    return perf_counter() - start, estimator


def compared(n_components, n_folds):
    """Return a grid search over PLS and the package's path, on the same folds."""
    folds = KFold(n_folds, shuffle=True, random_state=0)
    grid = GridSearchCV(
        PLSRegression(scale=False),
        {"n_components": range(1, n_components + 1)},
        cv=folds,
        scoring="neg_mean_squared_error",
    )
    return grid, PLSRegressionCV(n_components, cv=folds)


def main():
    """Time both in turns and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--channels", type=int, default=700)
    parser.add_argument("--components", type=int, default=30)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()

    X, y = make_spectra(args.samples, args.channels)
    grid, path = compared(args.components, args.folds)
    seconds = {"GridSearchCV(PLSRegression)": [], "PLSRegressionCV": []}
    for _ in range(args.runs):
        for name, estimator in zip(seconds, (grid, path), strict=True):
            seconds[name].append(timed(estimator, X, y)[0])

    print(f"{args.samples} spectra of {args.channels} channels, {args.folds} folds,")
    print(f"1 to {args.components} components, median of {args.runs} runs")
    for name, runs in seconds.items():
        print(f"{name:28s} {median(runs):8.3f} s  ({min(runs):.3f} to {max(runs):.3f})")
    slow, fast = map(median, seconds.values())
    print(f"{'ratio':28s} {slow / fast:8.1f}")
    print(f"components: {grid.best_params_['n_components']} and {path.n_components_}")


if __name__ == "__main__":
    main()
