import subprocess
import sys

import numpy as np
import pytest
import xraylib
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chi2
from sklearn.metrics import mean_squared_error, r2_score

import skspectra.datasets._xrf as xrf
from skspectra import PLSRegressionCV
from skspectra.datasets import make_xrf_cores
from skspectra.datasets._xrf_physics import Detector, Scanner, add_pile_up
from skspectra.datasets._xrf_sediment import ELEMENTS, constituents

AXIS = np.arange(2048) * 0.01
SMALL = {"n_cores": 4, "n_samples_per_core": 6, "n_channels": 512, "random_state": 0}
STEADY = {"noise": False, "tube_ageing": 0, "core_intensity": 0, "pile_up": 0}


def near(energy, half_width=0.1, x_axis=AXIS):
    return np.abs(x_axis - energy) < half_width


def counts_at(cores, energy, half_width=0.1):
    return cores.data[:, near(energy, half_width, cores.x_axis)].sum(axis=1)


def k_alpha(symbol):
    line = xraylib.LA_LINE if symbol == "Ba" else xraylib.KA_LINE
    return xraylib.LineEnergy(xraylib.SymbolToAtomicNumber(symbol), line)


def widths(spectrum, x_axis):
    """Return the full width at half maximum of the highest peak."""
    top = spectrum.argmax()
    half = spectrum[top] / 2
    left = top - np.argmax(spectrum[top::-1] < half)
    right = top + np.argmax(spectrum[top:] < half)
    low = np.interp(half, spectrum[left : left + 2], x_axis[left : left + 2])
    high = np.interp(-half, -spectrum[right - 1 : right + 1], x_axis[right - 1 :][:2])
    return high - low


@pytest.fixture(scope="module")
def table():
    return constituents(xraylib)


@pytest.fixture(scope="module")
def scanner(table):
    elements = [xraylib.SymbolToAtomicNumber(name) for name in ELEMENTS]
    return Scanner(xraylib, elements, table[-1], AXIS, 0.135)


@pytest.fixture(scope="module")
def detector():
    return Detector(xraylib, AXIS, 0.135)


@pytest.fixture(scope="module")
def many():
    return make_xrf_cores(20, 30, 512, random_state=0)


def mixture(**fractions):
    """Return a composition (1, n_elements) filled up with quartz."""
    composition = np.zeros((1, len(ELEMENTS)))
    left = 1 - sum(fractions.values())
    for symbol, share in (fractions | {"Si": 0.467 * left, "O": 0.533 * left}).items():
        composition[0, ELEMENTS.index(symbol)] = share
    return composition


DRY = np.zeros(1)

# ---- the physics


@pytest.mark.parametrize(
    "symbol", sorted(set(ELEMENTS) - {"H", "C", "N", "O", "Si", "Ar"})
)
def test_an_element_adds_a_peak_at_the_energy_of_its_line(scanner, symbol):
    added = scanner.counts(mixture(**{symbol: 0.01}), DRY) - scanner.counts(
        mixture(), DRY
    )
    window = near(k_alpha(symbol), 0.15)
    # Ka1 and Ka2 overlap; a channel is 0.01 keV wide.
    assert abs(AXIS[window][added[0, window].argmax()] - k_alpha(symbol)) < 0.02
    assert added[0, window].max() > 0
    assert abs(scanner.main_lines(ELEMENTS)[symbol] - k_alpha(symbol)) < 0.05


def test_thin_traces_add_counts_in_proportion_and_much_of_it_absorbs_itself(scanner):
    strontium = [
        scanner.photons(mixture(Sr=share), DRY)[0]
        for share in (0.0, 1e-6, 2e-6, 0.1, 0.2)
    ]
    line = (strontium[1] - strontium[0]).argmax()
    none, one, two, tenth, fifth = (photons[line] for photons in strontium)
    assert_allclose(two - none, 2 * (one - none), rtol=1e-3)
    assert tenth < fifth < 1.6 * tenth


def test_calcium_of_pure_calcite_agrees_with_the_integral_written_out(scanner):
    calcite = np.zeros((1, len(ELEMENTS)))
    parsed = xraylib.CompoundParser("CaCO3")
    for z, share in zip(parsed["Elements"], parsed["massFractions"], strict=True):
        calcite[0, ELEMENTS.index(xraylib.AtomicNumberToSymbol(z))] = share
    found = scanner.photons(calcite, DRY)[0]
    energies, photons = xrf_tube()
    out = xraylib.LineEnergy(20, xraylib.KL3_LINE)
    expected = 0.0
    for energy, n_photons in zip(energies, photons, strict=True):
        if energy > xraylib.EdgeEnergy(20, xraylib.K_SHELL):
            section = xraylib.CS_FluorLine_Kissel(20, xraylib.KL3_LINE, energy)
            absorbed = xraylib.CS_Total_CP("CaCO3", energy)
            absorbed += xraylib.CS_Total_CP("CaCO3", out) * np.sqrt(2)
            expected += n_photons * section * calcite[0, 13] / absorbed / (4 * np.pi)
    lines = [energy for _, _, energy in scanner.lines]
    assert_allclose(found[lines.index(out)], expected, rtol=1e-6)


def xrf_tube():
    from skspectra.datasets._xrf_physics import _tube

    return _tube(xraylib)


@pytest.mark.parametrize("resolution", [0.12, 0.135, 0.2])
def test_the_resolution_is_the_width_of_a_peak_at_mn_ka(resolution):
    axis = np.arange(8192) * 0.0025
    peaks = Detector(xraylib, axis, resolution).response([3.69, 5.895, 14.14])
    ca, mn, sr = (widths(peak, axis) for peak in peaks)
    assert_allclose(mn, resolution, rtol=0.01)
    assert ca < mn < sr


def test_peaks_are_as_wide_as_those_of_a_real_scanner(detector, real_spectra):
    scans = real_spectra("itrax_cd166_reps")
    mean = scans.X.mean(axis=0)
    for energy in (3.69, 6.40):
        window = near(energy, 0.2, scans.axis)
        real = widths(mean[window], scans.axis[window])
        # Ka1 and Ka2 of one peak are up to 13 eV apart.
        assert_allclose(detector.fwhm(energy), real, rtol=0.1)


def test_a_photon_gives_a_peak_an_escape_peak_below_it_and_a_shelf(detector):
    calcium, iron = detector.response([3.692, 6.404])
    for energy, counts in ((3.692, calcium), (6.404, iron)):
        escape = near(energy - 1.74, 0.25)
        assert_allclose(AXIS[escape][counts[escape].argmax()], energy - 1.74, atol=0.01)
        assert 0.0005 < counts[escape].sum() / counts.sum() < 0.02
        assert counts[~near(0, energy + 0.5)].max() < 1e-9
        assert (counts[100 : int(100 * energy)] > 0).all()
    # Harder photons are stopped deeper, from where Si lines do not come out.
    share = detector.escape_share(np.array([1.0, 2.0, 4.0, 8.0]))
    assert share[0] == 0
    assert (np.diff(share[1:]) < 0).all()


def test_pile_up_is_the_convolution_of_the_spectrum_with_itself():
    counts = np.zeros((1, 100))
    counts[0, [10, 30]] = 1e5, 2e5
    piled = add_pile_up(counts, 0.5)
    rate = 0.5e-6 / 15
    pairs = np.convolve(counts[0], counts[0])[:100]
    expected = np.exp(-2 * rate * 3e5) * (counts[0] + rate * pairs)
    assert_allclose(piled[0], expected, rtol=1e-9, atol=1e-6)
    assert set(np.flatnonzero(piled[0] > 1)) == {10, 20, 30, 40, 60}
    # Each pair costs two counts and gives one.
    assert_allclose(3e5 - piled.sum(), rate * 3e5**2, rtol=0.02)


def test_sum_peaks_stand_at_twice_the_energy_of_strong_lines():
    params = SMALL | STEADY | {"n_channels": 2048}
    piled = make_xrf_cores(**(params | {"pile_up": 0.5})).data.mean(axis=0)
    change = piled - make_xrf_cores(**params).data.mean(axis=0)
    for energy in (2 * 3.691, 3.691 + 6.4):
        window = near(energy, 0.3)
        assert abs(AXIS[window][change[window].argmax()] - energy) < 0.03


def test_lines_of_the_tube_are_scattered_with_and_without_loss(scanner):
    spectrum = scanner.counts(mixture(), DRY)[0]
    primary = xraylib.LineEnergy(42, xraylib.KA_LINE)
    lower = primary / (1 + primary / 511.0 * (1 - np.cos(np.radians(135))))
    for energy in (primary, lower):
        window = near(energy, 0.2)
        assert abs(AXIS[window][spectrum[window].argmax()] - energy) < 0.05


def test_light_matter_scatters_more_and_with_loss(scanner):
    spectra = np.vstack(
        [scanner.counts(m, DRY) for m in (mixture(H=0.1), mixture(Fe=0.3))]
    )
    compton, rayleigh = (spectra[:, near(e, 0.15)].sum(axis=1) for e in (16.5, 17.45))
    assert compton[0] > 2 * compton[1]
    assert compton[0] / rayleigh[0] > compton[1] / rayleigh[1]


def test_a_film_of_sea_water_hides_silicon_and_shows_chlorine():
    dry, wet = (
        make_xrf_cores(**SMALL, **STEADY, water=0, water_film=film) for film in (0, 30)
    )
    assert (counts_at(wet, 1.74) < 0.6 * counts_at(dry, 1.74)).all()
    assert (counts_at(wet, 2.62) > counts_at(dry, 2.62)).all()
    assert_allclose(counts_at(wet, 14.14), counts_at(dry, 14.14), rtol=0.1)


def test_pore_water_dilutes_sediment_and_brings_its_salt():
    dry, wet = (make_xrf_cores(**SMALL, **STEADY, water=w) for w in (0, 0.6))
    assert (counts_at(wet, 3.69) < counts_at(dry, 3.69)).all()
    assert (counts_at(wet, 16.5) > counts_at(dry, 16.5)).all()
    chlorine = wet.element_names.index("Cl")
    assert_allclose(wet.composition[:, chlorine], 0.01935 * wet.water, rtol=0.01)
    assert not dry.composition[:, chlorine].any()
    assert not dry.water.any()


def test_compaction_takes_water_out_of_deep_sediment():
    cores = make_xrf_cores(50, 2, 2, spacing=300, random_state=0)
    top, deep = cores.water.reshape(50, 2).T
    assert_allclose(np.median(top), 0.5, atol=0.03)
    assert (deep < top).mean() > 0.9


def test_a_real_scan_of_carbonate_ooze_is_met_within_a_factor_of_two(
    real_spectra, table
):
    ooze = real_spectra("itrax_cd166_calib")
    known = dict(zip(ooze.target_names, np.nanmedian(ooze.y, axis=0), strict=True))
    share = {e: known[f"hh_{e}"] * 1e-6 for e in ("Al", "Si", "K", "Ti", "Mn", "Fe")}
    share |= {"Ca": known["icp_Ca"] * 1e-6, "Sr": known["icp_Sr"] * 1e-6}
    share["C"] = 0.3 * share["Ca"]
    dry = np.array([[share.get(e, 0.0) for e in ELEMENTS]])
    dry[0, ELEMENTS.index("O")] = 1 - dry.sum()
    elements = [xraylib.SymbolToAtomicNumber(name) for name in ELEMENTS]
    scan = Scanner(xraylib, elements, table[-1], ooze.axis, 0.135)
    simulated = scan.counts(0.6 * dry + 0.4 * table[-1], np.array([0.001]))[0]
    real = ooze.X.mean(axis=0)
    calcium = near(3.8, 0.4, ooze.axis)
    simulated *= real[calcium].sum() / simulated[calcium].sum()
    # Ti, Fe, continuum, Sr, Compton and Rayleigh scatter of Mo, continuum
    for energy in (4.5, 6.4, 10.5, 14.14, 16.5, 17.45, 19):
        window = near(energy, 0.2, ooze.axis)
        assert 0.5 < real[window].sum() / simulated[window].sum() < 2, energy


# ---- counts


def test_counts_are_whole_numbers_of_a_realistic_total(many):
    assert many.data.dtype == np.float32
    assert many.data.min() >= 0
    assert_array_equal(many.data, np.round(many.data))
    totals = many.data.sum(axis=1)
    assert 1e5 < totals.min() < totals.max() < 2e6
    assert 3e5 < np.median(totals) < 7e5


def test_counts_vary_as_poisson_says():
    expected = make_xrf_cores(**SMALL, noise=False).data.astype(float)
    noisy = make_xrf_cores(**SMALL).data
    enough = expected > 5
    squares = ((noisy - expected)[enough] ** 2 / expected[enough]).sum()
    # Chi-squared but for the fourth moment of few counts, hence the wide limits.
    assert chi2.ppf(1e-6, enough.sum()) < squares < chi2.ppf(1 - 1e-6, enough.sum())


def test_the_total_of_average_sediment_is_the_one_asked_for():
    for counts in (1e4, 5e5):
        cores = make_xrf_cores(
            40, 5, 256, n_shifted_cores=0, counts=counts, **STEADY, random_state=0
        )
        assert_allclose(np.median(cores.data.sum(axis=1)), counts, rtol=0.15)


# ---- instrument


def test_the_tube_loses_what_was_asked_for_in_the_order_of_measuring():
    aged = make_xrf_cores(**(SMALL | STEADY | {"tube_ageing": 0.4}))
    fresh = make_xrf_cores(**SMALL, **STEADY)
    assert_array_equal(np.sort(aged.sequence), np.arange(24))
    in_order = aged.intensity[np.argsort(aged.sequence)]
    assert (np.diff(in_order) < 0).all()
    assert_allclose(in_order[[0, -1]], [1, 0.6])
    assert_array_equal(fresh.intensity, 1)
    # rounding to float32
    assert_allclose(aged.data, fresh.data * aged.intensity[:, None], rtol=1e-5)
    for core in range(4):
        assert_array_equal(np.diff(aged.sequence[aged.groups == core]), 1)


def test_each_core_has_an_intensity_of_its_own():
    cores = make_xrf_cores(500, 2, 8, tube_ageing=0, core_intensity=0.3, random_state=0)
    each = cores.intensity.reshape(500, 2)
    assert_array_equal(each[:, 0], each[:, 1])
    assert_allclose(np.log(each[:, 0]).std(), 0.3, rtol=0.1)


# ---- sediment


def test_carbon_is_that_of_carbonate_and_of_organic_matter(many):
    carbon = many.composition[:, many.element_names.index("C")] / (1 - many.water)
    carbonate, organic = many.target.T / 100
    # a little of the carbonate is that of Mg
    assert_allclose(carbon, organic + 0.12 * carbonate, rtol=0.03)
    assert_allclose(many.composition.sum(axis=1), 1)
    assert (many.composition >= 0).all()


def test_targets_lie_where_those_of_the_sea_floor_do(many):
    carbonate, organic = many.target.T
    assert 0 < carbonate.min() < 15 < 55 < carbonate.max() < 100
    assert 0 < organic.min() < 0.5 < 1.5 < organic.max() < 10


def test_sediment_forgets_itself_over_the_correlation_length():
    cores = make_xrf_cores(
        60, 200, 2, n_shifted_cores=0, spacing=0.5, correlation_length=5, random_state=0
    )
    series = np.log(cores.target[:, 1]).reshape(60, 200)
    series = series - series.mean(axis=1, keepdims=True)
    variance = (series**2).mean()
    assert_allclose(cores.depth[:3], [0, 0.5, 1])
    for lag, expected in ((1, 0.905), (10, 0.368), (40, 0.018)):
        found = (series[:, lag:] * series[:, :-lag]).mean() / variance
        # 60 series of 10 independent stretches each
        assert abs(found - expected) < 0.12


def test_cores_are_whole_and_the_last_ones_are_the_shifted(many):
    assert_array_equal(many.groups, np.repeat(np.arange(20), 30))
    assert_array_equal(many.region == "shifted", many.groups >= 15)
    assert_array_equal(many.depth, np.tile(np.arange(30.0), 20))
    assert (make_xrf_cores(3, 1, 8, n_shifted_cores=3).region == "shifted").all()
    assert (make_xrf_cores(3, 1, 8, n_shifted_cores=0).region == "reference").all()


def test_the_shifted_region_has_other_ratios(many):
    def element(name):
        return many.composition[:, many.element_names.index(name)] / (1 - many.water)

    carbonate, organic = many.target.T
    shifted = many.region == "shifted"
    salt = 67.3e-6 * many.water / (1 - many.water)
    bromine = (element("Br") - salt) / organic
    calcium = element("Ca") - 0.0040 * carbonate
    for ratio, factor in [
        (bromine, 0.8),
        (element("K") / element("Ti"), 0.8),
        (1 / calcium, 0.6),
    ]:
        assert np.median(ratio[shifted]) < factor * np.median(ratio[~shifted])


def test_carbonate_raises_calcium_and_strontium(many):
    reference = many.region == "reference"
    carbonate = many.target[reference, 0]
    for energy in (many.lines["Ca"], many.lines["Sr"]):
        share = (counts_at(many, energy) / many.intensity)[reference]
        assert np.corrcoef(carbonate, share)[0, 1] > 0.8


# ---- learning


def test_pls_reads_carbonate_of_unseen_cores_and_organic_carbon_less_well(many):
    train = many.groups < 11
    unseen = (many.groups >= 11) & (many.region == "reference")
    shifted = many.region == "shifted"
    X = many.data / many.data.sum(axis=1, keepdims=True)
    pls = PLSRegressionCV(max_components=12, scale=False)
    pls.fit(X[train], many.target[train], groups=many.groups[train])
    predicted = pls.predict(X)
    score = r2_score(many.target[unseen], predicted[unseen], multioutput="raw_values")
    assert score[0] > 0.8
    assert score[1] < score[0] - 0.1
    for k in range(2):
        error = [
            mean_squared_error(many.target[rows, k], predicted[rows, k])
            for rows in (unseen, shifted)
        ]
        assert error[1] > 1.3 * error[0]


# ---- the contract


def test_the_same_seed_gives_the_same_counts_and_another_seed_others():
    first, again, other = (
        make_xrf_cores(**(SMALL | {"random_state": seed})) for seed in (0, 0, 1)
    )
    assert_array_equal(first.data, again.data)
    assert_array_equal(first.target, again.target)
    assert not np.isin(first.target, other.target).any()


@pytest.mark.parametrize("seed", [0, None])
def test_the_global_generator_is_left_alone(seed):
    before = np.random.get_state()[1].copy()
    make_xrf_cores(2, 2, 8, random_state=seed)
    assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    "change",
    [
        {"noise": False},
        {"pile_up": 0},
        {"water": 0},
        {"water_film": 0},
        {"tube_ageing": 0},
        {"core_intensity": 0},
        {"n_channels": 64},
        {"counts": 10.0},
    ],
)
def test_a_nuisance_turned_off_leaves_the_rest_as_it_was(change):
    cores, changed = make_xrf_cores(**SMALL), make_xrf_cores(**(SMALL | change))
    for name in ("target", "sequence", "composition", "water_film", "intensity"):
        touched = {"composition": "water", "water_film": "water_film"}.get(
            name
        ) in change or (
            name == "intensity" and change.keys() & {"tube_ageing", "core_intensity"}
        )
        assert touched or np.array_equal(cores[name], changed[name]), name


def test_regions_of_the_first_cores_do_not_depend_on_how_many_are_shifted():
    one, two = (make_xrf_cores(**SMALL, n_shifted_cores=n) for n in (1, 2))
    assert_array_equal(one.target[:12], two.target[:12])
    assert not np.isin(one.target[12:18], two.target[12:18]).any()


def test_shapes_axis_and_names():
    cores = make_xrf_cores(**SMALL)
    assert cores.data.shape == (24, 512)
    assert cores.target.shape == (24, 2)
    assert cores.composition.shape == (24, len(cores.element_names))
    assert_allclose(cores.x_axis, np.arange(512) * 0.04)
    assert (cores.x_unit, cores.target_unit) == ("keV", "% of dry mass")
    assert cores.target_names == ["CaCO3", "TOC"]
    assert set(cores.lines) - {"Ar"} <= set(cores.element_names)
    assert "24 spectra of 4 cores, 1 of them from a shifted region" in cores.DESCR


def test_one_spectrum_of_two_channels_is_finite():
    cores = make_xrf_cores(1, 1, 2, random_state=0)
    assert cores.data.shape == (1, 2)
    assert np.isfinite(cores.data).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_cores": 0}, r"'n_cores' .* an int in the range \[1, inf\). Got 0 "),
        ({"n_samples_per_core": 1.5}, r"'n_samples_per_core' .* Got 1.5 instead"),
        ({"n_channels": 1}, r"'n_channels' .* an int in the range \[2, inf\). Got 1 "),
        ({"n_shifted_cores": -1}, r"'n_shifted_cores' .* or None. Got -1 instead"),
        ({"spacing": 0}, r"'spacing' .* in the range \(0.0, inf\). Got 0 instead"),
        ({"correlation_length": 0.0}, r"'correlation_length' .* Got 0.0 instead"),
        ({"counts": -5}, r"'counts' .* in the range \(0.0, inf\). Got -5 instead"),
        ({"resolution": 0.1}, r"'resolution' .* range \[0.12, 1.0\]. Got 0.1 instead"),
        ({"water": 1.0}, r"'water' .* in the range \[0.0, 1.0\). Got 1.0 instead"),
        ({"water_film": -1.0}, r"'water_film' .* Got -1.0 instead"),
        ({"tube_ageing": 1.0}, r"'tube_ageing' .* Got 1.0 instead"),
        ({"core_intensity": np.nan}, r"'core_intensity' .* Got nan instead"),
        ({"pile_up": -0.1}, r"'pile_up' .* Got -0.1 instead"),
        ({"noise": "yes"}, r"'noise' .* Got 'yes' instead"),
        ({"random_state": "a"}, r"'random_state' .* Got 'a' instead"),
        ({"n_cores": 3, "n_shifted_cores": 4}, r"at most n_cores=3. Got 4 instead"),
    ],
)
def test_bad_parameters_are_named_with_what_is_allowed(params, message):
    with pytest.raises(ValueError, match=message) as caught:
        make_xrf_cores(**params)
    assert "parameter of make_xrf_cores" in str(caught.value)


def test_a_missing_xraylib_is_answered_with_the_install_command(monkeypatch):
    monkeypatch.setattr(xrf, "find_spec", lambda name: None)
    with pytest.raises(ImportError) as caught:
        make_xrf_cores()
    assert str(caught.value) == (
        "make_xrf_cores requires xraylib. "
        "Install it with `pip install 'skspectra[xrf]'`."
    )


def test_xraylib_is_imported_where_cores_are_made():
    code = "import sys, skspectra.datasets; print('xraylib' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"
