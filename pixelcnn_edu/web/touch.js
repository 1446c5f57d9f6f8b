// A digit that draws itself, pixel by pixel. A touched pixel flips, and the rest is drawn
// again: with the same random numbers, but after another past.

import { COLORS, Pad, Sentence, button, capital, flippedInPython } from "./ui.js";
import { numbersIn, placeOf, pythonCall, row, upTo } from "./ui.js";

const SECONDS = 2; // for a whole digit

export function touch({ engine, graph, settings, root, answer, remember }) {
  const [height, width] = graph.image_shape;
  const size = height * width;
  let flips = numbersIn(settings.touched).filter((pixel) => pixel !== null);
  let image = null;
  let drawn = 0; // pixels on show; the network has drawn all of them already

  const change = (seed, touched, from) => {
    [settings.touch, settings.touched] = [seed, touched.join(".")];
    [flips, drawn] = [touched, Math.min(drawn, from)];
    show();
  };
  const pad = new Pad(graph.image_shape, {
    scale: 12,
    label: "A digit that draws itself. A click, or Space, flips a pixel.",
    color: (pixel) => upTo(image, image ? drawn : 0)(pixel),
    name: (pixel) => (pixel >= drawn ? "not drawn yet" : image?.[pixel] ? "ink" : "paper"),
    act: (pixel) => image && change(settings.touch, [...flips, pixel], pixel),
  });
  pad.over = (page) => drawn < size && pad.picture.frame(page, drawn, COLORS.target);
  const sentence = new Sentence();
  const another = button("another digit", () =>
    change((settings.touch + 1) % 2 ** 32, [], 0) // after the largest seed comes 0
  );
  const call = pythonCall(graph);
  root.append(sentence.element, row(pad), row(another), call);

  const show = answer(async (stale) => {
    const digit = await engine.ask("flipped", { seed: settings.touch, flips });
    if (stale()) return;
    image = digit.image;
    remember();
    sentence.text = told();
    call.lastChild.textContent = flippedInPython(settings.touch, flips, width);
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
    const later =
      pixel + 1 < size
        ? `The ${size - pixel - 1} later pixels are drawn again with the same random numbers.`
        : "No pixel comes later.";
    const value = image[pixel] ? "ink" : "paper";
    return `${capital(placeOf(pixel, width))} is now ${value}. ${later}`;
  }

  pad.draw();
  show();
}
