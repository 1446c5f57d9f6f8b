// An image read pixel by pixel, and the bits that each pixel costs.
//
// One pass of the network over an image gives the cost of all its pixels.

import { sigmoid } from "./likelihoods.js";
import { COLORS, Images, Picture, Sentence, Slider, axis, button, capital } from "./ui.js";
import { make, placeOf, row, ticks, upTo } from "./ui.js";

const DEAR = 1; // bits: the other value had a probability above 1/2
const MOST = 5; // bits, the end of the color scale
// The color map cividis, which readers of all kinds of color vision see alike.
const CIVIDIS = [
  ...[[0, 34, 78], [8, 51, 112], [53, 69, 108], [79, 87, 108], [102, 105, 112]],
  ...[[125, 124, 120], [148, 142, 119], [174, 163, 113], [200, 184, 102]],
  ...[[229, 207, 82], [254, 232, 56]],
];

export function bits({ engine, graph, images, root, answer }) {
  const [height, width] = graph.image_shape;
  const count = height * width;
  const own = { at: 0, image: 0 }; // how many pixels are read, and of which image
  let state = null; // of the image: its pixels, p(ink), the bits, and the bits paid so far

  const read = new Slider("read", own, "at", { max: count, act: () => draw() });
  const dear = button("next pixel above 1 bit", () => {
    const next = state.bits.findIndex((cost, i) => i > own.at && cost > DEAR);
    read.value = next < 0 ? count : next;
    draw();
  });
  const most = images.length - 1;
  const which = new Slider("image", own, "image", { max: most, act: () => show() });
  const sentence = new Sentence();
  const seen = new Images(graph.image_shape, 8, "The pixels read so far");
  const cost = new Images(graph.image_shape, 8, "The bits of each pixel");
  const paid = new Picture(356, 240, "The bits paid so far");
  const named = (name, picture) => make("div", {}, make("div", {}, name), picture);
  const both = [named("what it has seen", seen), named("bits: blue 0, yellow 5 or more", cost)];
  root.append(row(read, dear, which), sentence.element, row(...both, paid));
  for (const control of [read.input, dear]) control.disabled = true;

  const show = answer(async () => {
    const image = images[own.image];
    const { logits, cost } = await engine.ask("read", { image });
    const bits = Array.from(cost, (nats) => nats / Math.LN2);
    const sums = [0];
    for (const more of bits) sums.push(sums.at(-1) + more);
    if (!state) read.value = bits.indexOf(Math.max(...bits)); // at first, the dearest one
    state = { image, p: Array.from(logits, sigmoid), bits, sums };
    for (const control of [read.input, dear]) control.disabled = false;
    draw();
  });

  function draw() {
    const [{ at }, { image, bits }] = [own, state];
    const next = (on) => (page) => at < count && on.frame(page, at, COLORS.target);
    sentence.text = told();
    seen.about = `The pixels read so far: ${at} of ${count}`;
    seen.show([upTo(image, at)], next(seen));
    cost.show([(pixel) => cividis(bits[pixel] / MOST)], next(cost));
    drawPaid();
  }

  // The bits paid before each pixel, and where the reader is.
  function drawPaid() {
    const [{ at }, { sums }] = [own, state];
    const text = `${sums[at].toFixed(1)} of ${sums[count].toFixed(1)} bits`;
    paid.about = `The bits paid so far: ${text}`;
    const [left, right, top, bottom] = [40, paid.width - 16, 30, paid.height - 46];
    const y = (bits) => bottom + ((top - bottom) * bits) / (sums[count] || 1);
    paid.draw((page) => {
      const x = axis(page, { left, right, y: bottom, last: count, name: "pixels read" });
      page.fillText(`bits paid: ${text}`, (left + right) / 2, 4);
      page.fillRect(left, top, 1, bottom - top);
      page.textAlign = "right";
      for (const bits of ticks(sums[count])) {
        page.fillRect(left - 5, y(bits), 5, 1);
        page.fillText(String(bits), left - 8, y(bits) - 7);
      }
      page.strokeStyle = COLORS.seen;
      page.lineWidth = 2;
      page.beginPath();
      sums.forEach((bits, pixels) => page.lineTo(x(pixels), y(bits)));
      page.stroke();
      page.fillStyle = COLORS.target;
      page.beginPath();
      page.arc(x(at), y(sums[at]), 6, 0, 7);
      page.fill();
    });
  }

  function told() {
    const [{ at }, { image, p, bits }] = [own, state];
    if (at === count) return "All pixels are read.";
    const value = image[at] ? "ink" : "paper";
    const place = capital(placeOf(at, width));
    return `${place}: p(ink) = ${p[at].toFixed(3)}; it is ${value}: ${bits[at].toFixed(2)} bits.`;
  }

  show();
}

// The color of a share of the scale.
function cividis(share) {
  const place = Math.min(share, 1) * (CIVIDIS.length - 1);
  const index = Math.min(Math.floor(place), CIVIDIS.length - 2);
  const [from, to] = [CIVIDIS[index], CIVIDIS[index + 1]];
  const mixed = from.map((own, k) => Math.round(own + (place - index) * (to[k] - own)));
  return `rgb(${mixed.join(" ")})`;
}
