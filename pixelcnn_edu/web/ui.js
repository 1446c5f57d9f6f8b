// The parts of which every explorer is made: controls, and pictures on a canvas.

export const COLORS = {
  ink: "#404040",
  paper: "#ffffff",
  notYet: "#bfbfbf",
  seen: "#0072B2",
  target: "#D00000",
  gone: "#2F8FCB",
  border: "#808080",
  tint: "rgb(0 114 178 / 0.4)", // seen, with the image behind it
};

export const sum = (values) => values.reduce((a, b) => a + b, 0);

export const placeOf = (pixel, width) =>
  `row ${Math.floor(pixel / width)}, column ${pixel % width}`;
export const capital = (text) => text[0].toUpperCase() + text.slice(1);

export const within = (value, least, most) => Math.min(Math.max(value, least), most);

// The numbers in "404.501.", as an address has them; a missing one is null.
export const numbersIn = (text) =>
  text.split(".").map((part) => (part === "" ? null : Number(part)));

// An element with attributes and children. A function as attribute listens to an event.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children.map((child) => child.element ?? child));
  return element;
}

// A row of controls, which breaks on a narrow page.
export const row = (...parts) => make("div", { class: "row" }, ...parts);

export const button = (text, act) => make("button", { type: "button", click: act }, text);

// A new id for an element. JupyterLab loads this module again for each explorer, so a
// random number tells the copies apart.
const copy = Math.random().toString(36).slice(2);
let made = 0;
const newId = () => `pixelcnn-${copy}-${++made}`;

// A slider for the number own[key], which `show` writes beside it. The browser changes a
// number that the slider does not have. `act` is called after each move.
export class Slider {
  constructor(name, own, key, { min = 0, max, step = 1, show = String, act }) {
    const id = newId();
    Object.assign(this, { own, key, show });
    this.text = make("output", { for: id, "aria-live": "off" }); // the slider says it
    const style = max > 300 ? "width: 440px" : null; // on a wide page
    this.input = make("input", { id, type: "range", style, min, max, step, value: own[key] });
    this.input.addEventListener("input", () => {
      this.read();
      act();
    });
    this.element = make("span", { class: "control" }, make("label", { for: id }, name));
    this.element.append(this.input, this.text);
    this.read();
  }

  read() {
    this.own[this.key] = Number(this.input.value);
    this.tell();
  }

  set value(value) {
    this.input.value = value;
    this.read();
  }

  tell() {
    this.text.textContent = this.show(this.own[this.key]);
    this.input.setAttribute("aria-valuetext", this.text.textContent);
  }
}

export function seedSlider(own, key, act, name = "seed") {
  return new Slider(name, own, key, { max: Math.max(own[key], 99), act });
}

// A named group of buttons of which one is chosen: own[key]. options: [[text, value], …].
export class Choice {
  constructor(name, own, key, { options, act }) {
    const group = newId();
    const buttons = options.flatMap(([text, value], i) => {
      const id = `${group}-${i}`;
      const input = make("input", { id, type: "radio", name: group });
      input.checked = value === own[key];
      input.addEventListener("change", () => {
        own[key] = value;
        act();
      });
      return [input, make("label", { for: id }, text)];
    });
    this.element = make("fieldset", { class: "choice" }, make("legend", {}, name));
    this.element.append(...buttons);
  }
}

export function labelChoice(name, own, key, classes, act) {
  const options = Array.from({ length: classes }, (_, k) => [String(k), k]);
  return new Choice(name, own, key, { options, act });
}

// A sentence below or above a picture; screen readers announce its changes.
export class Sentence {
  constructor(text = "", kind = "") {
    this.element = make("p", { class: `sentence ${kind}`, "aria-live": "polite" }, text);
  }

  set text(text) {
    if (this.element.textContent !== text) this.element.textContent = text;
  }
}

// The Python call that draws the same images; its text stands in the last child. It is
// hidden for a model that leaves its size open: these calls are for one size.
export function pythonCall(graph) {
  const call = make("p", { class: "call" }, "The same in Python: ", make("code"));
  call.hidden = graph.is_open;
  return call;
}

// `flips`: pixels that were flipped one after another.
export function flippedInPython(seed, flips, width) {
  const pairs = flips.map((pixel) => `(${Math.floor(pixel / width)}, ${pixel % width})`);
  return `widgets.drawing.draw_flipped(model, ${seed}, [${pairs.join(", ")}])`;
}

// A canvas of a fixed size in pixels of the page, sharp on every screen. It shrinks on a
// narrow page. draw(page) gets the 2D context.
export class Picture {
  constructor(width, height, about) {
    Object.assign(this, { width, height });
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
    page.font = "14px system-ui, sans-serif";
    page.textBaseline = "top";
    act(page);
  }
}

// Images side by side, each with a border and with room above it for a text.
export class Images extends Picture {
  constructor(shape, scale, about, { count = 1, columns = 1, gap = 2, above = 0 } = {}) {
    const [height, width] = shape;
    const cell = [width * scale + gap, height * scale + gap + above];
    super(columns * cell[0], Math.ceil(count / columns) * cell[1], about);
    Object.assign(this, { shape, scale, columns, cell, above });
  }

  // Where a pixel of image i begins.
  place(pixel, i) {
    const { columns, cell, scale, shape } = this;
    const x = (i % columns) * cell[0] + 1 + (pixel % shape[1]) * scale;
    const y = Math.floor(i / columns) * cell[1] + 1 + Math.floor(pixel / shape[1]) * scale;
    return [x, y + this.above];
  }

  // Where a pointer is, [y, x] in pixels of the first image. The page may have shrunk or
  // zoomed the canvas.
  where({ offsetX, offsetY }) {
    const shown = this.element.clientWidth * (this.element.currentCSSZoom ?? 1);
    const scale = (this.scale * shown) / this.width;
    return [offsetY / scale, offsetX / scale].map((v) => v - 1 / this.scale);
  }

  // Which image is at a pointer.
  at(event) {
    const [y, x] = this.where(event).map((v) => v * this.scale);
    return Math.floor(y / this.cell[1]) * this.columns + Math.floor(x / this.cell[0]);
  }

  // Draw images: of each a function from a pixel's index to its color in CSS. over(page, i)
  // draws more.
  show(colors, over) {
    const [height, width] = this.shape.map((pixels) => pixels * this.scale);
    this.draw((page) => {
      colors.forEach((color, i) => {
        const [x, y] = this.place(0, i);
        for (let pixel = 0; pixel < this.shape[0] * this.shape[1]; pixel++) {
          this.fill(page, pixel, color(pixel), i);
        }
        page.strokeStyle = COLORS.border;
        page.lineWidth = 1;
        page.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
        over?.(page, i);
      });
    });
  }

  fill(page, pixel, color, i = 0) {
    page.fillStyle = color;
    page.fillRect(...this.place(pixel, i), this.scale, this.scale);
  }

  // Write a text above image i.
  title(page, text, i) {
    const [x, y] = this.place(0, i);
    page.fillStyle = "black";
    page.font = "12px system-ui, sans-serif";
    page.fillText(text, x + 1, y - this.above);
  }

  // A frame around a pixel, `around` pixels larger on each side.
  frame(page, pixel, color, { i = 0, around = 0 } = {}) {
    const [x, y] = this.place(pixel, i).map((v) => v - around * this.scale);
    const side = (1 + 2 * around) * this.scale;
    for (const [style, edge] of [["white", 2], [color, 0]]) { // to be seen on ink and on paper
      page.strokeStyle = style;
      page.lineWidth = Math.max(2, this.scale / 4) + edge;
      page.strokeRect(x, y, side, side);
    }
  }
}

// Images of about 84 pixels of the page each, side by side.
export class SmallImages extends Images {
  constructor(shape, count, about, { columns = 4, above = 0 } = {}) {
    const scale = Math.max(1, Math.floor(84 / Math.max(shape[0], shape[1])));
    super(shape, scale, about, { count, columns, gap: 6, above });
  }
}

// The CSS color of a pixel: ink is black, unless the network has colors.
export const colorOf = (image, channels) => (pixel) => {
  const byte = (k) => Math.round(255 * image[pixel * channels + k]);
  if (channels === 3) return `rgb(${byte(0)} ${byte(1)} ${byte(2)})`;
  const gray = 255 - byte(0);
  return `rgb(${gray} ${gray} ${gray})`;
};

// The color of a pixel of which only those before pixel `at` are known.
export const upTo = (image, at) => (pixel) => {
  if (pixel >= at) return COLORS.notYet;
  return image[pixel] ? "black" : COLORS.paper;
};

// From 0 on, three to seven round numbers up to a last one.
export function ticks(last) {
  const ten = 10 ** Math.floor(Math.log10(last || 1));
  const step = [ten / 5, ten / 2, ten, 2 * ten].find((own) => last / own < 7);
  const round = (value) => Number(value.toPrecision(6));
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, i) => round(i * step));
}

// Draw a horizontal axis from 0 to `last`. Returns where a value is on it.
export function axis(page, { left, right, y, last, name }) {
  const x = (value) => left + ((right - left) * value) / last;
  page.fillStyle = "black";
  page.textAlign = "center";
  page.fillRect(left, y, right - left, 1);
  for (const value of ticks(last)) {
    page.fillRect(x(value), y, 1, 5);
    page.fillText(String(value), x(value), y + 8);
  }
  page.fillText(name, (left + right) / 2, y + 28);
  return x;
}

// Draw values as bars up or down from 0, at least up to `most`; few bars with their names
// and values. There is a point below bar number `marked`, which may be too small to be seen.
export function drawBars(picture, values, { colors, names, note, most = 0, marked }) {
  const [top, bottom, step] = [20, picture.height - 46, picture.width / values.length];
  const [low, high] = [Math.min(0, ...values), Math.max(most, ...values)];
  const y = (value) => top + ((bottom - top) * (high - value)) / (high - low || 1);
  const wide = Math.max(1, Math.min(60, 0.8 * step));
  picture.draw((page) => {
    page.textAlign = "center";
    values.forEach((value, k) => {
      const middle = (k + 0.5) * step;
      page.fillStyle = colors(k);
      page.fillRect(middle - wide / 2, y(value), wide, y(0) - y(value));
      if (k === marked) page.fillRect(middle - 2, y(0) + 1, 4, 4);
      page.fillStyle = "black";
      if (values.length > 8) return;
      page.fillText(names(k), middle, bottom + 5);
      page.fillText(value.toPrecision(3), middle, y(Math.max(0, value)) - 17);
    });
    page.fillRect(0, y(0), picture.width, 1);
    page.fillText(note, picture.width / 2, bottom + 27);
  });
}

const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// An image to click (with `act`) or to draw on (with `drawn`): by mouse, finger or keys.
//
//   color(pixel)   the CSS color of a pixel
//   name(pixel)    what a pixel is, in a word
//   act(pixel)     after a click, or Space at the cursor
//   drawn()        after a stroke; pad.ink (H·W bytes, 0 or 1) is then the new drawing
export class Pad {
  constructor(shape, { scale = 11, label, color, name, act, drawn, brush = 2.3 }) {
    [this.height, this.width] = shape;
    Object.assign(this, { color, name, act, drawn, brush });
    this.cursor = 0;
    this.pen = 1; // 0 erases
    this.ink = new Uint8Array(this.height * this.width);
    this.last = null; // where the pen was, [y, x] in pixels of the image
    this.picture = new Images(shape, scale, label);
    const canvas = this.picture.element;
    canvas.tabIndex = 0;
    canvas.className = "pad";
    canvas.setAttribute("role", "application"); // so a screen reader passes keys on
    canvas.style.touchAction = drawn ? "none" : "manipulation";
    canvas.style.cursor = drawn ? "crosshair" : "pointer";
    this.said = make("span", { class: "unseen", "aria-live": "polite" });
    this.element = make("div", { class: "grid" }, canvas, this.said);
    for (const name of ["pointerdown", "pointermove", "click", "keydown"]) {
      canvas.addEventListener(name, (event) => this[name](event));
    }
    if (drawn) canvas.addEventListener("lostpointercapture", () => this.endStroke());
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.draw());
  }

  draw() {
    const { picture } = this;
    const { scale } = picture;
    picture.show([this.color], (page) => {
      page.fillStyle = "rgb(128 128 128 / 0.25)"; // lines between the pixels
      for (let x = 1; x < this.width; x++) page.fillRect(x * scale, 0, 1, 1e4);
      for (let y = 1; y < this.height; y++) page.fillRect(0, y * scale, 1e4, 1);
      this.over?.(page);
      if (picture.element.matches(":focus")) picture.frame(page, this.cursor, COLORS.seen);
    });
  }

  moveTo(row, col) {
    const y = within(Math.floor(row), 0, this.height - 1);
    const x = within(Math.floor(col), 0, this.width - 1);
    this.cursor = y * this.width + x;
    const name = this.name ? `: ${this.name(this.cursor)}` : "";
    this.said.textContent = placeOf(this.cursor, this.width) + name;
    this.draw();
  }

  choose() {
    this.said.textContent = ""; // what the pixel was
    this.act(this.cursor);
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
    this.moveTo(y, x);
  }

  endStroke() {
    this.last = null;
    this.drawn();
  }

  pointerdown(event) {
    if (!this.drawn || event.button !== 0 || !event.isPrimary) return;
    this.picture.element.setPointerCapture(event.pointerId);
    this.penTo(...this.picture.where(event));
  }

  pointermove(event) {
    if (this.drawn && this.picture.element.hasPointerCapture(event.pointerId)) {
      this.penTo(...this.picture.where(event));
    }
  }

  click(event) {
    if (this.drawn) return;
    this.moveTo(...this.picture.where(event));
    this.choose();
  }

  keydown(event) {
    const acts = event.key === " " || event.key === "Enter";
    const erases = this.drawn && (event.key === "Delete" || event.key === "Backspace");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!acts && !erases && !KEYS[event.key]) return;
    event.preventDefault(); // the page does not scroll
    if (acts && event.repeat) return;
    const [y, x] = [Math.floor(this.cursor / this.width), this.cursor % this.width];
    const [down, right] = KEYS[event.key] ?? [0, 0];
    if (acts && !this.drawn) {
      this.choose();
    } else if (acts || erases || (this.drawn && event.shiftKey)) {
      this.last = [y + 0.5, x + 0.5];
      this.penTo(y + down + 0.5, x + right + 0.5, erases ? 0 : this.pen);
      this.endStroke();
    } else {
      this.moveTo(y + down, x + right);
    }
  }
}
