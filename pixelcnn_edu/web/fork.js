// Fork: flip one pixel of a drawn digit, and all later pixels are drawn again.
//
// Pixel k is ink if u_k < p(ink | pixels before k). A flip changes one uniform number, to 0
// or to almost 1. All others stay, so every later difference is caused by the flip.

import { softplus } from "./likelihoods.js";
import { COLORS, Images, Pad, Sentence, SmallImages, button, capital } from "./ui.js";
import { flippedInPython, numbersIn, placeOf, pythonCall, row, seedSlider } from "./ui.js";

const [CANDIDATES, SHOWN] = [64, 16]; // flips that are compared, and shown
const LEAST = 0.05; // probability of a flip that is compared

export function fork({ engine, graph, settings, root, answer, remember }) {
  const [height, width] = graph.image_shape;
  // "404.501": pixel 404 was flipped before, and the flip of 501 is on show. After "404."
  // the explorer chooses the flip itself.
  let flips = numbersIn(settings.flip);
  const last = flips.pop();
  let next = last === null ? null : { pixel: last }; // the fork on show
  let state = null; // the digit: its numbers, its image, and what each flip costs
  let telling = []; // likely flips that change most

  const change = (before, fork) => {
    [flips, next] = [before, fork];
    settings.flip = [...flips, next?.pixel ?? ""].join(".");
    show();
  };
  const slider = seedSlider(settings, "seed", () => change([], null));
  const onward = button("keep this flip", () => {
    if (next?.image) change([...flips, next.pixel], null); // or it is not drawn yet
  });
  const pad = new Pad(graph.image_shape, {
    label: "The drawn digit. A click, or Space, chooses the pixel that is flipped on the right.",
    color: (pixel) => (state?.image[pixel] ? "black" : "white"),
    name: (pixel) => (state?.image[pixel] ? "ink" : "paper"),
    act: (pixel) => change(flips, { pixel }),
  });
  pad.over = (page) => telling.forEach(({ pixel }) => pad.picture.fill(page, pixel, COLORS.tint));
  const about = "The digit after the flip: ink of both gray, new ink red, lost ink blue";
  const picture = new Images(graph.image_shape, 11, about);
  const sentence = new Sentence();
  const others = new SmallImages(graph.image_shape, SHOWN, "Likely flips that change most", {
    columns: root.clientWidth < 500 ? 4 : 8,
    above: 16,
  });
  const key = new Sentence(
    "Click a pixel of the left picture, or go there with the arrow keys and press Space. The " +
      "right picture shows the digit after the flip of this pixel (at first, of the likeliest " +
      "flip). The button puts this digit into the left picture. The explorer compares the " +
      `likeliest flips (probability above 5 %, at most ${CANDIDATES}). The small pictures show ` +
      `those that change the most later pixels (at most ${SHOWN} flips, at least 3 pixels ` +
      "apart). The left picture marks their pixels in light blue. Above each small picture: how many " +
      "later pixels change, and the price in bits. Click one to see it large."
  );
  const call = pythonCall(graph);
  root.append(row(slider, onward), row(pad, picture), sentence.element, call);
  root.append(key.element, others.element);
  others.element.addEventListener("click", (event) => {
    const one = telling[others.at(event)];
    if (one) change(flips, { pixel: one.pixel });
  });

  // Draw the digit, unless it is there already; then the fork; then the other forks. If the
  // reader moves something meanwhile (`stale`), nothing of an old answer is kept.
  const show = answer(async (stale) => {
    const name = [settings.seed, ...flips].join();
    if (state?.name !== name) {
      const digit = await engine.ask("flipped", { seed: settings.seed, flips });
      const { logits } = await engine.ask("read", digit);
      if (stale()) return;
      [state, telling] = [{ name, ...digit, ...pricesOf(digit.image, logits) }, []];
    }
    const pixel = next?.pixel ?? state.cheapest;
    const [image] = await forksOf([pixel]);
    if (stale()) return;
    next = { pixel, image };
    draw();
    call.lastChild.textContent = flippedInPython(settings.seed, [...flips, pixel], width);
    remember();
    await compare(stale);
  });

  const forksOf = (pixels) =>
    engine.ask("forks", { uniforms: state.uniforms, image: state.image, pixels });

  // Of the likely flips, find those that change most, at least 3 pixels from each other.
  async function compare(stale) {
    if (telling.length) return;
    const { likely } = state;
    const images = [];
    while (images.length < likely.length) { // a few at a time: a move waits for them
      images.push(...(await forksOf(likely.slice(images.length, images.length + 8))));
      if (stale()) return;
    }
    const changed = images.map((image, i) => changesAfter(likely[i], image));
    for (const i of [...likely.keys()].sort((i, j) => changed[j] - changed[i])) {
      const near = ({ pixel }) => apart(pixel, likely[i]) < 3;
      if (telling.length === SHOWN || telling.some(near)) continue;
      telling.push({ pixel: likely[i], image: images[i], changed: changed[i] });
    }
    draw();
  }

  function apart(one, other) {
    const rows = Math.floor(one / width) - Math.floor(other / width);
    return Math.max(Math.abs(rows), Math.abs((one % width) - (other % width)));
  }

  const changesAfter = (pixel, image) =>
    image.filter((ink, i) => i > pixel && ink !== state.image[i]).length;

  const colorOf = (image) => (pixel) => {
    const [before, after] = [state.image[pixel], image[pixel]];
    if (before && after) return COLORS.ink;
    if (after) return COLORS.target;
    return before ? COLORS.gone : COLORS.paper;
  };

  function draw() {
    const price = (pixel) => `${state.bits[pixel].toFixed(1)} bits`;
    pad.draw();
    picture.show([colorOf(next.image)], (page) =>
      picture.frame(page, next.pixel, COLORS.seen)
    );
    sentence.text = told(price(next.pixel));
    const list = telling.map(
      ({ pixel, changed }) => `${placeOf(pixel, width)}: ${changed} pixels, ${price(pixel)}`
    );
    others.about = `Likely flips that change most: ${list.join("; ")}`;
    others.show(telling.map(({ image }) => colorOf(image)), (page, i) => {
      const { pixel, changed } = telling[i];
      others.title(page, `${changed}: ${price(pixel)}`, i);
      others.frame(page, pixel, COLORS.seen, { i, around: 1 });
    });
  }

  function told(price) {
    const { pixel, image } = next;
    const place = capital(placeOf(pixel, width));
    const [was, is] = state.image[pixel] ? ["ink", "paper"] : ["paper", "ink"];
    if (image[pixel] === state.image[pixel]) {
      return `${place} cannot be flipped: the network is certain of ${was}.`;
    }
    return (
      `${place} is flipped to ${is}. This costs ${price}: the network gave ${is} the ` +
      `probability ${(2 ** -state.bits[pixel]).toPrecision(3)}. ` +
      `${changesAfter(pixel, image)} of ${height * width - pixel - 1} later pixels change. ` +
      "On the right, dark gray is ink of both digits, red is new ink, and blue is lost ink. " +
      "The dark blue frame is the flipped pixel."
    );
  }

  show();
}

// What each flip costs: -log2 of the probability of the other value. And the pixels whose
// flip is likely, the cheapest first.
function pricesOf(image, logits) {
  const bits = image.map((ink, i) => softplus(ink ? logits[i] : -logits[i]) / Math.LN2);
  const order = [...bits.keys()].sort((i, j) => bits[i] - bits[j]);
  const likely = order.filter((i) => bits[i] <= -Math.log2(LEAST)).slice(0, CANDIDATES);
  return { bits, likely, cheapest: order[0] };
}
