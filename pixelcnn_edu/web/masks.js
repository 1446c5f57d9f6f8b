// The mask of a causal kernel: which weights are live, by kernel size, type and colors.

import { table } from "./table.js";
import { Choice, Sentence, make, row } from "./ui.js";

const SIZES = [1, 3, 5, 7];
const LETTERS = ["R", "G", "B"];

// Whether a color of a pixel may be read for another color of the same pixel, in the order
// R, G, B: earlier colors always, and the color itself only in type B.
export const mayRead = (from, to, type) => from < to || (type === "B" && from === to);

// Whether a weight is live that reads the pixel `down` rows below the center and `right`
// columns to its right: if that pixel comes earlier in reading order. In the center the
// colors count.
export function isLive(down, right, type, from = 0, to = 0) {
  if (down === 0 && right === 0) return mayRead(from, to, type);
  return down < 0 || (down === 0 && right < 0);
}

export function masks({ settings, root, remember }) {
  const control = (name, options, value) =>
    new Choice(name, { options, value, act: changed });
  const sizes = SIZES.map((size) => [`${size}×${size}`, size]);
  const kernel = control("kernel", sizes, settings.kernel);
  const typeB = control("type", [["A", 0], ["B", 1]], settings.typeB);
  const colors = control("colors", [["1 (gray)", 1], ["3 (RGB)", 3]], settings.colors);
  const sentence = new Sentence();
  const taps = make("div", { class: "taps" });
  const detail = make("div");
  root.append(row(kernel, typeB, colors), sentence.element, row(taps, detail));

  function changed() {
    draw();
    remember({ kernel: kernel.value, typeB: typeB.value, colors: colors.value });
  }

  function draw() {
    const [size, type, gray] = [kernel.value, typeB.value ? "B" : "A", colors.value === 1];
    const half = (size - 1) / 2;
    const above = half * size;
    const center = count(type, gray ? 1 : 3);
    const text = gray
      ? `${above + half + center} of ${size * size}`
      : `${9 * (above + half) + center} of ${9 * size * size} = ` +
        `${size * size} places × 3 × 3 colors`;
    sentence.text = `live taps: ${text}`;
    taps.replaceChildren(drawTaps(half, type, gray));
    detail.replaceChildren(
      gray
        ? drawSum(`type ${type}, ${size}×${size}`, {
            "rows above": `${half} × ${size} = ${above}`,
            "to the left": half,
            center: type === "B" ? "1, shown" : "0, hidden",
            "all that comes later": 0,
          })
        : table(
            `the center tap, enlarged: ${center} of 9 live ` +
              "(from: the color read; to: the color written)",
            LETTERS.map((letter) => `to ${letter}`),
            LETTERS.map((letter) => `from ${letter}`),
            (to, from) => (mayRead(from, to, type) ? ["1", "live"] : ["0", ""])
          )
    );
  }

  draw();
}

// How many pairs of colors the center tap connects.
function count(type, colors) {
  let pairs = 0;
  for (let from = 0; from < colors; from++) {
    for (let to = 0; to < colors; to++) pairs += mayRead(from, to, type);
  }
  return pairs;
}

function drawTaps(half, type, gray) {
  const places = Array.from({ length: 2 * half + 1 }, (_, i) => i - half);
  const tap = (down, right) => {
    const center = down === 0 && right === 0;
    if (center && !gray) return make("td", { class: "center" }, nine(type));
    const live = isLive(down, right, type);
    const kind = `${live ? "live" : ""} ${center ? "center" : ""}`;
    return make("td", { class: kind }, live ? "1" : "0");
  };
  const rows = places.map((down) =>
    make("tr", {}, ...places.map((right) => tap(down, right)))
  );
  return make("table", { class: "cells", "aria-label": "the mask" }, ...rows);
}

// The center tap for three colors, in small: a row for each color written.
function nine(type) {
  const cells = Array.from({ length: 9 }, (_, i) =>
    make("span", { class: mayRead(i % 3, Math.floor(i / 3), type) ? "live" : "" })
  );
  const about = { role: "img", "aria-label": "see the table" };
  return make("div", { class: "nine", ...about }, ...cells);
}

function drawSum(caption, counts) {
  const rows = Object.entries(counts).map(([name, number]) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, String(number)))
  );
  return make("table", {}, make("caption", {}, caption), ...rows);
}
