"""fetch_*: what is fetched is what was checked once, or nothing; from a server here."""

import gzip
import hashlib
import inspect
import io
import json
import re
import socket
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pooch
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skspectra import datasets
from skspectra.datasets import _fetched, _sources
from skspectra.datasets._download import content_digest

REAL = Path(__file__).parents[2] / "shared" / "data"
RNG = np.random.default_rng(0)
NAMES = sorted(name[6:] for name in datasets.__all__ if name.startswith("fetch_"))
FETCHERS = {name: getattr(datasets, f"fetch_{name}") for name in NAMES}


# --- Files in the formats of the origins ---------------------------------------------


def table(header, rows):
    """Return a CSV file with as many digits as float32 has."""
    lines = [header, *([str(value) for value in row] for row in rows)]
    return "\n".join(",".join(line) for line in lines).encode()


def corn_files(m5, mp5, mp6, axis, y):
    header = [f"{x:.1f}" for x in axis]
    spectra = {"m5": m5, "mp5": mp5, "mp6": mp6}
    files = {f"{name}_spectra.csv": table(header, X) for name, X in spectra.items()}
    names = ["Moisture", "Oil", "Protein", "Starch"]
    return files | {"property_values.csv": table(names, y)}


def fruit_files(X, axis, labels):
    rows = [[label, *x] for label, x in zip(labels, X, strict=True)]
    return {"MIR_Fruit_purees.csv": table(["label", *map(str, axis)], rows)}


def oil_files(X, axis, countries, oils):
    header = ["Sample Number:", "Group Code:", "Provenance", *map(str, axis)]
    rows = [
        [oil, 1, country, *x]
        for oil, country, x in zip(oils, countries, X, strict=True)
    ]
    return {"Olive_Oils_Quadrum.csv": table(header, rows)}


def forage_files(X, axis, plots, y, labs):
    header = ["Sample Name", "Device Id", "Created At", "Created By"]
    header += map(str, axis[::-1])
    scans = [
        [f"{plot}_{row % 2 + 1}", "NeoScanner", '"May 21, 2024 at 02:44 PM"', "A", *x]
        for row, (plot, x) in enumerate(zip(plots, X[:, ::-1], strict=True))
    ]
    chemistry = {
        plot: [plot, "ibf_stems_leaves", lab, moisture, protein, adf, ndf]
        for plot, (protein, adf, ndf, moisture), lab in zip(plots, y, labs, strict=True)
        if lab
    }
    names = "sample_name,material,lab,moisture_pct,crude_protein_pct,adf_pct,ndf_pct"
    chemistry = table(names.split(","), chemistry.values()).replace(b"nan", b"NA")
    return {
        "lumpkin_ibf_nir_spectra_1mm.csv": table(header, scans),
        "lumpkin_ibf_wet_chemistry_results.csv": chemistry,
    }


def core_files(X, depths, y):
    names = ["top", "bot", "SampleID", "weight", "tare", "wet", "dry", "Dilution"]
    rows = [
        [depth, depth + 10, "A", 1, 0, 100, 100 - float(water), 100, *(solved / 100)]
        for depth, (water, *solved) in zip(
            depths, y.astype(np.float64).tolist(), strict=True
        )
        for solved in [np.array(solved)]
    ]
    blank = ["BLANK", "", "B24", 0, "", "", "", 100, *[0] * 12]
    files = {
        "calibration_data.csv": table(
            names + _fetched._CORE_ELEMENTS, [*rows[::-1], blank]
        )
    }
    for depth, counts in zip(depths, X, strict=True):
        lines = [f"{i}.000\t{int(n)}" for i, n in enumerate(counts, 1)]
        text = "Date:\t22-Sep-20\tcomments\tnone\tchannel\tcontent\t\t"
        name = f"sumspectra/sumspectra_cd166-{depth // 10}.spe"
        files[name] = (text + "\n".join(lines)).encode()
    return files


def raman_files(X, axis, kinds, components):
    spectra = pd.DataFrame(
        {
            "id": np.arange(len(X)),
            "component": components,
            "wavenumbers": [json.dumps(axis.tolist())] * len(X),
            "intensity": [json.dumps(x.tolist()) for x in X],
        }
    )
    about = pd.DataFrame({"component": components, "type": kinds, "reference": "doi"})
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file,
        tarfile.open(fileobj=file, mode="w") as archive,
    ):
        for name, frame in {"raman_spectra_db": spectra, "metadata_db": about}.items():
            data = frame.to_csv(index=False).encode()
            member = tarfile.TarInfo(f"ramanbiolib-1/ramanbiolib/db/{name}.csv")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return {"ramanbiolib-1.0.0.post5.tar.gz": packed.getvalue()}


def single(shape):
    return RNG.normal(size=shape).astype(np.float32)


def made_up():
    """Return small files of each set, and the arrays that are to be read from them."""
    X, axis, rows = single((8, 5)), np.linspace(900.0, 908.0, 5), np.arange(8)
    codes, oils = rows % 2, rows // 2
    words = np.array(["Not Strawberry", "Strawberry"])[codes]
    countries = np.array(["Greece", "Italy"])[codes]
    kinds = np.array(["Lipids/FattyAcids", "Proteins"])[codes]
    components = np.array(["a", "b", "c", "d"])[oils]
    instruments, y = [X, 1 + X, 2 + X], single((8, 4))
    plots = np.array(["LMP-104", "LMP-103", "LMP-102", "LMP-101"])[oils]
    chemistry = np.where((oils == 1)[:, None], np.nan, single((4, 4))[oils])
    chemistry[oils == 2, 1] = np.nan
    labs = np.array(["ward", "", "dairyland", "ward"])[oils]
    counts = RNG.integers(0, 1000, (3, 2048)).astype(np.float32)
    depths, solved = np.array([330, 930, 1020]), np.abs(10 * single((3, 13)))
    solved[:, 0] = [20.0, 40.0, 60.0]
    keV = 0.000336 + 0.010267 * np.arange(2048)
    return {
        "corn": (corn_files(*instruments, axis, y), [*instruments, axis, y]),
        "fruit_purees": (fruit_files(X, axis, words), [X, axis, codes]),
        "olive_oils": (oil_files(X, axis, countries, oils), [X, axis, codes, oils]),
        "forage": (
            forage_files(X, axis, plots, chemistry, labs),
            [X, axis, chemistry, 3 - oils],
        ),
        "sediment_core": (
            core_files(counts, depths, solved),
            [counts, keV, solved, depths],
        ),
        "raman_biomolecules": (
            raman_files(X, axis, kinds, components),
            [X, axis, codes],
        ),
    }


MADE_UP = made_up()


# --- A server, and no way to any other -----------------------------------------------


class Server(ThreadingHTTPServer):
    """Gives out `files` and counts what was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.cut = {}, [], False

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = unquote(self.path)[1:]
        self.server.asked.append(path)
        if path not in self.server.files:
            self.send_error(404)
            return
        data = self.server.files[path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if self.server.cut else data)

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch):
    """Refuse connections to other hosts, names included, and keep proxies out."""
    connect = socket.socket.connect

    def connect_here(self, address):
        assert self.family == socket.AF_UNIX or address[0] == "127.0.0.1", address
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("SKSPECTRA_DATA", raising=False)


@pytest.fixture
def server(monkeypatch):
    """Let all sets come from a server here, as small ones."""
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    for name, (files, arrays) in MADE_UP.items():
        own = getattr(_sources, name.upper())
        server.files |= {f"{name}/{path}": data for path, data in files.items()}
        digests = {
            path: hashlib.sha256(files[path]).hexdigest() for path in own.digests
        }
        source = own._replace(
            address=f"{server.address}{name}/",
            content=content_digest(*arrays),
            digests=digests,
        )
        monkeypatch.setattr(_sources, name.upper(), source)
    yield server
    server.shutdown()
    server.server_close()


def files_in(folder):
    return sorted(path.name for path in Path(folder).rglob("*") if path.is_file())


# --- What comes of it ----------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_set_is_fetched_once_and_is_what_its_files_say(name, server, tmp_path):
    first = FETCHERS[name](data_home=tmp_path)
    files, arrays = MADE_UP[name]
    assert sorted(server.asked) == sorted(f"{name}/{path}" for path in files)
    assert_array_equal(first.data.astype(np.float32), arrays[0])
    again = FETCHERS[name](data_home=str(tmp_path), download_if_missing=False)
    assert len(server.asked) == len(files)
    assert_array_equal(again.data, first.data)
    assert_array_equal(again.target, first.target)
    assert len(first.x_axis) == first.data.shape[1] == len(first.feature_names)
    assert len(first.target) == len(first.data)
    assert first.data.dtype == first.x_axis.dtype == np.float64


@pytest.mark.parametrize("name", NAMES)
def test_licence_and_citation_are_told(name, server, tmp_path):
    spectra = FETCHERS[name](data_home=tmp_path)
    assert "Source and licence" in spectra.DESCR
    assert "Reference" in spectra.DESCR
    assert spectra.licence and spectra.citation
    assert spectra.url == f"{server.address}{name}/"


@pytest.mark.parametrize("name", NAMES)
def test_frames_and_pairs_hold_the_same(name, server, tmp_path):
    plain = FETCHERS[name](data_home=tmp_path)
    data, target = FETCHERS[name](data_home=tmp_path, return_X_y=True)
    assert_array_equal(data, plain.data)
    assert_array_equal(target, plain.target)
    framed = FETCHERS[name](data_home=tmp_path, as_frame=True)
    assert plain.frame is None
    assert_array_equal(framed.data, plain.data)
    n_targets = 1 if plain.target.ndim == 1 else plain.target.shape[1]
    assert_array_equal(framed.frame.iloc[:, -n_targets:].squeeze(), plain.target)
    if plain.target.ndim > 1:
        assert [*framed.target.columns] == plain.target_names


def test_corn_has_three_instruments(server, tmp_path):
    corn = datasets.fetch_corn(data_home=tmp_path)
    assert [*corn.instruments] == ["m5", "mp5", "mp6"]
    assert_array_equal(corn.instruments["m5"], corn.data)
    assert_allclose(corn.instruments["mp6"] - corn.data, 2, rtol=1e-6)
    assert corn.target_names == ["moisture", "oil", "protein", "starch"]


def test_classes_are_numbered_by_their_names(server, tmp_path):
    fruit = datasets.fetch_fruit_purees(data_home=tmp_path)
    assert fruit.target_names == ["Not Strawberry", "Strawberry"]
    assert_array_equal(fruit.target, np.arange(8) % 2)
    raman = datasets.fetch_raman_biomolecules(data_home=tmp_path)
    assert raman.target_names == ["Lipids", "Proteins"]
    assert_array_equal(raman.groups, np.repeat(["a", "b", "c", "d"], 2))


def test_forage_has_unlabelled_rows_and_a_rising_axis(server, tmp_path):
    forage = datasets.fetch_forage(data_home=tmp_path)
    assert (np.diff(forage.x_axis) > 0).all()
    assert_array_equal(forage.groups[:3], ["LMP-104", "LMP-104", "LMP-103"])
    assert_array_equal(np.isnan(forage.target).all(axis=1), forage.laboratory == "")
    assert np.isnan(forage.target[4:6, 1]).all()
    assert forage.target_names[0] == "crude_protein"


def test_slices_of_the_core_are_in_order_and_in_units_of_dry_mass(server, tmp_path):
    core = datasets.fetch_sediment_core(data_home=tmp_path)
    assert_array_equal(core.depth, [330, 930, 1020])
    assert_allclose(core.target[:, 0], [20, 40, 60])
    assert_allclose(core.target, MADE_UP["sediment_core"][1][2], rtol=1e-6)
    assert_allclose(core.x_axis[[0, -1]], [0.000336, 21.016885])


# --- What must not be believed -------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_other_content_is_refused_and_removed(name, server, tmp_path):
    path = next(path for path in server.files if path.startswith(f"{name}/"))
    right = server.files[path]
    server.files[path] = right[: len(right) // 2]
    with pytest.raises(OSError, match=r"(removed|Nothing of it was kept)"):
        FETCHERS[name](data_home=tmp_path)
    assert files_in(tmp_path) == []
    server.files[path] = right
    FETCHERS[name](data_home=tmp_path)


def test_one_changed_digit_is_noticed(server, tmp_path):
    text = server.files["corn/property_values.csv"].decode()
    digit = re.search(r"\d(?=,)", text.partition("\n")[2])
    changed = str((int(digit[0]) + 5) % 10)
    start = len(text.partition("\n")[0]) + 1 + digit.start()
    text = text[:start] + changed + text[start + 1 :]
    server.files["corn/property_values.csv"] = text.encode()
    with pytest.raises(OSError, match=r"fetch_corn.*not those.*SHA-256.*instead of"):
        datasets.fetch_corn(data_home=tmp_path)


@pytest.mark.parametrize("name", ["corn", "raman_biomolecules"])
def test_a_damaged_copy_is_not_used(name, server, tmp_path):
    fetch_it = FETCHERS[name]
    fetch_it(data_home=tmp_path)
    copy = next(path for path in tmp_path.rglob("*") if path.is_file())
    copy.write_bytes(copy.read_bytes()[:-100])
    with pytest.raises(OSError):
        fetch_it(data_home=tmp_path, download_if_missing=False)
    fetch_it(data_home=tmp_path)


def test_what_breaks_off_leaves_nothing(server, tmp_path):
    server.cut = True
    for name in ("corn", "raman_biomolecules"):
        with pytest.raises(OSError, match=f"{server.address}{name}/.* fetched"):
            FETCHERS[name](data_home=tmp_path)
    assert files_in(tmp_path) == []


def test_without_a_network_the_address_and_the_way_out_are_told(server, tmp_path):
    server.shutdown()
    server.server_close()
    place = tmp_path / "corn" / "m5_spectra.csv"
    with pytest.raises(OSError) as error:
        datasets.fetch_corn(data_home=tmp_path)
    assert f"{server.address}corn/m5_spectra.csv could not be" in str(error.value)
    assert f"put that file, however you get it, at '{place}'" in str(error.value)
    assert files_in(tmp_path) == []


def test_what_the_origin_has_no_longer_is_told(server, tmp_path):
    del server.files["corn/mp6_spectra.csv"]
    with pytest.raises(OSError, match=r"mp6_spectra.csv could not be fetched.*404"):
        datasets.fetch_corn(data_home=tmp_path)


def test_nothing_is_fetched_where_that_is_not_wanted(server, tmp_path):
    with pytest.raises(OSError, match="missing or damaged, and download_if_missing"):
        datasets.fetch_corn(data_home=tmp_path, download_if_missing=False)
    assert server.asked == []


# --- Folders, messages, parameters ---------------------------------------------------


def test_the_folder_is_given_or_of_the_environment_or_of_the_user(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "user" / name)
    datasets.fetch_fruit_purees()
    monkeypatch.setenv("SKSPECTRA_DATA", str(tmp_path / "environment"))
    datasets.fetch_fruit_purees()
    datasets.fetch_fruit_purees(data_home=tmp_path / "given")
    found = {path.parent.relative_to(tmp_path) for path in tmp_path.rglob("*.csv")}
    assert {str(path) for path in found} == {
        "user/skspectra/fruit_purees",
        "environment/fruit_purees",
        "given/fruit_purees",
    }


def test_pooch_says_nothing_and_keeps_its_settings(server, tmp_path, capfd):
    level = pooch.get_logger().level
    datasets.fetch_corn(data_home=tmp_path)
    assert capfd.readouterr() == ("", "")
    assert pooch.get_logger().level == level


def test_who_lacks_pooch_is_told_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"fetch_corn requires.*skspectra\[data\]"):
        datasets.fetch_corn(data_home=tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_checked_and_alike(name):
    with pytest.raises(ValueError, match="'as_frame' parameter of fetch_"):
        FETCHERS[name](as_frame=3)
    with pytest.raises(ValueError, match="'data_home' parameter of fetch_"):
        FETCHERS[name](data_home=3)
    signature = inspect.signature(FETCHERS[name])
    assert signature == inspect.signature(datasets.fetch_corn)


def test_content_is_compared_by_value_and_shape():
    numbers = np.array([[1.5, np.nan], [0.25, 2.0]])
    same = content_digest(numbers)
    assert content_digest(numbers.astype(np.float32).T.copy().T) == same
    assert content_digest(numbers.astype(">f8")) == same
    assert content_digest(-numbers) != same
    assert content_digest(numbers.ravel()) != same
    assert content_digest(numbers, numbers) != same


def test_addresses_name_one_version_for_good():
    for name in NAMES:
        address = getattr(_sources, name.upper()).address
        assert re.match(r"https://[a-z.]+/.*[0-9a-f]{40}", address)
        assert re.fullmatch("[0-9a-f]{64}", getattr(_sources, name.upper()).content)


# --- The sums of the real sets -------------------------------------------------------


def real(name):
    if not (REAL / f"{name}.npz").exists():
        pytest.skip(f"the real spectra of {name!r} are not beside the project")
    return np.load(REAL / f"{name}.npz")


def real_corn():
    d = real("corn")
    return corn_files(d["X_m5"], d["X_mp5"], d["X_mp6"], d["axis"], d["y"])


def real_fruit_purees():
    d = real("fruit_puree_mir")
    return fruit_files(d["X"], d["axis"], d["class_strawberry"])


def real_olive_oils():
    d = real("olive_oil_mir")
    return oil_files(d["X"], d["axis"], d["class_origin"], d["groups"])


def real_forage():
    d = real("ibf_forage_1mm")
    return forage_files(d["X"], d["axis"], d["groups"], d["y"][:, :4], d["class_lab"])


def real_sediment_core():
    d = real("itrax_cd166_calib")
    names = ["water_content", *(f"icp_{each}" for each in _fetched._CORE_ELEMENTS)]
    columns = [d["target_names"].tolist().index(name) for name in names]
    order = np.argsort(d["depth_mm"])
    depths = d["depth_mm"][order].astype(int)
    return core_files(d["X"][order], depths, d["y"][order][:, columns])


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"raman_biomolecules"}))
def test_the_noted_sums_are_those_of_the_real_spectra(name, tmp_path):
    files = globals()[f"real_{name}"]()
    for path, data in files.items():
        place = tmp_path / name / path.rpartition("/")[2]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
    spectra = FETCHERS[name](data_home=tmp_path, download_if_missing=False)
    documented = re.search(r"data : ndarray of shape (\(.*?\))", FETCHERS[name].__doc__)
    assert str(spectra.data.shape) == documented[1]
