// The loop of drawing in single steps: the image so far, and the draw of the next pixel.
//
// One pass of the network over the finished image gives p(ink) of all its pixels, because
// p of a pixel depends on earlier pixels only. So no step needs the network.

import { sigmoid } from "./likelihoods.js";
import { COLORS, MOST_SEED, Picture, Sentence, Slider } from "./ui.js";
import { button, frame, make, paint, row, within } from "./ui.js";

const [LOW, HIGH] = [0.1, 0.9]; // a pixel is doubtful if p(ink) is between these
const [FASTER, EVERY] = [4, 200]; // playing draws so many pixels in so many milliseconds
const SETTLED = 300; // milliseconds without a move until the address is changed
const SCALE = 11; // pixels of the page

export function stepper({ engine, graph, settings, root, answer, remember }) {
  const [height, width] = graph.image_shape;
  const [shape, count] = [[height, width], height * width];
  let seed = within(Math.floor(settings.stepped), 0, MOST_SEED);
  // How many pixels are drawn. Without a number it starts where p(ink) is nearest to 1/2.
  let at = settings.step && within(Math.floor(Number(settings.step)) || 0, 0, count);
  let state = null; // of the seed: the image, p(ink), the uniform numbers, and the cost
  let [timer, later] = [null, null];

  const drawn = new Slider("drawn", {
    ...{ min: 0, max: count, value: 0 },
    act: goTo,
  });
  drawn.input.style.width = "440px"; // on a wide page: there are many pixels
  const play = button("play", () => (timer ? pause() : start()));
  const doubtful = button("next doubtful pixel", () => {
    pause();
    const next = state.p.findIndex((p, i) => i > at && LOW < p && p < HIGH);
    goTo(next < 0 ? count : next);
  });
  const seeds = new Slider("seed", {
    ...{ min: 0, max: Math.max(99, seed), value: seed },
    act(value) {
      seed = value;
      keep();
      show();
    },
  });
  const sentence = new Sentence();
  const picture = new Picture(width * SCALE + 1, height * SCALE + 1, "The image so far");
  const line = new Picture(356, 130, "The draw of the next pixel");
  const key = new Sentence();
  key.text =
    "Gray pixels are not drawn yet. The pixel in the red frame is the next one: u is a " +
    "random number from 0 to 1, and the pixel is ink if u falls into the blue part, of " +
    "length p. A pixel is doubtful if p is from 0.1 to 0.9.";
  root.append(row(drawn, play, doubtful, seeds), sentence.element);
  root.append(row(picture.element, make("div", {}, line.element, key.element)));
  for (const control of [drawn.input, play, doubtful]) control.disabled = true;

  const show = answer(async () => {
    const uniforms = await engine.ask("uniforms", { seed });
    const { image, cost } = await engine.ask("drawFrom", { uniforms });
    const { logits } = await engine.ask("read", { image });
    const p = Array.from(logits, sigmoid);
    state = { image, p, uniforms, nats: cost.reduce((a, b) => a + b, 0) };
    if (at === "") at = mostDoubtful(p);
    for (const control of [drawn.input, play, doubtful]) control.disabled = false;
    draw();
  });

  function goTo(pixel) {
    at = pixel;
    keep();
    draw();
  }

  // Browsers allow few changes of an address in a second, so the last of many moves counts.
  function keep() {
    clearTimeout(later);
    const settings = () => ({ step: String(at), stepped: seed });
    later = setTimeout(() => root.isConnected && remember(settings()), SETTLED);
  }

  // It plays only when it is asked to, and a screen reader is told where it stops.
  function start() {
    if (at === count) goTo(0);
    sentence.element.setAttribute("aria-live", "off");
    play.textContent = "pause";
    timer = setInterval(() => {
      if (root.isConnected) goTo(Math.min(at + FASTER, count));
      if (!root.isConnected || at === count) pause();
    }, EVERY);
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = "play";
    sentence.element.setAttribute("aria-live", "polite");
  }

  function draw() {
    drawn.value = at;
    sentence.text = told();
    picture.about = `The image so far: ${at} of ${count} pixels are drawn`;
    picture.draw((page) => {
      const color = (i) => (i >= at ? COLORS.notYet : state.image[i] ? "black" : "white");
      paint(page, shape, color, 0, 0, SCALE);
      page.strokeStyle = "#777";
      page.strokeRect(0.5, 0.5, picture.width - 1, picture.height - 1);
      if (at < count) frame(page, shape, at, COLORS.target, 0.5, 0.5, SCALE);
    });
    line.about = at < count ? `The draw of the next pixel: ${draws()}` : "No pixel is left";
    line.draw((page) => at < count && drawLine(page, state.p[at], state.uniforms[at]));
  }

  // The interval from 0 to 1: ink from 0 to p, paper from p to 1, and u.
  function drawLine(page, p, u) {
    const [left, right, top, bottom] = [10, line.width - 10, 26, 76];
    const x = (value) => left + (right - left) * value;
    page.textAlign = "center";
    for (const [from, to, name, color, back] of [
      [0, p, "ink", "white", COLORS.seen],
      [p, 1, "paper", "black", "#e4e4e4"],
    ]) {
      page.fillStyle = back;
      page.fillRect(x(from), top, x(to) - x(from), bottom - top);
      page.fillStyle = color;
      const [start, end] = widest(from, to, u);
      const middle = x((start + end) / 2);
      if (end - start > 0.15) page.fillText(name, middle, (top + bottom) / 2 - 7);
    }
    page.fillStyle = COLORS.target;
    page.fillRect(x(u) - 2, top - 4, 4, bottom - top + 8);
    page.fillText("u", x(u), top - 22);
    page.fillStyle = "black";
    for (const value of [0, 0.5, 1]) {
      page.fillRect(x(value) - 0.5, bottom + 4, 1, 5);
      page.fillText(String(value), x(value), bottom + 11);
    }
    page.fillText("uniform number, 0 to 1: ink left of p", x(0.5), bottom + 33);
  }

  // Such as u = 0.31 < p = 0.62: ink.
  function draws() {
    const [p, u] = [state.p[at], state.uniforms[at]];
    const digits = Math.abs(u - p) > 0.01 ? 2 : 5;
    const [relation, value] = state.image[at] ? ["<", "ink"] : ["≥", "paper"];
    return `u = ${u.toFixed(digits)} ${relation} p = ${p.toFixed(digits)}: ${value}`;
  }

  function told() {
    if (at === count) return `Finished, at a cost of ${state.nats.toFixed(0)} nats.`;
    return `Next: row ${Math.floor(at / width)}, column ${at % width}. ${draws()}.`;
  }

  show();
}

// The pixel of which the network is least sure.
function mostDoubtful(p) {
  const doubts = p.map((value) => Math.abs(value - 0.5));
  return doubts.indexOf(Math.min(...doubts));
}

// The wider part of an interval that u may cut: there is room for a word.
function widest(from, to, u) {
  if (u <= from || u >= to) return [from, to];
  return u - from > to - u ? [from, u] : [u, to];
}
