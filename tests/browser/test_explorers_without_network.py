"""The explorers that need no network: what a page tells and draws, against Python's."""

import contextlib
import itertools
import re

from pixelcnn_edu import export
from pixelcnn_edu.masks import causal_mask
from pixelcnn_edu.widgets.colors import COLORS_FIRST, LEVELS_FIRST, THIRDS, TURNS, paths
from pixelcnn_edu.widgets.fields import DEEPEST, by_depth
from pixelcnn_edu.widgets.mixture import LEVELS, bars

import numpy as np
import pytest
from test_explorers import AT_ONCE, WIDTHS, Page, address_of

LIMIT = 1000  # milliseconds to an answer: five times what is promised, as in moves.py
NAMES = ("red", "green", "blue")
LIVE, HIDDEN, RED = "rgb(0, 114, 178)", "rgb(242, 242, 242)", "rgb(208, 0, 0)"

# What an element's tables say: for each the caption, and of each cell its text, the color
# behind it, and the colors behind its parts.
TABLES = """(root) => [...root.querySelectorAll('table')].map((table) => {
  const color = (element) => getComputedStyle(element).backgroundColor;
  const parts = (element) => [...element.querySelectorAll('span')];
  const cell = (td) => [td.innerText, color(td), parts(td).map(color)];
  const framed = (row) => getComputedStyle(row).outlineStyle === 'solid';
  return {
    caption: table.caption?.innerText ?? '',
    heads: [...table.querySelectorAll('th')].map((th) => th.innerText),
    cells: [...table.rows].map((row) =>
      [...row.querySelectorAll('td:not(.corner)')].map(cell)).filter((row) => row.length),
    framed: [...table.rows].findIndex(framed),
  };
})"""
SHAPES = """(root) => [...root.querySelectorAll('svg *')].map((shape) => ({
  tag: shape.tagName, text: shape.textContent,
  ...Object.fromEntries([...shape.attributes].map(({ name, value }) => [name, value])),
}))"""


@pytest.fixture
def opened(browser, tmp_path, screens, request):
    """A context manager for a page that shows one explorer, once for each settings."""

    @contextlib.contextmanager
    def opened(name, every, *, width="wide", address=""):
        sections = [export._section("", name, **settings) for settings in every]
        text = export._html(name, "", sections, {}, np.zeros(0, "float32"))
        path = tmp_path / f"{name}.html"
        path.write_text(text, "utf-8")
        page = Page(browser, path, WIDTHS[width], address, AT_ONCE)
        try:
            yield page
            page.check()
        finally:
            shot = f"page-{re.sub(r'[^-_a-zA-Z0-9]', '-', request.node.name)}.png"
            page.page.screenshot(path=screens / shot)
            page.context.close()

    return opened


def each(page, ask):
    """Ask each explorer of a page; return the answers, in order."""
    script = f"() => [...document.querySelectorAll('[data-explorer]')].map({ask})"
    return page.page.evaluate(script)


def sentences(page):
    return each(page, "(root) => root.querySelector('.sentence').innerText")


def combined(**choices):
    """All settings that can be made of some choices."""
    return [
        dict(zip(choices, values, strict=True))
        for values in itertools.product(*choices.values())
    ]


# -------------------------------------------------------------------------------- masks


def mask_of(kernel, typeB, colors):
    shape = {"in_channels": colors, "out_channels": colors, "colors": colors}
    return causal_mask(kernel, "AB"[typeB], **shape)


def told_mask(kernel, typeB, colors):
    mask = mask_of(kernel, typeB, colors)
    text = f"live taps: {int(mask.sum())} of {mask.size}"
    return text if colors == 1 else f"{text} = {kernel**2} places × 3 × 3 colors"


def test_masks_are_those_of_causal_mask(opened):
    every = combined(kernel=[1, 3, 5, 7], typeB=[0, 1], colors=[1, 3])
    with opened("masks", every) as page:
        told, tables = sentences(page), each(page, TABLES)
    assert told == [told_mask(**settings) for settings in every]
    for settings, (taps, detail) in zip(every, tables, strict=True):
        mask, half = mask_of(**settings), settings["kernel"] // 2
        for place, live in np.ndenumerate(mask[:, :, 0, 0]):
            text, color, parts = taps["cells"][place[0]][place[1]]
            if place == (half, half) and settings["colors"] == 3:
                allowed = mask[half, half].T.ravel()  # [to, from]
                assert parts == [LIVE if one else HIDDEN for one in allowed]
            else:
                assert (text, color) == (("1", LIVE) if live else ("0", HIDDEN))
        if settings["colors"] == 3:
            cells = [
                [(text, color) for text, color, _ in row] for row in detail["cells"]
            ]
            assert cells == [
                [("1", LIVE) if one else ("0", HIDDEN) for one in row]
                for row in mask[half, half].T
            ]
            center = int(mask[half, half].sum())
            caption = f"the center tap, enlarged: {center} of 9 live (from: "
            assert detail["caption"].startswith(caption)
            heads = ["from R", "from G", "from B", "to R", "to G", "to B"]
            assert detail["heads"] == heads
        else:
            numbers = [row[0][0] for row in detail["cells"]]
            k = settings["kernel"]
            center = ("0, hidden", "1, shown")[settings["typeB"]]
            assert numbers == [f"{half} × {k} = {half * k}", str(half), center, "0"]


# ------------------------------------------------------------------------------- colors


def paths_of(firstB, plain, turns, levelsFirst):
    return paths(
        first="AB"[firstB],
        masked=not plain,
        groups=(THIRDS, TURNS)[turns],
        reading=(COLORS_FIRST, LEVELS_FIRST)[levelsFirst],
    )


def told_colors(knows, asks):
    known = [NAMES[c] for c in np.flatnonzero(knows[asks])]
    what = ", ".join(known[:-1]) + " and " * (len(known) > 1) + "".join(known[-1:])
    leak = ": a leak" * bool(knows[asks, asks:].any())
    return f"{NAMES[asks]} knows {what or 'nothing'} of its own pixel{leak}"


def lines_of(shapes):
    """The lines between nodes: {color: {(column, from, to)}}, nodes by number."""
    lines = [shape for shape in shapes if shape["tag"] == "line"]
    columns = sorted({float(line["x1"]) for line in lines})
    heights = sorted({float(line["y2"]) for line in lines})
    assert (len(columns), len(heights)) == (2, 6)
    found = {}
    for line in lines:
        column = columns.index(float(line["x1"]))
        y1, y2 = float(line["y1"]), float(line["y2"])
        if column == 0:  # a value stands between two features
            y1 -= (heights[1] - heights[0]) / 2
        start = heights.index(y1) // (2 - column)
        found.setdefault(line["stroke"], set()).add((column, start, heights.index(y2)))
    return found


def lines_by_hand(values, features, reads, asks):
    wanted = reads[:, asks]
    used, known = features[:, wanted].any(axis=1), values.any(axis=0)
    found = {}
    for value, feature in np.argwhere(values):
        leak = value >= asks
        color = ("#D00000" if leak else "#404040") if used[feature] else "#C8C8C8"
        found.setdefault(color, set()).add((0, value, feature))
    for feature, logit in np.argwhere(features):
        color = "#404040" if known[feature] and wanted[logit] else "#C8C8C8"
        found.setdefault(color, set()).add((1, feature, logit))
    return found


def test_colors_know_what_the_paths_of_python_tell(opened):
    switches = {name: [0, 1] for name in ("firstB", "plain", "turns", "levelsFirst")}
    every = combined(**switches, asks=[0, 1, 2])
    with opened("colors", every) as page:
        told, tables = sentences(page), each(page, TABLES)
        drawn = each(page, SHAPES)
    for settings, sentence, (table,), shapes in zip(
        every, told, tables, drawn, strict=True
    ):
        asks = settings["asks"]
        parts = paths_of(**{name: settings[name] for name in switches})
        values, features, reads = parts
        knows = (values @ features @ reads).T
        assert sentence == told_colors(knows, asks)
        cells = {True: ("leak", RED), False: ("1", LIVE)}
        assert [
            [(text, color) for text, color, _ in row] for row in table["cells"]
        ] == [
            [cells[bool(c >= to)] if knows[to, c] else ("0", HIDDEN) for c in range(3)]
            for to in range(3)
        ]
        assert table["framed"] == 1 + asks
        assert lines_of(shapes) == lines_by_hand(*parts, asks)
        framed = [
            NAMES["RGB".index(shape["text"])]
            for shape, box in itertools.pairwise(shapes)
            if shape["tag"] == "g" and box.get("stroke") == "#D00000"
        ]
        leaks = np.flatnonzero(knows[asks] & (np.arange(3) >= asks))
        assert framed == [NAMES[c] for c in leaks]
        readings = [s["text"] for s in shapes if s["text"].endswith(("l 0", "l 1"))]
        level = [i // 3 if settings["levelsFirst"] else i % 2 for i in range(6)]
        colors = reads.argmax(axis=1)
        assert sorted(readings) == sorted(
            f"{NAMES[c]}, level {n}" for c, n in zip(colors, level, strict=True)
        )
        bold = [s["text"] for s in shapes if s.get("font-weight") == "bold"]
        bold = [text for text in bold if len(text) > 1]
        assert bold == [f"{NAMES[asks]}, level {n}" for n in (0, 1)]


# ------------------------------------------------------------------------------- fields

# The color that most pixels of the screen have in each pixel of the page.
FACES = """(root) => {
  const canvas = root.querySelector('canvas');
  const [height, width] = [SIZE];
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const side = (canvas.width - 2) / width;
  const face = (row, col) => {
    const counts = {};
    for (let i = 0; i < side * side; i++) {
      const x = 1 + col * side + (i % side);
      const y = 1 + row * side + Math.floor(i / side);
      const at = 4 * (y * canvas.width + x);
      const color = data.slice(at, at + 3).join();
      counts[color] = (counts[color] ?? 0) + 1;
    }
    return Object.keys(counts).reduce((a, b) => (counts[a] >= counts[b] ? a : b));
  };
  return Array.from({ length: height * width }, (_, at) =>
    face(Math.floor(at / width), at % width));
}"""
ASKS, LATER = "208,0,0", "222,222,222"
SEEN, NOT_YET, NEVER = "254,232,56", "0,34,78", "213,94,0"


def field_settings(page, **choices):
    size = {"pageHeight": [page[0]], "pageWidth": [page[1]]}
    return combined(**size, firstLayer=[3, 7], gated=[0, 1], **choices)


def fields_of(page, firstLayer, gated):
    """What the middle pixel sees by depth, and at last; boolean (H·W,) each."""
    pixel = page[0] // 2, page[1] // 2
    fields = by_depth(page, pixel, first=firstLayer, gated=bool(gated))
    count = max(DEEPEST, sum(page)) + 1
    flat = [field.ravel() for field in itertools.islice(fields, count)]
    return flat, flat[-1]


def told_field(seen, last, pixel):
    now, never = int(seen.sum()), pixel - int(last.sum())
    not_yet = pixel - now - never
    rest = f", {not_yet} not yet, {never} never" if not_yet or never else ""
    return f"{now} of {pixel} earlier pixels seen{rest}"


@pytest.mark.parametrize("size", [(28, 28), (11, 14), (1, 6), (1, 1), (7, 2)], ids=str)
def test_fields_are_those_of_python_at_every_depth(opened, size):
    every = field_settings(size, further=range(DEEPEST + 1))
    pixel = size[0] // 2 * size[1] + size[1] // 2
    with opened("fields", every) as page:
        told = sentences(page)
        drawn = each(page, SHAPES)
    expected = []
    for kind in combined(firstLayer=[3, 7], gated=[0, 1]):
        fields, last = fields_of(size, **kind)
        for further in range(DEEPEST + 1):
            expected.append(told_field(fields[further], last, pixel))
            check_chart(drawn[len(expected) - 1], fields, further, pixel)
    assert told == expected


def check_chart(shapes, fields, further, pixel):
    """The points lie at the counts, and the red one marks the chosen depth."""
    circles = [
        (shape["fill"], float(shape["cx"]), float(shape["cy"]))
        for shape in shapes
        if shape["tag"] == "circle"
    ]
    *points, (red, x, y) = circles
    assert red == "#D00000" and (x, y) == points[further][1:]
    (dashed,) = [shape for shape in shapes if "stroke-dasharray" in shape]
    zero = float(
        shapes[next(i for i, s in enumerate(shapes) if s["tag"] == "line")]["y1"]
    )
    per_pixel = (zero - float(dashed["y1"])) / max(1, pixel)
    counts = [int(field.sum()) for field in fields[: DEEPEST + 1]]
    heights = [zero - y for _, _, y in points]
    if pixel:
        assert heights == pytest.approx(
            [per_pixel * count for count in counts], abs=0.01
        )
    assert f"{pixel} come before it" in [shape["text"] for shape in shapes]


@pytest.mark.parametrize("size", [(28, 28), (11, 14)], ids=str)
def test_the_page_of_fields_has_the_color_of_each_pixel(opened, size):
    every = field_settings(size, further=[0, 3, 10])
    with opened("fields", every) as page:
        faces = each(page, FACES.replace("SIZE", f"{size[0]}, {size[1]}"))
    pixel = size[0] // 2 * size[1] + size[1] // 2
    for settings, got in zip(every, faces, strict=True):
        kind = {name: settings[name] for name in ("firstLayer", "gated")}
        fields, last = fields_of(size, **kind)
        seen = fields[settings["further"]]
        earlier = [
            SEEN if seen[at] else NOT_YET if last[at] else NEVER for at in range(pixel)
        ]
        assert got == [*earlier, ASKS, *[LATER] * (size[0] * size[1] - pixel - 1)]


# ------------------------------------------------------------------------------ mixture

LOWS, STEPS, COUNTS = (-1.5, -7.0, 0.0), (0.05, 0.1, 0.05), (60, 80, 20)


def mixtures():
    """Settings of mixtures, and their components."""
    rng = np.random.default_rng(0)
    for number in range(40):
        count = 1 + number % 4
        steps = rng.integers(0, np.add(COUNTS, 1), (count, 3))
        if number < 4:
            steps[:, 2] = 0  # no weights: they count alike
        code = ".".join(map(str, steps.ravel()))
        settings = {"mixture": code, "mixtureLevels": LEVELS[number % len(LEVELS)]}
        yield settings, (LOWS + steps * STEPS).tolist()


def test_bars_are_the_probabilities_of_python(opened):
    every, components = zip(*mixtures(), strict=True)
    with opened("mixture", every) as page:
        told, drawn = sentences(page), each(page, SHAPES)
    for settings, parts, sentence, shapes in zip(
        every, components, told, drawn, strict=True
    ):
        levels = settings["mixtureLevels"]
        p, beyond = bars(parts, levels)
        match = re.fullmatch(
            rf"{levels} levels, Σ P = 1\.0000: P\(0\) = (\d\.\d{{3}}), "
            rf"P\({levels - 1}\) = (\d\.\d{{3}}); beyond the borders (\d+\.\d) %",
            sentence,
        )
        first, last, percent = map(float, match.groups())
        assert (first, last) == pytest.approx((p[0], p[-1]), abs=6e-4)
        assert percent == pytest.approx(100 * beyond, abs=0.06)
        rects = [shape for shape in shapes if shape["tag"] == "rect"]
        heights = np.array([float(rect["height"]) for rect in rects])
        assert heights / heights.sum() == pytest.approx(p, abs=1e-5)
        orange = [k for k, rect in enumerate(rects) if rect["fill"] == "#D55E00"]
        assert orange == [0, levels - 1]
        check_curve(shapes, rects, parts, heights.sum())


def check_curve(shapes, rects, components, height_of_1):
    """Each point of the curve lies at the density times the width of a bin."""
    (curve,) = [shape for shape in shapes if shape["tag"] == "polyline"]
    levels, first, last = len(rects), rects[0], rects[-1]
    width = 2 / (levels - 1)
    # from pixels to x; the bars are drawn from border to border
    left = float(first["x"])
    pixels = (float(last["x"]) - left) / (levels - 1) / width
    zero = float(first["y"]) + float(first["height"])
    points = np.array([point.split(",") for point in curve["points"].split()], float)
    x = (points[:, 0] - left) / pixels - 1 - width / 2
    means, log_scales, weights = np.transpose(components)
    weights = weights / weights.sum() if weights.any() else 1 / len(weights)
    scales = np.exp(log_scales)

    def curve_at(x):
        z = np.minimum(abs(x[:, None] - means) / (2 * scales), 300)
        density = (weights / (4 * scales * np.cosh(z) ** 2)).sum(axis=1)
        return height_of_1 * width * density

    assert np.ptp(x) == pytest.approx(3.2, abs=0.01)
    near = [curve_at(x + shift) for shift in np.linspace(-0.01, 0.01, 5) / pixels]
    low, high = np.min(near, axis=0), np.max(near, axis=0)
    got = zero - points[:, 1]
    assert (low - 0.01 - 1e-3 * low <= got).all()
    assert (got <= high + 0.01 + 1e-3 * high).all()


# -------------------------------------------------------------------------------- moves

START = {
    "masks": {"kernel": 7, "typeB": 0, "colors": 1},
    "colors": {"firstB": 0, "plain": 0, "turns": 0, "levelsFirst": 0, "asks": 1},
    "fields": {
        "pageHeight": 28,
        "pageWidth": 28,
        "firstLayer": 7,
        "gated": 0,
        "further": 10,
    },
    "mixture": {"mixture": "20.55.10.42.45.10", "mixtureLevels": 16},
}


def click(label):
    return lambda root: root.locator(f'label:text-is("{label}")').first.click()


def tap(label):
    return lambda root: root.locator(f'label:text-is("{label}")').first.tap()


def press(label, key):
    """Press a key on a button or a slider, and see that its focus is visible."""

    def move(root):
        control = root.get_by_label(label, exact=True).first
        control.press(key)
        focus = """() => {
          const input = document.activeElement;
          const shown = input.type === 'radio' ? input.nextElementSibling : input;
          return getComputedStyle(shown).outlineStyle;
        }"""
        assert control.page.evaluate(focus) == "solid"

    return move


def click_at(label, share):
    """Click a slider at a share of its width."""

    def move(root):
        slider = root.get_by_label(label, exact=True).first
        box = slider.bounding_box()
        slider.click(position={"x": share * box["width"], "y": box["height"] / 2})

    return move


MOVES = {
    "masks": [
        (click("3×3"), "live taps: 4 of 9"),
        (tap("B"), "live taps: 5 of 9"),
        (
            press("1 (gray)", "ArrowRight"),
            "live taps: 42 of 81 = 9 places × 3 × 3 colors",
        ),
        (press("3×3", "ArrowLeft"), "live taps: 6 of 9 = 1 places × 3 × 3 colors"),
    ],
    "colors": [
        (click("blue"), "blue knows red and green of its own pixel"),
        (tap("plain"), "blue knows red and green of its own pixel"),
        (click("green"), "green knows red and green of its own pixel: a leak"),
        (
            press("A", "ArrowRight"),
            "green knows red, green and blue of its own pixel: a leak",
        ),
        (
            press("plain", "ArrowLeft"),
            "green knows red and green of its own pixel: a leak",
        ),
        (
            press("RRGGBB", "ArrowRight"),
            "green knows red, green and blue of its own pixel: a leak",
        ),
        (
            press("(3, 2)", "ArrowRight"),
            "green knows red and green of its own pixel: a leak",
        ),
        (tap("A"), "green knows red of its own pixel"),
    ],
    "fields": [
        (
            press("3×3 layers after it", "ArrowRight"),
            "351 of 406 earlier pixels seen, 0 not yet, 55 never",
        ),
        (click("gated"), "406 of 406 earlier pixels seen"),
        (
            click_at("3×3 layers after it", 0.01),
            "24 of 406 earlier pixels seen, 382 not yet, 0 never",
        ),
        (tap("3×3"), "4 of 406 earlier pixels seen, 402 not yet, 0 never"),
        (
            press("gated", "ArrowLeft"),
            "4 of 406 earlier pixels seen, 324 not yet, 78 never",
        ),
    ],
    "mixture": [
        (press("levels", "ArrowLeft"), "8 levels, Σ P = 1.0000: P(0) = "),
        (press("mean", "Home"), "8 levels, Σ P = 1.0000: P(0) = 0.4"),
        (click_at("weight", 0.01), "8 levels, Σ P = 1.0000: P(0) = 0.000"),
        (click_at("levels", 0.99), "256 levels, Σ P = 1.0000: P(0) = 0.000"),
    ],
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", MOVES)
def test_it_answers_to_mouse_touch_and_keys(opened, name, width):
    with opened(name, [START[name]], width=width) as page:
        shown = page.explorer(name)
        labels = shown.root.locator("canvas, svg[role]")
        for i in range(labels.count()):
            assert labels.nth(i).get_attribute("aria-label")
        for move, expected in MOVES[name]:
            before = shown.sentence.inner_text()
            if before.startswith(expected):
                move(shown.root)
                sentence = shown.sentence.inner_text()
            else:
                sentence, time = shown.told_after(lambda move=move: move(shown.root))
                assert time < LIMIT
            assert sentence.startswith(expected)
        address = address_of(page.page)
    with opened(name, [START[name]], width=width, address=address) as page:
        assert sentences(page) == [sentence]


def test_settings_that_no_control_has_do_no_harm(opened):
    with opened(
        "masks", [START["masks"]], address="#kernel=4&typeB=9&colors=2"
    ) as page:
        assert sentences(page) == [told_mask(1, 0, 1)]
    with opened("colors", [START["colors"]], address="#asks=7") as page:
        assert sentences(page) == ["red knows nothing of its own pixel"]
    with opened(
        "fields", [START["fields"]], address="#further=77&firstLayer=5"
    ) as page:
        (sentence,) = sentences(page)
        assert sentence == "328 of 406 earlier pixels seen, 0 not yet, 78 never"
    for code in ("1", "...", "99.99.99", ".".join(60 * "9")):
        address = f"#mixture={code}&mixtureLevels=5"
        with opened("mixture", [START["mixture"]], address=address) as page:
            assert sentences(page)[0].startswith("2 levels, Σ P = 1.0000: ")


def test_the_chart_of_a_mixture_follows_the_width_of_the_page(opened):
    with opened("mixture", [START["mixture"]]) as page:
        chart = page.page.locator("svg[role=img]")
        wide = chart.get_attribute("viewBox")
        page.page.set_viewport_size({"width": 390, "height": 900})
        page.page.wait_for_function(
            "(wide) => document.querySelector('svg').getAttribute('viewBox') !== wide",
            arg=wide,
        )
        assert int(chart.get_attribute("viewBox").split()[2]) < 390


# JupyterLab loads the program again for each explorer.
TWICE = """async ([program, settings]) => {
  for (let copy = 0; copy < 2; copy++) {
    const url = URL.createObjectURL(new Blob([program], { type: 'text/javascript' }));
    const { default: { render } } = await import(url);
    const none = new DataView(new ArrayBuffer(0));
    const values = { explorer: 'masks', settings, graph: {}, weights: none, images: none };
    const el = document.body.appendChild(document.createElement('div'));
    render({ model: { get: (name) => values[name] }, el });
  }
}"""


def test_two_copies_of_the_program_in_one_page_do_not_disturb_each_other(browser):
    page = browser.new_page()
    page.evaluate(TWICE, [export.web_file("explorers.js"), START["masks"]])
    first, second = page.locator(".pixelcnn").all()
    for root, label in ((second, "3×3"), (first, "5×5"), (second, "B")):
        click(label)(root)
    assert [root.locator(".sentence").inner_text() for root in (first, second)] == [
        told_mask(5, 0, 1),
        told_mask(3, 1, 1),
    ]
    assert [root.locator("input:checked").count() for root in (first, second)] == [3, 3]
    page.close()
