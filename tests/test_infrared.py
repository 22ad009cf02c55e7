import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.signal import find_peaks, peak_widths
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectra import InstanceNormalizer
from skspectra.datasets import make_infrared
from skspectra.datasets._group_frequencies import GROUPS, group_frequencies
from skspectra.datasets._lineshapes import LineShapes
from skspectra.datasets._molecules import Bands, couple

EXACT = {"scatter": 0, "baseline": 0, "carbon_dioxide": 0, "noise": 0}
GROUPS_ALONE = EXACT | {
    "skeleton": 0,
    "anharmonicity": 0,
    "coupling": 0,
    "hydrogen_bonding": 0,
    "random_state": 0,
}

# Of groups on saturated carbon, unassociated, cm-1, as correlation charts have them:
# first the range in which every such molecule absorbs, then the others.
CHARTS = {
    "alkane": [(2840, 3000), (1340, 1480), (1140, 1180), (715, 735)],
    "alkene": [(660, 1000), (3000, 3100), (1630, 1680), (1400, 1425)],
    "alkyne": [(2100, 2260), (3260, 3340), (600, 700)],
    "aromatic": [(680, 900), (3000, 3100), (1430, 1625), (1000, 1040)],
    "alcohol": [(3590, 3650), (1000, 1260), (1310, 1420)],
    "ether": [(1040, 1160), (815, 925)],
    "amine": [(1020, 1250), (3300, 3500), (1580, 1650), (2760, 2830), (665, 910)],
    "nitrile": [(2240, 2260)],
    "ketone": [(1700, 1755), (1400, 1430), (1100, 1300)],
    "aldehyde": [(1715, 1745), (2690, 2860), (1380, 1400)],
    "carboxylic acid": [
        *((1695, 1730), (2500, 3300), (1390, 1440), (1205, 1320), (895, 960)),
    ],
    "ester": [(1730, 1780), (1000, 1300), (1360, 1380)],
    "amide": [
        *((1630, 1700), (3400, 3540), (3050, 3110), (1500, 1620), (1390, 1425)),
        *((1225, 1295), (675, 755)),
    ],
    "nitro": [(1540, 1570), (1350, 1385), (835, 880)],
    "halide": [(500, 1400)],
}


def spectra_of(*names, n_samples=60, **changes):
    """Return spectra of molecules of these groups, as simple as asked for."""
    changes |= {"functional_groups": names}
    return make_infrared(n_samples, **(GROUPS_ALONE | changes))


def peaks_of(spectrum):
    """Return the wavenumbers of visible peaks of a spectrum from 400 to 4000 cm-1."""
    found = find_peaks(spectrum, prominence=0.03 * spectrum.max())[0]
    return np.linspace(400, 4000, len(spectrum))[found]


def between(spectra, low, high):
    """Return the wavenumber and height of the highest point in a range."""
    inside = (spectra.x_axis >= low) & (spectra.x_axis <= high)
    highest = spectra.data[:, inside].argmax(axis=1)
    return spectra.x_axis[inside][highest], spectra.data[:, inside].max(axis=1)


# ---- where bands are


def test_the_charts_and_the_table_have_the_same_groups():
    assert set(CHARTS) == set(GROUPS)
    assert len(GROUPS) == 15
    table = group_frequencies()
    assert_array_equal(np.unique(table.group), np.arange(15))
    assert (table.low < table.high).all()
    assert (table.width > 0).all()
    assert (table.strength > 0).all()


@pytest.mark.parametrize("group", CHARTS)
def test_a_group_alone_absorbs_where_the_charts_say_and_nowhere_else(group):
    spectra = spectra_of(group)
    # 8 cm-1: two bands that overlap show a peak between them or beside their own.
    ranges = [(low - 8, high + 8) for low, high in CHARTS[group]]
    for spectrum in spectra.data:
        peaks = peaks_of(spectrum)
        assert ((peaks > ranges[0][0]) & (peaks < ranges[0][1])).any()
        outside = [p for p in peaks if not any(a < p < b for a, b in ranges)]
        assert outside == []


def test_neighbouring_multiple_bonds_lower_a_nitrile_by_20_to_30():
    spectra = spectra_of("nitrile", "aromatic", n_samples=400)
    nitrile = spectra.target[:, spectra.target_names.index("nitrile")] == 1
    ring = spectra.target[:, spectra.target_names.index("aromatic")] == 1
    position, _ = between(spectra, 2150, 2300)
    alone, beside = position[nitrile & ~ring], position[nitrile & ring]
    assert alone.min() > 2235
    assert 2215 < beside.min() < 2230
    # about half of them are next to the ring
    assert 0.3 < np.mean(beside < 2236) < 0.7


def test_esters_come_lower_beside_an_unsaturated_acid_and_higher_beside_oxygen():
    spectra = spectra_of("ester", "aromatic", n_samples=600)
    ester = spectra.target[:, spectra.target_names.index("ester")] == 1
    ring = spectra.target[:, spectra.target_names.index("aromatic")] == 1
    position, _ = between(spectra, 1680, 1800)
    alone, beside = position[ester & ~ring], position[ester & ring]
    # Esters of saturated acids and lactones; 1752 to 1763 lies between the two, where
    # vinyl and phenyl esters are, and below 1733 the esters of unsaturated acids.
    assert alone.min() > 1733
    assert np.mean((alone > 1752) & (alone < 1763)) < 0.02
    assert np.mean(beside < 1733) > 0.2
    assert 0.03 < np.mean((beside > 1752) & (beside < 1763)) < np.mean(beside < 1733)


def test_the_torsion_of_hydroxyl_groups_shows_in_associated_alcohols_alone():
    free = spectra_of("alcohol")
    bonded = spectra_of("alcohol", hydrogen_bonding=1)
    assert (between(bonded, 600, 700)[1] > 0.05 * bonded.data.max(axis=1)).all()
    assert (between(free, 600, 700)[1] < 0.01 * free.data.max(axis=1)).all()


def test_the_overtone_of_amide_ii_is_there_once():
    plain = spectra_of("amide", n_samples=200)
    spectra = spectra_of("amide", n_samples=200, anharmonicity=0.02)
    position, height = between(plain, 3040, 3120)
    assert (height > 0.03).mean() > 0.3
    assert_allclose(position[height > 0.03].mean(), 3080, atol=10)
    # What anharmonicity adds there are sums with tertiary and primary amides' bands.
    added = (spectra.data - plain.data)[height > 0.03]
    second = (spectra.x_axis > 2930) & (spectra.x_axis < 3040)
    assert added[:, second].max() < 0.015


def test_bands_of_one_group_move_together():
    spectra = spectra_of("nitro", n_samples=300)
    single = [len(peaks_of(spectrum)) == 3 for spectrum in spectra.data]
    high = between(spectra, 1530, 1580)[0][single]
    low = between(spectra, 1340, 1395)[0][single]
    assert np.corrcoef(high, low)[0, 1] > 0.2
    assert np.std(high) > 2


# ---- effects


@pytest.mark.parametrize("anharmonicity", [0.005, 0.02])
def test_overtones_lie_below_twice_the_fundamental_and_are_weak(anharmonicity):
    plain = spectra_of("ketone")
    spectra = spectra_of("ketone", anharmonicity=anharmonicity)
    fundamental, height = between(spectra, 1680, 1780)
    spectra.data -= plain.data
    overtone, weak = between(spectra, 3300, 3600)
    assert (overtone < 2 * fundamental).all()
    # 8 cm-1: the grid's 2 cm-1, twice, and slopes of neighbouring sums
    assert_allclose(overtone, 2 * fundamental * (1 - anharmonicity), atol=8)
    # two close C=O add up differently in the overtone
    assert_allclose(np.median(weak / height), anharmonicity, rtol=0.2)


def test_hydrogen_bonds_lower_and_broaden_the_stretch_of_alcohols():
    free = spectra_of("alcohol")
    bonded = spectra_of("alcohol", hydrogen_bonding=1)
    for spectra, low, high, widths in (
        (free, 3600, 3650, (15, 60)),
        (bonded, 3230, 3480, (120, 360)),
    ):
        position, _ = between(spectra, 2800, 4000)
        assert ((position > low) & (position < high)).all()
        highest = ((position - 400) / 2).round().astype(int)
        width = [
            2 * peak_widths(row, [at])[0][0]
            for row, at in zip(spectra.data, highest, strict=True)
        ]
        assert widths[0] < np.median(width) < widths[1]
    assert_array_equal(free.target, bonded.target)


def test_hydrogen_bonds_lower_the_carbonyl_of_a_neighbour_that_accepts_them():
    free, bonded = (
        spectra_of("ketone", "alcohol", n_samples=200, hydrogen_bonding=share)
        for share in (0, 1)
    )
    has = dict(zip(free.target_names, free.target.T == 1, strict=True))
    moved = between(bonded, 1680, 1780)[0] - between(free, 1680, 1780)[0]
    # by 8 to 13 cm-1, seen on points 2 cm-1 apart; two C=O of a molecule overlap
    both = moved[has["ketone"] & has["alcohol"]]
    assert -14 < np.median(both) < -7
    assert_array_equal(moved[has["ketone"] & ~has["alcohol"]], 0)


def test_two_coupled_oscillators_repel_as_in_closed_form():
    rng = np.random.default_rng(0)
    position = rng.uniform(1650, 1750, (50, 2))
    width, strength = rng.uniform(10, 30, (2, 50, 2))
    dipoles = rng.standard_normal((50, 2, 3))
    dipoles /= np.linalg.norm(dipoles, axis=2, keepdims=True)
    energy = 20 * rng.standard_normal(50)
    found = couple(position, width, strength, dipoles, energy)
    mean = position.mean(axis=1)
    split = np.hypot((position[:, 0] - position[:, 1]) / 2, energy)
    assert_allclose(found[0], np.stack([mean - split, mean + split], axis=1))
    assert_allclose(found[1].sum(axis=1), width.sum(axis=1))
    assert_allclose(found[2].sum(axis=1), strength.sum(axis=1))


def test_parallel_equal_oscillators_give_one_of_them_all_the_light():
    dipoles = np.zeros((1, 2, 3))
    dipoles[..., 0] = 1
    position, _, strength = couple(
        np.full((1, 2), 1700.0), np.ones((1, 2)), np.ones((1, 2)), dipoles, np.ones(1)
    )
    assert_allclose(position, [[1699, 1701]])
    assert_allclose(strength, [[0, 2]], atol=1e-12)


def test_coupling_changes_molecules_with_several_carbonyls_alone():
    plain, coupled = (spectra_of("ketone", coupling=energy) for energy in (0, 30))
    changed = np.abs(coupled.data - plain.data).max(axis=1) > 1e-3
    assert 0.05 < changed.mean() < 0.5  # one group in five is there twice
    low = between(plain, 1600, 1702)[1] < 0.3 * between(plain, 1600, 1800)[1]
    assert low.any()
    alike = [spectra_of("nitrile", coupling=energy).data for energy in (0, 30)]
    assert_array_equal(*alike)
    # split bands reach further out than the published range of one
    wide = [np.ptp(peaks_of(row)[peaks_of(row) > 1600]) for row in coupled.data]
    assert max(wide) > 50


def test_the_skeleton_is_the_molecules_own_and_stays_below_1500():
    alone = spectra_of("nitrile")
    spectra = spectra_of("nitrile", skeleton=1)
    added = spectra.data - alone.data
    assert added[:, spectra.x_axis < 1450].max(axis=1).min() > 0.05
    # tails of Lorentzian bands
    assert added[:, spectra.x_axis > 1600].max() < 0.02
    alike = np.corrcoef(added) - np.eye(len(added))
    assert alike.max() < 0.95


# ---- lines and instrument


# The limits are for cubic interpolation on a grid of a sixth of the width, and for the
# tails of broad bands that come round the ends.
@pytest.mark.parametrize("n_channels", [361, 1801, 2048, 7201])
@pytest.mark.parametrize(
    ("widths", "reach", "limit"), [((6, 9.6, 24), 1750, 3e-3), ((62, 410), 1300, 0.01)]
)
def test_bands_are_what_a_sum_of_line_shapes_is(n_channels, widths, reach, limit):
    rng = np.random.default_rng(1)
    axis = np.linspace(400, 4000, n_channels)
    width = rng.choice(widths, 20)
    position = 2200 + reach * rng.uniform(-1, 1, 20)
    strength = rng.uniform(0.1, 1, 20)
    molecule = np.repeat([0, 1], 10)
    found = LineShapes(axis, 0).absorb(Bands(molecule, position, width, strength), 2)
    lorentz = np.interp(np.log(width), np.log([6, 600]), [0.8, 0.2])
    distance = 2 * (axis[:, None] - position) / width
    shape = lorentz / (1 + distance**2) + (1 - lorentz) * 2 ** -(distance**2)
    expected = [shape[:, at] @ strength[at] for at in (molecule == 0, molecule == 1)]
    assert_allclose(found, expected, atol=limit)


def test_widths_between_the_tabulated_ones_come_out():
    axis = np.linspace(400, 4000, 7201)
    widths = np.geomspace(7, 300, 12)
    at = np.arange(12)
    bands = Bands(at, np.full(12, 2000.3), widths, np.ones(12))
    found = LineShapes(axis, 0).absorb(bands, 12)
    assert_allclose(found.max(axis=1), 1, atol=0.01)
    top = found.argmax(axis=1)
    half = [peak_widths(row, [i], 0.5)[0][0] / 2 for row, i in zip(found, top)]  # noqa: B905
    assert_allclose(half, widths, rtol=0.05)


def test_the_instrument_function_is_the_transform_of_the_apodized_interferogram():
    axis = np.linspace(400, 4000, 3601)
    band = Bands(np.zeros(1, int), np.array([2000.0]), np.array([6.0]), np.ones(1))
    found = LineShapes(axis, 8).absorb(band, 1)[0]

    def interferogram(delay):
        lorentz = 0.8 * np.pi * 6 / 2 * np.exp(-np.pi * 6 * delay)
        decay = np.exp(-((np.pi * 6 * delay) ** 2) / (4 * np.log(2)))
        gauss = 0.2 * 6 / 2 * np.sqrt(np.pi / np.log(2)) * decay
        return (lorentz + gauss) * (0.54 + 0.46 * np.cos(8 * np.pi * delay))

    for offset in (0, 2, 5, 9, 20):
        expected, _ = quad(
            lambda t, offset=offset: (
                2 * interferogram(t) * np.cos(2 * np.pi * offset * t)
            ),
            *(0, 1 / 8),
        )
        # the grid of 1 cm-1, and a last point of the window
        assert_allclose(found[axis == 2000 + offset], expected, atol=5e-3)


def test_coarser_resolution_lowers_and_broadens_narrow_bands_and_keeps_their_area():
    sharp, blurred = (spectra_of("nitrile", resolution=r) for r in (1, 16))
    assert (blurred.data.max(axis=1) < 0.9 * sharp.data.max(axis=1)).all()
    assert_allclose(blurred.data.sum(axis=1), sharp.data.sum(axis=1), rtol=1e-3)


@pytest.mark.parametrize("n_channels", [361, 901, 3601])
def test_another_number_of_channels_shows_the_same_molecules(n_channels):
    finest = make_infrared(30, 7201, **EXACT, random_state=0)
    spectra = make_infrared(30, n_channels, **EXACT, random_state=0)
    every = 7200 // (n_channels - 1)
    assert_allclose(spectra.x_axis, finest.x_axis[::every])
    # cubic interpolation between points 1 cm-1 apart
    assert_allclose(spectra.data, finest.data[:, ::every], atol=2e-3)
    assert_array_equal(spectra.target, finest.target)


# ---- nuisances


def test_absorbance_is_proportional_to_the_path_length():
    spectra = make_infrared(
        40, 400, n_spectra_per_molecule=4, **(EXACT | {"scatter": 0.5}), random_state=0
    )
    exact = make_infrared(40, 400, n_spectra_per_molecule=4, **EXACT, random_state=0)
    assert_allclose(
        spectra.data, exact.data * spectra.path_lengths[:, None], rtol=1e-5, atol=1e-6
    )
    assert len(set(spectra.path_lengths)) == 40
    assert_array_equal(exact.path_lengths, 1)


def test_path_lengths_spread_as_asked_for():
    lengths = make_infrared(2000, 2, scatter=1.5, random_state=0).path_lengths
    assert_allclose(np.log(lengths).std(), 1.5, rtol=0.05)


def test_spectra_of_one_molecule_share_bands_and_labels_and_nothing_else():
    spectra = make_infrared(10, 600, n_spectra_per_molecule=4, random_state=0)
    assert_array_equal(spectra.groups, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    single = make_infrared(3, 600, **EXACT, random_state=0)
    for group in range(3):
        rows = spectra.data[spectra.groups == group]
        assert len(np.unique(rows, axis=0)) == len(rows)
        labels = spectra.target[spectra.groups == group]
        assert_array_equal(labels, np.tile(single.target[group], (len(rows), 1)))
        for row in rows:
            assert np.corrcoef(row, single.data[group])[0, 1] > 0.95


def test_noise_has_the_size_asked_for_in_transmittance():
    quiet = make_infrared(100, 600, noise=0, random_state=0)
    noisy = make_infrared(100, 600, noise=0.01, random_state=0)
    clear = quiet.data < 1  # far from the floor
    error = 10.0**-noisy.data - 10.0**-quiet.data
    assert_allclose(error[clear].std(), 0.01, rtol=0.02)
    assert abs(error[clear].mean()) < 2e-4


def test_nothing_absorbs_more_than_the_noise_lets_one_see():
    quiet = make_infrared(200, 600, noise=0, scatter=1, random_state=0)
    noisy = make_infrared(200, 600, noise=0.01, scatter=1, random_state=0)
    assert quiet.data.max() > -np.log10(0.005)
    assert_allclose(noisy.data.max(), -np.log10(0.005), rtol=1e-5)
    assert np.isfinite(noisy.data).all()


def test_the_baseline_is_offset_slope_and_scattered_light_of_the_size_asked_for():
    quiet = make_infrared(2000, 50, **EXACT, random_state=0)
    tilted = make_infrared(2000, 50, **(EXACT | {"baseline": 0.2}), random_state=0)
    curves = [np.ones(50), np.linspace(-1, 1, 50), (quiet.x_axis / 4000) ** 4]
    added = (tilted.data - quiet.data).astype(float)
    amounts, *_ = np.linalg.lstsq(np.transpose(curves), added.T)
    assert_allclose(added, amounts.T @ curves, atol=2e-6)  # float32
    assert_allclose(amounts[:2].std(axis=1), 0.2, rtol=0.1)
    assert_allclose(np.sqrt(np.mean(amounts[2] ** 2)), 0.2, rtol=0.1)
    assert amounts[2].min() > -1e-4


def test_carbon_dioxide_is_one_doublet_near_2349_of_either_sign():
    quiet = make_infrared(500, 1801, **EXACT, random_state=0)
    airy = make_infrared(500, 1801, **(EXACT | {"carbon_dioxide": 0.1}), random_state=0)
    added = airy.data - quiet.data
    inside = (airy.x_axis > 2250) & (airy.x_axis < 2410)
    assert np.abs(added[:, ~inside]).max() < 0.01
    amount = added[np.arange(500), np.abs(added).argmax(axis=1)]
    assert_allclose(amount.std(), 0.1, rtol=0.1)
    assert 0.4 < (amount > 0).mean() < 0.6
    shape = np.abs(added[np.abs(amount).argmax()])
    tops = airy.x_axis[find_peaks(shape, prominence=0.3 * shape.max())[0]]
    # the maxima of the P and the R branch at room temperature
    assert_allclose(tops, [2335, 2361], atol=6)


# ---- labels, groups, seeds


def test_labels_are_zeros_and_ones_and_no_molecule_is_without():
    spectra = make_infrared(2000, 2, random_state=0)
    assert spectra.target.shape == (2000, 15)
    assert spectra.target.dtype.kind == "i"
    assert_array_equal(np.unique(spectra.target), [0, 1])
    assert spectra.target.sum(axis=1).min() >= 1
    assert spectra.target_names == list(GROUPS)
    share = spectra.target.mean(axis=0)
    assert ((share > 0.03) & (share < 0.9)).all()


def test_nitro_groups_keep_company_with_aromatic_rings():
    spectra = make_infrared(5000, 2, random_state=0)
    target = dict(zip(spectra.target_names, spectra.target.T, strict=True))
    ring = target["aromatic"] == 1
    assert target["nitro"][ring].mean() > 2 * target["nitro"][~ring].mean()


def test_only_groups_that_may_occur_do():
    spectra = make_infrared(50, 9, functional_groups=["ester", "alkane"])
    assert spectra.target_names == ["alkane", "ester"]
    assert spectra.target.shape == (50, 2)
    assert spectra.target.any(axis=1).all()


def test_shapes_types_and_axis():
    spectra = make_infrared(3, 15, random_state=0)
    assert spectra.data.shape == (3, 15)
    assert spectra.data.dtype == np.float32
    assert_allclose(spectra.x_axis, np.linspace(400, 4000, 15))
    assert spectra.x_unit == "cm-1"
    assert "3 spectra of 3 molecules, 15 channels" in spectra.DESCR
    assert_array_equal(make_infrared(5, 2).groups, np.arange(5))


def test_the_same_seed_gives_the_same_spectra_and_another_seed_others():
    first, again, other = (make_infrared(9, 50, random_state=s) for s in (0, 0, 1))
    assert_array_equal(first.data, again.data)
    assert not np.isin(first.data, other.data).any()


def test_a_generator_goes_on_where_it_was():
    rng = np.random.RandomState(0)
    first, second = (make_infrared(3, 50, random_state=rng) for _ in range(2))
    assert not np.array_equal(first.data, second.data)
    again = make_infrared(3, 50, random_state=np.random.RandomState(0))
    assert_array_equal(again.data, first.data)


def test_more_spectra_begin_with_the_same_ones():
    few = make_infrared(10, 300, random_state=0)
    many = make_infrared(150, 300, random_state=0)
    # sums of other blocks may round otherwise in float32
    assert_allclose(many.data[:10], few.data, atol=2e-6)
    assert_array_equal(many.target[:10], few.target)


@pytest.mark.parametrize(
    "nuisance", ["scatter", "baseline", "carbon_dioxide", "noise", "skeleton"]
)
def test_a_nuisance_turned_off_leaves_the_rest_as_it_was(nuisance):
    all_on = make_infrared(40, 200, random_state=0)
    without = make_infrared(40, 200, **{nuisance: 0}, random_state=0)
    assert not np.array_equal(all_on.data, without.data)
    assert_array_equal(all_on.target, without.target)
    if nuisance != "scatter":
        assert_array_equal(all_on.path_lengths, without.path_lengths)
    if nuisance != "noise":
        both = [
            make_infrared(40, 200, **{nuisance: size, "noise": noise}, random_state=0)
            for size in (0, 0.01)
            for noise in (0, 1e-3)
        ]
        errors = [10.0 ** -both[i + 1].data - 10.0 ** -both[i].data for i in (0, 2)]
        clear = (both[0].data < 1) & (both[2].data < 1)
        # float32 absorbances
        assert_allclose(errors[0][clear], errors[1][clear], atol=1e-6)


def test_the_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()
    make_infrared(9, 8, random_state=0)
    make_infrared(9, 8)
    assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_samples": 0}, r"'n_samples' .* must be an int in the range \[1, inf\)"),
        ({"n_channels": 1}, r"'n_channels' .* an int in the range \[2, inf\)"),
        ({"n_spectra_per_molecule": 0}, r"'n_spectra_per_molecule' .* \[1, inf\)"),
        ({"skeleton": -1.0}, r"'skeleton' .* a float in the range \[0.0, inf\)"),
        ({"anharmonicity": 0.5}, r"'anharmonicity' .* range \[0.0, 0.1\]. Got 0.5 "),
        ({"coupling": 200}, r"'coupling' .* in the range \[0.0, 100.0\]. Got 200 "),
        ({"hydrogen_bonding": 2}, r"'hydrogen_bonding' .* range \[0.0, 1.0\]. Got 2 "),
        ({"resolution": -4}, r"'resolution' .* in the range \[0.0, 100.0\]. Got -4 "),
        ({"scatter": np.nan}, r"'scatter' .* Got nan instead"),
        ({"baseline": "flat"}, r"'baseline' .* Got 'flat' instead"),
        ({"carbon_dioxide": -1}, r"'carbon_dioxide' .* Got -1 instead"),
        ({"noise": 1.5}, r"'noise' .* in the range \[0.0, 1.0\]. Got 1.5 instead"),
        ({"random_state": "a"}, r"'random_state' .* Got 'a' instead"),
        ({"functional_groups": "ester"}, r"'functional_groups' .* Got 'ester' instead"),
        ({"functional_groups": ["thiol"]}, r"out of \['alkane', .*Got \['thiol'\]"),
        ({"functional_groups": []}, r"must hold different names .* Got \[\] instead"),
        ({"functional_groups": ["ester", "ester"]}, r"must hold different names"),
    ],
)
def test_bad_parameters_are_named_with_what_is_allowed(params, message):
    with pytest.raises(ValueError, match=message) as caught:
        make_infrared(**params)
    assert "parameter of make_infrared" in str(caught.value)


# ---- learning


def macro_f1(target, predicted):
    return f1_score(target, predicted, average="macro", zero_division=0)


def test_a_linear_classifier_learns_the_groups_of_unseen_molecules_but_not_all():
    spectra = make_infrared(1200, 361, random_state=0)
    train, test = slice(0, 800), slice(800, None)
    majority = spectra.target[train].mean(axis=0) > 0.5
    beaten = macro_f1(spectra.target[test], np.tile(majority.astype(int), (400, 1)))
    model = make_pipeline(
        InstanceNormalizer(),
        StandardScaler(),
        MultiOutputClassifier(LogisticRegression(C=0.03)),
    ).fit(spectra.data[train], spectra.target[train])
    reached = macro_f1(spectra.target[test], model.predict(spectra.data[test]))
    assert reached > beaten + 0.5
    assert reached < 0.9


def test_molecules_are_told_apart_in_other_measurements_better_than_by_chance():
    spectra = make_infrared(
        200, 181, n_spectra_per_molecule=4, noise=0.1, random_state=0
    )
    train = np.arange(200) % 4 < 2
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(spectra.data[train], spectra.groups[train])
    assert model.score(spectra.data[~train], spectra.groups[~train]) > 10 / 50
