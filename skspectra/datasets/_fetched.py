"""Real spectra that are fetched once from where their publishers keep them."""

import csv
import io
import json
import os
import re
import tarfile

import numpy as np

from skspectra._validation import validate_params
from skspectra.datasets import _sources as sources
from skspectra.datasets._download import fetch
from skspectra.datasets._real import _bunch

_SWITCHES = {
    "data_home": [str, os.PathLike, None],
    "download_if_missing": ["boolean"],
    "return_X_y": ["boolean"],
    "as_frame": ["boolean"],
}
# Of the calibration samples of the core, dissolved in acid; cadmium and others, which
# the acid hardly finds, are left out.
_CORE_ELEMENTS = ["Al", "Ca", "Fe", "K", "Mg", "Mn", "Na", "S", "Sr", "Ti", "Zn", "P"]
_CORE_STEP_KEV, _CORE_FIRST_KEV = 0.010267, 0.000336


def _read_table(path):
    """Return the column names and the rows of a CSV file, as words."""
    with open(path, encoding="utf-8-sig", newline="") as lines:
        names, *rows = csv.reader(lines)
    return names, [row for row in rows if row]


def _numbers(rows):
    """Return words as numbers; what is empty or NA becomes NaN."""
    rows = [[word if word not in ("", "NA") else "nan" for word in row] for row in rows]
    return np.array(rows, dtype=np.float64)


def _codes(words):
    """Return the classes in alphabetical order, and each word as an index into them."""
    classes, codes = np.unique(np.array(words), return_inverse=True)
    return classes.tolist(), codes


def _load(source, read, target_name, *, data_home, download_if_missing, **wanted):
    """Return a set as its function promises; a class has no name but this."""
    fields = fetch(source, read, data_home, download_if_missing)
    several = fields["target"].ndim > 1
    spectra = _bunch(
        name=fields["target_names"] if several else target_name,
        as_frame=wanted["as_frame"],
        licence=source.licence,
        citation=source.citation,
        url=source.address,
        DESCR=source.description,
        **fields,
    )
    return (spectra.data, spectra.target) if wanted["return_X_y"] else spectra


def _read_corn(path_of):
    instruments = {}
    for instrument in ("m5", "mp5", "mp6"):
        axis, rows = _read_table(path_of(f"{instrument}_spectra.csv"))
        instruments[instrument] = _numbers(rows)
    names, rows = _read_table(path_of("property_values.csv"))
    x_axis, target = np.array(axis, dtype=np.float64), _numbers(rows)
    return {
        "data": instruments["m5"],
        "target": target,
        "target_names": [name.lower() for name in names],
        "target_unit": "% of mass",
        "instruments": instruments,
        "x_axis": x_axis,
        "x_unit": "nm",
        "checked": [*instruments.values(), x_axis, target],
    }


@validate_params(_SWITCHES, prefer_skip_nested_validation=True)
def fetch_corn(
    *, data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch near-infrared spectra of corn, measured on three instruments.

    The same 80 samples on each, with moisture, oil, protein and starch: the set on
    which calibrations are moved from one instrument to another.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of all fetched sets. None means the environment variable
        ``SKSPECTRA_DATA``, or else the user's cache folder.
    download_if_missing : bool, default=True
        Whether it is fetched if it is not there; otherwise that is an OSError.
    return_X_y : bool, default=False
        Return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` and `target` as pandas objects, and both as `frame`.

    Returns
    -------
    corn : Bunch
        - data : ndarray of shape (80, 700), absorbance on the instrument "m5"
        - target : ndarray of shape (80, 4), in % of mass
        - instruments : dict of ndarray of shape (80, 700), "m5", "mp5" and "mp6"
        - x_axis : ndarray of shape (700,), 1100 to 2498; x_unit : "nm"
        - target_names : list of str; target_unit : str
        - feature_names : list of str; frame : DataFrame or None
        - licence, citation, url, DESCR : str
    (data, target) : tuple
        If `return_X_y`.

    Raises
    ------
    ImportError
        If pooch is not installed; it comes with ``skspectra[data]``.
    OSError
        If it cannot be fetched, or is not what was checked once.

    References
    ----------
    .. [1] Eigenvector Research, corn data set of M. Blackburn, Cargill.
       https://eigenvector.com/resources/data-sets/

    Examples
    --------
    >>> from skspectra.datasets import fetch_corn
    >>> corn = fetch_corn()  # doctest: +SKIP
    >>> corn.data.shape  # doctest: +SKIP
    (80, 700)
    """
    return _load(
        sources.CORN,
        _read_corn,
        "",
        data_home=data_home,
        download_if_missing=download_if_missing,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def _read_classes(path):
    """Return classes, spectra and axis of a table whose named columns come first."""
    names, rows = _read_table(path)
    n_words = sum(re.fullmatch(r"[\d.]+", name) is None for name in names)
    x_axis = np.array(names[n_words:], dtype=np.float64)
    spectra = _numbers([row[n_words:] for row in rows])
    return [row[:n_words] for row in rows], spectra, x_axis


def _read_fruit_purees(path_of):
    words, spectra, x_axis = _read_classes(path_of("MIR_Fruit_purees.csv"))
    classes, codes = _codes([label for (label,) in words])
    return {
        "data": spectra,
        "target": codes,
        "target_names": classes,
        "x_axis": x_axis,
        "x_unit": "cm-1",
        "checked": [spectra, x_axis, codes],
    }


@validate_params(_SWITCHES, prefer_skip_nested_validation=True)
def fetch_fruit_purees(
    *, data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch mid-infrared spectra of fruit purées, strawberry or not.

    983 spectra, 351 of pure strawberry and 632 of other fruits or of strawberry with
    something else in it.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of all fetched sets. None means the environment variable
        ``SKSPECTRA_DATA``, or else the user's cache folder.
    download_if_missing : bool, default=True
        Whether it is fetched if it is not there; otherwise that is an OSError.
    return_X_y : bool, default=False
        Return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` and `target` as pandas objects, and both as `frame`.

    Returns
    -------
    fruit_purees : Bunch
        - data : ndarray of shape (983, 235), absorbance divided by its area
        - target : ndarray of int of shape (983,), index into `target_names`
        - x_axis : ndarray of shape (235,), 899 to 1803; x_unit : "cm-1"
        - target_names : list of str
        - feature_names : list of str; frame : DataFrame or None
        - licence, citation, url, DESCR : str
    (data, target) : tuple
        If `return_X_y`.

    Raises
    ------
    ImportError
        If pooch is not installed; it comes with ``skspectra[data]``.
    OSError
        If it cannot be fetched, or is not what was checked once.

    References
    ----------
    .. [1] J. K. Holland, E. K. Kemsley, R. H. Wilson, "Use of Fourier transform
       infrared spectroscopy and partial least squares regression for the detection
       of adulteration of strawberry purees", Journal of the Science of Food and
       Agriculture 76, 263-269 (1998).

    Examples
    --------
    >>> from skspectra.datasets import fetch_fruit_purees
    >>> fruit_purees = fetch_fruit_purees()  # doctest: +SKIP
    >>> fruit_purees.data.shape  # doctest: +SKIP
    (983, 235)
    """
    return _load(
        sources.FRUIT_PUREES,
        _read_fruit_purees,
        "puree",
        data_home=data_home,
        download_if_missing=download_if_missing,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def _read_olive_oils(path_of):
    words, spectra, x_axis = _read_classes(path_of("Olive_Oils_Quadrum.csv"))
    countries, codes = _codes([country for _, _, country in words])
    oils = np.array([int(oil) for oil, _, _ in words])
    return {
        "data": spectra,
        "target": codes,
        "target_names": countries,
        "groups": oils,
        "x_axis": x_axis,
        "x_unit": "cm-1",
        "checked": [spectra, x_axis, codes, oils],
    }


@validate_params(_SWITCHES, prefer_skip_nested_validation=True)
def fetch_olive_oils(
    *, data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch mid-infrared spectra of olive oils from four countries.

    60 oils, measured twice each: split by `groups`.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of all fetched sets. None means the environment variable
        ``SKSPECTRA_DATA``, or else the user's cache folder.
    download_if_missing : bool, default=True
        Whether it is fetched if it is not there; otherwise that is an OSError.
    return_X_y : bool, default=False
        Return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` and `target` as pandas objects, and both as `frame`.

    Returns
    -------
    olive_oils : Bunch
        - data : ndarray of shape (120, 570), absorbance
        - target : ndarray of int of shape (120,), index into `target_names`
        - groups : ndarray of int of shape (120,), the oil
        - x_axis : ndarray of shape (570,), 799 to 1897; x_unit : "cm-1"
        - target_names : list of str, the countries
        - feature_names : list of str; frame : DataFrame or None
        - licence, citation, url, DESCR : str
    (data, target) : tuple
        If `return_X_y`.

    Raises
    ------
    ImportError
        If pooch is not installed; it comes with ``skspectra[data]``.
    OSError
        If it cannot be fetched, or is not what was checked once.

    References
    ----------
    .. [1] H. S. Tapp, M. Defernez, E. K. Kemsley, "FTIR spectroscopy and
       multivariate analysis can distinguish the geographic origin of extra virgin
       olive oils", Journal of Agricultural and Food Chemistry 51, 6110-6115 (2003).

    Examples
    --------
    >>> from skspectra.datasets import fetch_olive_oils
    >>> olive_oils = fetch_olive_oils()  # doctest: +SKIP
    >>> olive_oils.data.shape  # doctest: +SKIP
    (120, 570)
    """
    return _load(
        sources.OLIVE_OILS,
        _read_olive_oils,
        "country",
        data_home=data_home,
        download_if_missing=download_if_missing,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def _read_forage(path_of):
    names, rows = _read_table(path_of("lumpkin_ibf_nir_spectra_1mm.csv"))
    x_axis = np.array(names[4:], dtype=np.float64)[::-1]
    spectra = _numbers([row[4:] for row in rows])[:, ::-1]
    samples = np.array([row[0].rpartition("_")[0] for row in rows])
    names, rows = _read_table(path_of("lumpkin_ibf_wet_chemistry_results.csv"))
    wanted = ["crude_protein_pct", "adf_pct", "ndf_pct", "moisture_pct"]
    columns = [names.index(name) for name in wanted]
    values = _numbers([[row[column] for column in columns] for row in rows])
    chemistry = {row[0]: line for row, line in zip(rows, values, strict=True)}
    labs = {row[0]: row[names.index("lab")] for row in rows}
    unknown = np.full(len(wanted), np.nan)
    target = np.array([chemistry.get(sample, unknown) for sample in samples])
    return {
        "data": np.ascontiguousarray(spectra),
        "target": target,
        "target_names": [name.removesuffix("_pct") for name in wanted],
        "target_unit": "% of mass",
        "groups": samples,
        "laboratory": np.array([labs.get(sample, "") for sample in samples]),
        "x_axis": np.ascontiguousarray(x_axis),
        "x_unit": "nm",
        "checked": [
            spectra,
            x_axis,
            target,
            np.unique(samples, return_inverse=True)[1],
        ],
    }


@validate_params(_SWITCHES, prefer_skip_nested_validation=True)
def fetch_forage(
    *, data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch near-infrared spectra of forage, few of them with a reference.

    588 spectra of 291 plots, two scans each as a rule, of a handheld instrument; wet
    chemistry of 75 plots. Rows without are NaN in `target`: what unlabelled spectra
    look like where they come from.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of all fetched sets. None means the environment variable
        ``SKSPECTRA_DATA``, or else the user's cache folder.
    download_if_missing : bool, default=True
        Whether it is fetched if it is not there; otherwise that is an OSError.
    return_X_y : bool, default=False
        Return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` and `target` as pandas objects, and both as `frame`.

    Returns
    -------
    forage : Bunch
        - data : ndarray of shape (588, 257), reflectance in %
        - target : ndarray of shape (588, 4), in % of mass, NaN where not measured
        - groups : ndarray of str of shape (588,), the plot
        - laboratory : ndarray of str of shape (588,), whose chemistry it is; ""
          without
        - x_axis : ndarray of shape (257,), 1350 to 2550; x_unit : "nm"
        - target_names : list of str; target_unit : str
        - feature_names : list of str; frame : DataFrame or None
        - licence, citation, url, DESCR : str
    (data, target) : tuple
        If `return_X_y`.

    Raises
    ------
    ImportError
        If pooch is not installed; it comes with ``skspectra[data]``.
    OSError
        If it cannot be fetched, or is not what was checked once.

    References
    ----------
    .. [1] B. Meyering, The Land Institute,
       https://github.com/BoMeyering/lumpkin_ibf_nir_modeling

    Examples
    --------
    >>> from skspectra.datasets import fetch_forage
    >>> forage = fetch_forage()  # doctest: +SKIP
    >>> forage.data.shape  # doctest: +SKIP
    (588, 257)
    """
    return _load(
        sources.FORAGE,
        _read_forage,
        "",
        data_home=data_home,
        download_if_missing=download_if_missing,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def _read_raman_biomolecules(path_of):
    with tarfile.open(path_of("ramanbiolib-1.0.0.post5.tar.gz")) as archive:
        spectra, about = (
            _read_member(archive, f"{{0}}/ramanbiolib/db/{name}.csv")
            for name in ("raman_spectra_db", "metadata_db")
        )
    data = np.array([json.loads(row["intensity"]) for row in spectra], dtype=np.float64)
    x_axis = np.array(json.loads(spectra[0]["wavenumbers"]), dtype=np.float64)
    classes, codes = _codes([row["type"].partition("/")[0] for row in about])
    return {
        "data": data,
        "target": codes,
        "target_names": classes,
        "groups": np.array([row["component"] for row in about]),
        "references": [row["reference"] for row in about],
        "x_axis": x_axis,
        "x_unit": "cm-1",
        "checked": [data, x_axis, codes],
    }


def _read_member(archive, path):
    """Return the rows of a CSV file in an archive, as dicts; nothing is unpacked."""
    folder = archive.getnames()[0].partition("/")[0]
    text = io.TextIOWrapper(archive.extractfile(path.format(folder)), encoding="utf-8")
    return list(csv.DictReader(text))


@validate_params(_SWITCHES, prefer_skip_nested_validation=True)
def fetch_raman_biomolecules(
    *, data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch Raman spectra of biological molecules.

    202 spectra of 141 substances, read off published figures and brought onto one
    axis, without baselines, between 0 and 1. Some substances are there more than
    once: split by `groups`.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of all fetched sets. None means the environment variable
        ``SKSPECTRA_DATA``, or else the user's cache folder.
    download_if_missing : bool, default=True
        Whether it is fetched if it is not there; otherwise that is an OSError.
    return_X_y : bool, default=False
        Return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` and `target` as pandas objects, and both as `frame`.

    Returns
    -------
    raman_biomolecules : Bunch
        - data : ndarray of shape (202, 1351), intensity
        - target : ndarray of int of shape (202,), index into `target_names`
        - groups : ndarray of str of shape (202,), the substance
        - references : list of str, where each spectrum was published
        - x_axis : ndarray of shape (1351,), 450 to 1800; x_unit : "cm-1"
        - target_names : list of str, the kinds of molecules
        - feature_names : list of str; frame : DataFrame or None
        - licence, citation, url, DESCR : str
    (data, target) : tuple
        If `return_X_y`.

    Raises
    ------
    ImportError
        If pooch is not installed; it comes with ``skspectra[data]``.
    OSError
        If it cannot be fetched, or is not what was checked once.

    References
    ----------
    .. [1] M. Terán, J. J. Ruiz, P. Loza-Alvarez, D. Masip, D. Merino, "Open Raman
       spectral library for biomolecule identification", Chemometrics and
       Intelligent Laboratory Systems 264, 105476 (2025).
       https://doi.org/10.1016/j.chemolab.2025.105476

    Examples
    --------
    >>> from skspectra.datasets import fetch_raman_biomolecules
    >>> raman_biomolecules = fetch_raman_biomolecules()  # doctest: +SKIP
    >>> raman_biomolecules.data.shape  # doctest: +SKIP
    (202, 1351)
    """
    return _load(
        sources.RAMAN_BIOMOLECULES,
        _read_raman_biomolecules,
        "kind",
        data_home=data_home,
        download_if_missing=download_if_missing,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def _read_sediment_core(path_of):
    names, rows = _read_table(path_of("calibration_data.csv"))
    rows = [row for row in rows if row[names.index("top")].isdigit()]  # no blanks
    columns = {
        name: _numbers([[row[i]] for row in rows])[:, 0]
        for i, name in enumerate(names)
        if name not in ("top", "bot", "SampleID")
    }
    depths = np.array([int(row[names.index("top")]) for row in rows])
    order = np.argsort(depths)
    spectra = np.array(
        [
            _read_counts(path_of(f"sumspectra/sumspectra_cd166-{n}.spe"))
            for n in depths[order] // 10
        ]
    )
    water = (columns["wet"] - columns["dry"]) / (columns["wet"] - columns["tare"])
    ppm = columns["Dilution"] / columns["weight"]
    measured = [100 * water, *(columns[name] * ppm for name in _CORE_ELEMENTS)]
    target = np.array(measured).T[order]
    x_axis = _CORE_FIRST_KEV + _CORE_STEP_KEV * np.arange(spectra.shape[1])
    return {
        "data": spectra,
        "target": target,
        "target_names": ["water", *_CORE_ELEMENTS],
        "target_unit": "% of mass (water), mg/kg (elements)",
        "depth": depths[order].astype(np.float64),
        "x_axis": x_axis,
        "x_unit": "keV",
        "checked": [spectra, x_axis, target, depths[order]],
    }


def _read_counts(path):
    """Return the counts of an Itrax spectrum: at its end are channels and counts."""
    words = path.read_text(encoding="latin-1").partition("content")[2].split()
    channels, counts = np.array(words, dtype=np.float64).reshape(-1, 2).T
    if not np.array_equal(channels, np.arange(1, len(channels) + 1)):
        raise ValueError(f"the channels of {path.name} are not 1, 2, 3, …")
    return counts


@validate_params(_SWITCHES, prefer_skip_nested_validation=True)
def fetch_sediment_core(
    *, data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch X-ray fluorescence spectra down a sediment core.

    60 slices of a centimetre of a core from the Atlantic, the sum spectrum of an
    Itrax core scanner of each, and what acid dissolved of it. Neighbours resemble
    each other: hold out blocks of `depth`. There are 61 files to fetch.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of all fetched sets. None means the environment variable
        ``SKSPECTRA_DATA``, or else the user's cache folder.
    download_if_missing : bool, default=True
        Whether it is fetched if it is not there; otherwise that is an OSError.
    return_X_y : bool, default=False
        Return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` and `target` as pandas objects, and both as `frame`.

    Returns
    -------
    sediment_core : Bunch
        - data : ndarray of shape (60, 2048), counts
        - target : ndarray of shape (60, 13), water and twelve elements
        - depth : ndarray of shape (60,), upper end of the slice in mm
        - x_axis : ndarray of shape (2048,), 0 to 21; x_unit : "keV"
        - target_names : list of str; target_unit : str
        - feature_names : list of str; frame : DataFrame or None
        - licence, citation, url, DESCR : str
    (data, target) : tuple
        If `return_X_y`.

    Raises
    ------
    ImportError
        If pooch is not installed; it comes with ``skspectra[data]``.
    OSError
        If it cannot be fetched, or is not what was checked once.

    References
    ----------
    .. [1] T. Bishop, S. Charidemou, PANGAEA (2023).
       https://doi.org/10.1594/PANGAEA.955347

    Examples
    --------
    >>> from skspectra.datasets import fetch_sediment_core
    >>> sediment_core = fetch_sediment_core()  # doctest: +SKIP
    >>> sediment_core.data.shape  # doctest: +SKIP
    (60, 2048)
    """
    return _load(
        sources.SEDIMENT_CORE,
        _read_sediment_core,
        "",
        data_home=data_home,
        download_if_missing=download_if_missing,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )
