// The loop of drawing in single steps: the image so far, and the draw of the next pixel.
//
// One pass of the network over the finished image gives p(ink) of all its pixels, because
// p of a pixel depends on earlier pixels only. So no step needs the network.

import { sigmoid } from "./likelihoods.js";
import { COLORS, Images, Picture, Sentence, Slider, axis, button, make } from "./ui.js";
import { placeOf, row, seedSlider, sum, upTo } from "./ui.js";

const [LOW, HIGH] = [0.1, 0.9]; // a pixel is doubtful if p(ink) is between these

export function stepper({ engine, graph, settings, root, answer, remember }) {
  const [height, width] = graph.image_shape;
  const count = height * width;
  let state = null; // of the seed: the image, p(ink), the uniform numbers, and the cost

  // How many pixels are drawn. Without a number it starts where p(ink) is nearest to 1/2.
  const automatic = settings.step === "";
  settings.step = Number(settings.step) || 0;
  const drawn = new Slider("drawn", settings, "step", { max: count, act: () => draw() });
  const doubtful = button("next doubtful pixel", () => {
    const next = state.p.findIndex((p, i) => i > settings.step && LOW < p && p < HIGH);
    drawn.value = next < 0 ? count : next;
    draw();
  });
  const sentence = new Sentence();
  const picture = new Images(graph.image_shape, 11, "The image so far");
  const line = new Picture(356, 130, "The draw of the next pixel");
  const key = new Sentence(
    "Gray pixels are not drawn yet. The pixel in the red frame is the next one: u is a " +
      "random number from 0 to 1, and the pixel is ink if u falls into the blue part, of " +
      "length p. A pixel is doubtful if p is from 0.1 to 0.9."
  );
  const seeds = seedSlider(settings, "stepped", () => show());
  root.append(row(drawn, doubtful, seeds), sentence.element);
  root.append(row(picture, make("div", { class: "beside" }, line, key)));
  for (const control of [drawn.input, doubtful]) control.disabled = true;

  const show = answer(async () => {
    const digit = { seed: settings.stepped, flips: [] };
    const { uniforms, image } = await engine.ask("flipped", digit);
    const { logits, cost } = await engine.ask("read", { image });
    const p = Array.from(logits, sigmoid);
    if (automatic && !state) drawn.value = mostDoubtful(p);
    state = { image, p, uniforms, nats: sum(cost) };
    for (const control of [drawn.input, doubtful]) control.disabled = false;
    draw();
  });

  function draw() {
    const at = settings.step;
    remember();
    sentence.text =
      at < count
        ? `Next: ${placeOf(at, width)}. ${draws(at)}.`
        : `Finished, at a cost of ${state.nats.toFixed(0)} nats.`;
    picture.about = `The image so far: ${at} of ${count} pixels are drawn`;
    picture.show([upTo(state.image, at)], (page) => {
      if (at < count) picture.frame(page, at, COLORS.target);
    });
    line.about = at < count ? `The draw of the next pixel: ${draws(at)}` : "No pixel is left";
    line.draw((page) => at < count && drawLine(page, state.p[at], state.uniforms[at]));
  }

  // The interval from 0 to 1: blue from 0 to p, gray from p to 1, and u.
  function drawLine(page, p, u) {
    const [left, right, top, bottom] = [10, line.width - 10, 26, 76];
    const name = "uniform number, 0 to 1: ink left of p (blue)";
    const x = axis(page, { left, right, y: bottom + 4, last: 1, name });
    page.fillStyle = COLORS.seen;
    page.fillRect(left, top, x(p) - left, bottom - top);
    page.fillStyle = "#e4e4e4";
    page.fillRect(x(p), top, right - x(p), bottom - top);
    page.fillStyle = COLORS.target;
    page.fillRect(x(u) - 2, top - 4, 4, bottom - top + 8);
    page.fillText("u", x(u), top - 22);
  }

  // Such as u = 0.31 < p = 0.62: ink.
  function draws(at) {
    const [p, u] = [state.p[at], state.uniforms[at]];
    const digits = Math.abs(u - p) > 0.01 ? 2 : 5;
    const [relation, value] = state.image[at] ? ["<", "ink"] : ["≥", "paper"];
    return `u = ${u.toFixed(digits)} ${relation} p = ${p.toFixed(digits)}: ${value}`;
  }

  show();
}

// The pixel of which the network is least sure.
function mostDoubtful(p) {
  const doubts = p.map((value) => Math.abs(value - 0.5));
  return doubts.indexOf(Math.min(...doubts));
}
