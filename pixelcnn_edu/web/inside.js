// Inside: what a pixel's logit depends on, the features of every layer, and the products of
// the last kernel that sum to the logit.

import { LIKELIHOODS } from "./likelihoods.js";
import { COLORS, Choice, Images, Pad, Picture, Sentence, Slider } from "./ui.js";
import { colorOf, drawBars, labelChoice, make, numbersIn, placeOf } from "./ui.js";
import { row, seedSlider, sum } from "./ui.js";

const MOST = 64; // channels on show
const LISTED = 8; // products in the table
const [POSITIVE, NEGATIVE] = [[230, 97, 0], [94, 60, 153]]; // orange, purple

export function inside({ engine, graph, settings, root, answer, remember }) {
  const shape = graph.image_shape;
  const [height, width, channels] = shape;
  const { levels, tensors } = graph;
  const classes = graph.num_classes;
  const last = tensors[graph.output];
  const perValue = last.channels / channels; // logits
  const whole = ({ size }) => size[0] === height && size[1] === width;
  const layers = [...tensors.keys()].filter((i) => whole(tensors[i])); // those on show
  const place = (pixel) => placeOf(pixel, width);
  [settings.pixel] = numbersIn(settings.pixel); // null: the one that costs most
  settings.layer = numbersIn(settings.layer)[0] ?? Math.max(0, layers.length - 2);
  const own = { channel: 0 }; // of the pixel: its color
  let state = null; // the image, its logits, and the features of the layer
  let kernel = null; // of the last layer

  const act = () => show();
  const controls = [seedSlider(settings, "look", act, "image (seed)")];
  if (classes) controls.push(labelChoice("class", settings, "lookclass", classes, act));
  const names = ["red", "green", "blue"];
  if (channels > 1) {
    const options = names.map((name, k) => [name, k]);
    controls.push(new Choice("color", own, "channel", { options, act }));
  }
  const pad = new Pad(shape, {
    scale: Math.max(2, Math.floor(308 / Math.max(height, width))),
    label: "The image. A click, or Space, chooses a pixel.",
    color: (pixel) => (state ? colorOf(state.image, channels)(pixel) : "white"),
    act(pixel) {
      settings.pixel = pixel;
      show();
    },
  });
  const chances = new Picture(300, 200, "");
  const sentence = new Sentence();
  const key = new Sentence(
    "Click a pixel, or go there with the arrow keys and press Space. A red frame marks " +
      "it. Tinted blue: its receptive field. No other pixel can change its probabilities."
  );

  const layer = new Slider("layer", settings, "layer", {
    max: layers.length - 1,
    show: (value) => nameOf(tensors[layers[value]]),
    act,
  });
  const toldLayer = new Sentence();
  const bars = new Picture(360, 190, "");
  const maps = make("div", { class: "grid" });
  const keyLayer = new Sentence(
    "The bars: the features of the pixel. Below: each channel for the whole image, with the " +
      "pixel in a red frame; orange is above 0, purple below."
  );
  const isKernel = last.layer === "Convolution";
  const noKernel = "The last layer is no convolution, so no single kernel makes the logits.";
  const toldSum = new Sentence(isKernel ? "" : noKernel);
  const table = make("table");
  root.append(row(...controls), sentence.element, row(pad, chances), key.element);
  root.append(make("h3", {}, "The features of each layer"), row(layer), toldLayer.element);
  root.append(bars.element, keyLayer.element, maps);
  root.append(make("h3", {}, "The products that make the logit"), toldSum.element);
  const farthest = make("summary", {}, `The ${LISTED} products that are farthest from 0`);
  if (isKernel) root.append(make("details", { open: "" }, farthest, table));

  const show = answer(async () => {
    const now = { ...settings, ...own }; // what the reader chooses meanwhile is shown next
    await take(now);
    now.pixel ??= settings.pixel ??= state.cost.indexOf(Math.max(...state.cost));
    draw(now, await engine.ask("fields", { pixel: now.pixel }));
    remember();
  });

  // Draw the image, and read what is shown of it, unless all of this is there already.
  async function take({ look: seed, lookclass: label, layer }) {
    const name = `${seed} ${label}`;
    if (isKernel) kernel ??= await engine.ask("kernel", { tensor: graph.output });
    if (state?.name !== name) {
      const [{ image }] = await engine.ask("draw", { seed, children: [0], label });
      state = { name, image };
    }
    if (state.layer === layer) return;
    const asked = { image: state.image, label, tensors: [last.from[0], layers[layer]] };
    const { logits, pages, cost } = await engine.ask("read", asked);
    const [inputs, features] = pages;
    Object.assign(state, { logits, inputs, features, layer, cost });
  }

  function draw({ pixel, channel, layer }, fields) {
    const value = pixel * channels + channel;
    const level = Math.round(state.image[value] * (levels - 1)); // the one that was drawn
    const at = value * perValue; // where the value's logits begin
    const p = LIKELIHOODS[graph.likelihood].probabilities(state.logits, at, levels);
    // the logit on show, and the level whose probability it gives
    const [logit, shown] = perValue > 1 ? [at + level, level] : [at, 1];
    const told = { logit: state.logits[logit], name: nameOfLevel(shown), p: p[shown] };
    pad.cursor = pixel;
    pad.over = (page) => {
      fields[0].forEach((read, i) => read && pad.picture.fill(page, i, COLORS.tint));
      pad.picture.frame(page, pixel, COLORS.target, { around: 0.3 });
    };
    pad.draw();
    const color = channels > 1 ? `, ${names[channel]}` : "";
    const who = last.channels > 1 ? "The pixel's logits depend" : "The logit depends";
    const same = fields[0][pixel] ? "; those of a color also on the pixel's earlier colors" : "";
    sentence.text =
      `At ${place(pixel)}${color}, ${nameOfLevel(level)} was drawn. ${chance(told)} ${who} on at most ` +
      `${sum(fields[0].subarray(0, pixel))} of the ${pixel} earlier pixels${same}.`;
    const largest = `0 to ${p.length - 1}; the largest is ${Math.max(...p).toPrecision(2)}`;
    const list = p.map((one, k) => `${nameOfLevel(k)} ${one.toPrecision(2)}`);
    chances.about = p.length > 8 ? "The probability of each level" : list.join(", ");
    drawBars(chances, p, {
      colors: (k) => (k === level ? COLORS.target : COLORS.ink),
      names: nameOfLevel,
      note: `probability of ${p.length > 8 ? largest : "each"}; red: drawn`,
      marked: level,
    });
    drawLayer(pixel, layer, sum(fields[layers[layer]]));
    if (kernel) drawSum(pixel, logit - pixel * last.channels, told.logit);
  }

  const nameOfLevel = (k) => (perValue > 1 ? `level ${k}` : ["paper", "ink"][k]);

  const chance = ({ logit, name, p }) =>
    perValue > 1
      ? `The logit of ${name} is ${logit.toFixed(3)}. The softmax of all ${levels} logits ` +
        `gives p(${name}) = ${p.toPrecision(3)}.`
      : `The logit is ${logit.toFixed(3)}, and p(ink) = sigmoid(logit) = ${p.toPrecision(3)}.`;

  // count: pixels of the layer on which the logits depend
  function drawLayer(pixel, layer, count) {
    const tensor = tensors[layers[layer]];
    const many = tensor.channels;
    const here = [...state.features.subarray(pixel * many, (pixel + 1) * many)];
    const [low, high] = [Math.min(...here), Math.max(...here)];
    const nameOfChannel = (value) => `channel ${here.indexOf(value)}`;
    toldLayer.text =
      `Layer ${layer} of ${layers.length - 1} is ${nameOf(tensor)}, with ` +
      `${many} channel${many > 1 ? "s" : ""}. At ${place(pixel)} its features go ` +
      `from ${low.toFixed(3)} (${nameOfChannel(low)}) to ${high.toFixed(3)} ` +
      `(${nameOfChannel(high)}). The logits of this pixel depend on its features at ` +
      `${count} pixel${count === 1 ? "" : "s"} at most.`;
    bars.about = `Features: ${here.map((value) => value.toFixed(3)).join(", ")}`;
    drawBars(bars, here, {
      colors: (k) => shade(Math.sign(here[k])),
      names: String,
      note: `channels 0 to ${many - 1} at the pixel`,
    });
    drawMaps(many, pixel);
  }

  // Each channel as a small picture.
  function drawMaps(many, pixel) {
    const count = Math.min(many, MOST);
    const zoom = Math.max(1, Math.floor(56 / Math.max(height, width)));
    const columns = Math.min(count, Math.max(1, Math.floor(560 / (width * zoom + 2))));
    const which = count === 1 ? "The only channel" : `Channels 0 to ${count - 1}`;
    const about = `${which} of the layer, each for the whole image`;
    const picture = new Images(shape, zoom, about, { count, columns });
    const largest = state.features.reduce((most, v) => Math.max(most, Math.abs(v)), 0) || 1;
    const color = (k) => (at) => shade(state.features[at * many + k] / largest);
    picture.show(Array.from({ length: count }, (_, k) => color(k)), (page, i) =>
      picture.frame(page, pixel, COLORS.target, { i })
    );
    maps.replaceChildren(picture.element);
  }

  // The products of which the logit is the sum, those farthest from 0 first.
  function productsOf(pixel, output) {
    const inputs = tensors[last.from[0]].channels;
    const products = [];
    for (const { down, right, weights } of kernel.taps) {
      const [r, c] = [Math.floor(pixel / width) + down, (pixel % width) + right];
      if (r < 0 || r >= height || c < 0 || c >= width) continue;
      for (let channel = 0; channel < inputs; channel++) {
        const weight = weights[channel * last.channels + output];
        if (weight === 0) continue; // the mask keeps this channel out
        const input = state.inputs[(r * width + c) * inputs + channel];
        products.push({ at: r * width + c, channel, input, weight, value: input * weight });
      }
    }
    return products.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  }

  // output: the channel of the last layer that is the logit.
  function drawSum(pixel, output, logit) {
    const products = productsOf(pixel, output);
    const bias = kernel.bias[output];
    const total = (some) => sum(some.map(({ value }) => value)).toFixed(3);
    const up = products.filter(({ value }) => value > 0);
    const down = products.filter(({ value }) => value < 0);
    toldSum.text =
      "The last kernel multiplies each feature that it reads of " +
      `${nameOf(tensors[last.from[0]])} by a weight. ` +
      `${up.length} products are above 0 and sum to ${total(up)}. ` +
      `${down.length} are below 0 and sum to ${total(down)}. With the bias ` +
      `${bias.toFixed(3)} this is the logit: ${logit.toFixed(3)}.`;
    const [listed, rest] = [products.slice(0, LISTED), products.slice(LISTED)];
    const rows = listed.map(({ at, channel, input, weight, value }) => {
      const where = at === pixel ? `${channel}` : `${channel} at ${place(at)}`;
      return [where, ...[input, weight, value].map((number) => number.toFixed(3))];
    });
    if (rest.length) rows.push([`all others (${rest.length})`, "", "", total(rest)]);
    rows.push(["bias", "", "", bias.toFixed(3)], ["logit", "", "", logit.toFixed(3)]);
    const line = (tag, cells) => make("tr", {}, ...cells.map((text) => make(tag, {}, text)));
    table.replaceChildren(
      line("th", ["channel", "feature", "weight", "product"]),
      ...rows.map((cells) => line("td", cells))
    );
  }

  show();
}

const nameOf = ({ layer, name, activation }) => {
  const what = activation ?? layer;
  return what.toLowerCase() === name ? what : `${what} (${name})`;
};

// From -1, purple, over 0, white, to 1, orange.
function shade(share) {
  const color = share < 0 ? NEGATIVE : POSITIVE;
  return `rgb(${color.map((part) => 255 + (part - 255) * Math.abs(share)).join(" ")})`;
}
