"""How each widget of the package is moved, by mouse and by keyboard, and timed.

A move is a generator function of a `Hand`. For each answer that it expects it yields the
event from which the time counts, the action that causes it, and what must change.
"""

import statistics
from dataclasses import dataclass, field

LIMIT = 200  # milliseconds from a move to the changed picture on the screen
A_SECOND = 1000  # for a control that announces it
ALLOWANCE = 5  # times the limit, as tests run on machines that are slow or busy
PICTURE = "img"

# From the event to the frame in which the changed content is ready to be painted.
WATCH = """([element, since, patience]) => {
  const address = () => element.tagName === 'IMG' ? element.src : null;
  const content = async () => {
    if (element.tagName === 'CANVAS') return element.toDataURL();
    if (element.tagName !== 'IMG') return element.textContent;
    const bytes = await (await fetch(element.src)).arrayBuffer();
    const hash = await crypto.subtle.digest('SHA-256', bytes);
    return new Uint8Array(hash).join();
  };
  let start = null;
  const note = (event) => { start ??= event.timeStamp; };
  document.addEventListener(since, note, { capture: true, once: true });
  const watch = async () => {
    const before = await content();
    let [seen, end] = [address(), performance.now() + patience];
    window.armed = true;
    while (performance.now() < end) {
      await new Promise(requestAnimationFrame);
      if (start === null || (seen !== null && seen === address())) continue;
      try {
        if (seen !== null) await element.decode();
        const now = performance.now();
        seen = address();
        if (await content() !== before) return now - start;
      } catch { continue; } // replaced while it was read: look again
    }
    document.removeEventListener(since, note, true);
    return null;
  };
  window.armed = false;
  window.answer = watch();
}"""


@dataclass
class Moves:
    """What is done to a widget with the mouse, and what with the keyboard."""

    mouse: list
    keyboard: list


@dataclass
class Answers:
    """Milliseconds from each move to its answer; None where there was none."""

    all: list = field(default_factory=list)  # of (limit, time, name of the move)

    def by_limit(self):
        """Yield each limit with its times, and the name of the slowest move."""
        for limit in sorted({limit for limit, _, _ in self.all}):
            moves = [(time, name) for other, time, name in self.all if other == limit]
            _, slowest = max(moves, key=lambda move: move[0] or 0)
            yield limit, [time for time, _ in moves], slowest

    def problems(self):
        for limit, times, _ in self.by_limit():
            if None in times:
                yield f"{times.count(None)} of {len(times)} moves changed nothing"
            elif statistics.median(times) > limit * ALLOWANCE:
                median = statistics.median(times)
                yield f"{median:.0f} ms to an answer, of {ALLOWANCE} × {limit} ms"


class Hand:
    """Moves one widget of an opened notebook.

    Args:
        sheet: a `Sheet` that has been run, and asked which widgets it has ``shown``.
        name: the widget's class.
        patience: milliseconds after which no answer is expected any more.
    """

    def __init__(self, sheet, name, *, patience=10_000):
        self.page, self.name, self.patience = sheet.page, name, patience
        self.root = self.page.locator(f'[data-shows="{name}"] .jp-Cell-outputWrapper')
        self.root.scroll_into_view_if_needed()

    def do(self, moves) -> Answers:
        """Make all moves, each after the answer to the last one."""
        answers = Answers()
        for move in moves:
            for since, action, what, limit in move(self):
                answers.all.append(
                    (limit, self.time(since, action, what), move.__name__)
                )
        return answers

    def time(self, since, action, what):
        """Milliseconds from the event to the change of what is seen, or None."""
        seen = self.root.locator(what).first.element_handle()
        self.page.evaluate(WATCH, [seen, since, self.patience])
        self.page.wait_for_function("() => window.armed")
        action()
        time = self.page.evaluate("() => window.answer")
        self.page.wait_for_timeout(50)
        return time

    def went_astray(self):
        """Yield what a key did to the notebook that was meant for the widget."""
        active = self.page.locator(".jp-Cell.jp-mod-active")
        if self.name != active.get_attribute("data-shows"):
            yield "a key led to another cell"

    def button(self, name):
        return self.root.get_by_role("button", name=name, exact=True)

    def slider(self, label):
        labeled = self.page.locator(".widget-label", has_text=label)
        sliders = self.root.locator(".widget-slider", has=labeled)
        return sliders.locator(".noUi-target").first

    def tab_to(self, control):
        """Go to a control with the Tab key, as without a mouse."""
        first = "button:enabled, [tabindex='0']"
        self.root.locator(first).first.focus()
        for _ in range(40):
            if control.evaluate("e => e === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key does not lead to {control} of {self.name}")


def place_on(control, across, down):
    """(x, y) on the page, of a place given as shares of the control's size."""
    control.scroll_into_view_if_needed()
    box = control.bounding_box()
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


# ---------------------------------------------------------------------------- by mouse


def press(*names, what=PICTURE, limit=LIMIT):
    """Click the buttons with these names, one after the other."""

    def move(hand):
        for name in names:
            yield "pointerdown", hand.button(name).click, what, limit

    move.__name__ = f"press {', '.join(dict.fromkeys(names))}"
    return move


def slide(label, *places, what=PICTURE, limit=LIMIT):
    """Drag a slider's handle over places from 0 (left end) to 1."""

    def move(hand):
        slider, mouse = hand.slider(label), hand.page.mouse
        mouse.move(*place_on(slider.locator(".noUi-handle"), 0.5, 0.5))
        mouse.down()
        for place in places:
            to = place_on(slider, place, 0.5)
            yield "pointermove", lambda to=to: mouse.move(*to), what, limit
        mouse.up()

    move.__name__ = f"slide {label}"
    return move


def click_pixels(label, *pixels, height=28, width=28, what=PICTURE, limit=LIMIT):
    """Click pixels (row, col) of a pad."""

    def move(hand):
        pad = hand.root.get_by_label(label)
        for row, col in pixels:
            to = place_on(pad, (col + 0.5) / width, (row + 0.5) / height)
            yield "click", lambda to=to: hand.page.mouse.click(*to), what, limit

    move.__name__ = f"click {label}"
    return move


def draw_strokes(label, *strokes, height=28, width=28, what=PICTURE, limit=LIMIT):
    """Draw lines over pixels (row, col) of a pad; the answer comes when a line ends."""

    def move(hand):
        pad, mouse = hand.root.get_by_label(label), hand.page.mouse
        for stroke in strokes:
            places = [
                place_on(pad, (col + 0.5) / width, (row + 0.5) / height)
                for row, col in stroke
            ]
            mouse.move(*places[0])
            mouse.down()
            for place in places[1:]:
                mouse.move(*place, steps=5)
            yield "pointerup", mouse.up, what, limit

    move.__name__ = f"draw on {label}"
    return move


# ------------------------------------------------------------------------- by keyboard


def press_by_key(*names, key="Enter", what=PICTURE, limit=LIMIT):
    """Go to the buttons with these names, and press a key on each."""

    def move(hand):
        for name in names:
            hand.tab_to(hand.button(name))
            yield "keydown", lambda: hand.page.keyboard.press(key), what, limit

    move.__name__ = f"keys on {', '.join(dict.fromkeys(names))}"
    return move


def slide_by_keys(label, *keys, what=PICTURE, limit=LIMIT):
    """Go to a slider and press keys."""

    def move(hand):
        hand.tab_to(hand.slider(label).locator(".noUi-handle"))
        for key in keys:
            yield "keydown", lambda key=key: hand.page.keyboard.press(key), what, limit

    move.__name__ = f"keys on {label}"
    return move


def keys_on_pad(label, *keys, quiet=(), what=PICTURE, limit=LIMIT):
    """Go to a pad, press the ``quiet`` keys, and then those that call for an answer."""

    def move(hand):
        hand.tab_to(hand.root.get_by_label(label))
        for key in quiet:
            hand.page.keyboard.press(key)
        for key in keys:
            since = "keyup" if key.startswith("Shift") else "keydown"
            yield since, lambda key=key: hand.page.keyboard.press(key), what, limit

    move.__name__ = f"keys on {label}"
    return move


# ----------------------------------------------------------------------- every explorer

RIGHT, LEFT, UP = ["ArrowRight"], ["ArrowLeft"], ["ArrowUp"]
STAKES = ".widget-hbox:has(> .widget-slider) > .widget-label"
SEVEN = [[(6, 8), (6, 19)], [(6, 19), (13, 13)]]  # the top of a 7
DIGIT, PAD = "The drawn digit.", "A pad to draw on"

MOVES = {
    "ColorExplorer": Moves(
        mouse=[press("B", "A", "plain", "masked", "RGBRGB", "(2, 3)", "red")],
        keyboard=[press_by_key("blue", "RRGGBB"), press_by_key("B", key=" ")],
    ),
    "MixtureExplorer": Moves(
        mouse=[
            slide("mean", 0.4, 0.8),
            slide("log scale", 0.3, 0.9),
            slide("weight", 0.8, 0.1),
        ],
        keyboard=[
            slide_by_keys("mean", *2 * RIGHT),
            slide_by_keys("log scale", *2 * LEFT),
            slide_by_keys("levels", *LEFT, *RIGHT),
        ],
    ),
    "Morph": Moves(
        mouse=[slide("from → to", 0.1, 0.4, 0.9), slide("seed", 0.5, 0.9)],
        keyboard=[
            slide_by_keys("from → to", "Home", "End"),
            slide_by_keys("seed", *LEFT),
        ],
    ),
    "BeatTheNetwork": Moves(
        mouse=[
            slide("p(ink) in %", 0.8, 0.2, what=STAKES),
            press("reveal", "reveal", "start again", "next digit", "reveal"),
        ],
        keyboard=[
            slide_by_keys(
                "p(ink) in %", "PageUp", "PageUp", "Home", "End", what=STAKES
            ),
            press_by_key("reveal", "reveal"),
            press_by_key("reveal", "start again", key=" "),
        ],
    ),
    "BitReader": Moves(
        mouse=[
            slide("read", 0.3, 0.5, 0.7),
            slide("digit", 0.5, 0.9),
            press("next pixel above 1 bit", "next pixel above 1 bit"),
        ],
        keyboard=[
            slide_by_keys("read", *3 * RIGHT, *LEFT),
            slide_by_keys("digit", *LEFT),
            press_by_key("next pixel above 1 bit"),
        ],
    ),
    "MaskExplorer": Moves(
        mouse=[press("3×3", "B", "3 (RGB)", "A", "5×5")],
        keyboard=[press_by_key("7×7", "B", "1 (gray)"), press_by_key("A", key=" ")],
    ),
    "ReceptiveFieldExplorer": Moves(
        mouse=[slide("3×3 layers after it", 0.1, 0.3, 0.9), press("3×3", "gated")],
        keyboard=[
            slide_by_keys("3×3 layers after it", *2 * LEFT, *RIGHT),
            press_by_key("7×7", "plain"),
        ],
    ),
    "GenerationStepper": Moves(
        mouse=[
            slide("drawn", 0.3, 0.5, 0.7),
            slide("seed", 0.5, 0.9),
            press("next doubtful pixel", "next doubtful pixel"),
        ],
        keyboard=[
            slide_by_keys("drawn", *3 * RIGHT, *LEFT),
            slide_by_keys("seed", *LEFT),
            press_by_key("next doubtful pixel"),
        ],
    ),
    "TemperatureAndSeed": Moves(
        mouse=[slide("temperature", 0.2, 0.5, 0.9), slide("seed", 0.5, 0.9)],
        keyboard=[
            slide_by_keys("temperature", *3 * LEFT),
            slide_by_keys("seed", *2 * LEFT),
        ],
    ),
    "Fork": Moves(
        mouse=[
            click_pixels(DIGIT, (10, 14), (14, 10), (18, 18)),
            press("go on from this fork"),
            slide("digit (seed)", 0.2, 0.5),
        ],
        keyboard=[
            keys_on_pad(DIGIT, " ", quiet=2 * UP),
            keys_on_pad(DIGIT, "Enter", quiet=2 * LEFT),
            slide_by_keys("digit (seed)", *2 * RIGHT),
            press_by_key("go on from this fork"),
        ],
    ),
    "FinishMyDigit": Moves(
        mouse=[
            press("clear"),
            draw_strokes(PAD, *SEVEN),
            slide("up to row", 0.3, 0.5),
            press("the bottom is given", "16", "64", "a test digit"),
            press("256, once (1 s)", limit=A_SECOND),
            press("1: clamping", "the top is given"),
        ],
        keyboard=[
            press_by_key("clear"),
            keys_on_pad(PAD, " ", quiet=3 * UP),
            keys_on_pad(PAD, "Shift+ArrowLeft", "c"),
            press_by_key("a test digit"),
            slide_by_keys("up to row", *LEFT, *RIGHT),
            press_by_key("the bottom is given", "16"),
        ],
    ),
}
