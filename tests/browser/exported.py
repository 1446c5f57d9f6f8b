"""A page that `export.page` wrote, in a browser, and what a reader sees of it."""

import numpy as np

WIDTHS = {"wide": 1280, "narrow": 390}
PATIENCE = 60_000  # milliseconds, of an answer on a busy machine

# Explorers begin at once, and not when the reader comes near.
AT_ONCE = """globalThis.IntersectionObserver = class {
  constructor(act) { this.act = act; }
  observe() { setTimeout(() => this.act([{ isIntersecting: true }])); }
  disconnect() {}
};"""
# The colors at the centers of the pixels of images in a canvas, see `Images` in ui.js.
COLORS = """(canvas, [height, width, scale, gap, above, count]) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  const whole = parseFloat(canvas.style.width);
  const dense = canvas.width / whole;
  const cell = [width * scale + gap, height * scale + gap + above];
  const columns = Math.round(whole / cell[0]);
  return Array.from({ length: count * height * width }, (_, k) => {
    const [i, pixel] = [Math.floor(k / height / width), k % (height * width)];
    const x = (i % columns) * cell[0] + 1 + ((pixel % width) + 0.5) * scale;
    const y = Math.floor(i / columns) * cell[1] + 1 + above
      + (Math.floor(pixel / width) + 0.5) * scale;
    const at = 4 * (Math.floor(y * dense) * canvas.width + Math.floor(x * dense));
    return Array.from(data.subarray(at, at + 3));
  });
}"""


def colors(canvas, scale, *, gap=2, above=0, count=1):
    """Return the colors of images of 28 × 28 pixels in a canvas, (count, 784, 3)."""
    found = canvas.evaluate(COLORS, [28, 28, scale, gap, above, count])
    return np.reshape(found, (count, 784, 3))


class Page:
    """An exported page in a browser, and what went wrong in it."""

    def __init__(self, browser, path, width="wide", address="", before=""):
        size = {"width": WIDTHS[width], "height": 900}
        self.context = browser.new_context(viewport=size, has_touch=True)
        self.context.add_init_script(before)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.problems, self.requests = [], []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"{path.as_uri()}{address}")

    def _note(self, message):
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def explorer(self, name):
        root = self.page.locator(f'[data-explorer="{name}"]')
        root.scroll_into_view_if_needed()  # it begins when the reader comes near
        return Shown(root)

    def address(self):
        """Return the settings in the address, which changes after the last move."""
        self.page.wait_for_timeout(600)
        return self.page.evaluate("location.hash")

    def check(self):
        """Check that nothing failed, nothing was asked for, and nothing is cut off."""
        assert self.problems == []
        inside = ("file:", "blob:")
        assert [url for url in self.requests if not url.startswith(inside)] == []
        wide = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0


class Shown:
    """One explorer in a page."""

    def __init__(self, root):
        self.root = root
        self.sentence = root.locator(".sentence").first

    def told(self, text):
        """Wait until the first sentence contains a text; return the whole sentence."""
        self.sentence.filter(has_text=text).wait_for()
        return self.sentence.inner_text()

    def told_after(self, act, *arguments, **more):
        """Call ``act(*arguments, **more)``, and return the new sentence."""
        before = self.sentence.inner_text()
        act(*arguments, **more)
        self.sentence.page.wait_for_function(
            "([sentence, before]) => sentence.innerText !== before",
            arg=[self.sentence.element_handle(), before],
            polling="raf",
        )
        return self.sentence.inner_text()

    def canvas(self, label):
        return self.root.locator(f'canvas[aria-label^="{label}"]')

    def button(self, name):
        return self.root.get_by_role("button", name=name, exact=True)

    def slider(self, name):
        return self.root.get_by_role("slider", name=name, exact=True)

    def choose(self, name):
        self.root.locator("label").get_by_text(name, exact=True).click()

    def at(self, canvas, row, col):
        """Return the position of a pixel of a 28 × 28 image in a canvas."""
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        across, down = box["width"] / 28, box["height"] / 28
        return {"x": (col + 0.5) * across, "y": (row + 0.5) * down}
