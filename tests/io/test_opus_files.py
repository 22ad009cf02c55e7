"""OPUS files, written here block by block as the format is known."""

import struct

import numpy as np
import pytest
from brukeropus.file.constants import STRUCT_3D_INFO_BLOCK

from skspectra.io import read_spectra

X = np.linspace(4000, 400, 13)
Y = np.sin(np.arange(13.0)).astype("f4")
ABSORBANCE, SAMPLE = 0b1111 | 4 << 10, 0b0111 | 1 << 10
STATUS, PARAMETERS, SERIES = 1 << 4, 10 << 4, 2 << 19


def parameters(**known):
    data = b""
    for key, value in known.items():
        if isinstance(value, int):
            data += struct.pack("<3sxhhi", key.encode(), 0, 2, value)
        elif isinstance(value, float):
            data += struct.pack("<3sxhhd", key.encode(), 1, 4, value)
        else:
            text = value.encode("latin-1") + b"\0"
            text += b"\0" * (-len(text) % 4)
            data += struct.pack("<3sxhh", key.encode(), 2, len(text) // 2) + text
    return data + b"END\0" + bytes(4)


def status(**changes):
    known = {"DPF": 1, "NPT": 13, "FXV": 4000.0, "LXV": 400.0, "CSF": 1.0}
    known |= {"MXY": float(Y.max()), "MNY": float(Y.min()), "DXU": "WN"}
    known |= {"DAT": "20/02/2019", "TIM": "09:54:32.100 (GMT+1)"}
    return parameters(**(known | changes))


def opus(*blocks):
    """Return a file of blocks, each a number for its kind and its bytes."""
    at = 24 + 12 * (len(blocks) + 1)
    directory = struct.pack("<3i", 13 << 10, 3 * (len(blocks) + 1), 24)
    body = b""
    for kind, data in blocks:
        directory += struct.pack("<3i", kind, len(data) // 4, at + len(body))
        body += data
    head = struct.pack("<4sd3i", b"\n\n\xfe\xfe", 920622.0, 24, len(blocks) + 1, 0)
    return head + directory + body


def plain():
    return opus(
        (ABSORBANCE, Y.tobytes()),
        (ABSORBANCE | STATUS, status()),
        (SAMPLE, (Y + 5).tobytes()),
        (SAMPLE | STATUS, status(MXY=float((Y + 5).max()), MNY=float((Y + 5).min()))),
        (PARAMETERS | 0b11, parameters(SNM="leaf", INS="Vertex 70", RES=4.0, NSS=32)),
    )


@pytest.fixture
def read(tmp_path):
    def read(data):
        path = tmp_path / "sample.0"
        path.write_bytes(data)
        return read_spectra(path)

    return read


def test_the_result_is_read_and_not_what_it_was_made_of(read):
    spectra = read(plain())
    np.testing.assert_array_equal(spectra.X, [Y])
    np.testing.assert_allclose(spectra.x_axis, X)
    row = spectra.metadata.iloc[0]
    assert (row["name"], row["unit"], row["quantity"]) == ("leaf", "cm-1", "absorbance")
    assert (row["instrument"], row["scans"]) == ("Vertex 70", 32)
    assert row["date"] == "2019-02-20 09:54:32.100000"


def test_without_a_result_the_single_channel_is_read(read):
    spectra = read(opus((SAMPLE, Y.tobytes()), (SAMPLE | STATUS, status(DXU="MI"))))
    np.testing.assert_array_equal(spectra.X, [Y])
    assert spectra.metadata.iloc[0][["unit", "quantity"]].tolist() == [
        "um",
        "single channel",
    ]


def series(rows, n_told=None):
    """Return a block of spectra over time, each with a block of numbers behind it."""
    # What stands behind a spectrum is known by no more than its length here.
    size = struct.calcsize("<" + "".join(e["fmt"] for e in STRUCT_3D_INFO_BLOCK))
    told = len(rows) if n_told is None else n_told
    data = struct.pack("<8i", 0, told, 32, rows.shape[1] * 4, size, 1, 0, len(rows) - 1)
    return data + b"".join(row.tobytes() + bytes(size) for row in rows)


def test_a_series_of_spectra(read):
    rows = np.stack([Y, Y + 1, Y + 2])
    kind = ABSORBANCE | SERIES
    spectra = read(opus((kind, series(rows)), (kind | STATUS, status())))
    np.testing.assert_array_equal(spectra.X, rows)
    assert spectra.metadata["position"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="a series is longer than its block"):
        read(opus((kind, series(rows, 2**30)), (kind | STATUS, status())))


def test_a_file_without_a_spectrum_says_so(read):
    with pytest.raises(ValueError, match=r"sample\.0 is OPUS.*no spectrum among"):
        read(opus((PARAMETERS | 0b11, parameters(SNM="leaf"))))


def endless_parameters():
    """Return a parameter that ends where it begins, so that a reader stands still."""
    return struct.pack("<3sxhh", b"SNM", 2, -4) + bytes(8)


@pytest.mark.parametrize(
    "data, words",
    [
        (opus((PARAMETERS | 0b11, endless_parameters())), "negative length"),
        (opus((ABSORBANCE | STATUS, status(NPT=2**31 - 1))), "points"),
        (plain()[:-8], "beyond the end"),
        (plain()[:60], "beyond the end"),
        (b"\n\n\xfe\xfe" + b"\xff" * 100, "directory lies outside"),
    ],
)
def test_damage_is_told(read, data, words):
    with pytest.raises(ValueError, match=rf"sample\.0 is OPUS, but cannot.*{words}"):
        read(data)


def test_every_shortened_file_is_refused_in_a_sentence(read):
    data = plain()
    for length in range(1, len(data), 9):
        with pytest.raises(ValueError, match=r"sample\.0"):
            read(data[:length])


def test_changed_bytes_never_come_out_as_another_error(read):
    data, rng = plain(), np.random.default_rng(0)
    for _ in range(150):
        changed = bytearray(data)
        for at in rng.integers(4, len(data), 4):
            changed[at] = rng.integers(256)
        try:
            spectra = read(bytes(changed))
        except ValueError:
            continue
        assert spectra.X.shape[1] == len(spectra.x_axis)
