// A grid of pixels to click or to draw on: the browser's half of pad.py.
//
// Whatever is shown stands in the synced state, so a stored notebook, with no kernel
// behind it, draws its last picture. What the reader does goes into that state too: a
// click into `clicked`, a finished stroke into `pixels`. (Not as messages of their own:
// state is sent only when the kernel is idle, and then only the newest, so quick hands
// never make the kernel run behind. Nor is half a stroke sent: the answer to it would
// delay the answer to the whole.)

const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const SHOWN = ["pixels", "marks", "colors", "cursor", "mode", "scale", "label", "hint"];

// a copy of bytes, which arrive as a DataView
const copyOf = (v) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength).slice();
const clamp = (x, most) => Math.max(0, Math.min(most - 1, x));

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  const place = document.createElement("div"); // says where the cursor is
  const [height, width] = [model.get("height"), model.get("width")];
  let stroke = null; // the pixels while a stroke goes on: not in the state yet
  let last = null; // where its pen was, [y, x] in pixels

  canvas.tabIndex = 0;
  canvas.className = "pixel-pad"; // pad.py draws a ring around it when it has the focus
  canvas.setAttribute("role", "application"); // a screen reader passes the arrow keys on
  canvas.setAttribute("data-lm-suppress-shortcuts", "true"); // and so does JupyterLab
  canvas.style.cssText = "image-rendering: pixelated; border: 1px solid #777; margin: 5px;";
  place.setAttribute("aria-live", "polite");
  place.style.cssText = "font-size: 13px; line-height: 1.4;";
  el.append(canvas, place);

  function draw() {
    const s = model.get("scale");
    const [row, col] = model.get("cursor");
    const [pixels, marks] = [stroke ?? copyOf(model.get("pixels")), copyOf(model.get("marks"))];
    const colors = model.get("colors");
    const page = canvas.getContext("2d");
    const fill = (color, i) => {
      page.fillStyle = color;
      page.fillRect((i % width) * s, Math.floor(i / width) * s, s, s);
    };
    [canvas.width, canvas.height] = [width * s, height * s];
    canvas.style.touchAction = model.get("mode") === "draw" ? "none" : "auto";
    canvas.style.cursor = model.get("mode") === "draw" ? "crosshair" : "pointer";
    pixels.forEach((ink, i) => fill(`rgb(${255 - ink}, ${255 - ink}, ${255 - ink})`, i));
    marks.forEach((code, i) => code && fill(colors[code - 1], i));
    page.fillStyle = "rgba(128, 128, 128, 0.25)"; // lines between the pixels
    for (let x = 1; x < width; x++) page.fillRect(x * s, 0, 1, height * s);
    for (let y = 1; y < height; y++) page.fillRect(0, y * s, width * s, 1);
    // the cursor's frame is white and blue, to be seen on ink and on paper
    [["white", 5], ["#0072B2", 3]].forEach(([color, line]) => {
      [page.strokeStyle, page.lineWidth] = [color, line];
      page.strokeRect(col * s - 1, row * s - 1, s + 3, s + 3);
    });
    const value = pixels[row * width + col] > 127 ? "ink" : "paper";
    place.textContent = `row ${row}, column ${col}: ${value}. ${model.get("hint")}`;
    place.style.maxWidth = `${width * s}px`;
    canvas.setAttribute("aria-label", model.get("label"));
  }

  function moveTo(row, col) {
    model.set("cursor", [clamp(row, height), clamp(col, width)]);
  }

  // ink (or paper) on every pixel whose center is under the pen on its way to (y, x)
  function pen(y, x, ink = model.get("ink")) {
    stroke ??= copyOf(model.get("pixels"));
    const [y0, x0] = last ?? [y, x];
    const radius = model.get("brush") / 2;
    const steps = Math.ceil(2 * Math.hypot(y - y0, x - x0)) || 1;
    for (let step = 0; step <= steps; step++) {
      const [py, px] = [y0 + ((y - y0) * step) / steps, x0 + ((x - x0) * step) / steps];
      for (let i = 0; i < stroke.length; i++) {
        const away = Math.hypot(Math.floor(i / width) + 0.5 - py, (i % width) + 0.5 - px);
        if (away <= radius) stroke[i] = ink;
      }
    }
    last = [y, x];
    moveTo(Math.floor(y), Math.floor(x));
    draw();
  }

  function endOfStroke() {
    if (!stroke) return;
    model.set("pixels", new DataView(stroke.buffer));
    [stroke, last] = [null, null];
    model.save_changes();
  }

  function clear() {
    stroke = new Uint8Array(height * width);
    endOfStroke();
  }

  function click(row, col) {
    const count = (model.get("clicked")[2] ?? 0) + 1; // so that a second click is news
    moveTo(row, col);
    model.set("clicked", [...model.get("cursor"), count]);
    model.save_changes();
  }

  const drawing = () => model.get("mode") === "draw";
  // in pixels of the image, from those of the page (which may have shrunk the canvas)
  const where = (event) =>
    [event.offsetY, event.offsetX].map((v) => (v * width) / canvas.clientWidth);
  const events = {
    pointerdown(event) {
      if (!drawing() || event.button !== 0 || !event.isPrimary) return;
      endOfStroke(); // of the keyboard
      canvas.setPointerCapture(event.pointerId);
      pen(...where(event));
    },
    pointermove: (event) => canvas.hasPointerCapture(event.pointerId) && pen(...where(event)),
    lostpointercapture: endOfStroke, // the button is up, or the browser took the finger
    click: (event) => drawing() || click(...where(event).map(Math.floor)),
    keydown(event) {
      const [row, col] = model.get("cursor");
      const [down, right] = KEYS[event.key] ?? [0, 0];
      const acts = event.key === " " || event.key === "Enter";
      const erases = drawing() && (event.key === "Delete" || event.key === "Backspace");
      const clears = drawing() && event.key.toLowerCase() === "c";
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (!acts && !erases && !clears && !KEYS[event.key]) return;
      event.preventDefault(); // the page does not scroll
      event.stopPropagation();
      if (acts && event.repeat) return;
      if (clears) clear();
      else if (erases) {
        endOfStroke();
        pen(row + 0.5, col + 0.5, 0);
        endOfStroke();
      } else if (drawing() && (acts || event.shiftKey)) {
        last ??= [row + 0.5, col + 0.5];
        pen(clamp(row + down, height) + 0.5, clamp(col + right, width) + 0.5);
        if (!event.shiftKey) endOfStroke(); // a line ends when Shift is let go
      } else if (acts) click(row, col);
      else moveTo(row + down, col + right), model.save_changes();
    },
    keyup: (event) => event.key === "Shift" && endOfStroke(),
    blur: endOfStroke,
  };
  Object.entries(events).forEach(([name, act]) => canvas.addEventListener(name, act));
  SHOWN.forEach((name) => model.on(`change:${name}`, draw));
  draw();
  return () => SHOWN.forEach((name) => model.off(`change:${name}`, draw));
}

export default { render };
