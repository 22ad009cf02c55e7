"""SPC files, written here byte by byte as the format is published."""

import struct

import numpy as np
import pytest

from skspectra.io import read_spectra

MANY, OWN_AXES, AXIS, HALF, LABELS = 0x04, 0x40, 0x80, 0x01, 0x20
FLOATS = -128
X = np.linspace(4000, 400, 13)
Y = np.sin(np.arange(39.0)).reshape(3, 13)


def header(n_points, n_spectra=1, flags=0, exponent=FLOATS, order="<", **more):
    """Return the 512 bytes in front of a file of the newer format."""
    version = 0x4B if order == "<" else 0x4C
    first, last = more.get("ends", (X[0], X[-1]))
    data = struct.pack(
        f"{order}BBBbIddIBBBB", flags, version, 0, exponent, n_points, first, last,
        n_spectra, more.get("x_type", 1), more.get("y_type", 2), 0, 0,
    )  # fmt: skip
    date = 2019 << 20 | 2 << 16 | 20 << 11 | 9 << 6 | 54
    data += struct.pack(f"{order}I9s9s", date, b"4 cm-1", b"Nicolet")
    data = data.ljust(88, b"\0") + b"a  comment".ljust(130, b"\0")
    return (data + more.get("labels", b"")).ljust(512, b"\0")


def spectrum(values, kind="f4", exponent=FLOATS, axis=None, z=0.0, order="<"):
    """Return one spectrum with the 32 bytes in front of it."""
    n_points = len(values) if axis is not None else 0
    data = struct.pack(f"{order}BbHfffI12x", 0, exponent, 0, z, z, 0.0, n_points)
    if axis is not None:
        data += np.asarray(axis, f"{order}f4").tobytes()
    if kind != "f4":
        values = np.round(np.asarray(values) * 2.0 ** (8 * int(kind[1]) - exponent))
    return data + np.asarray(values).astype(order + kind).tobytes()


@pytest.fixture
def read(tmp_path):
    def read(data, **options):
        path = tmp_path / "sample.spc"
        path.write_bytes(data)
        return read_spectra(path, **options)

    return read


def test_floats_on_an_even_axis(read):
    spectra = read(header(13) + spectrum(Y[0]))
    np.testing.assert_allclose(spectra.X, Y[:1], rtol=1e-6)
    np.testing.assert_allclose(spectra.x_axis, X)
    row = spectra.metadata.iloc[0]
    assert (row["unit"], row["quantity"]) == ("cm-1", "absorbance")
    assert (row["instrument"], row["comment"]) == ("Nicolet", "a comment")
    assert (row["date"], row["name"]) == ("2019-02-20 09:54", "sample")


@pytest.mark.parametrize("kind, flags", [("i4", 0), ("i2", HALF)])
def test_whole_numbers_are_scaled_by_the_exponent_of_the_file(read, kind, flags):
    # A single spectrum goes by the exponent of the file, whatever its own says.
    data = spectrum(Y[0], kind, exponent=1)
    data = data[:1] + b"\0" + data[2:]
    spectra = read(header(13, flags=flags, exponent=1) + data)
    np.testing.assert_allclose(spectra.X, Y[:1], atol=2.0**-14)


def test_many_spectra_have_exponents_of_their_own(read):
    bodies = [spectrum(Y[i] * 4**i, "i4", 1 + 2 * i, z=10.0 * i) for i in range(3)]
    spectra = read(header(13, 3, MANY, exponent=5) + b"".join(bodies))
    np.testing.assert_allclose(spectra.X, Y * [[1], [4], [16]], atol=1e-6)
    assert spectra.metadata["z"].tolist() == [0.0, 10.0, 20.0]
    assert spectra.metadata["position"].tolist() == [0, 1, 2]


def test_an_uneven_axis_stands_in_front(read):
    axis = np.geomspace(400, 4000, 13).astype("f4")
    data = header(13, flags=AXIS, x_type=3) + axis.tobytes() + spectrum(Y[0])
    spectra = read(data)
    np.testing.assert_array_equal(spectra.x_axis, axis)
    assert spectra.x_unit == "nm"


def test_spectra_with_axes_of_their_own(read):
    axes = [X, X[:10]]
    bodies = [spectrum(Y[i][: len(axis)], axis=axis) for i, axis in enumerate(axes)]
    data = header(0, 2, MANY | AXIS | OWN_AXES) + b"".join(bodies)
    with pytest.raises(ValueError, match="has 10 channels from 4000 to 1300"):
        read(data)
    spectra = read(data, x_axis=X)
    assert np.isnan(spectra.X).sum(axis=1).tolist() == [0, 3]


def test_the_other_byte_order(read):
    spectra = read(header(13, order=">") + spectrum(Y[0], order=">"))
    np.testing.assert_allclose(spectra.X, Y[:1], rtol=1e-6)


@pytest.mark.parametrize("n_spectra", [1, 3])
@pytest.mark.parametrize("floats", [True, False])
def test_the_older_format(read, n_spectra, floats):
    exponent = FLOATS if floats else 1
    flags = MANY if n_spectra > 1 else 0
    data = struct.pack("<BBhfffBB", flags, 0x4D, exponent, 13, X[0], X[-1], 3, 2)
    data = data.ljust(224, b"\0")
    for row in Y[:n_spectra]:
        data += struct.pack("<Bb30x", 0, exponent)
        if floats:
            data += row.astype("<f4").tobytes()
        else:
            numbers = np.round(row * 2.0**31).astype("<i4")
            words = numbers.view("<u2").reshape(-1, 2)
            data += words[:, ::-1].tobytes()  # the higher word comes first
    spectra = read(data)
    np.testing.assert_allclose(spectra.X, Y[:n_spectra], atol=1e-6)
    np.testing.assert_allclose(spectra.x_axis, X)
    assert spectra.x_unit == "nm"


def test_a_raman_shift_is_not_converted(read):
    data = header(13, x_type=13) + spectrum(Y[0])
    assert read(data).x_unit == "Raman cm-1"
    with pytest.raises(ValueError, match="cannot be converted to 'nm'"):
        read(data, x_unit="nm")


def test_the_name_of_the_quantity_may_be_told_in_words(read):
    data = header(13, flags=LABELS, y_type=0, labels=b"Shift\0Photons\0") + spectrum(
        Y[0]
    )
    assert read(data).metadata["quantity"].tolist() == ["Photons"]


@pytest.mark.parametrize("n_points", [0, 1, 14, 2**32 - 1])
def test_a_file_that_says_another_length_is_damaged(read, n_points):
    with pytest.raises(ValueError, match=r"sample\.spc is a damaged SPC file"):
        read(header(n_points) + spectrum(Y[0]))


def test_a_file_that_promises_endless_spectra_is_damaged(read):
    with pytest.raises(ValueError, match=r"sample\.spc is a damaged SPC file"):
        read(header(13, 2**32 - 1, MANY) + spectrum(Y[0]))


def test_every_shortened_file_is_refused_in_a_sentence(read):
    data = header(13, 3, MANY) + b"".join(spectrum(row) for row in Y)
    for length in range(1, len(data), 7):
        with pytest.raises(ValueError, match=r"sample\.spc"):
            read(data[:length])
