"""JCAMP-DX, in every form of numbers, and beside another reader."""

import io

import jcamp
import numpy as np
import pytest

from skspectra.io import read_spectra

Y = [0, 1, 2, 3, 3, 2, 1, 0, -1, -2, -3]
FORMS = {
    "spaces": "0 0 1 2 3 3 2 1 0 -1 -2 -3",
    "signs": "0+0+1+2+3+3+2+1+0-1-2-3",
    "squeezed": "0@ABCCBA@abc",
    "differences": "0@JJJ%jjjjjj",
    "repeated differences": "0@JU%jX",
    "repeated values": "0@ABCTBA@abc",
}


def write(body, **labels):
    known = {
        "TITLE": "leaf $$ a comment",
        "JCAMP-DX": "4.24",
        "DATA TYPE": "INFRARED SPECTRUM",
        "XUNITS": "1/CM",
        "YUNITS": "ABSORBANCE",
        "FIRSTX": "400",
        "LASTX": "500",
        "NPOINTS": "11",
        "XFACTOR": "1.0",
        "YFACTOR": "0.5",
        "XYDATA": "(X++(Y..Y))\n" + body,
        "END": "",
    }
    known |= labels
    return "".join(f"##{key}={value}\n" for key, value in known.items())


@pytest.fixture
def read(tmp_path):
    def read(text, **options):
        path = tmp_path / "sample.jdx"
        path.write_bytes(text.encode("cp1252"))
        return read_spectra(path, **options)

    return read


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_numbers(read, form):
    spectra = read(write(FORMS[form]))
    np.testing.assert_array_equal(spectra.X, [np.array(Y) * 0.5])
    np.testing.assert_array_equal(spectra.x_axis, np.linspace(400, 500, 11))
    row = spectra.metadata.iloc[0]
    assert (row["name"], row["unit"], row["quantity"]) == ("leaf", "cm-1", "ABSORBANCE")


@pytest.mark.parametrize("form", sorted(set(FORMS) - {"repeated values"}))
def test_another_reader_finds_the_same(read, form):
    text = write(FORMS[form])
    other = jcamp.read(io.StringIO(text))
    spectra = read(text)
    np.testing.assert_array_equal(spectra.X[0], other["y"])
    np.testing.assert_array_equal(spectra.x_axis, other["x"])


def test_what_another_writer_wrote(read):
    x, y = np.linspace(4000, 400, 50), np.sin(np.arange(50.0)).round(4)
    known = {"title": "sine", "xunits": "NANOMETERS"}
    text = jcamp.write(known | {"x": x, "y": y})
    spectra = read(text)
    np.testing.assert_allclose(spectra.X[0], y)
    np.testing.assert_allclose(spectra.x_axis, x)
    assert spectra.x_unit == "nm"


def test_lines_repeat_the_last_value_after_differences(read):
    lines = "400@JJJ%\n440Cjjj\n470@jjj"
    np.testing.assert_array_equal(read(write(lines)).X[0], np.array(Y) * 0.5)
    with pytest.raises(ValueError, match="should begin with the last value"):
        read(write("400@JJJ%\n440Bjjj\n470@jjj"))


def test_numbers_with_exponents_and_gaps(read):
    text = write("4.0E2 1.5E-1 2E0 ? 4\n440 5 6 7 8 9 10 -1.1e+1", YFACTOR="1")
    values = [0.15, 2, np.nan, 4, 5, 6, 7, 8, 9, 10, -11]
    np.testing.assert_array_equal(read(text).X[0], values)


def test_pairs(read):
    text = write("400,1.5; 410.5,2\n430 3", XFACTOR="2")
    spectra = read(text.replace("XYDATA=(X++(Y..Y))", "XYPOINTS=(XY..XY)"))
    np.testing.assert_array_equal(spectra.X, [[0.75, 1, 1.5]])
    np.testing.assert_array_equal(spectra.x_axis, [800, 821, 860])


def test_linked_blocks_are_spectra_of_one_file(read):
    blocks = write(FORMS["spaces"]) + write(FORMS["squeezed"], TITLE="stem")
    text = f"##TITLE=both\n##DATA TYPE=LINK\n##BLOCKS=2\n{blocks}##END=\n"
    spectra = read(text)
    assert spectra.metadata["name"].tolist() == ["leaf", "stem"]
    assert spectra.metadata["position"].tolist() == [0, 1]


def test_raman_shifts_are_no_wavenumbers(read):
    text = write(FORMS["spaces"], **{"DATA TYPE": "RAMAN SPECTRUM"})
    assert read(text).x_unit == "Raman cm-1"


@pytest.mark.parametrize(
    "text, words",
    [
        (write("0 1 2 3"), "NPOINTS is 11, but 3 values follow"),
        (write("0@Z99999999999999999"), "more values follow"),
        (write(FORMS["spaces"], NPOINTS="999999999999"), "NPOINTS must be from 2 to"),
        (write(FORMS["spaces"], NPOINTS="many"), "should be a number"),
        (write(FORMS["spaces"]).replace("##FIRSTX=400\n", ""), "has no ##FIRSTX="),
        (write("0J"), "difference comes first"),
        ("##TITLE=mass\n##PEAK TABLE=(XY..XY)\n1,2\n##END=\n", "but PEAKTABLE"),
        ("##TITLE=nothing", "without XYDATA"),
    ],
)
def test_damage_is_told(read, text, words):
    with pytest.raises(ValueError, match=rf"sample\.jdx.*{words}"):
        read(text)
