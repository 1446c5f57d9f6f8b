// An image read pixel by pixel, and the bits that each pixel costs.
//
// One pass of the network over an image gives the cost of all its pixels.

import { sigmoid } from "./likelihoods.js";
import { COLORS, Picture, Sentence, Slider } from "./ui.js";
import { button, frame, make, paint, row, ticks } from "./ui.js";

const DEAR = 1; // bits: the other value had a probability above 1/2
const MOST = 5; // bits, the end of the color scale
const SCALE = 8; // pixels of the page
// The color map cividis, which readers of all kinds of color vision see alike.
const CIVIDIS = [
  ...[[0, 34, 78], [8, 51, 112], [53, 69, 108], [79, 87, 108], [102, 105, 112]],
  ...[[125, 124, 120], [148, 142, 119], [174, 163, 113], [200, 184, 102]],
  ...[[229, 207, 82], [254, 232, 56]],
];

export function bits({ engine, graph, images, root, answer }) {
  const [height, width] = graph.image_shape;
  const [shape, count] = [[height, width], height * width];
  let at = null; // how many pixels are read; at first, all before the dearest one
  let state = null; // of the digit: the image, p(ink), the bits, and the bits paid so far

  const read = new Slider("read", {
    ...{ min: 0, max: count, value: 0 },
    act: goTo,
  });
  read.input.style.width = "440px"; // on a wide page: there are many pixels
  const dear = button("next pixel above 1 bit", () => {
    const next = state.bits.findIndex((own, i) => i > at && own > DEAR);
    goTo(next < 0 ? count : next);
  });
  const digit = new Slider("image", {
    ...{ min: 0, max: images.length - 1, value: 0 },
    act: () => show(),
  });
  const sentence = new Sentence();
  const seen = new Picture(width * SCALE + 1, height * SCALE + 1, "The pixels read so far");
  const cost = new Picture(seen.width, seen.height, "The bits of each pixel");
  const paid = new Picture(356, 240, "The bits paid so far");
  const named = (name, picture) => make("div", {}, make("div", {}, name), picture.element);
  const pair = make("div", { class: "pair" }, named("what it has seen", seen));
  pair.append(named("bits: blue 0, yellow 5 or more", cost));
  root.append(row(read, dear, digit), sentence.element, row(pair, paid.element));
  for (const control of [read.input, dear]) control.disabled = true;

  const show = answer(async () => {
    const image = images[digit.value];
    const { logits, cost } = await engine.ask("read", { image });
    const bits = Array.from(cost, (nats) => nats / Math.LN2);
    const sums = [0];
    for (const own of bits) sums.push(sums.at(-1) + own);
    state = { image, p: Array.from(logits, sigmoid), bits, sums };
    at ??= bits.indexOf(Math.max(...bits));
    for (const control of [read.input, dear]) control.disabled = false;
    draw();
  });

  function goTo(pixel) {
    at = pixel;
    draw();
  }

  function draw() {
    read.value = at;
    sentence.text = told();
    seen.about = `The pixels read so far: ${at} of ${count}`;
    const { image, bits } = state;
    drawPage(seen, (i) => (i >= at ? COLORS.notYet : image[i] ? "black" : "white"));
    drawPage(cost, (i) => colorOf(bits[i] / MOST));
    drawPaid();
  }

  function drawPage(picture, color) {
    picture.draw((page) => {
      paint(page, shape, color, 0, 0, SCALE);
      page.strokeStyle = "#777";
      page.strokeRect(0.5, 0.5, picture.width - 1, picture.height - 1);
      if (at < count) frame(page, shape, at, COLORS.target, 0.5, 0.5, SCALE);
    });
  }

  // The bits paid before each pixel, and where the reader is.
  function drawPaid() {
    const { sums } = state;
    const text = `${sums[at].toFixed(1)} of ${sums[count].toFixed(1)} bits`;
    paid.about = `The bits paid so far: ${text}`;
    const [left, right, top, bottom] = [52, paid.width - 16, 30, paid.height - 46];
    const x = (pixels) => left + ((right - left) * pixels) / count;
    const y = (sum) => bottom + ((top - bottom) * sum) / (sums[count] || 1);
    paid.draw((page) => {
      page.fillStyle = "black";
      page.textAlign = "center";
      page.fillText(text, (left + right) / 2, 4);
      page.fillRect(left, bottom, right - left, 1);
      page.fillRect(left, top, 1, bottom - top);
      for (const pixels of ticks(count)) {
        page.fillRect(x(pixels), bottom, 1, 5);
        page.fillText(String(pixels), x(pixels), bottom + 8);
      }
      page.fillText("pixels read", (left + right) / 2, bottom + 28);
      page.textAlign = "right";
      for (const sum of ticks(sums[count])) {
        page.fillRect(left - 5, y(sum), 5, 1);
        page.fillText(String(sum), left - 8, y(sum) - 7);
      }
      page.save();
      page.translate(2, (top + bottom) / 2);
      page.rotate(-Math.PI / 2);
      page.textAlign = "center";
      page.fillText("bits paid", 0, 0);
      page.restore();
      page.strokeStyle = COLORS.seen;
      page.lineWidth = 2;
      page.beginPath();
      sums.forEach((sum, pixels) => page.lineTo(x(pixels), y(sum)));
      page.stroke();
      page.fillStyle = COLORS.target;
      page.beginPath();
      page.arc(x(at), y(sums[at]), 6, 0, 7);
      page.fill();
    });
  }

  function told() {
    if (at === count) return "All pixels are read.";
    const value = state.image[at] ? "ink" : "paper";
    const [p, bits] = [state.p[at].toFixed(3), state.bits[at].toFixed(2)];
    return (
      `Row ${Math.floor(at / width)}, column ${at % width}: p(ink) = ${p}; ` +
      `it is ${value}: ${bits} bits.`
    );
  }

  show();
}

// The color of a share of the scale.
function colorOf(share) {
  const place = Math.min(share, 1) * (CIVIDIS.length - 1);
  const index = Math.min(Math.floor(place), CIVIDIS.length - 2);
  const [from, to] = [CIVIDIS[index], CIVIDIS[index + 1]];
  const mixed = from.map((own, k) => Math.round(own + (place - index) * (to[k] - own)));
  return `rgb(${mixed.join(" ")})`;
}
