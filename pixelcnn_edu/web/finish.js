// Finish my digit: a part of a drawing is given, and the network draws the rest 16 times.
//
// A given top comes first in reading order, so each completion is an exact draw. A given
// bottom comes last: the tops are drawn without a look at it. Each drawing is then a
// particle with the weight p(given pixels | those before them), and 16 of the particles
// are chosen in proportion to their weights.

import { doubleNumbers } from "./random.js";
import { COLORS, Choice, Pad, Sentence, Slider, SmallImages } from "./ui.js";
import { button, make, row, seedSlider, sum } from "./ui.js";

const FUTURES = 16; // are shown, and so many are drawn at a time
const PARTICLES = [1, 16, 64, 256];
const NOT_GIVEN = { ink: "#bec5cc", paper: "#e5ebf2" };

export function finish({ engine, graph, settings, images, root, answer, remember }) {
  const [height, width] = graph.image_shape;

  // "0.14": rows 0 to 13 are given, the top. "14.28": rows 14 to 27, the bottom.
  const ends = settings.given.split(".").map(Number);
  const own = { top: ends[0] === 0, edge: ends[0] || ends[1] }; // edge: where the bottom begins
  let example = 0; // which of the images was on the pad last
  let drawn = null; // what was drawn for one drawing and one seed

  const act = () => {
    settings.given = own.top ? `0.${own.edge}` : `${own.edge}.${height}`;
    showGiven();
    show();
  };
  const options = [["the top", true], ["the bottom", false]];
  const side = new Choice("given", own, "top", { options, act });
  const slider = new Slider("rows", own, "edge", {
    ...{ min: 1, max: height - 1, act },
    show: (at) => (own.top ? `0 to ${at - 1}` : `${at} to ${height - 1}`),
  });
  const many = new Choice("particles", settings, "particles", {
    options: PARTICLES.map((count) => [count === 1 ? "1: clamping" : String(count), count]),
    act,
  });
  const seeds = seedSlider(settings, "future", act);
  const pad = new Pad(graph.image_shape, {
    label: "A pad to draw on. One part of it is given. Space, or Shift with an arrow, uses the pen.",
    color(pixel) {
      const ink = pad.ink[pixel];
      if (!isGiven(pixel)) return ink ? NOT_GIVEN.ink : NOT_GIVEN.paper;
      return ink ? COLORS.seen : COLORS.paper;
    },
    drawn: act,
  });
  const pens = { options: [["draw", 1], ["erase", 0]], act() {} };
  const clear = button("clear", () => {
    pad.ink.fill(0);
    act();
  });
  const left = make("div", {}, pad, row(new Choice("pen", pad, "pen", pens), clear));
  if (images.length) {
    pad.ink.set(images[0]);
    const next = button("a test digit", () => {
      example = (example + 1) % images.length;
      pad.ink.set(images[example]);
      act();
    });
    left.append(row(next));
  }
  const sentence = new Sentence();
  const effect = new Sentence();
  const about = "Sixteen ways in which the network goes on with your drawing";
  const grid = new SmallImages(graph.image_shape, FUTURES, about);
  const key = new Sentence(
    "Draw with the mouse or a finger. Or go to a pixel with the arrow keys: Space, or Shift " +
      "with an arrow key, uses the chosen pen, and Delete erases. Blue: your ink. Black: the " +
      "network's ink. The gray part of the pad is not given: the network draws it. The network " +
      "does not read a given bottom before it draws a top. With 16, 64 or 256 particles, it " +
      "draws that many tops. Then 16 of them are chosen by chance: a top that fits the bottom " +
      "better is chosen more often, and one top may be chosen several times. With 1 (clamping), " +
      "the network draws 16 tops, and all are shown."
  );
  root.append(row(side, slider), row(many, seeds), sentence.element, effect.element);
  root.append(row(left, grid), key.element);

  const isGiven = (pixel) => pixel < own.edge * width === own.top;

  function showGiven() {
    slider.tell();
    many.element.disabled = own.top;
    many.element.style.display = own.top ? "none" : "";
    pad.draw();
  }

  // Draw particles, and show 16 futures whenever there are as many as a choice offers: the
  // first answer is soon there.
  const show = answer(async (stale) => {
    remember();
    const [{ top }, { particles, future: seed }] = [own, settings];
    const known = pad.ink.map((_, pixel) => isGiven(pixel));
    const given = Float32Array.from(pad.ink, (ink, pixel) => ink * known[pixel]);
    const of = [seed, ...known, ...given].join();
    if (drawn?.of !== of) drawn = { of, seed, top, known, particles: [] };
    const most = top ? 1 : particles;
    for (const count of PARTICLES.filter((n) => n <= most && (n > 1 || most === 1))) {
      while (drawn.particles.length < Math.max(count, FUTURES)) {
        const from = drawn.particles.length;
        const more = await engine.draw({ seed, from, count: FUTURES, known, given });
        drawn.particles.push(...more.map((one) => ({ ...one, nats: costOf(one, known) })));
        if (stale() && drawn.particles.length > FUTURES) return;
      }
      draw(count);
      if (stale()) return;
    }
  });

  function draw(count) {
    const { seed, known } = drawn;
    const all = drawn.particles.slice(0, Math.max(count, FUTURES));
    const weights = weightsOf(all.map(({ nats }) => nats));
    const futures = count === 1 ? all : choose(weights, seed).map((i) => all[i]);
    const bits = median(futures.map(({ nats }) => nats)) / Math.LN2;
    tell(count, bits.toFixed(0), 1 / sum(weights.map((weight) => weight ** 2)));
    const ink = (pixel) => (known[pixel] ? COLORS.seen : "black");
    const color = (image) => (pixel) => (image[pixel] ? ink(pixel) : COLORS.paper);
    grid.show(futures.map(({ image }) => color(image)));
  }

  // size: the effective sample size.
  function tell(count, bits, size) {
    const few = count > 1 && size < Math.min(5, count / 2);
    effect.element.classList.toggle("warning", few);
    const effective = `${size.toFixed(1)} of ${count} particles are effective (effective sample size)`;
    if (drawn.top) {
      sentence.text = `16 completions of your top (blue). Your top costs ${bits} bits.`;
      effect.text = "The top comes first, so the network reads all of it before it draws.";
    } else {
      const how = count === 1 ? "drawn without" : "chosen to fit";
      sentence.text =
        `16 tops ${how} the given bottom (blue). Given these tops, the bottom costs ${bits} ` +
        "bits (median).";
      effect.text = few ? `Only ${effective}: tops repeat.` : `${effective}.`;
      if (count === 1) effect.text = "The bottom is pasted in: the strokes may not meet.";
    }
  }

  showGiven();
  show();
}

// -log p(given pixels | those before them), in nats.
const costOf = ({ cost }, known) => sum(cost.filter((_, pixel) => known[pixel]));

// In proportion to exp(-nats), with the sum 1.
function weightsOf(nats) {
  const least = Math.min(...nats);
  const weights = nats.map((one) => Math.exp(least - one));
  const total = sum(weights);
  return weights.map((weight) => weight / total);
}

// Which particles become the 16 futures. Python's generation.complete chooses the same.
function choose(weights, seed) {
  let total = 0;
  const sums = weights.map((weight) => (total += weight));
  return doubleNumbers(seed, [0, 0], FUTURES).map((u) => {
    const first = sums.findIndex((upTo) => upTo > u);
    return first < 0 ? sums.length - 1 : first;
  });
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
