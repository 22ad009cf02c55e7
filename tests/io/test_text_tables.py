"""Spectra in tables of every flavour: where the axis is, and what is refused."""

from time import perf_counter

import numpy as np
import pandas as pd
import pytest

from skspectra.io import read_spectra, read_table

AXIS = np.arange(850.0, 950.0, 2.5)
Y = np.random.default_rng(0).random((5, len(AXIS))).round(6)
ROWS = pd.DataFrame(Y, columns=AXIS)
COLUMNS = pd.DataFrame(Y.T, index=AXIS, columns=list("ABCDE"))
ONE = COLUMNS.iloc[:, :1]


@pytest.fixture
def read(tmp_path):
    def read(text, encoding="utf-8", name="leaf.csv", **options):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return read_spectra(path, **options)

    return read


ROW_FLAVOURS = {
    "comma": ROWS.to_csv(index=False),
    "a counted index": ROWS.to_csv(),
    "numbers of samples": ROWS.set_axis(range(1, 6)).rename_axis("id").to_csv(),
    "semicolon, decimal comma": ROWS.set_axis(
        [str(x).replace(".", ",") for x in AXIS], axis=1
    ).to_csv(sep=";", decimal=",", index=False),
    "tab": ROWS.to_csv(sep="\t", index=False),
    "units in names": ROWS.set_axis([f"{x} nm" for x in AXIS], axis=1).to_csv(),
    "names as R writes them": ROWS.set_axis([f"X{x}" for x in AXIS], axis=1).to_csv(),
    "falling wavenumbers told above": "x units: cm-1\n" + ROWS.to_csv(),
    "one row": ROWS.iloc[:1].to_csv(),
    "Windows' ends of lines": ROWS.to_csv(index=False, lineterminator="\r\n"),
}


@pytest.mark.parametrize("flavour", ROW_FLAVOURS)
def test_rows(read, flavour):
    spectra = read(ROW_FLAVOURS[flavour])
    expected = Y[:1] if flavour == "one row" else Y
    np.testing.assert_array_equal(spectra.X, expected)
    np.testing.assert_array_equal(spectra.x_axis, AXIS)


COLUMN_FLAVOURS = {
    "comma": COLUMNS.rename_axis("Wavelength (nm)").to_csv(),
    "tab, decimal comma": COLUMNS.rename_axis("x").to_csv(sep="\t", decimal=","),
    "no name of the axis": COLUMNS.to_csv(),
    "numbers as names": COLUMNS.set_axis(range(1, 6), axis=1)
    .rename_axis("Wellenlänge [nm]")
    .to_csv(),
    "no names": COLUMNS.to_csv(header=False),
    "spaces": COLUMNS.rename_axis("nm").to_csv(sep=" "),
    "many spaces": COLUMNS.to_string(header=False),
    "a mark at the ends": COLUMNS.to_csv(sep=";").replace("\n", ";\n"),
    "units in a line of their own": "wave,A,B,C,D,E\nnm,AU,AU,AU,AU,AU\n"
    + COLUMNS.to_csv(header=False),
    "lines above and below": "Instrument: lamp\nDate: 2019-02-20\n\nnm,A,B,C,D,E\n"
    + COLUMNS.to_csv(header=False)
    + "\n# the end\n",
}  # fmt: skip


@pytest.mark.parametrize("flavour", COLUMN_FLAVOURS)
def test_columns(read, flavour):
    spectra = read(COLUMN_FLAVOURS[flavour])
    np.testing.assert_array_equal(spectra.X, Y)
    np.testing.assert_array_equal(spectra.x_axis, AXIS)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings(read, encoding):
    text = COLUMNS.rename_axis("Wellenlänge [µm]").to_csv(sep=";", decimal=",")
    spectra = read(text, encoding)
    np.testing.assert_array_equal(spectra.X, Y)
    assert spectra.x_unit == "um"


@pytest.mark.parametrize(
    "label, unit",
    [
        ("Wavelength (nm)", "nm"),
        ("Wavenumber", "cm-1"),
        ("cm^-1", "cm-1"),
        ("Wellenzahl in cm⁻¹", "cm-1"),
        ("1/cm", "cm-1"),
        ("Raman Shift (cm-1)", "Raman cm-1"),
        ("Energy [keV]", "keV"),
        ("µm", "um"),
        ("channel", "channel"),
        ("Wavelength", None),
    ],
)
def test_units_of_headers(read, label, unit):
    spectra = read(ONE.rename_axis(label).to_csv())
    assert spectra.x_unit == unit


def test_other_columns_of_a_table_are_metadata(read):
    table = ROWS.assign(fat=[1.5, 2, 3, None, 5], unit="dry")
    table.insert(0, "sample", list("abcde"))
    spectra = read(table.to_csv(index=False))
    np.testing.assert_array_equal(spectra.X, Y)
    assert spectra.metadata["name"].tolist() == list("abcde")
    assert spectra.metadata["unit_"].tolist() == ["dry"] * 5
    np.testing.assert_array_equal(spectra.metadata["fat"], [1.5, 2, 3, np.nan, 5])


@pytest.mark.parametrize("mark", ["\t", ";", ", ", ","])
def test_names_with_spaces_and_numbers_are_one_cell(read, mark):
    rows = [
        ["Sample", *range(850, 860)],
        *(["Oat 1", *range(10)], ["Oat 2", *range(10)]),
    ]
    text = "".join(mark.join(map(str, row)) + "\n" for row in rows)
    X, x_axis, metadata = read(text)
    assert X.tolist() == [list(range(10))] * 2
    assert x_axis.tolist() == list(range(850, 860))
    assert metadata["Sample"].tolist() == ["Oat 1", "Oat 2"]


@pytest.mark.parametrize("form", ["{} nm", "X{}", "wl_{}"])
def test_names_with_units_are_an_axis_and_reference_values_no_channels(tmp_path, form):
    table = ROWS.set_axis([form.format(x) for x in AXIS], axis=1)
    table.assign(protein=range(5), fat=range(5)).to_csv(tmp_path / "meat.csv")
    found = read_table(tmp_path / "meat.csv", target="fat")
    np.testing.assert_array_equal(found.data, Y)
    np.testing.assert_array_equal(found.x_axis, AXIS)
    assert found.other_names == ["protein", "fat"]
    counted = ROWS.set_axis([f"X{i}" for i in range(len(AXIS))], axis=1)
    counted.to_csv(tmp_path / "counted.csv", index=False)
    assert read_table(tmp_path / "counted.csv").x_axis is None


@pytest.mark.parametrize("decimal", [",", "."])
def test_spaces_separate_where_nothing_else_does(read, decimal):
    X, x_axis, _ = read(COLUMNS.to_csv(sep=" ", decimal=decimal, index_label="nm"))
    np.testing.assert_array_equal(X, Y)
    np.testing.assert_array_equal(x_axis, AXIS)


def test_what_an_instrument_tells_above_is_metadata(read):
    text = "Data from x Node\n\nSpectrometer: USB2\nIntegration Time (sec): 1,0E-1\n"
    text += "Number of Pixels: 2048\n>>>>>Begin Spectral Data<<<<<\n"
    text += ONE.to_csv(header=False, sep="\t", decimal=",")
    spectra = read(text + ">>>>>End Spectral Data<<<<<\n", name="s1.txt")
    np.testing.assert_array_equal(spectra.X, Y[:1])
    row = spectra.metadata.iloc[0]
    assert (row["Spectrometer"], row["name"]) == ("USB2", "s1")


def test_lines_of_spaces_above_a_table_take_no_time(read):
    start = perf_counter()
    text = ("#" + 3000 * " " + "\n") * 400 + COLUMNS.to_csv(index_label="nm")
    np.testing.assert_array_equal(read(text).X, Y)
    assert perf_counter() - start < 10  # it was 20 seconds, and is a tenth of one


def test_units_told_above_a_table_of_pairs(read):
    text = "TITLE,leaf\nXUNITS,NANOMETERS\nYUNITS,ABSORBANCE\nNPOINTS,40\nXYDATA\n"
    text += ONE.to_csv(header=False) + "\n##### Extended Information\n"
    spectra = read(text + "[Comments]\nOperator,me\n")
    np.testing.assert_array_equal(spectra.X, Y[:1])
    assert spectra.x_unit == "nm"
    assert spectra.metadata["quantity"].tolist() == ["ABSORBANCE"]


def test_an_empty_cell_is_a_missing_channel(read):
    gaps = ROWS.mask(Y > 0.9)
    np.testing.assert_array_equal(read(gaps.to_csv()).X, gaps)
    gaps = COLUMNS.mask(Y.T > 0.9)
    np.testing.assert_array_equal(read(gaps.to_csv()).X, gaps.T)


@pytest.mark.parametrize("n_rows", [2, 3, 5])
def test_values_that_happen_to_rise_are_no_axis(read, n_rows):
    rising = ROWS.iloc[Y[:, 0].argsort()[:n_rows]]
    np.testing.assert_array_equal(read(rising.to_csv(index=False)).X, rising)
    with pytest.raises(ValueError, match="does not tell where the axis"):
        read(rising.to_csv(index=False, header=False))


def test_counts_beside_one_column_are_channels(read):
    text = "".join(f"{i},{n}\n" for i, n in enumerate([3, 1, 4, 1, 5, 9, 2, 6, 5, 3]))
    np.testing.assert_array_equal(read(text).x_axis, np.arange(10))


def test_an_axis_that_is_repeated_is_no_spectrum(read):
    text = "nm,A,nm,B\n"
    text += pd.DataFrame([AXIS, Y[0], AXIS, Y[1]]).T.to_csv(index=False, header=False)
    np.testing.assert_array_equal(read(text).X, Y[:2])


UNCLEAR = {
    "numbers of rows or channels": pd.DataFrame(Y.T, columns=list("ABCDE"))
    .rename_axis("no").to_csv(),
    "elements by depth": COLUMNS.rename_axis("depth").to_csv(),
    "variables without an axis": ROWS.set_axis(
        [f"p{i}" for i in range(40)], axis=1
    ).to_csv(index=False),
    "two axes": pd.DataFrame(Y, columns=AXIS, index=[3, 5, 8, 9, 12]).to_csv(),
}  # fmt: skip


@pytest.mark.parametrize("case", UNCLEAR)
def test_where_the_axis_may_be_either_is_not_guessed(read, case):
    with pytest.raises(
        ValueError, match=r"does not tell where the axis .* orientation="
    ):
        read(UNCLEAR[case])


def test_the_user_may_say_how_a_table_lies(read):
    case = UNCLEAR["two axes"]
    assert read(case, orientation="rows").x_axis.tolist() == AXIS.tolist()
    assert read(case, orientation="columns").x_axis.tolist() == [3, 5, 8, 9, 12]
    spectra = read(UNCLEAR["variables without an axis"], orientation="rows")
    np.testing.assert_array_equal(spectra.X, Y)
    assert spectra.x_axis is None
    with pytest.raises(ValueError, match="'orientation' parameter of read_spectra"):
        read(case, orientation="diagonal")


@pytest.mark.parametrize(
    "text, words",
    [
        ("Measured on Monday.\nLamp was changed, 3 times.\n", "no table of numbers"),
        ("nm,a\n850,1\n852\n854,2\n856,3\n858,4\n", "line 3 is no row of 2 numbers"),
        ("nm,a\n850,1\n852,2\n854,3\n856\n858,4\n", "line 5 has 1 cells"),
        ("nm,a\n850,1\n852,2\n854,3\n856", "line 5 has 1 cells"),
        ("id,850,852,854\na,1,2,3\nb,1,2,3\nc,1,2", "line 4 has 3 cells"),
        ("nm,a\n850,1\n852,2\n851,3\n856,5\n", "must rise or fall"),
        ("850,852,854\n1,2,3\n1,x,3\n4,5,6\n", "'x' is not a number"),
        ("id,850,852,852\na,1,2,3\nb,1,3,4\n", "two columns for the channel at 852"),
        ("850,852,854\n1,2,3\n1,1e999,3\n", "line 3, column '852'"),
        ("", "is empty"),
    ],
)
def test_damage_is_told_with_its_place(read, text, words):
    with pytest.raises(ValueError, match=rf"leaf\.csv.*{words}"):
        read(text, orientation="columns" if "rise" in words else "auto")


def test_what_pandas_writes_is_read_back(tmp_path):
    named = ROWS.set_axis(list("abcde")).set_axis(AXIS.astype(str), axis=1)
    named.to_csv(tmp_path / "a.csv")
    named.to_excel(tmp_path / "b.xlsx")
    named.to_parquet(tmp_path / "c.parquet")
    COLUMNS.set_axis(list("abcde"), axis=1).to_excel(tmp_path / "d.xlsx")
    spectra = read_spectra(tmp_path)
    assert spectra.metadata["format"].unique().tolist() == ["text", "Excel", "Parquet"]
    assert spectra.metadata["name"].tolist() == list("abcde") * 4
    np.testing.assert_array_equal(spectra.X, np.tile(Y, (4, 1)))
    np.testing.assert_array_equal(spectra.x_axis, AXIS)


def test_sheets_without_spectra_are_listed(tmp_path):
    with pd.ExcelWriter(tmp_path / "all.xlsx") as workbook:
        pd.DataFrame({"note": ["a", "b"]}).to_excel(workbook, sheet_name="read me")
        ROWS.to_excel(workbook, sheet_name="first")
        COLUMNS.rename_axis("nm").to_excel(workbook, sheet_name="second")
        pd.DataFrame().to_excel(workbook, sheet_name="empty")
    with pytest.warns(UserWarning, match="sheet 'read me'"):
        spectra = read_spectra(tmp_path / "all.xlsx")
    np.testing.assert_array_equal(spectra.X, np.tile(Y, (2, 1)))
    assert spectra.metadata["sheet"].tolist() == ["first"] * 5 + ["second"] * 5
    assert len(spectra.unreadable) == 1
