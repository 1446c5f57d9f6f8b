// The parts of which every explorer is made: controls, and pictures on a canvas.

export const COLORS = {
  ink: "#404040",
  paper: "#ffffff",
  notYet: "#bfbfbf",
  seen: "#0072B2",
  target: "#D00000",
  gone: "#f5b8b8",
};

export const MOST_SEED = 2 ** 32 - 1;

// A number from an address, made one that the explorer can have.
export function within(value, least, most, step = 1) {
  const steps = Math.round((Math.min(Math.max(value, least), most) - least) / step);
  return least + steps * step;
}

// The parts of "404.501." as texts: pixels, of which the last may be missing.
export function pixelsIn(text) {
  return /^\d+(\.\d+)*\.?$/.test(text) ? text.split(".") : [""];
}

// An element with attributes and children. A function as attribute listens to an event.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// A new id for an element. JupyterLab loads this module again for each explorer, so a
// random number tells the copies apart.
const copy = Math.random().toString(36).slice(2);
let made = 0;
const newId = () => `pixelcnn-${copy}-${++made}`;

// A named slider with its value beside it. `show` makes a text of the value.
export class Slider {
  constructor(name, { min, max, step = 1, value, show = String, act }) {
    const id = newId();
    this.show = show;
    this.text = make("output", { for: id, "aria-live": "off" }); // the slider says it
    this.input = make("input", { id, type: "range", min, max, step, value });
    this.input.addEventListener("input", () => (this.tell(), act(this.value)));
    this.element = make("span", { class: "control" }, make("label", { for: id }, name));
    this.element.append(this.input, this.text);
    this.tell();
  }

  get value() {
    return Number(this.input.value);
  }

  set value(value) {
    this.input.value = value;
    this.tell();
  }

  tell() {
    this.text.textContent = this.show(this.value);
    this.input.setAttribute("aria-valuetext", this.text.textContent);
  }
}

// A named group of buttons of which one is chosen. options: [[text, value], …]. A value that
// is no option, from an address perhaps, stands for the first one.
export class Choice {
  constructor(name, { options, value, act }) {
    const group = newId();
    const chosen = Math.max(0, options.findIndex(([, own]) => own === value));
    const buttons = options.flatMap(([text, own], i) => {
      const id = `${group}-${i}`;
      const input = make("input", { id, type: "radio", name: group });
      input.checked = i === chosen;
      input.addEventListener("change", () => act(own));
      return [input, make("label", { for: id }, text)];
    });
    this.element = make("fieldset", { class: "choice" }, make("legend", {}, name));
    this.element.append(...buttons);
  }

  set disabled(is) {
    this.element.disabled = is;
  }
}

export function button(text, act, title = null) {
  return make("button", { type: "button", title, click: act }, text);
}

// A row of controls, which breaks on a narrow page.
export const row = (...parts) =>
  make("div", { class: "row" }, ...parts.map((part) => part.element ?? part));

// A sentence below or above a picture; screen readers announce its changes.
export class Sentence {
  constructor() {
    this.element = make("p", { class: "sentence", "aria-live": "polite" });
  }

  set text(text) {
    if (this.element.textContent !== text) this.element.textContent = text;
  }
}

// The Python call that draws the same images.
export class PythonCall {
  constructor() {
    this.text = make("code");
    this.element = make("p", { class: "call" }, "The same in Python: ", this.text);
  }

  // `flips`: pixels that were flipped one after another.
  flipped(seed, flips, width) {
    const pairs = flips.map((pixel) => `(${Math.floor(pixel / width)}, ${pixel % width})`);
    this.text.textContent = `widgets.fork.draw_flipped(model, ${seed}, [${pairs.join(", ")}])`;
  }

  generated(count, options) {
    const named = Object.entries(options).map(([name, value]) => `${name}=${value}`);
    this.text.textContent = `generation.generate(model, ${count}, ${named.join(", ")})`;
  }
}

// A canvas of a fixed size in pixels of the page, sharp on every screen. It shrinks on a
// narrow page. draw(page) gets the 2D context.
export class Picture {
  constructor(width, height, about) {
    [this.width, this.height] = [width, height];
    this.element = make("canvas", { role: "img" });
    this.about = about;
    this.element.style.width = `${width}px`;
    this.element.style.aspectRatio = `${width} / ${height}`;
  }

  // A sentence for readers who cannot see the picture.
  set about(text) {
    this.element.setAttribute("aria-label", text);
  }

  draw(act) {
    const dense = Math.min(globalThis.devicePixelRatio || 1, 3);
    this.element.width = this.width * dense;
    this.element.height = this.height * dense;
    const page = this.element.getContext("2d");
    page.scale(dense, dense);
    page.imageSmoothingEnabled = false;
    page.font = "14px system-ui, sans-serif";
    page.textBaseline = "top";
    act(page);
  }
}

// The CSS color of a pixel: ink is black, unless the network has colors.
export function colorOf(image, pixel, channels) {
  const byte = (k) => Math.round(255 * image[pixel * channels + k]);
  if (channels === 3) return `rgb(${byte(0)} ${byte(1)} ${byte(2)})`;
  const gray = 255 - byte(0);
  return `rgb(${gray} ${gray} ${gray})`;
}

// Paint an image at (x, y), `scale` pixels of the page per pixel. color: from a pixel's
// index to CSS.
export function paint(page, shape, color, x, y, scale) {
  const [height, width] = shape;
  for (let pixel = 0; pixel < height * width; pixel++) {
    page.fillStyle = color(pixel);
    const [row, col] = [Math.floor(pixel / width), pixel % width];
    // up to the next pixel's edge, so that no line of the page shows between them
    const [left, top] = [Math.floor(x + col * scale), Math.floor(y + row * scale)];
    const [right, bottom] = [x + (col + 1) * scale, y + (row + 1) * scale];
    page.fillRect(left, top, Math.floor(right) - left, Math.floor(bottom) - top);
  }
}

// From 0 on, three to seven round numbers up to a last one.
export function ticks(last) {
  const ten = 10 ** Math.floor(Math.log10(last || 1));
  const step = [ten / 5, ten / 2, ten, 2 * ten].find((own) => last / own < 7);
  const round = (value) => Number(value.toPrecision(6));
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, i) => round(i * step));
}

// A frame around a pixel, `around` pixels larger on each side.
export function frame(page, shape, pixel, color, x, y, scale, around = 0) {
  const [row, col] = [Math.floor(pixel / shape[1]), pixel % shape[1]];
  const side = (1 + 2 * around) * scale;
  for (const [style, edge] of [["white", 2], [color, 0]]) { // to be seen on ink and on paper
    page.strokeStyle = style;
    page.lineWidth = Math.max(2, scale / 4) + edge;
    page.strokeRect(x + (col - around) * scale, y + (row - around) * scale, side, side);
  }
}

const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const clamp = (x, most) => Math.max(0, Math.min(most - 1, x));

// An image to click (with `act`) or to draw on (with `drawn`): by mouse, finger or keys.
//
//   color(pixel)   the CSS color of a pixel
//   name(pixel)    what a pixel is, in a word
//   act(pixel)     after a click, or Space at the cursor
//   drawn(ink)     after a stroke; `ink` (H·W bytes, 0 or 1) is then the new drawing
export class Pad {
  constructor(shape, { scale = 11, label, color, name, act, drawn, brush = 2.3 }) {
    [this.height, this.width] = shape;
    Object.assign(this, { shape, scale, color, name, act, drawn, brush });
    this.cursor = 0;
    this.pen = 1; // 0 erases
    this.ink = new Uint8Array(this.height * this.width);
    this.last = null; // where the pen was, [y, x] in pixels of the image
    this.picture = new Picture(this.width * scale + 1, this.height * scale + 1, label);
    const canvas = this.picture.element;
    canvas.tabIndex = 0;
    canvas.className = "pad";
    canvas.setAttribute("role", "application"); // so a screen reader passes keys on
    canvas.style.touchAction = drawn ? "none" : "manipulation";
    canvas.style.cursor = drawn ? "crosshair" : "pointer";
    this.said = make("span", { class: "unseen", "aria-live": "polite" });
    this.element = make("div", { class: "grid" }, canvas, this.said);
    for (const name of ["pointerdown", "pointermove", "click", "keydown", "keyup"]) {
      canvas.addEventListener(name, (event) => this[name](event));
    }
    for (const name of ["lostpointercapture", "blur"]) {
      canvas.addEventListener(name, () => this.endStroke());
    }
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.draw());
  }

  draw() {
    const { scale, shape } = this;
    this.picture.draw((page) => {
      paint(page, shape, this.color, 0, 0, scale);
      page.fillStyle = "rgb(128 128 128 / 0.25)"; // lines between the pixels
      for (let x = 0; x <= this.width; x++) page.fillRect(x * scale, 0, 1, 1e4);
      for (let y = 0; y <= this.height; y++) page.fillRect(0, y * scale, 1e4, 1);
      this.over?.(page);
      if (!this.picture.element.matches(":focus")) return;
      frame(page, shape, this.cursor, COLORS.seen, 0.5, 0.5, scale);
    });
  }

  get place() {
    return [Math.floor(this.cursor / this.width), this.cursor % this.width];
  }

  moveTo(row, col) {
    this.cursor = clamp(row, this.height) * this.width + clamp(col, this.width);
    const [r, c] = this.place;
    const name = this.name ? `: ${this.name(this.cursor)}` : "";
    this.said.textContent = `row ${r}, column ${c}${name}`;
    this.draw();
  }

  choose() {
    this.said.textContent = ""; // what the pixel was
    this.act(this.cursor);
  }

  // In pixels of the image; the page may have shrunk the canvas.
  where(event) {
    const shrunk = this.picture.element.clientWidth / this.picture.width;
    return [event.offsetY, event.offsetX].map((v) => v / shrunk / this.scale);
  }

  // Ink (or paper) on every pixel whose center is under the pen on its way to (y, x).
  penTo(y, x, ink = this.pen) {
    const [y0, x0] = this.last ?? [y, x];
    const steps = Math.ceil(2 * Math.hypot(y - y0, x - x0)) || 1;
    for (let step = 0; step <= steps; step++) {
      const [py, px] = [y0 + ((y - y0) * step) / steps, x0 + ((x - x0) * step) / steps];
      this.ink.forEach((_, i) => {
        const [row, col] = [Math.floor(i / this.width), i % this.width];
        const away = Math.hypot(row + 0.5 - py, col + 0.5 - px);
        if (away <= this.brush / 2) this.ink[i] = ink;
      });
    }
    this.last = [y, x];
    this.moveTo(Math.floor(y), Math.floor(x));
  }

  endStroke() {
    if (!this.last) return;
    this.last = null;
    this.drawn(this.ink);
  }

  pointerdown(event) {
    if (!this.drawn || event.button !== 0 || !event.isPrimary) return;
    this.endStroke(); // of the keyboard
    this.picture.element.setPointerCapture(event.pointerId);
    this.penTo(...this.where(event));
  }

  pointermove(event) {
    if (this.drawn && this.picture.element.hasPointerCapture(event.pointerId)) {
      this.penTo(...this.where(event));
    }
  }

  click(event) {
    if (this.drawn) return;
    this.moveTo(...this.where(event).map(Math.floor));
    this.choose();
  }

  keydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [row, col] = this.place;
    const [down, right] = KEYS[event.key] ?? [0, 0];
    const acts = event.key === " " || event.key === "Enter";
    const erases = this.drawn && (event.key === "Delete" || event.key === "Backspace");
    if (!acts && !erases && !KEYS[event.key]) return;
    event.preventDefault(); // the page does not scroll
    event.stopPropagation();
    if (acts && event.repeat) return;
    if (!this.drawn) {
      if (acts) this.choose();
      else this.moveTo(row + down, col + right);
    } else if (acts || erases || event.shiftKey) {
      this.last ??= [row + 0.5, col + 0.5];
      const to = [clamp(row + down, this.height), clamp(col + right, this.width)];
      this.penTo(to[0] + 0.5, to[1] + 0.5, erases ? 0 : this.pen);
      if (!event.shiftKey) this.endStroke(); // a line ends when Shift is let go
    } else {
      this.moveTo(row + down, col + right);
    }
  }

  keyup(event) {
    if (event.key === "Shift" && this.drawn) this.endStroke();
  }
}
