"""The report: one page that says all, needs nothing else and can be read anywhere."""

import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor

import skspectra
from skspectra import MaskedSpectralPretrainer, SpectralRegressor
from skspectra.datasets import make_nir_mixtures
from skspectra.evaluation import _report, compare

SCRIPT = "<script>document.title = 'broken into'</script>"
LONG = "a_name_without_any_blank_that_a_line_could_be_broken_at_" * 2
CONTRAST = {  # of WCAG 2.2, level AA: text, and what only has to be seen
    ("text", "paper"): 4.5,
    ("quiet", "paper"): 4.5,
    ("text", "band"): 4.5,
    ("text", "note"): 4.5,
    ("note-line", "paper"): 3.0,
    ("link", "paper"): 3.0,
}


class Page(HTMLParser):
    """The elements of a page with their attributes, and the text inside of each."""

    EMPTY = {"meta", "img", "br", "link", "hr"}

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))
        if tag not in self.EMPTY:
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for *_, text in self.open:
            text.append(data)

    def all(self, *tags):
        """Return (attributes, text) of the elements of these kinds, in their order."""
        return [
            (attrs, " ".join("".join(text).split()))
            for tag, attrs, text in self.elements
            if tag in tags
        ]

    def texts(self, *tags):
        return [text for _, text in self.all(*tags)]

    def facts(self):
        """Return the tables of facts as one dict."""
        rows = [t for t, _, _ in self.elements if t in ("th", "td")]
        cells = self.all("th", "td")
        pairs = zip(rows, cells, rows[1:], cells[1:], strict=False)
        return {a[1]: b[1] for kind, a, other, b in pairs if (kind, other) == LINE}


LINE = ("th", "td")


@pytest.fixture(scope="module")
def mixtures():
    return make_nir_mixtures(30, 40, n_groups=10, random_state=0)


@pytest.fixture(scope="module")
def found(mixtures):
    """One target, grouped, the first estimator the reference."""
    estimators = {"ridge": Ridge(1e-4), "mean": DummyRegressor()}
    return compare(
        estimators,
        mixtures.data,
        mixtures.target,
        groups=mixtures.groups,
        n_repeats=2,
        random_state=3,
    )


@pytest.fixture(scope="module")
def told(found, mixtures):
    """Its page, with all that can be said."""
    return found.to_html(
        X=mixtures.data,
        y=mixtures.target,
        groups=mixtures.groups,
        x_axis=mixtures.x_axis,
        x_unit="nm",
        target="sugar (g/L)",
        about={"Source": "mixtures.csv"},
        notes=["Only a first look."],
    )


@pytest.fixture(scope="module")
def crowded(mixtures):
    """A page with many estimators, two targets, long names and code in all names."""
    names = ["PLS", SCRIPT, LONG, "a name of many words " * 5, *"ab"]
    estimators = {name: Ridge(10.0**-k) for k, name in enumerate(names)}
    y = pd.DataFrame({SCRIPT: mixtures.target, LONG: -(mixtures.target**2)})
    found = compare(estimators, mixtures.data, y, cv=3, random_state=0)
    return found.to_html(
        X=mixtures.data,
        y=y,
        title=f"{SCRIPT} & {LONG}",
        x_axis=mixtures.x_axis,
        x_unit=SCRIPT,
        about={SCRIPT: f"/{LONG}/{SCRIPT}"},
        notes=[SCRIPT],
    )


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the drawings out, which take most of the time."""
    monkeypatch.setattr(_report, "draw_figures", lambda *args: [])


# ---------------------------------------------------------------- what it says


def test_the_page_holds_the_verdict_and_every_figure_of_the_table(told, found):
    page = Page(told)
    assert page.texts("li")[0] == found.verdict
    rows = {}
    for attrs, text in page.all("tr", "th", "td"):
        if attrs.get("scope") == "row":
            rows[text] = line = []
        elif rows and not attrs.get("scope"):
            line.append(text)
    for name, row in found.table.iterrows():
        shown = rows[name]
        assert float(shown[0]) == pytest.approx(row["rmsep"], rel=1e-3)
        assert float(shown[1]) == pytest.approx(row["rmsep_ratio"], abs=1e-3)
        assert float(shown[7]) == pytest.approx(row["r2"], abs=1e-3)
    low, high = rows["mean"][2].split(" to ")
    assert float(low) == pytest.approx(found.table.loc["mean", "ratio_low"], abs=1e-3)
    assert float(high) == pytest.approx(found.table.loc["mean", "ratio_high"], abs=1e-3)
    assert rows["ridge"][4] == "reference" and rows["mean"][4] == "higher error"


def test_the_data_are_counted(told, mixtures):
    facts = Page(told).facts()
    assert facts["Spectra"] == "30, all with reference values"
    assert facts["Channels"] == "40, from 1100 to 2500 nm"
    assert facts["Groups"] == "10 of 3 rows, each held out as a whole"
    assert facts["Exact copies"] == "none"
    assert facts["Source"] == "mixtures.csv"
    least, most = mixtures.target.min(), mixtures.target.max()
    assert facts["Measured sugar (g/L)"].startswith(f"{least:.4g} to {most:.4g}")
    assert re.fullmatch("[0-9a-f]{64}", facts["SHA-256 of the data"])


@pytest.mark.usefixtures("undrawn")
def test_the_hash_tells_other_data(found, mixtures, told):
    X = mixtures.data.copy()
    X[0, 0] += 1e-9
    facts = Page(found.to_html(X=X, y=mixtures.target)).facts()
    assert facts["SHA-256 of the data"] != Page(told).facts()["SHA-256 of the data"]


def test_what_is_not_given_is_not_described(found):
    page = Page(found.to_html())
    assert "The data" not in page.texts("h2")
    assert not any("spectra over" in attrs["alt"] for attrs, _ in page.all("img"))


@pytest.mark.usefixtures("undrawn")
def test_copies_are_counted_and_noted_where_a_split_may_part_them(mixtures):
    X, y, groups = mixtures.data.copy(), mixtures.target, mixtures.groups
    first = np.flatnonzero(groups == groups[0])
    X[first[1]] = X[first[0]]
    inside = compare({"a": Ridge()}, X, y, groups=groups, random_state=0)
    page = Page(inside.to_html(X=X, y=y, groups=groups))
    copies = page.facts()["Exact copies"]
    assert copies == "1 spectra equal an earlier one; all within their group"
    assert not any("exact copy" in text for text in page.texts("li"))
    page = Page(inside.to_html(X=X, y=y))
    assert "2 have a copy" in page.facts()["Exact copies"]
    assert any("2 spectra have an exact copy" in text for text in page.texts("li"))


@pytest.mark.usefixtures("undrawn")
def test_unlabelled_and_missing_values_are_counted(found, mixtures):
    X = np.vstack([mixtures.data, mixtures.data[:2] + 1])
    X[4, 5:9] = np.nan
    y = np.append(mixtures.target, [np.nan, np.nan])
    facts = Page(found.to_html(X=X, y=y)).facts()
    assert facts["Spectra"] == "32, 30 of them with reference values"
    assert facts["Missing channels"] == "in 1 spectra"


@pytest.mark.usefixtures("undrawn")
def test_spectra_unlike_the_others_are_named_as_the_table_names_them(found, mixtures):
    X = pd.DataFrame(mixtures.data.copy(), index=[f"scan {k}" for k in range(30)])
    told = Page(found.to_html(X=X, y=mixtures.target)).facts()["Unlike the others"]
    assert told.startswith("none is more than 4 times")
    X.iloc[11, 20:25] += 1
    X.iloc[2] = np.nan  # says nothing
    told = Page(found.to_html(X=X, y=mixtures.target)).facts()["Unlike the others"]
    assert re.fullmatch(r"1 is more than 4 .* spectrum: row scan 11 \(\d+\.\d\)", told)
    X.iloc[:21] = np.nan
    told = Page(found.to_html(X=X, y=mixtures.target)).facts()["Unlike the others"]
    assert told.startswith("not told: it takes 10 spectra")


def notes_of(page):
    """Return the sentences of the box of notes."""
    page = Page(page)
    if "Before you rely on it" not in page.texts("h2"):
        return []
    ((_, text),) = [each for each in page.all("section") if each[0].get("class")]
    return [each for each in page.texts("li") if each in text]


def test_few_labels_are_noted(told):
    assert "Few labels: from 24 a fold" in " ".join(notes_of(told))
    assert "Only a first look." in notes_of(told)


@pytest.mark.usefixtures("undrawn")
def test_many_labels_are_not_noted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    found = compare({"a": Ridge(), "b": DummyRegressor()}, X, X[:, 0], random_state=0)
    assert notes_of(found.to_html()) == []


@pytest.mark.usefixtures("undrawn")
def test_spectra_that_were_seen_before_are_noted(mixtures):
    pretrainer = MaskedSpectralPretrainer(
        patch_size=8, embed_dim=4, depth=1, n_heads=1, max_epochs=1, random_state=0
    ).fit(mixtures.data[:7])
    model = SpectralRegressor(FrozenEstimator(pretrainer), strategy="probe")
    with pytest.warns(skspectra.exceptions.TransductiveWarning):
        found = compare(
            {"network": model}, mixtures.data, mixtures.target, cv=3, n_repeats=2
        )
    assert any(
        note.startswith("7 of the 30 spectra that network was tested on")
        for note in notes_of(found.to_html())
    )


def test_one_fold_is_noted_and_gives_no_interval(mixtures):
    X, y = mixtures.data, mixtures.target
    fold = [(np.arange(20), np.arange(20, 30))]
    found = compare({"a": Ridge(), "b": DummyRegressor()}, X, y, cv=fold)
    page = found.to_html()
    assert any(note.startswith("One fold alone") for note in notes_of(page))
    assert "no interval" in Page(page).texts("td")
    assert "nan" not in re.sub(r'src="[^"]*"', "", page)


def test_errors_of_zero_are_told_too():
    X = np.arange(40.0).reshape(20, 2)
    found = compare({"a": DummyRegressor(), "b": DummyRegressor()}, X, np.ones(20))
    page = found.to_html(X=X, y=np.ones(20))
    assert "no interval" in Page(page).texts("td")


@pytest.mark.usefixtures("undrawn")
def test_the_settings_repeat_the_comparison(mixtures):
    X, y = mixtures.data, mixtures.target
    estimators = {"mean": DummyRegressor(), "neighbours": KNeighborsRegressor(3)}
    first = compare(estimators, X, y)
    settings = first.settings
    again = compare(
        estimators,
        X,
        y,
        cv=settings["cv"],
        n_repeats=settings["n_repeats"],
        random_state=settings["random_state"],
    )
    pd.testing.assert_frame_equal(first.predictions, again.predictions)
    page = Page(first.to_html())
    assert page.facts()["random_state"] == str(settings["random_state"])
    assert f"skspectra {skspectra.__version__}" in page.facts()["versions"].split(", ")
    assert "n_neighbors=3" in page.texts("pre")[1]
    assert "leaf_size=30" in page.texts("pre")[1]  # a default is told too


def test_splitters_are_told_and_folds_of_rows_are_called_so(mixtures):
    X, y = mixtures.data, mixtures.target
    cv = KFold(3, shuffle=True, random_state=1)
    assert compare({"a": Ridge()}, X, y, cv=cv).settings["cv"] == repr(cv)
    told = compare({"a": Ridge()}, X, y, cv=list(cv.split(X))).settings["cv"]
    assert told == "folds that were given row by row"


def test_each_target_has_its_own_table_and_figures(crowded):
    page = Page(crowded)
    assert page.texts("h3") == [SCRIPT, LONG] * 3
    assert len([attrs for attrs, _ in page.all("table")]) == 2 + 2
    assert len(page.all("img")) == 2 * (1 + 1 + 6 + 1)


@pytest.mark.usefixtures("undrawn")
def test_targets_without_names_are_counted(mixtures):
    y = np.column_stack([mixtures.target, -mixtures.target, mixtures.target**2])
    page = Page(compare({"a": Ridge()}, mixtures.data, y).to_html())
    assert page.texts("h1") == ["How well does a predict 3 reference values?"]
    assert page.texts("h3")[:3] == ["target 0", "target 1", "target 2"]


# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    "given, said",
    [
        ({"y": np.ones(30)}, "The 'y' parameter of Comparison.to_html describes X"),
        ({"X": np.ones((30, 4))}, "needs y beside X"),
        ({"X": np.ones((30, 4)), "y": np.ones(30)}, "must hold the reference values"),
        ({"X": np.ones((9, 4)), "y": np.ones(9)}, "must hold the reference values"),
        ({"X": np.ones((30, 4)), "y": np.ones((30, 2))}, "must hold the reference"),
    ],
)
def test_data_that_were_not_compared_on_are_refused(found, given, said):
    with pytest.raises(ValueError, match=said):
        found.to_html(**given)


def test_a_page_is_written_whole_and_returned(found, tmp_path):
    text = found.to_html(tmp_path / "report.html", title="Zucker, süß")
    assert (tmp_path / "report.html").read_text("utf-8") == text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(FileNotFoundError):
        found.to_html(tmp_path / "nowhere" / "report.html")


def test_the_same_comparison_gives_the_same_page(found, mixtures):
    data = {"X": mixtures.data, "y": mixtures.target}
    assert found.to_html(**data) == found.to_html(**data)


# ---------------------------------------------------------------- nothing else needed


def test_names_are_text_wherever_they_stand(crowded):
    assert "<script" not in crowded.lower()
    page = Page(crowded)
    for tag in ("title", "h1", "h3", "th", "li", "summary", "caption"):
        assert any(SCRIPT in text for text in page.texts(tag)), tag
    assert any(SCRIPT in attrs["alt"] for attrs, _ in page.all("img"))


def test_nothing_is_fetched_or_run(told, crowded):
    for text in (told, crowded):
        page = Page(text)
        kinds = {tag for tag, _, _ in page.elements}
        assert kinds.isdisjoint({"script", "link", "iframe", "object", "base", "form"})
        for _, attrs, _ in page.elements:
            assert not [name for name in attrs if name.startswith("on")]
            assert not {"href", "style", "srcset", "action", "data"} & set(attrs)
        for attrs, _ in page.all("img"):
            assert attrs["src"].startswith("data:image/svg+xml;base64,")
        (policy,) = [a for a, _ in page.all("meta") if "http-equiv" in a]
        assert "default-src 'none'" in policy["content"]
        assert "url(" not in text and "@import" not in text


def pictures(text):
    for attrs, _ in Page(text).all("img"):
        yield attrs, base64.b64decode(attrs["src"].partition(",")[2])


def test_pictures_are_drawings_that_refer_to_nothing_outside(told):
    for _, drawing in pictures(told):
        assert ElementTree.fromstring(drawing).tag.endswith("svg")
        links = re.findall(rb'href="([^"]{1,20})', drawing)
        assert all(link.startswith((b"#", b"data:image/png")) for link in links)


# ---------------------------------------------------------------- for everybody


def test_headings_come_in_order_and_the_page_says_its_language(told, crowded):
    for text in (told, crowded):
        page = Page(text)
        assert page.all("html")[0][0]["lang"] == "en"
        assert page.texts("title") == page.texts("h1") and len(page.texts("h1")) == 1
        levels = [int(tag[1]) for tag, _, _ in page.elements if re.match(r"h\d", tag)]
        assert levels[0] == 1 and max(np.diff(levels)) <= 1
        names = {attrs["id"] for _, attrs, _ in page.elements if "id" in attrs}
        labels = [a["aria-labelledby"] for a, _ in page.all("section")]
        assert set(labels) <= names


def test_every_picture_says_in_numbers_what_it_shows(told, found):
    words = [attrs["alt"] for attrs, _ in pictures(told)]
    assert len(words) == 5  # ratios, errors, spectra, two of predictions
    assert all(re.search(r"\d", text) for text in words)
    ratio = found.table.loc["mean", "rmsep_ratio"]
    assert f"mean {ratio:.3g} (95 % interval" in words[0]
    for name, text in zip(found.table.index, words[3:], strict=True):
        assert f"for {name}" in text
        assert f"RMSEP {found.table.loc[name, 'rmsep']:.3g}" in text
    assert "30 spectra over Wavelength (nm)" in words[2]


def test_heads_of_tables_say_what_they_head(told):
    cells = Page(told).all("th")
    assert {attrs["scope"] for attrs, _ in cells} == {"col", "row"}


def luminance(colour):
    """Relative luminance of WCAG 2.2 of a colour as #rrggbb."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c < 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return np.dot([0.2126, 0.7152, 0.0722], linear)


@pytest.mark.parametrize("pair, least", CONTRAST.items())
def test_colours_stand_out(told, pair, least):
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", told))
    high, low = sorted((luminance(colours[name]) for name in pair), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= least
    used = set(re.findall(r"var\(--([\w-]+)\)", told))
    assert used == set(colours)  # and no colour beside these:
    style = told.partition("<style>")[2].partition("</style>")[0]
    assert len(re.findall("#[0-9a-f]{3,8}\\b|rgb|hsl", style)) == len(colours)


# ---------------------------------------------------------------- in a browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# So high that no scroll bar takes of the width.
FRAME = """<!DOCTYPE html><title>frames</title>
<iframe src="page.html" style="border: 0; width: 390px; height: 40000px"></iframe>
<iframe src="page.html" style="border: 0; width: 1280px; height: 40000px"></iframe>
<p></p>
<script>
function look(frame) {
  const page = frame.contentDocument, root = page.documentElement;
  const boxes = [...page.querySelectorAll(".box")];
  return [
    frame.contentWindow.innerWidth,
    root.scrollWidth,
    boxes.filter(box => box.scrollWidth > box.clientWidth).length,
    [...page.images].filter(image => image.naturalWidth > 0).length,
    page.title,
  ];
}
addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map(look);
  document.querySelector("p").textContent = JSON.stringify(found);
});
</script>
"""


@pytest.fixture
def looked_at(tmp_path):
    """Return a function that lays a page out on a phone and on a desk."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")

    def look(text):
        (tmp_path / "page.html").write_text(text, encoding="utf-8")
        (tmp_path / "frame.html").write_text(FRAME, encoding="utf-8")
        options = [
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update"),
            *("--disable-sync", "--disable-dev-shm-usage"),
            "--allow-file-access-from-files",  # the frame looks into the page
            "--virtual-time-budget=10000",
            f"--user-data-dir={tmp_path / 'profile'}",
        ]
        command = [CHROMIUM, *options, "--dump-dom", (tmp_path / "frame.html").as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        shown = done.stdout
        return json.loads(Page(shown).texts("p")[0])

    return look


def test_a_browser_shows_it_on_a_phone_and_on_a_desk(told, crowded, looked_at):
    for text, n_tables in ((told, 1), (crowded, 2)):
        phone, desk = looked_at(text)
        assert phone[0] == 390 and desk[0] == 1280
        assert phone[1] == 390 and desk[1] == 1280  # nothing to scroll to
        assert phone[2] == n_tables  # wide tables scroll in their own boxes
        n_pictures = len(Page(text).all("img"))
        assert phone[3] == desk[3] == n_pictures
        assert phone[4] == Page(text).texts("title")[0]
