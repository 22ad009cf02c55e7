"""Real spectra, read from the files that installed packages carry.

Nothing is downloaded and nothing is copied into this package: sktime carries
Tecator, chemotools carries the fermentation and the coffee. Neither is imported,
only its files are read.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from skspectra._validation import validate_params
from skspectra.datasets._descriptions import COFFEE, FERMENTATION, TECATOR

_SWITCHES = {"return_X_y": ["boolean"], "as_frame": ["boolean"]}

# Rows of sktime's Tecator whose spectra differ while moisture, fat and protein of
# the original table (StatLib) are all the same: one meat, measured twice.
_TECATOR_SAME_MEAT = (
    *((3, 130), (4, 174), (5, 6), (7, 175), (8, 9), (10, 131), (19, 152), (39, 169)),
    *((57, 58), (63, 178), (69, 70), (79, 80), (101, 162), (113, 166), (114, 210)),
)
_MINUTES_BETWEEN_PROCESS_SPECTRA = 1.25


def _data_folder(package, caller):
    """Return where an installed package keeps its data, without importing it."""
    spec = find_spec(package)
    if spec is None:
        raise ImportError(
            f"{caller} requires {package}. "
            "Install it with `pip install 'skspectra[data]'`."
        )
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data"


def _read_csv(path, dtype=np.float64):
    """Return the column names and the values (n_rows, n_columns) of a table."""
    with open(path, encoding="utf-8") as lines:
        names = next(lines).strip().split(",")
        return names, np.loadtxt(lines, dtype=dtype, delimiter=",", ndmin=2)


def _read_ts(path):
    """Return the series (n_rows, n_channels) and targets of a univariate .ts file."""
    body = path.read_text(encoding="utf-8").split("@data")[1]
    table = np.loadtxt(body.replace(":", ",").splitlines(), delimiter=",", ndmin=2)
    return table[:, :-1], table[:, -1]


def _bunch(data, target, name, x_axis, x_unit, as_frame, **fields):
    """Return what every set has; with `as_frame` data and target are pandas'."""
    feature_names = [f"{x:g}" for x in x_axis]
    frame = None
    if as_frame:
        import pandas as pd

        data = pd.DataFrame(data, columns=feature_names)
        if target.ndim > 1:
            target = pd.DataFrame(target, columns=name)
        else:
            target = pd.Series(target, name=name)
        frame = pd.concat([data, target], axis=1)
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        feature_names=feature_names,
        x_axis=x_axis,
        x_unit=x_unit,
        **fields,
    )


def _tecator_groups(spectra):
    """Return labels from 0 that rows of one meat share."""
    _, labels = np.unique(spectra, axis=0, return_inverse=True)
    labels = labels.reshape(-1)
    for first, second in _TECATOR_SAME_MEAT:
        labels[labels == labels[second]] = labels[first]
    return np.unique(labels, return_inverse=True)[1]


@validate_params(_SWITCHES, prefer_skip_nested_validation=True)
def load_tecator(*, return_X_y=False, as_frame=False):
    """Load near-infrared spectra of chopped meat with their fat content.

    215 transmission spectra of a Tecator Infratec, from sktime's wheel. Many rows
    are the same meat: split by `groups`, not by row, and not by `split` either
    where figures are to be honest.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` and `target` as pandas objects, and both as `frame`.

    Returns
    -------
    tecator : Bunch
        - data : ndarray of shape (215, 100), absorbance
        - target : ndarray of shape (215,), fat in % of mass, 0.9 to 49.1
        - groups : ndarray of int of shape (215,), 178 labels: rows with one label
          are one meat, the same spectrum or a second measurement
        - split : ndarray of str of shape (215,), sktime's "train" (172) or
          "test" (43); 12 test rows have meat of the training rows
        - x_axis : ndarray of shape (100,), nominal, 850 to 1050; x_unit : "nm"
        - target_names : list of str; target_unit : str
        - feature_names : list of str; frame : DataFrame or None; DESCR : str
    (data, target) : tuple
        If `return_X_y`.

    Raises
    ------
    ImportError
        If sktime is not installed; it comes with ``skspectra[data]``.

    References
    ----------
    .. [1] C. Borggaard, H. H. Thodberg, "Optimal minimal neural interpretation of
       spectra", Analytical Chemistry 64, 545-551 (1992).
       https://doi.org/10.1021/ac00029a018

    Examples
    --------
    >>> from skspectra.datasets import load_tecator
    >>> tecator = load_tecator()
    >>> tecator.data.shape, len(set(tecator.groups))
    ((215, 100), 178)
    """
    folder = _data_folder("sktime", "load_tecator") / "Tecator"
    train, y_train = _read_ts(folder / "Tecator_TRAIN.ts")
    test, y_test = _read_ts(folder / "Tecator_TEST.ts")
    spectra = np.concatenate([train, test])
    tecator = _bunch(
        spectra,
        np.concatenate([y_train, y_test]),
        "fat",
        np.linspace(850.0, 1050.0, spectra.shape[1]),
        "nm",
        as_frame,
        target_names=["fat"],
        target_unit="% of mass",
        groups=_tecator_groups(spectra),
        split=np.repeat(["train", "test"], [len(train), len(test)]),
        DESCR=TECATOR,
    )
    return (tecator.data, tecator.target) if return_X_y else tecator


def _nearest_spectrum(hours, n_spectra):
    """Return for each time the row of the process spectrum nearest to it."""
    rows = np.rint(hours * 60 / _MINUTES_BETWEEN_PROCESS_SPECTRA).astype(int)
    return np.minimum(rows, n_spectra - 1)


@validate_params(_SWITCHES, prefer_skip_nested_validation=True)
def load_fermentation(*, return_X_y=False, as_frame=False):
    """Load mid-infrared spectra of an ethanol fermentation with a large pool.

    21 calibration samples with known glucose, and 1626 spectra that a probe took
    on-line during one fermentation, 34 of which have a reference: few labels and
    many spectra, measured under other conditions than the calibration. From
    chemotools' wheel.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return the calibration's `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` and `target` as pandas objects, and both as `frame`.

    Returns
    -------
    fermentation : Bunch
        - data : ndarray of shape (21, 1047), absorbance of the calibration
        - target : ndarray of shape (21,), glucose in g/L, 0 to 38.1
        - pool : ndarray of shape (1626, 1047), the process spectra in time order
        - pool_time : ndarray of shape (1626,), nominal hours: one in 1.25 min
        - pool_target : ndarray of shape (1626,), glucose of the 34 spectra
          nearest in time to a reference, NaN elsewhere
        - hplc : ndarray of shape (34, 5), reference concentrations in g/L
        - hplc_time : ndarray of shape (34,), hours; hplc_names : list of str
        - x_axis : ndarray of shape (1047,), 428 to 1833; x_unit : "cm-1"
        - target_names : list of str; target_unit : str
        - feature_names : list of str; frame : DataFrame or None; DESCR : str
    (data, target) : tuple
        If `return_X_y`.

    Raises
    ------
    ImportError
        If chemotools is not installed; it comes with ``skspectra[data]``.

    Notes
    -----
    Outside of about 900 to 1780 cm-1 there is noise of up to 4000 absorbance units,
    and from 1800 on zeros: cut the range before normalising spectra.

    References
    ----------
    .. [1] P. Cabaneros Lopez et al., "Transforming data to information: a parallel
       hybrid model for real-time state estimation in lignocellulosic ethanol
       fermentation", Biotechnology and Bioengineering 118, 579-591 (2021).
       https://doi.org/10.1002/bit.27586

    Examples
    --------
    >>> from skspectra.datasets import load_fermentation
    >>> fermentation = load_fermentation()
    >>> fermentation.data.shape, fermentation.pool.shape
    ((21, 1047), (1626, 1047))
    """
    folder = _data_folder("chemotools", "load_fermentation")
    wavenumbers, spectra = _read_csv(folder / "train_spectra.csv")
    _, glucose = _read_csv(folder / "train_hplc.csv")
    _, pool = _read_csv(folder / "fermentation_spectra.csv")
    names, hplc = _read_csv(folder / "fermentation_hplc.csv")
    pool = pool[np.ptp(pool, axis=1) > 0]  # the file ends in rows of ones
    pool_target = np.full(len(pool), np.nan)
    rows = _nearest_spectrum(hplc[:, 0], len(pool))
    pool_target[rows] = hplc[:, names.index("glucose")]
    fermentation = _bunch(
        spectra,
        glucose[:, 0],
        "glucose",
        np.array(wavenumbers, dtype=np.float64),
        "cm-1",
        as_frame,
        target_names=["glucose"],
        target_unit="g/L",
        pool=pool,
        pool_time=np.arange(len(pool)) * _MINUTES_BETWEEN_PROCESS_SPECTRA / 60,
        pool_target=pool_target,
        hplc=hplc[:, 1:],
        hplc_time=hplc[:, 0],
        hplc_names=names[1:],
        DESCR=FERMENTATION,
    )
    if return_X_y:
        return fermentation.data, fermentation.target
    return fermentation


@validate_params(_SWITCHES, prefer_skip_nested_validation=True)
def load_coffee(*, return_X_y=False, as_frame=False):
    """Load mid-infrared spectra of coffee from three countries.

    60 spectra, 20 a country, taken by attenuated total reflectance. From
    chemotools' wheel, which does not say at which wavenumbers.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` and `target` as pandas objects, and both as `frame`.

    Returns
    -------
    coffee : Bunch
        - data : ndarray of shape (60, 1841), absorbance
        - target : ndarray of int of shape (60,), index into `target_names`
        - target_names : list of str, the countries in alphabetical order
        - x_axis : ndarray of shape (1841,), 0, 1, 2 ...; x_unit : "channel"
        - feature_names : list of str; frame : DataFrame or None; DESCR : str
    (data, target) : tuple
        If `return_X_y`.

    Raises
    ------
    ImportError
        If chemotools is not installed; it comes with ``skspectra[data]``.

    Examples
    --------
    >>> from skspectra.datasets import load_coffee
    >>> coffee = load_coffee()
    >>> coffee.data.shape, coffee.target_names
    ((60, 1841), ['Brasil', 'Ethiopia', 'Vietnam'])
    """
    folder = _data_folder("chemotools", "load_coffee")
    _, spectra = _read_csv(folder / "coffee_spectra.csv")
    _, origins = _read_csv(folder / "coffee_labels.csv", dtype=str)
    countries, target = np.unique(origins[:, 0], return_inverse=True)
    coffee = _bunch(
        spectra,
        target,
        "origin",
        np.arange(spectra.shape[1], dtype=np.float64),
        "channel",
        as_frame,
        target_names=countries.tolist(),
        DESCR=COFFEE,
    )
    return (coffee.data, coffee.target) if return_X_y else coffee
