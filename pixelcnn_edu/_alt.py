"""Alternative texts: what a screen reader says of a figure.

A plot function tells with `describe` what it draws. `text` puts that together with titles,
legends, names of axes and ticks, and what a reader draws afterwards with plain matplotlib.
In IPython, each figure is shown as HTML with its text, ``<img alt="…">``, which notebooks
prefer. (A page drops the metadata of a PNG output.) A console without HTML shows IPython's
own PNG.

A text is a summary of the data: also of points outside the limits of an ax, or left out by
``markevery``. Colors, sizes and places of shapes are not told, nor names of ticks in 3D and
texts inside a table or a box. Dates are told as matplotlib's numbers, in days since 1970.
"""

import functools
import html
import math
import re
import sys

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.category import StrCategoryFormatter
from matplotlib.cbook import strip_math
from matplotlib.colors import Normalize
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

MOST = 20  # lines, texts, or bars that are listed one by one
_NAMING = FixedFormatter, FuncFormatter, StrCategoryFormatter


def describe(ax, words="", artists=()):
    """Set what the alternative text says of all that is drawn on ``ax`` so far.

    The words replace those of an earlier plot function, and what a reader drew before.
    The artists, lines or pictures, are described later, when the text is asked for: they
    may get a log scale.
    """
    ax._described = words, artists, ax.get_children()
    return ax


def number(value, scale="linear") -> str:
    """Return whole numbers whole, others to two digits, which most machines find too.

    A number is whole if at most 1/100,000 of it, and at most 1/1,000, is missing. On a
    linear scale, a number between -1e-12 and 1e-12 is given as 0: a rounding error.

    Example:
        >>> [number(x) for x in (784, 511.99999, 4.99997, 0.0234, 123.4, -9e-13, math.nan)]
        ['784', '512', '5', '0.023', '120', '0', 'nan']
        >>> [number(x) for x in (108420, 108420.4)]
        ['108,420', '110,000']
        >>> number(9e-13, "log")
        '9e-13'
    """
    value = float(value)  # NumPy cannot round True
    if not math.isfinite(value):
        return str(value)
    off = 1e-12 if scale == "linear" else 0
    missing = abs(value - round(value))
    whole = missing <= max(min(1e-5 * abs(value), 1e-3), off)
    value = round(value) if whole else float(f"{value:.2g}")
    whole = value == round(value) or abs(value) >= 10
    return f"{round(value):,}" if whole else f"{value:g}"


def span(values, scale="linear") -> str:
    """Return the least and the greatest of the finite numbers: ``"from 1 to 3"``."""
    values = np.ma.masked_invalid(values).compressed()
    least, greatest = (values.min(), values.max()) if values.size else (np.nan, np.nan)
    return f"from {number(least, scale)} to {number(greatest, scale)}"


def curve(line, owner=None) -> str:
    """Return in words what a line of matplotlib shows; its container may hold its label."""
    if hasattr(line, "get_data_3d"):
        spans = zip("xyz", map(span, line.get_data_3d()), strict=True)
        return _name(line, owner) + ", ".join(map(" ".join, spans))
    endless = hasattr(line, "get_slope")  # a line of `Axes.axline`
    points = _two_points(line) if endless else line.get_data(orig=False)
    x, y = _in_units_of_data(line, [np.asarray(values, float) for values in points])
    shown = np.isfinite([x, y]).all(axis=0)
    scales = line.axes.get_xscale(), line.axes.get_yscale()
    for values, scale in zip((x, y), scales, strict=True):
        shown &= (values > 0) | (scale != "log") | endless
    of_x, of_y = (functools.partial(number, scale=scale) for scale in scales)
    x, y = x[shown], y[shown]
    if not len(x):
        told = "no points"
    elif line.get_linestyle() == "None":
        told = f"{_count(x, 'mark')}, x {span(x, scales[0])}, y {span(y, scales[1])}"
    elif len(x) == 2 and x[0] == x[1]:
        told = f"a vertical line at {of_x(x[0])}"
    elif len(x) == 2 and y[0] == y[1]:
        told = f"a horizontal line at {of_y(y[0])}"
    else:
        ends = of_y(y[0]), of_y(y[-1])
        told = f"from {ends[0]} at {of_x(x[0])} to {ends[1]} at {of_x(x[-1])}"
        told += " and beyond" if endless else ""
        for word, value in (("lowest", y.min()), ("highest", y.max())):
            told += "" if of_y(value) in ends else f", {word} {of_y(value)}"
    return _name(line, owner) + told


def _two_points(line):
    """Return x and y of two points of a line of `Axes.axline`."""
    one, slope = line.get_xy1(), line.get_slope()
    step = (0, 1) if slope in (np.inf, -np.inf) else (1, slope)
    return zip(one, line.get_xy2() or np.add(one, step), strict=True)


def _in_units_of_data(line, points):
    """Return x and y, also where a line has the units of its ax: from 0 to 1."""
    to_screen, of_data = Artist.get_transform(line), line.axes.transData
    moved = of_data.inverted().transform(to_screen.transform(np.transpose(points))).T
    known = to_screen.contains_branch_seperately(of_data)
    return np.where(np.reshape(known, (2, 1)), points, moved)


def text(figure) -> str:
    """Return the alternative text of a figure. It is never empty."""
    parts = [" ".join(part.split()).rstrip(".") for part in _of_figure(figure)]
    return ". ".join(filter(None, parts)) or "An empty figure"


def image(png, words, **size) -> str:
    """Return a PNG in base64 as an HTML element with an alternative text.

    JupyterLab shows the first line in place of an output that is hidden: here three dots.
    """
    size = "".join(f' {side}="{length}"' for side, length in size.items())
    src = f"data:image/png;base64,{png}"
    return f' \n<img alt="{html.escape(words)}" src="{src}"{size}>'


def show_in_ipython():
    """Let IPython, if this is IPython, show each figure as HTML, too."""
    ipython = sys.modules.get("IPython")
    if shell := ipython and ipython.get_ipython():
        # Not the formatter of "text/html": the inline backend removes what is set there.
        formatter = shell.display_formatter.mimebundle_formatter
        formatter.for_type(Figure, _as_html)


def _as_html(figure):
    from IPython import get_ipython
    from IPython.core.pylabtools import print_figure

    try:  # as IPython's settings say: its size, for a screen of high resolution
        draw = get_ipython().display_formatter.formatters["image/png"].lookup(figure)
        png = draw(figure)
    except KeyError:
        png = print_figure(figure, base64=True)
    if not png:
        return {}
    png, size = png if isinstance(png, tuple) else (png, {})
    return {"text/html": image(png, _text_or_kind(figure), **size)}


def _text_or_kind(figure):
    """Return the text; a figure with an artist of an unknown kind is still shown."""
    try:
        return text(figure)
    except Exception:
        return "A figure that has no description"


def _of_figure(figure):
    """Yield what is to be said of a figure: its texts, its axes, then its subfigures."""
    yield from (told.get_text() for told in figure.texts if told.get_visible())
    for ax in figure.axes:
        if ax.figure is figure and ax.get_visible():
            yield from _of_axes(ax)
    yield from _legends(figure.legends, figure.axes)
    for part in figure.subfigs:
        if part.get_visible():
            yield from _of_figure(part)


def _of_axes(ax):
    """Yield what is to be said of one ax, then of its insets and secondary axes."""

    def of(what, side):
        return getattr(ax, f"get_{side}{what}")()

    if ax.get_label() == "<colorbar>":
        # across a color bar its limits are 0 and 1
        side = "y" if ax.get_xlim() == (0, 1) else "x"
        told = span(of("lim", side), of("scale", side))
        names = ax.get_title(), ax.get_xlabel(), ax.get_ylabel()
        ticks = _ticks(ax.xaxis, ""), _ticks(ax.yaxis, "")
        yield ": ".join(filter(None, (f"Color bar {told}", *names, *ticks)))
        return
    words, artists, known = getattr(ax, "_described", ("", (), []))
    if not any(artist in known for artist in _drawn(ax)):  # cleared since then
        words = ""
    told = [
        curve(one) if isinstance(one, Line2D) else _picture(one, "Map of {}×{} pixels")
        for one in artists
        if one.axes is ax and one.get_visible()
    ]
    words = ". ".join(filter(None, (words, "; ".join(told))))
    is_secondary = not isinstance(ax, Axes)
    if not is_secondary:
        yield from map(ax.get_title, ("center", "left", "right"))
    yield words
    new = {id(artist) for artist in ax.get_children()}
    told = "; ".join(_artists(ax, new - {id(artist) for artist in known}))
    in_3d = hasattr(ax, "zaxis")
    names = ("xx", "yy", "zz") if in_3d else (("x", "Horizontal"), ("y", "Vertical"))
    for side, name in names:
        axis = of("axis", side)
        ticks = "" if in_3d else _ticks(axis, f"{words} {told}")
        label = axis.label.get_text() if axis.label.get_visible() else ""
        label = ", ".join(filter(None, (label, ticks)))
        if label and axis.get_visible() and (ax._axis3don if in_3d else ax.axison):
            scale = of("scale", side).replace("linear", "")
            # the scale of a secondary axis is "function" or "functionlog"
            scale = scale.removeprefix("function") if is_secondary else scale
            yield f"{name} {scale} axis: {label}"
    yield told
    yield from _legends(
        [one for one in ax.get_children() if isinstance(one, Legend)], [ax]
    )
    for child in ax.child_axes:
        if child.get_visible():
            yield from _of_axes(child)


def _legends(legends, axes):
    """Yield the titles of legends, and those of their texts that no label of axes is."""
    for legend in legends:
        told = [name for ax in axes for name in ax.get_legend_handles_labels()[1]]
        names = [one.get_text() for one in legend.get_texts()]
        names = "" if set(names) <= set(told) else ", ".join(map(strip_math, names))
        words = list(filter(None, (legend.get_title().get_text(), names)))
        if words and legend.get_visible():
            yield ": ".join(("Legend", *words))


def _ticks(axis, told):
    """Return the places and names of ticks that have names, unless all are told."""
    ticks = []
    for is_minor, kind in enumerate((axis.major, axis.minor)):
        naming = isinstance(kind.formatter, _NAMING)
        for label in axis.get_ticklabels(minor=is_minor) if naming else []:
            place, name = label.get_position()[axis.axis_name == "y"], label.get_text()
            low, high = sorted(axis.get_view_interval())
            if name and low <= place <= high and not _is_number(name, place):
                ticks.append((place, name))
    # a bar has the name of its tick
    named = [re.search(rf"[:,] {re.escape(name)} -?\d", told) for _, name in ticks]
    if all(named):
        return ""
    told = [f"{number(place)} {name}" for place, name in ticks]
    if len(ticks) > MOST:
        return f"{len(ticks)} named ticks from {told[0]} to {told[-1]}"
    return ", ".join(told)


def _is_number(name, place=None):
    """Whether a name is a number, and that of its place if there is one."""
    try:
        value = float(name.replace(",", "").replace("−", "-").strip("%"))
    except ValueError:
        return False
    value /= 100 if name.endswith("%") else 1
    return place is None or math.isclose(value, place, rel_tol=1e-3)


def _drawn(ax):
    return [*ax.images, *ax.lines, *ax.patches, *ax.collections, *ax.texts, *ax.tables]


def _artists(ax, new):
    """Yield in words what artists show; ``new`` holds the id of each."""

    def some(artists, kind, tell=None):
        found = [artist for artist in artists if id(artist) in new]
        new.difference_update(map(id, found))
        found = [artist for artist in found if artist.get_visible()]
        told = [tell(artist) for artist in found] if tell else []
        if found and (tell is None or len(told) > MOST):
            return [f"{_count(found, kind)}{_names(found)}"]
        return told

    owners = {id(held[0]): held for held in ax.containers if held}  # such as error bars
    yield from some(ax.lines, "line", lambda line: curve(line, owners.get(id(line))))
    for bars in ax.containers:
        if isinstance(bars, BarContainer):
            yield from [_bars(ax, bars)] if some(bars, "bar") else []
    yield from some(ax.images, "picture", _picture)
    yield from some(ax.patches, "shape")
    yield from some(ax.tables, "table")
    yield from some(ax.collections, "area")
    texts = [told for told in ax.texts if told.get_text()]
    yield from some(texts, "text", lambda told: f"“{told.get_text()}”")


def _picture(image, form="a picture of {}×{}"):
    values = image.get_array()
    scale = "linear" if type(image.norm) is Normalize else "another"
    return f"{form.format(*values.shape)} {span(values, scale)}"


def _bars(ax, bars):
    if not all(hasattr(bar, "get_x") for bar in bars):  # in 3D
        return _count(bars, "bar")
    scale = ax.get_xscale() if bars.orientation == "horizontal" else ax.get_yscale()
    if len(bars) > MOST:
        told = span(bars.datavalues, scale)
        return f"{_name(bars)}{len(bars)} bars{_names(bars)} {told}"
    told = [number(value, scale) for value in bars.datavalues]
    side, at = ax.xaxis, [bar.get_x() + bar.get_width() / 2 for bar in bars]
    if bars.orientation == "horizontal":
        side, at = ax.yaxis, [bar.get_y() + bar.get_height() / 2 for bar in bars]
    places, formatter = side.get_ticklocs(), side.get_major_formatter()
    labels = [number(place, side.get_scale()) for place in places]
    if isinstance(formatter, _NAMING):
        labels = formatter.format_ticks(places)
    apart = np.abs(np.subtract.outer(at, places))
    if (apart.min(axis=1, initial=np.inf) <= 1e-9 * np.ptp([*at, *places])).all():
        names = [labels[tick] for tick in apart.argmin(axis=1)]
        told = [" ".join(pair) for pair in zip(names, told, strict=True)]
    return f"{_name(bars)}bars{_names(bars)}: {', '.join(told)}"


def _count(artists, kind):
    return f"{len(artists)} {kind}{'s' * (len(artists) != 1)}"


def _labels(artists):
    """Return the labels that a legend shows, and texts that are no numbers, each once."""
    labels = [artist.get_label() or "_" for artist in artists if artist]
    labels = [name for name in labels if name[0] != "_"]
    texts = [told.get_text() for told in artists if isinstance(told, Text)]
    return list(
        dict.fromkeys(labels + [told for told in texts if not _is_number(told)])
    )


def _name(*artists):
    return "".join(f"{label}: " for label in _labels(artists)[:1])


def _names(artists):
    labels = _labels(artists)
    return f" ({', '.join(labels)})" if 0 < len(labels) <= MOST else ""
