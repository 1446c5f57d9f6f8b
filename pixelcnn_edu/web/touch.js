// A digit that draws itself, pixel by pixel. A touched pixel flips, and the rest is drawn
// again: with the same random numbers, but after another past.

import { flippingNumber } from "./likelihoods.js";
import { COLORS, MOST_SEED, Pad, PythonCall, Sentence } from "./ui.js";
import { button, frame, pixelsIn, row, within } from "./ui.js";

const SECONDS = 2; // for a whole digit

export function touch({ engine, graph, settings, root, answer, remember }) {
  const [height, width] = graph.image_shape;
  const size = height * width;
  let seed = within(settings.touch, 0, MOST_SEED);
  let flips = pixelsIn(settings.touched).filter(Boolean).map(Number);
  if (flips.some((pixel) => pixel >= size)) flips = [];
  let digit = null; // its seed, its uniform numbers, and how many flips it has
  let image = null;
  let drawn = 0; // pixels on show; the network has drawn all of them already
  let moved = false;

  const pad = new Pad([height, width], {
    scale: 12,
    label: "A digit that draws itself. A click, or Space, flips a pixel.",
    color(pixel) {
      if (!image || pixel >= drawn) return COLORS.notYet;
      return image[pixel] ? "black" : "white";
    },
    name: (pixel) => (pixel >= drawn ? "not drawn yet" : image?.[pixel] ? "ink" : "paper"),
    act(pixel) {
      if (!image) return;
      [flips, moved, drawn] = [[...flips, pixel], true, Math.min(drawn, pixel)];
      show();
    },
  });
  pad.over = (page) => {
    if (drawn < size) frame(page, [height, width], drawn, COLORS.target, 0.5, 0.5, 12);
  };
  const sentence = new Sentence();
  const another = button("another digit", () => {
    [seed, flips, moved, drawn] = [seed + 1, [], true, 0];
    show();
  });
  const call = new PythonCall();
  root.append(sentence.element, row(pad), row(another), call.element);

  const show = answer(async (stale) => {
    if (digit?.seed !== seed || digit.flips > flips.length) {
      const uniforms = await engine.ask("uniforms", { seed });
      const answer = await engine.ask("drawFrom", { uniforms });
      if (stale()) return;
      [digit, image] = [{ seed, uniforms, flips: 0 }, answer.image];
    }
    while (digit.flips < flips.length) {
      const pixel = flips[digit.flips];
      const uniforms = digit.uniforms.slice();
      uniforms[pixel] = flippingNumber(image[pixel]);
      const answer = await engine.ask("drawFrom", { uniforms });
      // a newer touch only adds a flip, and needs this one too
      [digit, image] = [{ seed: digit.seed, uniforms, flips: digit.flips + 1 }, answer.image];
      if (digit.seed !== seed) return;
    }
    if (moved) remember({ touch: seed, touched: flips.join(".") });
    sentence.text = told();
    call.flipped(seed, flips, width);
    await drawItself(stale);
  });

  // Show the later pixels one after another; all at once for readers who want no motion.
  async function drawItself(stale) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) drawn = size;
    let before = performance.now();
    while (drawn < size && !stale()) {
      const now = await new Promise(requestAnimationFrame);
      const step = Math.max(1, Math.round((size * (now - before)) / 1000 / SECONDS));
      [drawn, before] = [Math.min(size, drawn + step), now];
      pad.draw();
    }
    pad.draw();
  }

  function told() {
    const pixel = flips.at(-1);
    if (pixel === undefined) {
      return "The network draws a digit, pixel by pixel. Touch a pixel to flip it.";
    }
    const value = image[pixel] ? "ink" : "paper";
    const [r, c] = [Math.floor(pixel / width), pixel % width];
    const later =
      pixel + 1 < size
        ? `The ${size - pixel - 1} later pixels are drawn again with the same random numbers.`
        : "No pixel comes later.";
    return `Row ${r}, column ${c} is now ${value}. ${later}`;
  }

  pad.draw();
  show();
}
