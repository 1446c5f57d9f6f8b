// Fork: flip one pixel of a drawn digit, and all later pixels are drawn again.
//
// Pixel k is ink if u_k < p(ink | pixels before k). A flip changes one uniform number, to 0
// or to almost 1. All others stay, so every later difference is caused by the flip.

import { flippingNumber, softplus } from "./likelihoods.js";
import { COLORS, Pad, Picture, PythonCall, Sentence, Slider } from "./ui.js";
import { MOST_SEED, button, frame, paint, pixelsIn, row, within } from "./ui.js";

const [CANDIDATES, SHOWN, TOGETHER] = [128, 16, 8]; // compared, shown, drawn at a time
const [SCALE, SMALL, GAP] = [11, 3, 10]; // pixels of the page
const LEAST = 0.05; // probability of a flip that is compared

export function fork({ engine, graph, settings, root, answer, remember }) {
  const [height, width] = graph.image_shape;
  const shape = [height, width];
  let seed = within(settings.seed, 0, MOST_SEED);
  // "404.501": pixel 404 was flipped before, and the flip of 501 is on show. After "404."
  // the explorer chooses the flip itself.
  const pixels = pixelsIn(settings.flip);
  const last = pixels.pop();
  let flips = pixels.map(Number);
  let next = last ? { pixel: Number(last) } : null; // the fork on show
  if ([...flips, next?.pixel ?? 0].some((pixel) => pixel >= height * width)) {
    [flips, next] = [[], null];
  }
  let state = null; // the digit: its numbers, its image, and what each flip costs
  let moved = false; // whether the reader has done something
  let telling = []; // the flips that change most

  const slider = new Slider("seed", {
    min: 0,
    max: Math.max(99, seed),
    value: seed,
    act(value) {
      [seed, flips, next, moved] = [value, [], null, true];
      show();
    },
  });
  const onward = button("go on from this fork", () => {
    if (!next?.image) return; // the fork is not drawn yet
    [flips, next, moved] = [[...flips, next.pixel], null, true];
    show();
  });
  const pad = new Pad(shape, {
    scale: SCALE,
    label: "The drawn digit. A click, or Space, flips a pixel.",
    color: (pixel) => (state?.image[pixel] ? "black" : "white"),
    name: (pixel) => (state?.image[pixel] ? "ink" : "paper"),
    act(pixel) {
      [next, moved] = [{ pixel }, true];
      show();
    },
  });
  pad.over = (page) => {
    page.fillStyle = "rgb(0 114 178 / 0.4)";
    for (const { pixel } of telling) {
      const [r, c] = [Math.floor(pixel / width), pixel % width];
      page.fillRect(c * SCALE, r * SCALE, SCALE, SCALE);
    }
  };
  const about = "The digit after the flip: ink of both gray, new ink red, lost ink pale red";
  const picture = new Picture(width * SCALE + 1, height * SCALE + 1, about);
  const sentence = new Sentence();
  const [columns, cell] = [root.clientWidth < 500 ? 4 : 8, SMALL * width + GAP];
  const high = SMALL * height + GAP + 16;
  const size = [columns * cell, (SHOWN / columns) * high];
  const others = new Picture(...size, "The flips that change most");
  const key = new Sentence();
  key.text =
    "Click a pixel, or go there with the arrow keys and press Space. Below: the flips that " +
    "change most (blue on the digit), the pixels that each changes, and its price in bits. " +
    "Click one to see it large.";
  root.append(row(slider, onward), row(pad, picture.element));
  const call = new PythonCall();
  root.append(sentence.element, call.element, key.element, others.element);
  others.element.addEventListener("click", ({ offsetX, offsetY }) => {
    const shrunk = others.element.clientWidth / others.width;
    const [x, y] = [offsetX / shrunk / cell, offsetY / shrunk / high].map(Math.floor);
    const one = telling[y * columns + x];
    if (!one) return;
    [next, moved] = [{ pixel: one.pixel, image: one.image, of: state.name }, true];
    show();
  });

  // Draw the digit, unless it is there already; then the fork; then the other forks. If the
  // reader moves something meanwhile (`stale`), nothing of an old answer is kept.
  const show = answer(async (stale) => {
    const name = [seed, ...flips].join();
    if (state?.name !== name) {
      const digit = await digitOf();
      if (stale()) return;
      [state, telling] = [{ name, found: [], ...digit }, []];
    }
    const shown = next ?? { pixel: cheapest(state.bits), automatic: true };
    const known = shown.of === name ? shown.image : null; // or the fork of another digit
    const image = known ?? (await forksOf([shown.pixel]))[0];
    if (stale()) return;
    next = { ...shown, image, of: name };
    draw();
    call.flipped(seed, [...flips, next.pixel], width);
    const last = next.automatic ? "" : next.pixel;
    if (moved) remember({ seed, flip: [...flips, last].join(".") });
    await compare(stale);
  });

  async function digitOf() {
    const uniforms = await engine.ask("uniforms", { seed });
    let { image } = await engine.ask("drawFrom", { uniforms });
    for (const pixel of flips) {
      uniforms[pixel] = flippingNumber(image[pixel]);
      ({ image } = await engine.ask("drawFrom", { uniforms }));
    }
    const { logits } = await engine.ask("read", { image });
    const bits = image.map((ink, i) => flipBits(logits[i], ink));
    const likely = [...bits.keys()].filter((i) => bits[i] <= -Math.log2(LEAST));
    likely.sort((i, j) => bits[i] - bits[j]);
    return { uniforms, image, bits, candidates: likely.slice(0, CANDIDATES) };
  }

  const forksOf = (pixels) =>
    engine.ask("forks", { uniforms: state.uniforms, image: state.image, pixels });

  // Of the likely flips, find those that change most, at least 3 pixels from each other.
  // A few at a time: the reader's own flip comes first, and then the search goes on.
  async function compare(stale) {
    const { found, candidates } = state;
    if (telling.length) return;
    while (found.length < candidates.length) {
      const part = candidates.slice(found.length, found.length + TOGETHER);
      const images = await forksOf(part);
      if (stale()) return;
      part.forEach((pixel, i) => {
        found.push({ pixel, image: images[i], changed: changesAfter(pixel, images[i]) });
      });
    }
    for (const one of [...found].sort((a, b) => b.changed - a.changed)) {
      if (telling.length < SHOWN && telling.every((other) => apart(one, other) >= 3)) {
        telling.push(one);
      }
    }
    draw();
  }

  function apart(one, other) {
    const rows = Math.floor(one.pixel / width) - Math.floor(other.pixel / width);
    return Math.max(Math.abs(rows), Math.abs((one.pixel % width) - (other.pixel % width)));
  }

  function changesAfter(pixel, image) {
    return image.filter((ink, i) => i > pixel && ink !== state.image[i]).length;
  }

  const colorOf = (image) => (pixel) => {
    const [before, after] = [state.image[pixel], image[pixel]];
    if (before && after) return COLORS.ink;
    if (after) return COLORS.target;
    return before ? COLORS.gone : COLORS.paper;
  };

  function draw() {
    pad.draw();
    picture.draw((page) => {
      paint(page, shape, colorOf(next.image), 0, 0, SCALE);
      frame(page, shape, next.pixel, COLORS.seen, 0, 0, SCALE);
      page.strokeStyle = "#777";
      page.lineWidth = 1;
      page.strokeRect(0.5, 0.5, picture.width - 1, picture.height - 1);
    });
    sentence.text = told();
    const list = telling.map(
      ({ pixel, changed }) =>
        `row ${Math.floor(pixel / width)}, column ${pixel % width}: ` +
        `${changed} pixels, ${state.bits[pixel].toFixed(1)} bits`
    );
    others.about = `The flips that change most: ${list.join("; ")}`;
    others.draw((page) => {
      if (state.found.length < state.candidates.length) {
        page.fillText("The likely flips are compared …", 2, 0);
      }
      telling.forEach(({ pixel, image, changed }, i) => {
        const [x, y] = [(i % columns) * cell, Math.floor(i / columns) * high];
        page.fillStyle = "black";
        page.font = "12px system-ui, sans-serif";
        page.fillText(`${changed}: ${state.bits[pixel].toFixed(1)} bits`, x + 2, y);
        paint(page, shape, colorOf(image), x + 1, y + 16, SMALL);
        page.strokeStyle = "#bbb";
        page.lineWidth = 1;
        page.strokeRect(x + 0.5, y + 15.5, SMALL * width + 1, SMALL * height + 1);
        frame(page, shape, pixel, COLORS.seen, x + 1, y + 16, SMALL, 1);
      });
    });
  }

  function told() {
    const { pixel, image } = next;
    const [r, c] = [Math.floor(pixel / width), pixel % width];
    const [was, is] = state.image[pixel] ? ["ink", "paper"] : ["paper", "ink"];
    if (image[pixel] === state.image[pixel]) {
      return `Row ${r}, column ${c} cannot be flipped: the network is certain of ${was}.`;
    }
    const bits = state.bits[pixel];
    const p = (2 ** -bits).toPrecision(3);
    const later = height * width - pixel - 1;
    const changed = changesAfter(pixel, image);
    return (
      `Row ${r}, column ${c} is flipped to ${is}: ${bits.toFixed(1)} bits, since the ` +
      `network gave ${is} the probability ${p}. ${changed} of ${later} later pixels ` +
      "change. Gray: ink in both. Red: new ink. Pale red: ink that is gone."
    );
  }

  show();
}

const cheapest = (bits) => bits.indexOf(Math.min(...bits));

// -log2 of the probability of the other value of a pixel.
const flipBits = (logit, ink) => softplus(ink ? logit : -logit) / Math.LN2;
