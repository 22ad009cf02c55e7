"""Files and folders become one table on one axis, and nothing is lost in silence."""

import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skspectra.io import _cells, _workbook, read_spectra, read_table

AXIS = np.linspace(1000.0, 2500.0, 31)
Y = np.random.default_rng(0).random((12, 31)).round(6)


def write(path, y, axis=AXIS, label="nm"):
    path.parent.mkdir(parents=True, exist_ok=True)
    series = pd.Series(y, index=pd.Index(axis, name=label), name="value")
    series.to_csv(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Return a folder of twelve spectra, some of them in a folder below."""
    for i, y in enumerate(Y):
        write(tmp_path / ("day" if i < 6 else "day/later") / f"s{i}.csv", y)
    return tmp_path


def test_a_folder_is_one_table_in_the_order_people_count(folder):
    X, x_axis, metadata = read_spectra(folder)
    names = [f"s{i}" for i in (6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5)]
    assert metadata["name"].tolist() == names
    np.testing.assert_array_equal(X, Y[[6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5]])
    np.testing.assert_array_equal(x_axis, AXIS)
    assert [Path(path).name for path in metadata["file"]] == [f"{n}.csv" for n in names]
    assert metadata.index.tolist() == list(range(12))
    assert (metadata["position"] == 0).all()
    assert (metadata["unit"] == "nm").all()


def test_what_paths_may_be(folder, monkeypatch):
    one = folder / "day" / "s1.csv"
    assert len(read_spectra(one).X) == 1
    assert len(read_spectra(str(one)).X) == 1
    assert len(read_spectra([one, str(folder / "day" / "s2.csv")]).X) == 2
    assert len(read_spectra([one, one, folder]).X) == 12  # each file once
    assert len(read_spectra(folder / "day" / "s1*.csv").X) == 1
    assert len(read_spectra(str(folder / "**" / "s*.csv")).X) == 12
    monkeypatch.chdir(folder / "day")
    assert len(read_spectra("../day/s1.csv").X) == 1
    assert len(read_spectra(Path()).X) == 12


def test_files_that_are_no_spectra_are_listed_and_nothing_else_is_lost(folder):
    (folder / "notes.txt").write_text("The lamp was changed on Monday, at 3.\n")
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5000))
    (folder / "empty.csv").touch()
    (folder / "torn.xlsx").write_bytes(b"PK\x03\x04" + bytes(50))
    (folder / "torn.parquet").write_bytes(b"PAR1" + bytes(50))
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(50))
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(50))
    (folder / ".git").mkdir()
    write(folder / ".git" / "s.csv", Y[0])
    with pytest.warns(UserWarning, match="5 files were not read, 12 were") as warned:
        spectra = read_spectra(folder)
    assert warned[0].filename == __file__
    assert len(spectra.X) == 12
    listed = {Path(path).name: reason for path, reason in spectra.unreadable}
    words = {
        "notes.txt": "no table of numbers",
        "photo.png": "neither text nor a file of spectra",
        "empty.csv": "is empty",
        "torn.xlsx": "is a workbook or an archive that is damaged",
        "torn.parquet": "is a damaged Parquet file",
    }
    assert listed.keys() == words.keys()
    for name, reason in listed.items():
        assert reason.startswith(str(folder / name))
        assert words[name] in reason
    assert spectra.metadata.attrs["unreadable"] == spectra.unreadable


def test_only_if_nothing_is_read_it_is_an_error(tmp_path):
    (tmp_path / "a.txt").write_text("nothing")
    (tmp_path / "b.txt").write_text("nothing either")
    with pytest.raises(ValueError, match=r"None of 2 files .*a\.txt holds no table"):
        read_spectra(tmp_path)
    with pytest.raises(ValueError, match=r"b\.txt holds no table"):
        read_spectra(tmp_path / "b.txt")
    with pytest.raises(FileNotFoundError, match=r"c\.txt does not exist"):
        read_spectra(tmp_path / "c.txt")
    with pytest.raises(ValueError, match="matches no file"):
        read_spectra(tmp_path / "*.spc")
    (tmp_path / "below").mkdir()
    with pytest.raises(ValueError, match="is a folder without a file"):
        read_spectra(tmp_path / "below")
    with pytest.raises(ValueError, match="No path was given"):
        read_spectra([])


def test_a_path_that_is_not_there_is_listed_beside_those_that_are(folder):
    with pytest.warns(UserWarning, match=r"gone\.csv does not exist"):
        spectra = read_spectra([folder / "day" / "s1.csv", folder / "gone.csv"])
    assert [Path(path).name for path, _ in spectra.unreadable] == ["gone.csv"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_an_empty_path_is_not_the_folder_where_one_is(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(ValueError, match="must not be empty"):
        read_spectra(["", "day"])


def test_what_leads_nowhere_below_a_folder_is_listed(folder, monkeypatch):
    link = folder / "day" / "archive.csv"
    link.symlink_to(folder / "gone.csv")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("later"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.warns(UserWarning, match="2 files were not read, 6 were"):
        spectra = read_spectra(folder)
    reasons = dict(spectra.unreadable)
    assert "is a link to nothing" in reasons[str(link)]
    assert "Permission denied" in reasons[str(folder / "day" / "later")]


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe")
    assert len(read_spectra(folder).X) == 12
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        read_spectra(folder / "pipe")


def test_axes_are_equal_to_within_rounding_and_in_either_direction(tmp_path):
    write(tmp_path / "a.csv", Y[0])
    write(tmp_path / "b.csv", Y[1], AXIS + 0.1)
    write(tmp_path / "c.csv", Y[2][::-1], AXIS[::-1])
    X, x_axis, _ = read_spectra(tmp_path)
    np.testing.assert_array_equal(X, Y[:3])
    np.testing.assert_array_equal(x_axis, AXIS)


def test_other_axes_are_refused_with_one_that_would_do(tmp_path):
    write(tmp_path / "a.csv", Y[0])
    write(tmp_path / "b.csv", Y[1], AXIS + 5)
    words = (
        r"b\.csv has 31 channels from 1005 to 2505, but .*a\.csv has 31 channels from "
        r"1000 to 2500\. .* x_axis=numpy\.linspace\(1005, 2500, 31\)"
    )
    with pytest.raises(ValueError, match=words):
        read_spectra(tmp_path)
    write(tmp_path / "b.csv", Y[1], AXIS + 5000)
    with pytest.raises(ValueError, match="No position is common to all files"):
        read_spectra(tmp_path)


def test_spectra_are_brought_onto_an_axis_and_never_beyond_their_range(tmp_path):
    write(tmp_path / "a.csv", Y[0])
    write(tmp_path / "b.csv", Y[1][5:], AXIS[5:] + 5)
    wanted = np.linspace(2600, 900, 41)
    X, x_axis, _ = read_spectra(tmp_path, x_axis=wanted)
    np.testing.assert_array_equal(x_axis, wanted)
    for row, y, axis in zip(X, (Y[0], Y[1][5:]), (AXIS, AXIS[5:] + 5), strict=True):
        inside = (wanted >= axis[0] - 0.5) & (wanted <= axis[-1] + 0.5)
        np.testing.assert_allclose(row[inside], np.interp(wanted[inside], axis, y))
        assert np.isnan(row[~inside]).all()


def test_a_file_outside_of_the_axis_is_listed(tmp_path):
    write(tmp_path / "a.csv", Y[0])
    write(tmp_path / "b.csv", Y[1], AXIS + 5000)
    with pytest.warns(UserWarning, match=r"b\.csv .* all outside of x_axis"):
        spectra = read_spectra(tmp_path, x_axis=AXIS)
    np.testing.assert_array_equal(spectra.X, Y[:1])
    assert len(spectra.metadata) == 1
    with pytest.raises(ValueError, match="all outside of x_axis"):
        read_spectra(tmp_path / "b.csv", x_axis=AXIS)


@pytest.mark.parametrize("x_axis", [[1000.0], [1, 2, 2], [[1, 2]], [1, np.nan, 3]])
def test_an_axis_must_be_one(folder, x_axis):
    with pytest.raises(ValueError, match="x_axis must have at least 2 positions"):
        read_spectra(folder, x_axis=x_axis)


def test_units_are_converted(tmp_path):
    write(tmp_path / "a.csv", Y[0])
    write(tmp_path / "b.csv", Y[1][::-1], (1e7 / AXIS)[::-1], "cm-1")
    write(tmp_path / "c.csv", Y[2], AXIS / 1000, "µm")
    with pytest.raises(ValueError, match=r"different units: nm .*x_unit='nm' converts"):
        read_spectra(tmp_path)
    spectra = read_spectra(tmp_path, x_unit="nm")
    np.testing.assert_array_equal(spectra.X, Y[:3])
    np.testing.assert_allclose(spectra.x_axis, AXIS)
    assert spectra.metadata["unit"].tolist() == ["nm", "cm-1", "um"]
    assert spectra.x_unit == "nm"
    spectra = read_spectra(tmp_path, x_unit="cm⁻¹", x_axis=[5000.0, 4000.0])
    np.testing.assert_allclose(spectra.X[:, 1], Y[:3, -1])
    assert spectra.x_unit == "cm-1"
    with pytest.raises(ValueError, match="unit of an axis must be one of"):
        read_spectra(tmp_path, x_unit="parsec")


def test_a_file_without_a_unit_is_in_that_of_the_others(tmp_path):
    write(tmp_path / "a.csv", Y[0], AXIS, "Wavelength")
    assert read_spectra(tmp_path).x_unit is None
    assert read_spectra(tmp_path, x_unit="nm").x_unit == "nm"
    write(tmp_path / "b.csv", Y[1])
    assert read_spectra(tmp_path).x_unit == "nm"
    X, x_axis, _ = read_spectra(tmp_path, x_unit="cm-1")
    np.testing.assert_array_equal(X, Y[:2])
    np.testing.assert_allclose(x_axis, 1e7 / AXIS)
    write(tmp_path / "c.csv", Y[2], 1e7 / AXIS, "cm-1")
    with pytest.raises(ValueError, match=r"a\.csv has its axis in a unit that it does"):
        read_spectra(tmp_path, x_unit="cm-1")


def test_other_quantities_are_told(tmp_path):
    for quantity in ("ABSORBANCE", "TRANSMITTANCE"):
        text = f"YUNITS,{quantity}\nXYDATA\n"
        text += pd.Series(Y[0], index=AXIS).to_csv(header=False)
        (tmp_path / f"{quantity}.csv").write_text(text)
    with pytest.warns(UserWarning, match="quantities: absorbance, transmittance"):
        read_spectra(tmp_path)


def test_channels_without_an_axis_are_joined_by_name(tmp_path):
    table = pd.DataFrame(Y[:, :9], columns=[f"p{i}" for i in range(9)])
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_csv(tmp_path / "b.csv", index=False)
    X, x_axis, metadata = read_spectra(tmp_path, orientation="rows")
    assert (X.shape, x_axis) == ((24, 9), None)
    assert metadata["position"].tolist() == [*range(12), *range(12)]
    table.rename(columns={"p3": "q"}).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(ValueError, match=r"b\.csv has channels without an axis"):
        read_spectra(tmp_path, orientation="rows")


@pytest.mark.parametrize(
    "module, name, data",
    [
        ("openpyxl", "a.xlsx", None),
        ("pyarrow", "a.parquet", b"PAR1" + bytes(50)),
        ("brukeropus", "a.0", b"\n\n\xfe\xfe" + bytes(50)),
    ],
)
def test_a_reader_that_is_not_installed_is_named(
    folder, monkeypatch, module, name, data
):
    if data is None:
        pd.DataFrame(Y, columns=AXIS).to_excel(folder / name)
    else:
        (folder / name).write_bytes(data)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ImportError, match=rf"requires {module}.*pip install 'skspectra\["
    ):
        read_spectra(folder / name)
    with pytest.warns(UserWarning, match=rf"requires {module}"):
        spectra = read_spectra(folder)
    assert len(spectra.X) == 12


def test_workbooks_are_read_as_tables_too(tmp_path):
    table = pd.DataFrame(Y, columns=AXIS).assign(fat=[None, *range(11)])
    table.to_excel(tmp_path / "meat.xlsx", index=False)
    read = read_table(tmp_path / "meat.xlsx", target="fat")
    np.testing.assert_array_equal(read.data, Y)
    np.testing.assert_array_equal(read.x_axis, AXIS)
    np.testing.assert_array_equal(read.target, [np.nan, *range(11)])
    table = table.astype(object)
    table.iloc[3, 2] = "x"
    table.to_excel(tmp_path / "meat.xlsx", index=False)
    with pytest.raises(ValueError, match="row 5, column '1100': 'x' is not a number"):
        read_table(tmp_path / "meat.xlsx", target="fat")


def test_archives_and_bombs_are_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.csv", "850,851\n1,2\n")
    with pytest.raises(ValueError, match="is an archive and no workbook"):
        read_spectra(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(1))
        archive.writestr("xl/sheet.xml", bytes(2**20))
    monkeypatch.setattr(_workbook, "_LARGEST", 2**20)
    with pytest.raises(ValueError, match="would unpack to more than 1 GiB"):
        read_spectra(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    with pytest.raises(ValueError, match=r"\.xls.*save it as \.xlsx"):
        read_spectra(path)


def test_a_parquet_file_of_one_value_for_ever_is_not_unpacked(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    column = pyarrow.array(np.zeros(50_000)).dictionary_encode()
    names = [str(x) for x in range(850, 950)]
    table = pyarrow.table([column] * 100, names=names)
    monkeypatch.setattr(_cells, "_LARGEST_TABLE", 2**20)
    parquet.write_table(table, tmp_path / "a.parquet", compression="zstd")
    with pytest.raises(ValueError, match="would unpack to 40000000"):
        read_spectra(tmp_path)


def test_columns_of_a_table_do_not_hide_ours(tmp_path):
    table = pd.DataFrame(Y, columns=AXIS).assign(file="x", position=7)
    table.to_csv(tmp_path / "a.csv", index=False)
    metadata = read_spectra(tmp_path).metadata
    assert metadata["position"].tolist() == list(range(12))
    assert metadata["position_"].tolist() == [7] * 12
    assert metadata["file_"].tolist() == ["x"] * 12
