"""What all drawings share: colours, markers, new axes, and words that fit."""

from textwrap import fill

__all__ = [
    "COLOURS",
    "DASHES",
    "GREY",
    "MARKERS",
    "fit_titles",
    "new_axes",
    "plain",
    "point_of",
    "put_key",
]

# Okabe and Ito's palette tells itself apart without colour vision. In this order the
# first three differ in grey too; every series has a marker and a dash of its own
# besides.
COLOURS = [
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#009E73",
    "#E69F00",
    "#56B4E9",
    "#000000",
]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1)), (0, (8, 2))]
GREY = "0.55"

_WIDTH_OF_LETTER = 0.55  # mean, in parts of the font size
_MOST_COLUMNS, _LETTERS_BESIDE, _FEWEST_LETTERS = 6, 32, 8


def new_axes(figsize):
    """Return the Axes of a new figure.

    Parameters
    ----------
    figsize : tuple of float
        Width and height, in inches.

    Returns
    -------
    Axes
        With room for what stands beside it.
    """
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1]


def plain(name):
    """Return a name of the user's for a drawing: dollars in it begin no formula."""
    return str(name).replace("$", r"\$")


def put_key(ax, handles, *, title=""):
    """Put the key above or beside the drawing, where nothing can lie under it.

    Beside it where a square drawing leaves space there. Long words are broken into
    lines, and so are the titles of the axes where the key takes their room.

    Parameters
    ----------
    ax : Axes
        With the drawing.
    handles : list of artists
        Each with its label; none leaves the title alone.
    title : str, default=""
        Stands above them, on the left. Lines in it stay lines.

    Returns
    -------
    Legend or None
        None where there is nothing to explain.
    """
    fit_titles(ax)
    if not handles and not title:
        return None
    legend = _beside(ax, handles, title) or _above(ax, handles, title)
    _lay_out(ax)
    if legend.get_window_extent().width > _cell(ax).width:
        # A key that takes height made a square drawing narrower.
        legend = _above(ax, handles, title)
    fit_titles(ax)
    return legend


def _beside(ax, handles, title):
    """Return the key in the space that a square drawing leaves beside it, if any."""
    if ax.get_aspect() == "auto":
        return None
    ax.set_anchor("W")
    _lay_out(ax)
    square = ax.get_window_extent()
    room = _cell(ax).x1 - square.x1 - 0.05 * square.width
    place = {"loc": "upper left", "bbox_to_anchor": (1.03, 1), "ncols": 1}
    for n_letters in range(min(_letters(ax, room), _LETTERS_BESIDE), 15, -2):
        legend = _key(ax, handles, title, n_letters, **place)
        box = legend.get_window_extent()
        # Where it is too high the drawing would have to shrink.
        if box.width <= room and box.height <= square.height:
            return legend
    ax.set_anchor("C")
    return None


def _above(ax, handles, title):
    """Return the key above the drawing, as low as it can be."""
    room = _cell(ax).width
    square = ax.get_aspect() != "auto"
    place = {
        "loc": "lower center" if square else "lower left",
        "bbox_to_anchor": (0.5 if square else 0, 1),
    }
    tries = []
    for part in (1.0, 0.85, 0.7):
        n_letters = max(_FEWEST_LETTERS, int(part * _letters(ax, room)))
        for n_columns in range(min(len(handles), _MOST_COLUMNS) or 1, 0, -1):
            for names_in_lines in (False, True):
                options = {"in_lines": names_in_lines, "ncols": n_columns, **place}
                box = _key(ax, handles, title, n_letters, **options).get_window_extent()
                too_wide = max(0.0, box.width - room)
                tries.append((too_wide, box.height, len(tries), n_letters, options))
    *_, n_letters, options = min(tries, key=lambda each: each[:3])
    return _key(ax, handles, title, n_letters, **options)


def _key(ax, handles, title, n_letters, *, ncols, in_lines=False, **place):
    """Return a key with so many letters in a line of the title.

    Names are as long as that, or in lines that share it among the columns. Beside each
    name stands its sample, about as wide as five letters.
    """
    width = max(_FEWEST_LETTERS, n_letters // (ncols if in_lines else 1) - 5)
    return ax.legend(
        handles,
        [fill(h.get_label(), width, break_long_words=False) for h in handles],
        title="\n".join(fill(line, n_letters) for line in title.split("\n")),
        alignment="left",
        frameon=False,
        fontsize="small",
        title_fontsize="small",
        borderpad=0.2,
        borderaxespad=0.1,
        handletextpad=0.5,
        columnspacing=1.2,
        ncols=ncols,
        **place,
    )


def _letters(ax, room):
    """Return how many letters of small print fit into so many pixels."""
    from matplotlib.font_manager import FontProperties

    points = FontProperties(size="small").get_size_in_points()
    pixels = points * ax.figure.dpi / 72 * _WIDTH_OF_LETTER
    return max(_FEWEST_LETTERS, int(room / pixels))


def _cell(ax):
    """Return what the layout gave to the Axes, in pixels; a square one fills less."""
    return ax.get_position(original=True).transformed(ax.figure.transSubfigure)


def _lay_out(ax):
    """Have all texts and Axes go to their places, in one round or a few.

    Layouts of square drawings take some to come to rest.
    """
    # Of a figure inside a figure, the outer one has the canvas.
    figure = ax.figure.canvas.figure
    for _ in range(5):
        old = ax.get_window_extent().bounds
        figure.draw_without_rendering()
        new = ax.get_window_extent().bounds
        if (
            ax.get_aspect() == "auto"
            or max(abs(a - b) for a, b in zip(old, new, strict=True)) < 0.5
        ):
            break


def fit_titles(ax):
    """Break the titles of both axes into lines where there is too little room.

    Marks are then drawn anew, for the axes became narrower.
    """
    rows, columns = _shares(ax)
    sides = {
        "height": (ax.yaxis, rows * ax.figure.bbox.height),
        "width": (ax.xaxis, columns * ax.figure.bbox.width),
    }
    _lay_out(ax)
    broken = [side for side in sides if not _fits(side, *sides[side])]
    for side in broken:
        axis, room = sides[side]
        name = axis.get_label_text()
        for n_lines in (2, 3, 4):
            axis.set_label_text(fill(name, -(-len(name) // n_lines) + 2))
            _lay_out(ax)
            if _fits(side, axis, room):
                break
    if broken:
        ax.callbacks.process("xlim_changed", ax)


def _shares(ax):
    """Return which parts of the figure, down and across, belong to the Axes."""
    spec = ax.get_subplotspec()
    if spec is None:
        return 1.0, 1.0
    grid = spec.get_gridspec()
    return len(spec.rowspan) / grid.nrows, len(spec.colspan) / grid.ncols


def _fits(side, axis, room):
    """Tell whether the title of an axis is inside of the figure and not too long."""
    if not axis.get_label_text():
        return True
    box, figure = axis.label.get_window_extent(), axis.axes.figure.bbox
    inside = figure.y0 <= box.y0 and box.y1 <= figure.y1
    if side == "width":
        inside = figure.x0 <= box.x0 and box.x1 <= figure.x1
    return inside and getattr(box, side) <= room


def point_of(scatter):
    """Return a point for the key, well to be seen also where those drawn are small.

    Parameters
    ----------
    scatter : PathCollection
        As drawn.

    Returns
    -------
    PathCollection
        One point, with the same label.
    """
    from copy import copy

    point = copy(scatter)
    point.set_alpha(1)
    point.set_sizes([28])
    return point
