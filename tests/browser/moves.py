"""How an explorer is moved: each control once, by mouse and by keyboard, and timed."""

import functools
import statistics
from dataclasses import dataclass, field

LIMIT = 200  # milliseconds from a move to what it changes
SIXTEEN = 400  # where sixteen images are drawn
ALLOWANCE = 5  # times the limit, as tests run on machines that are slow or busy
# Controls that may change nothing: a button at the end of its way, an empty drawing, and a
# guess, whose price stands beside its slider.
SILENT = (
    "p(ink) in %",
    "next doubtful pixel",
    "next pixel above 1 bit",
    "clear",
    "draw",
    "erase",
)
QUIET = 700  # milliseconds without a change: the explorer has finished

# What a reader sees of an explorer, as one text.
CONTENT = """const content = (root) => [...root.querySelectorAll(
    '.sentence, .control label, td, caption, canvas')]
  .map((part) => part.tagName === 'CANVAS' ? part.toDataURL() : part.outerHTML).join();"""
SETTLE = f"""async ([root, quiet, patience]) => {{
  {CONTENT}
  const end = performance.now() + patience;
  let [seen, since] = [content(root), performance.now()];
  while (performance.now() < end) {{
    await new Promise((go) => setTimeout(go, 50));
    const now = content(root);
    if (now !== seen) [seen, since] = [now, performance.now()];
    else if (performance.now() - since > quiet) return;
  }}
}}"""
WATCH = f"""([root, patience]) => {{
  {CONTENT}
  const before = content(root);
  let start = null;
  const note = (event) => {{ start ??= event.timeStamp; }};
  const events = ['pointerdown', 'keydown'];
  events.forEach((name) => root.addEventListener(name, note, {{ capture: true }}));
  const watch = async () => {{
    const end = performance.now() + patience;
    while (performance.now() < end) {{
      await new Promise(requestAnimationFrame);
      if (start !== null && content(root) !== before) return performance.now() - start;
    }}
    return null;
  }};
  window.answer = watch();
}}"""
# The controls of an explorer that a reader can use now, each marked for Playwright.
CONTROLS = """(root) => {
  const all = 'input[type=range], input[type=radio], select, button, canvas.pad';
  const controls = [...root.querySelectorAll(all)];
  controls.forEach((control) => delete control.dataset.control);
  return controls
    .filter((control) => !control.matches(':disabled'))
    .filter((control) => control.type !== 'radio' || !control.checked)
    .map((control, i) => {
      control.dataset.control = i;
      const text = (control.labels?.[0] ?? control).textContent.trim();
      const kind = control.type ?? control.tagName.toLowerCase();
      return [i, kind, text, kind === 'radio' ? control.name : text];
    });
}"""


@dataclass
class Answers:
    """Milliseconds from each move to its answer; None where there was none."""

    limit: int
    all: list = field(default_factory=list)  # of (time, name of the control)

    @property
    def times(self):
        return [time for time, _ in self.all]

    def problems(self):
        for time, name in self.all:
            if time is None:
                yield f"{name!r} changed nothing"
        median = statistics.median([time or 0 for time in self.times])
        if median > self.limit * ALLOWANCE:
            yield f"{median:.0f} ms to an answer, of {ALLOWANCE} × {self.limit} ms"


class Hand:
    """Moves one explorer of a page.

    Args:
        root: Playwright's locator of the explorer, the element of the class ``pixelcnn``.
        limit: milliseconds in which it should answer.
        silent: names of controls that may change nothing: a button at its end, say.
        patience: milliseconds after which no answer is expected any more.
    """

    def __init__(self, root, *, limit=LIMIT, silent=(), patience=20_000):
        self.root, self.page = root, root.page
        self.limit, self.silent, self.patience = limit, silent, patience
        root.scroll_into_view_if_needed()
        root.locator("canvas").first.wait_for(timeout=patience)
        self.settle()

    def settle(self):
        """Wait until nothing changes any more."""
        element = self.root.element_handle()
        self.page.evaluate(SETTLE, [element, QUIET, self.patience])

    def controls(self):
        """Return [number, kind, name, group] of each control that can be used now.

        The radio buttons of a choice are one group; any other control is its own.
        """
        return self.root.evaluate(CONTROLS)

    def do(self, means) -> Answers:
        """Use each control once by ``"mouse"`` or ``"keyboard"``."""
        answers, done = Answers(self.limit), set()
        while True:  # a move may enable or disable other controls
            left = [c for c in self.controls() if (c[1], c[3]) not in done]
            if not left:
                return answers
            # of a choice the last button, so that two choices end with different values
            number, kind, name, group = [c for c in left if c[3] == left[0][3]][-1]
            done.add((kind, group))
            control = self.root.locator(f'[data-control="{number}"]').first
            if means == "keyboard":
                self.focus(kind, control)
            move = self.by_mouse if means == "mouse" else self.by_key
            time = self.time(functools.partial(move, kind, control))
            if time is not None or name not in self.silent:
                answers.all.append((time, name or kind))
            self.settle()

    def time(self, action):
        """Return the milliseconds from an action's event to a change, or None."""
        self.page.evaluate(WATCH, [self.root.element_handle(), self.patience])
        action()
        return self.page.evaluate("() => window.answer")

    def by_mouse(self, kind, control):
        if kind == "radio":
            name = control.get_attribute("id")
            self.root.locator(f'label[for="{name}"]').click()
        elif kind == "select-one":
            control.select_option(index=1)
            self.page.evaluate("() => document.activeElement.blur()")
        elif kind == "canvas":
            control.scroll_into_view_if_needed()
            box = control.bounding_box()
            x, y = box["x"] + 0.45 * box["width"], box["y"] + 0.45 * box["height"]
            self.page.mouse.move(x, y)
            self.page.mouse.down()
            self.page.mouse.move(x + 0.1 * box["width"], y, steps=4)
            self.page.mouse.up()
        elif kind == "range":
            box = control.bounding_box()
            share = float(
                control.evaluate("e => (e.value - e.min) / ((e.max - e.min) || 1)")
            )
            across = 0.2 if share > 0.5 else 0.8
            control.click(position={"x": across * box["width"], "y": box["height"] / 2})
        else:
            control.click()

    def focus(self, kind, control):
        """Focus a control as a reader does with Tab: after a mouse, no focus is shown."""
        for key in ("Tab", "Shift+Tab"):  # from the last control, Tab leaves the page
            control.focus()
            self.page.keyboard.press(key)
            control.focus()
            shown = control.evaluate("e => e.matches(':focus-visible')")
            if shown:
                break
        if kind == "canvas":
            self.page.keyboard.press("ArrowRight")  # to a pixel that is not chosen yet
        assert shown, f"no focus is seen on {kind}"

    def by_key(self, kind, control):
        if kind == "range":
            at_end = control.evaluate("e => e.value === e.max")
            self.page.keyboard.press("ArrowLeft" if at_end else "ArrowRight")
        elif kind == "select-one":
            self.page.keyboard.press("ArrowDown")
        else:
            self.page.keyboard.press("Space")
