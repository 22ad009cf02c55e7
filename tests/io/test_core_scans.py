"""Spectra of Itrax and Avaatech core scanners, and what is told of them elsewhere."""

import numpy as np
import pytest

from skspectra.io import read_spectra

COUNTS = np.random.default_rng(0).poisson(50, (3, 64))
GAINS = [0.0175, 0.0176, 0.0177]


def itrax(counts, position):
    """Return a spectrum as Q-Spec lays it out: \\r in the header, \\n below it."""
    header = {
        "Date:": ("11-Jan-16", ""),
        "Time:": ("8:11 AM", ""),
        "Sample name:": ("222", ""),
        "Section name:": ("section", ""),
        "Position": (f"{position:.6f}", "mm"),
        "E0": ("0.000000", "keV"),
        "E1": ("1.000000", "keV/channel"),
        "Tube anode:": ("Mo", ""),
        "Tube voltage:": ("30", "kV"),
        "number_mca_channels": (f"{len(counts)}.000000", "no:"),
        "livetime": ("27.274402", "seconds"),
    }
    text = "".join(f"{key}\t{v}\t{unit}\t\r" for key, (v, unit) in header.items())
    text += "channel\tcontent\t\t\r"
    return text + "".join(f"{i}\t{n}\n" for i, n in enumerate(counts, 1))


def avaatech(counts, position, calibration=""):
    """Return a spectrum of sections, decimal commas in some as in Europe."""
    known = {
        "SPEC_ID": "core A",
        "DATE_MEA": "02-20-2019 09:54:32",
        "MEAS_TIM": "30 44",
        "X_Position": f"{position:.1f}".replace(".", ","),
        "Slit_DC": "2,0",
        "TotalCPS": "175000",
        "ACC_VOLT": "10",
        "TUBE_CUR": "1,5",
    }
    text = "".join(f"${key}:\r\n{value}\r\n" for key, value in known.items())
    text += f"$DATA:\r\n0 {len(counts) - 1}\r\n"
    lines = [" ".join(map(str, counts[i : i + 10])) for i in range(0, len(counts), 10)]
    return text + "\r\n".join(lines) + "\r\n" + calibration


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())


@pytest.fixture
def itrax_scan(tmp_path):
    """Return the folder of a scan: spectra, their sum, results, a picture, notes."""
    names = [f"L{i:06}.spe" for i in range(3)]
    for i, name in enumerate(names):
        write(tmp_path / "XRF data" / name, itrax(COUNTS[i], 27.34 + 2 * i))
    write(tmp_path / "sumspectra.spe", itrax(COUNTS.sum(axis=0), 0))
    text = "C:\\Data\\core\\core   1/24/2017\npeakarea\n"
    text += "filename\tposition (mm)\tvalidity\tE-gain\tE-offset\tcps\tFe\tMo inc\t\n"
    for i, name in enumerate(names):
        cells = (
            f"{27.34 + 2 * i}\t{int(i != 1)}\t{GAINS[i]}\t-0.01\t23323\t1.9{i}\t115.3"
        )
        text += f"C:\\Data\\core\\XRF data\\{name}\t{cells}\t\n"
    write(tmp_path / "Results.txt", text)
    write(tmp_path / "document.txt", "Section name\tcore\nOptical\tno\n")
    (tmp_path / "optical.tif").write_bytes(b"II*\0" + bytes(200))
    return tmp_path


def test_a_scan_of_itrax(itrax_scan):
    with pytest.warns(UserWarning, match="3 files were not read, 3 were"):
        spectra = read_spectra(itrax_scan)
    np.testing.assert_array_equal(spectra.X, COUNTS)
    np.testing.assert_array_equal(spectra.x_axis, np.arange(1, 65))
    assert spectra.x_unit == "channel"
    metadata = spectra.metadata
    assert metadata["position (mm)"].tolist() == [27.34, 29.34, 31.34]
    assert metadata["tube anode"].tolist() == ["Mo"] * 3
    # From the table of results, by the names of the files in it.
    assert metadata["Fe"].tolist() == [1.90, 1.91, 1.92]
    assert metadata["validity"].tolist() == [1, 0, 1]
    reasons = " ".join(reason for _, reason in spectra.unreadable)
    for words in ["is the sum of a scan", "document.txt", "optical.tif"]:
        assert words in reasons


def test_the_results_of_itrax_tell_the_energies(itrax_scan):
    folder = itrax_scan / "XRF data"
    with pytest.raises(ValueError, match="cannot be converted to 'keV'"):
        read_spectra(folder, x_unit="keV")  # without the results
    axis = np.linspace(0.1, 1.0, 50)
    paths = [folder, itrax_scan / "Results.txt"]
    with pytest.raises(ValueError, match=r"x_axis=numpy\.linspace"):
        read_spectra(paths, x_unit="keV")  # the gain drifts, so that axes differ
    spectra = read_spectra(paths, x_axis=axis, x_unit="keV")
    for row, counts, gain in zip(spectra.X, COUNTS, GAINS, strict=True):
        energies = np.arange(1, 65) * gain - 0.01
        np.testing.assert_allclose(row, np.interp(axis, energies, counts))


def test_a_sum_that_is_named_is_read(itrax_scan):
    spectra = read_spectra(itrax_scan / "sumspectra.spe")
    np.testing.assert_array_equal(spectra.X[0], COUNTS.sum(axis=0))


def test_results_alone_are_no_spectra(itrax_scan):
    with pytest.raises(ValueError, match=r"Results\.txt holds results of Itrax"):
        read_spectra(itrax_scan / "Results.txt")


def test_a_torn_spectrum_of_itrax_is_told(tmp_path):
    write(tmp_path / "L000001.spe", itrax(COUNTS[0], 1.0)[:-60])
    with pytest.raises(ValueError, match=r"L000001\.spe is a damaged.*64 channels are"):
        read_spectra(tmp_path)


def test_a_scan_of_avaatech(tmp_path):
    names = [f"core A!0!0!  {d}.0!2019-02-20!Rep0!Sett Low.spe" for d in (50, 52, 54)]
    for counts, name, d in zip(COUNTS, names, (50, 52, 54), strict=True):
        write(tmp_path / name, avaatech(counts, d))
    text = '" Spectrum" ," Sample" ," Fe-Ka Area" ," Fe-Ka cps" \n'
    text += "".join(f"{name},  50.0,{100 + i},1.5\n" for i, name in enumerate(names))
    write(tmp_path / "core_10kV.csv", text)
    spectra = read_spectra(tmp_path)
    np.testing.assert_array_equal(spectra.X, COUNTS)
    np.testing.assert_array_equal(spectra.x_axis, np.arange(64))
    metadata = spectra.metadata
    assert metadata["format"].unique().tolist() == ["Avaatech"]
    assert metadata["core"].unique().tolist() == ["core A"]
    assert metadata["X position"].tolist() == [50, 52, 54]
    assert metadata["tube current"].tolist() == [1.5] * 3
    assert metadata["Fe-Ka Area"].tolist() == [100, 101, 102]


@pytest.mark.parametrize(
    "calibration, energies",
    [
        ("$MCA_CAL:\n3\n-0.01 0.02 0.0 keV\n", np.arange(64) * 0.02 - 0.01),
        ("$ENER_FIT:\n0.5 0.02\n", np.arange(64) * 0.02 + 0.5),
        ("$ENER_FIT:\n0.0 0.0\n", None),
        ("", None),
    ],
)
def test_energies_that_a_file_tells(tmp_path, calibration, energies):
    write(tmp_path / "a.spe", avaatech(COUNTS[0], 1.0, calibration))
    spectra = read_spectra(tmp_path)
    if energies is None:
        assert spectra.x_unit == "channel"
    else:
        assert spectra.x_unit == "keV"
        np.testing.assert_allclose(spectra.x_axis, energies)


@pytest.mark.parametrize("data", ["$DATA:\n0 99\n1 2 3\n", "$DATA:\n0 2\n1 x 3\n"])
def test_a_damaged_spe_file_is_told(tmp_path, data):
    write(tmp_path / "a.spe", data)
    with pytest.raises(ValueError, match=r"a\.spe is a damaged SPE file"):
        read_spectra(tmp_path)
