// Inside: what a pixel's logit depends on, the features of every layer, and the products of
// the last kernel that sum to the logit.

import { LIKELIHOODS } from "./likelihoods.js";
import { COLORS, Choice, MOST_SEED, Pad, Picture, Sentence, Slider } from "./ui.js";
import { colorOf, frame, make, paint, row, within } from "./ui.js";

const WIDE = 560; // pixels of the page
const MOST = 256; // channels on show
const LISTED = 8; // products in the table
const NO_KERNEL = "The last layer is no convolution, so no single kernel makes them.";
const [POSITIVE, NEGATIVE] = [[230, 97, 0], [94, 60, 153]]; // orange, purple
const signColor = (value) => `rgb(${(value < 0 ? NEGATIVE : POSITIVE).join(" ")})`;

export function inside({ engine, graph, settings, root, answer, remember }) {
  const [height, width, channels] = graph.image_shape;
  const shape = [height, width];
  const { levels, tensors } = graph;
  const last = tensors[graph.output];
  const perValue = last.channels / channels; // logits
  const whole = ({ size }) => size[0] === height && size[1] === width;
  const layers = [...tensors.keys()].filter((i) => whole(tensors[i])); // those on show
  // A number, or a string of digits, that counts something; else null.
  const counting = (value, many) =>
    value !== "" && Number.isInteger(Number(value)) && value < many ? Number(value) : null;
  const chosen = {
    look: within(Math.floor(settings.look), 0, MOST_SEED),
    label: counting(settings.lookclass, graph.num_classes) ?? 0,
    pixel: counting(settings.pixel, height * width), // null: the one that costs most
    layer: counting(settings.layer, layers.length) ?? Math.max(0, layers.length - 2),
    channel: 0,
    level: null, // null: the one that was drawn
  };
  let state = null; // the image, its logits, and the features of the layer
  let kernel = null; // of the last layer
  let sheet = null; // the features of the layer as pictures
  let moved = false; // whether the reader has done something

  const choose = (name) => (value) => {
    chosen[name] = value;
    if (name !== "level" && name !== "layer") chosen.level = null;
    moved = true;
    show();
  };
  const most = Math.max(99, chosen.look);
  const look = { min: 0, max: most, value: chosen.look, act: choose("look") };
  const controls = [new Slider("image (seed)", look)];
  if (graph.num_classes) {
    const options = Array.from({ length: graph.num_classes }, (_, k) => [String(k), k]);
    const act = choose("label");
    controls.push(new Choice("class", { options, value: chosen.label, act }));
  }
  const names = channels === 3 ? ["red", "green", "blue"] : [...Array(channels).keys()];
  if (channels > 1) {
    const options = names.map((name, k) => [String(name), k]);
    controls.push(new Choice("color", { options, value: 0, act: choose("channel") }));
  }
  const level = new Slider("level", { min: 0, max: levels - 1, act: choose("level") });
  if (perValue > 1) controls.push(level);

  const scale = Math.max(2, Math.floor(308 / Math.max(height, width)));
  const pad = new Pad(shape, {
    scale,
    label: "The image. A click, or Space, chooses a pixel.",
    color: (at) => (state ? colorOf(state.image, at, channels) : "white"),
    act: choose("pixel"),
  });
  const chances = new Picture(300, 200, "");
  const sentence = new Sentence();
  const key = new Sentence();
  key.text =
    "Click a pixel, or go there with the arrow keys and press Space. A red frame marks " +
    "it. Tinted blue: its receptive field. No other pixel can change its probabilities.";

  const layer = new Slider("layer", {
    ...{ min: 0, max: layers.length - 1, value: chosen.layer, act: choose("layer") },
    show: (value) => nameOf(tensors[layers[value]]),
  });
  const toldLayer = new Sentence();
  const small = Math.max(1, Math.floor(140 / Math.max(height, width)));
  const field = new Picture(width * small + 2, height * small + 2, "");
  const bars = new Picture(360, 142, "");
  const maps = make("div", { class: "grid" });
  const keyLayer = new Sentence();
  keyLayer.text =
    "Blue: the pixels of the layer that lead to the logits. The bars: the features of the " +
    "pixel. Below: each channel for the whole image; orange is above 0, purple below.";
  const values = make("p");
  const all = make("details", {}, make("summary", {}, "all values at the pixel"), values);

  const toldSum = new Sentence();
  const steps = new Picture(360, 220, "");
  const table = make("table");

  root.append(row(...controls), sentence.element, row(pad, chances.element), key.element);
  root.append(make("h3", {}, "The features of each layer"), row(layer));
  root.append(toldLayer.element, row(field.element, bars.element));
  root.append(keyLayer.element, maps, all);
  root.append(make("h3", {}, "The products that make the logit"), toldSum.element);
  if (last.layer === "Convolution") root.append(row(steps.element, table));

  const show = answer(async () => {
    const now = { ...chosen }; // what the reader chooses meanwhile is shown next
    await take(now);
    now.pixel ??= chosen.pixel = state.cost.indexOf(Math.max(...state.cost));
    const fields = await engine.ask("fields", { pixel: now.pixel });
    const drawn = levelAt(now.pixel, now.channel);
    now.level ??= drawn;
    draw(now, fields, drawn);
    const { look, pixel, layer, label } = now;
    if (moved) remember({ look, pixel, layer, lookclass: label });
  });

  // Draw the image, and read what is shown of it, unless all of this is there already.
  async function take({ look, label, layer }) {
    const name = `${look} ${label}`;
    if (last.layer === "Convolution") {
      kernel ??= await engine.ask("kernel", { tensor: graph.output });
    }
    if (state?.name !== name) {
      const [{ image }] = await engine.ask("draw", { seed: look, children: [0], label });
      state = { name, image };
    }
    if (state.layer === layer) return;
    const wanted = [graph.output, last.from[0], layers[layer]];
    const asked = { image: state.image, label, tensors: wanted };
    const { pages, cost } = await engine.ask("pages", asked);
    const [logits, inputs, features] = pages;
    Object.assign(state, { logits, inputs, features, layer, cost });
  }

  const levelAt = (at, channel) =>
    Math.round(state.image[at * channels + channel] * (levels - 1));

  function draw(now, fields, drawn) {
    const { pixel, channel } = now;
    const at = (pixel * channels + channel) * perValue; // where the value's logits begin
    const p = LIKELIHOODS[graph.likelihood].probabilities(state.logits, at, levels);
    const own = perValue > 1 ? now.level : 0; // the logit on show
    const logit = state.logits[at + own];
    level.value = now.level;
    pad.cursor = pixel;
    pad.over = (page) => {
      page.fillStyle = "rgb(0 114 178 / 0.4)";
      fields[0].forEach((read, i) => {
        const [x, y] = [(i % width) * scale, Math.floor(i / width) * scale];
        if (read) page.fillRect(x, y, scale, scale);
      });
      frame(page, shape, pixel, COLORS.target, 0.5, 0.5, scale, 0.3);
    };
    pad.draw();
    const shown = perValue > 1 ? now.level : 1;
    sentence.text = told(now, fields[0], drawn, logit, p[shown]);
    drawChances(p, drawn);
    drawLayer(now, fields[layers[now.layer]]);
    if (kernel) drawSum(pixel, channel * perValue + own, logit, shown, p[shown]);
    else toldSum.text = `${nameOf(last)} makes the logits. ${NO_KERNEL}`;
  }

  const levelName = (k) => (perValue > 1 ? `level ${k}` : ["paper", "ink"][k]);
  const placeOf = (pixel) => `row ${Math.floor(pixel / width)}, column ${pixel % width}`;

  function told({ pixel, channel, level }, read, drawn, logit, p) {
    const color = channels > 1 ? `, ${names[channel]}` : "";
    const earlier = count(read.subarray(0, pixel));
    const who = last.channels > 1 ? "The pixel's logits depend" : "The logit depends";
    const same = read[pixel] ? "; those of a color also on the pixel's earlier colors" : "";
    const chance =
      perValue > 1
        ? `The logit of level ${level} is ${logit.toFixed(3)}. The softmax of all ` +
          `${levels} logits gives p(level ${level}) = ${p.toPrecision(3)}.`
        : `The logit is ${logit.toFixed(3)}, and p(ink) = sigmoid(logit) = ` +
          `${p.toPrecision(3)}.`;
    return (
      `At ${placeOf(pixel)}${color}, ${levelName(drawn)} was drawn. ${chance} ` +
      `${who} on ${earlier} of the ${pixel} earlier pixels${same}.`
    );
  }

  // The probability of each level, as a bar; that of the drawn one is red.
  function drawChances(p, drawn) {
    const list = p.map((value, k) => `${levelName(k)} ${value.toPrecision(2)}`);
    chances.about = p.length > 8 ? "The probability of each level" : list.join(", ");
    const [top, bottom, step] = [24, chances.height - 44, chances.width / p.length];
    const [largest, middle] = [Math.max(...p), chances.width / 2];
    chances.draw((page) => {
      page.textAlign = "center";
      p.forEach((value, k) => {
        const high = ((bottom - top) * value) / largest;
        page.fillStyle = k === drawn ? COLORS.target : COLORS.ink;
        const wide = Math.max(1, Math.min(60, 0.8 * step));
        page.fillRect((k + 0.5) * step - wide / 2, bottom - high, wide, high);
        if (p.length > 8) return;
        page.fillText(value.toPrecision(2), (k + 0.5) * step, bottom - high - 18);
        page.fillText(perValue > 1 ? k : levelName(k), (k + 0.5) * step, bottom + 5);
      });
      page.fillStyle = "black";
      page.fillRect(0, bottom, chances.width, 1);
      if (p.length > 8) {
        page.fillStyle = COLORS.target; // where the drawn level is, however small its bar
        page.fillRect((drawn + 0.5) * step - 2, bottom + 1, 4, 4);
        page.fillStyle = "black";
        page.fillText(`largest: ${largest.toPrecision(2)}`, middle, 2);
        page.textAlign = "left";
        page.fillText("0", 0, bottom + 5);
        page.textAlign = "right";
        page.fillText(p.length - 1, chances.width, bottom + 5);
        page.textAlign = "center";
      }
      page.fillText("probability of each level; red: drawn", middle, bottom + 24);
    });
  }

  function drawLayer({ layer, pixel }, read) {
    const tensor = tensors[layers[layer]];
    const many = tensor.channels;
    const here = state.features.subarray(pixel * many, (pixel + 1) * many);
    const [low, high] = [Math.min(...here), Math.max(...here)];
    const channelOf = (value) => `channel ${here.indexOf(value)}`;
    toldLayer.text =
      `Layer ${layer} of ${layers.length - 1} is ${nameOf(tensor)}, with ` +
      `${many} channel${many > 1 ? "s" : ""}. At ${placeOf(pixel)} its features go ` +
      `from ${low.toFixed(3)} (${channelOf(low)}) to ${high.toFixed(3)} ` +
      `(${channelOf(high)}). The logits of this pixel depend on its features at ` +
      `${count(read)} pixel${count(read) === 1 ? "" : "s"}.`;
    values.textContent = Array.from(here, (v, k) => `${k}: ${v.toFixed(3)}`).join(", ");
    field.about = `${count(read)} pixels of the layer, on which the logits depend`;
    field.draw((page) => {
      const color = (at) => (read[at] ? COLORS.seen : COLORS.paper);
      paint(page, shape, color, 1, 1, small);
      page.strokeStyle = "#777";
      page.strokeRect(0.5, 0.5, field.width - 1, field.height - 1);
      frame(page, shape, pixel, COLORS.target, 1, 1, small, 0.3);
    });
    drawBars(here);
    drawMaps(tensor, pixel);
  }

  // The features of the pixel, a bar for each channel.
  function drawBars(here) {
    bars.about = `Features at the pixel, ${here.length} channels`;
    const largest = Math.max(...here.map(Math.abs)) || 1;
    const [middle, step] = [61, bars.width / here.length];
    bars.draw((page) => {
      here.forEach((value, k) => {
        const high = (60 * Math.abs(value)) / largest;
        page.fillStyle = signColor(value);
        const [x, wide] = [k * step, Math.max(1, Math.min(40, step - 1))];
        page.fillRect(x, value < 0 ? middle : middle - high, wide, high);
      });
      page.fillStyle = "black";
      page.fillRect(0, middle, bars.width, 1);
      const text = `channels 0 to ${here.length - 1} at the pixel; up to ±`;
      page.fillText(`${text}${largest.toPrecision(3)}`, 0, 125);
    });
  }

  // Each channel as a small picture: orange above 0, purple below, white 0.
  function drawMaps(tensor, pixel) {
    const shown = Math.min(tensor.channels, MOST);
    const side = shown > 64 ? 28 : 56;
    const zoom = Math.max(1, Math.floor(side / Math.max(height, width)));
    const [wide, high] = [width * zoom + 4, height * zoom + 4];
    const columns = Math.min(shown, Math.max(1, Math.floor(WIDE / wide)));
    const about =
      `${shown === 1 ? "The only channel" : `Channels 0 to ${shown - 1}`} of the layer, ` +
      "each for the whole image";
    const size = [columns * wide, Math.ceil(shown / columns) * high];
    const picture = new Picture(...size, about);
    if (sheet?.features !== state.features) sheet = sheetOf(state.features, shown);
    picture.draw((page) => {
      page.strokeStyle = "#ccc";
      for (let k = 0; k < shown; k++) {
        const [x, y] = [(k % columns) * wide + 1, Math.floor(k / columns) * high + 1];
        const part = [0, k * height, width, height];
        page.drawImage(sheet.canvas, ...part, x, y, width * zoom, height * zoom);
        page.strokeRect(x - 0.5, y - 0.5, width * zoom + 1, height * zoom + 1);
      }
      const [r, c] = [Math.floor(pixel / width), pixel % width];
      page.strokeStyle = COLORS.target;
      for (let k = 0; k < shown; k++) {
        const [x, y] = [(k % columns) * wide + 1, Math.floor(k / columns) * high + 1];
        page.strokeRect(x + c * zoom - 0.5, y + r * zoom - 0.5, zoom + 1, zoom + 1);
      }
    });
    maps.replaceChildren(picture.element);
  }

  // The first channels, one below the other, a dot for each feature.
  function sheetOf(features, shown) {
    const largest = features.reduce((most, v) => Math.max(most, Math.abs(v)), 0) || 1;
    const many = features.length / (height * width);
    const canvas = make("canvas", { width, height: shown * height });
    const page = canvas.getContext("2d");
    const image = page.createImageData(width, shown * height);
    for (let k = 0; k < shown; k++) {
      for (let at = 0; at < height * width; at++) {
        const share = features[at * many + k] / largest;
        image.data.set(shade(share), 4 * (k * height * width + at));
      }
    }
    page.putImageData(image, 0, 0);
    return { features, canvas };
  }

  // The products of which the logit is the sum, the largest first.
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
    return products.sort((a, b) => b.value - a.value);
  }

  function drawSum(pixel, output, logit, shown, p) {
    const products = productsOf(pixel, output);
    const bias = kernel.bias[output];
    const up = products.filter(({ value }) => value > 0);
    const down = products.filter(({ value }) => value < 0);
    const source = nameOf(tensors[last.from[0]]);
    toldSum.text =
      `The last kernel multiplies each feature that it reads of ${source} by a weight. ` +
      `${up.length} products are above 0 and sum to ${total(up).toFixed(3)}. ` +
      `${down.length} are below 0 and sum to ${total(down).toFixed(3)}. With the bias ` +
      `${bias.toFixed(3)} this is the logit: ${logit.toFixed(3)}. So ` +
      `p(${levelName(shown)}) = ${p.toPrecision(3)}.`;
    drawSteps([...up, ...down], bias, logit);
    fillTable(pixel, products, bias, logit);
  }

  // From the bias to the logit, a step for each product.
  function drawSteps(products, bias, logit) {
    const sums = [bias];
    for (const { value } of products) sums.push(sums.at(-1) + value);
    const [low, high] = [Math.min(0, ...sums), Math.max(0, ...sums)];
    const [left, top, bottom] = [52, 10, steps.height - 30];
    const y = (value) => top + ((bottom - top) * (high - value)) / (high - low || 1);
    const wide = (steps.width - left) / (products.length + 2);
    steps.about = `From the bias by ${products.length} products to the logit`;
    steps.draw((page) => {
      const bar = (i, from, to, color) => {
        page.fillStyle = color;
        const [a, b] = [y(Math.max(from, to)), y(Math.min(from, to))];
        page.fillRect(left + i * wide, a, Math.max(1, wide - 1), Math.max(1, b - a));
      };
      bar(0, 0, bias, COLORS.notYet);
      products.forEach(({ value }, i) => {
        bar(i + 1, sums[i], sums[i + 1], signColor(value));
      });
      bar(products.length + 1, 0, logit, "black");
      page.fillStyle = "black";
      page.fillRect(left, y(0), steps.width - left, 1);
      page.textAlign = "right";
      for (const value of [low, high]) {
        const text = value.toFixed(1).replace("-0.0", "0.0");
        page.fillText(text, left - 6, y(value) - (value === low ? 12 : 4));
      }
      page.textAlign = "left";
      page.fillText("bias, then each product", left, bottom + 8);
      page.textAlign = "right";
      page.fillText("logit", steps.width, bottom + 8);
    });
  }

  function fillTable(pixel, products, bias, logit) {
    const size = ({ value }) => Math.abs(value);
    const listed = [...products].sort((a, b) => size(b) - size(a)).slice(0, LISTED);
    const rest = products.filter((product) => !listed.includes(product));
    const line = (...cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell)));
    const head = ["channel", "feature", "weight", "product"];
    const rows = listed.map(({ at, channel, input, weight, value }) => {
      const where = at === pixel ? `${channel}` : `${channel} at ${placeOf(at)}`;
      return line(where, ...[input, weight, value].map((number) => number.toFixed(3)));
    });
    rows.unshift(make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text))));
    const sums = [["bias", bias], ["logit", logit]];
    if (rest.length) sums.unshift([`all others (${rest.length})`, total(rest)]);
    for (const [name, value] of sums) rows.push(line(name, "", "", value.toFixed(3)));
    const title = `The ${listed.length} products that are farthest from 0`;
    table.replaceChildren(make("caption", {}, title), ...rows);
  }

  show();
}

const nameOf = ({ layer, name, activation }) => {
  const what = activation ?? layer;
  return what.toLowerCase() === name ? what : `${what} (${name})`;
};
const total = (products) => products.reduce((sum, { value }) => sum + value, 0);
const count = (bytes) => bytes.reduce((sum, byte) => sum + byte, 0);

// From -1, purple, over 0, white, to 1, orange: red, green, blue and opacity.
function shade(share) {
  const color = share < 0 ? NEGATIVE : POSITIVE;
  return [...color.map((part) => 255 + (part - 255) * Math.abs(share)), 255];
}
