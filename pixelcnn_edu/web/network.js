// A network that runs in the page, made from what `pixelcnn_edu.export` writes.
//
// The network is causal: the features of a pixel depend on earlier pixels only. So each
// tensor has a page of features, and when a pixel is drawn, only the features of this pixel
// are computed; all earlier ones are in the pages already (arXiv 1704.06001).

import { LAYERS } from "./layers.js";
import { LIKELIHOODS } from "./likelihoods.js";
import { KERNEL } from "./kernel.wasm";

// Each tensor is known at one of three moments, as in pixel_graph.py:
const [PER_IMAGE, PER_ROW, PER_PIXEL] = [0, 1, 2];

export class Network {
  // graph: the object that `export` writes, see export.py; weights: a Float32Array.
  constructor(graph, weights) {
    [this.height, this.width, this.channels] = graph.image_shape;
    this.levels = graph.levels;
    this.likelihood = LIKELIHOODS[graph.likelihood];
    // Which channels of a pixel are drawn after each run of the network. Gray: [[0]], one run.
    // Colors that know each other: [[0], [1], [2]], since green needs features of red.
    this.runs = graph.runs;
    // Whether the network runs again after the last channel, because features of this pixel
    // contain that channel.
    this.oneMore = graph.one_more;
    this.classes = graph.num_classes; // null for a network without labels
    this.label = new Float32Array(this.classes ?? 0);
    this.tensors = [];
    let end = weights.length;
    for (const entry of graph.tensors) {
      const [height, width] = entry.size; // 1 where one vector stands for all pixels
      this.tensors.push({
        ...entry,
        sources: entry.from.map((index) => this.tensors[index]),
        page: end,
        rowStep: height > 1 ? width * entry.channels : 0,
        colStep: width > 1 ? entry.channels : 0,
      });
      end += height * width * entry.channels;
    }
    this.image = this.tensors[0];
    this.output = this.tensors[graph.output];
    this.perImage = this.tensors.filter((t) => t.when === PER_IMAGE && t.layer in LAYERS);
    this.made = this.tensors.filter((t) => t.when !== PER_IMAGE && t.layer in LAYERS);
    this.perRow = this.tensors.filter((t) => t.when === PER_ROW);
    this.perPixel = this.tensors.filter((t) => t.when === PER_PIXEL && t.layer in LAYERS);
    this.last = null; // what the last drawing was made of, if the pages hold its features
    this.perValue = this.output.channels / this.channels; // logits
    this.cost = new Float32Array(this.height * this.width); // nats of each pixel
    this.takeMemory(end);
    this.floats.set(weights);
  }

  // The memory for all numbers, and the function that multiplies in it.
  takeMemory(size) {
    try {
      const pages = Math.ceil((4 * size) / 65536); // a page of WebAssembly has 64 KiB
      const memory = new WebAssembly.Memory({ initial: pages });
      const code = Uint8Array.from(atob(KERNEL), (letter) => letter.charCodeAt(0));
      const module = new WebAssembly.Module(code);
      const { exports } = new WebAssembly.Instance(module, { page: { memory } });
      this.floats = new Float32Array(memory.buffer);
      this.addProduct = exports.add_product;
    } catch (error) {
      console.warn(`Without WebAssembly the network is slower: ${error.message}`);
      this.floats = new Float32Array(size);
      this.addProduct = this.addProductInJavaScript;
    }
  }

  // Add the product of a vector and a matrix: sum[k] += x[i] · weights[i][k].
  // All arguments but the sizes are places in `floats`.
  addProductInJavaScript(sum, x, weights, inputs, outputs) {
    const { floats } = this;
    for (let i = 0; i < inputs; i++) {
      const value = floats[x + i];
      const row = weights + i * outputs;
      if (value === 0) continue;
      for (let k = 0; k < outputs; k++) floats[sum + k] += value * floats[row + k];
    }
  }

  // Where the features of a pixel begin.
  place(tensor, row, col) {
    return tensor.page + row * tensor.rowStep + col * tensor.colStep;
  }

  // Where the weights of a pixel begin, in a layer whose weights may differ by pixel.
  placeOfWeight({ at, size, channels }, row, col) {
    const [height, width] = size;
    return at + ((height > 1 ? row * width : 0) + (width > 1 ? col : 0)) * channels;
  }

  // ------------------------------------------------------------------ the three moments

  // Set the label: a number, or a share for each label, and compute what depends on it.
  setLabel(label) {
    const shares = new Float32Array(this.classes);
    if (typeof label === "number" && !(label in shares)) {
      throw new Error(`Expected a label from 0 to ${this.classes - 1}. Received: ${label}`);
    }
    if (typeof label === "number") shares[label] = 1;
    else shares.set(label);
    [this.label, this.last] = [shares, null];
    for (const tensor of this.perImage) this.computeAll(tensor);
  }

  // All pixels of a tensor.
  computeAll(tensor) {
    const [height, width] = tensor.size;
    for (let row = 0; row < height; row++) {
      for (let col = 0; col < width; col++) this.compute(tensor, row, col);
    }
  }

  // A tensor of the vertical stack depends on the rows above alone. The next one may read
  // it to the right of the pixel, so a whole row is computed at once.
  beginRow(row) {
    for (const tensor of this.perRow) {
      for (let col = 0; col < this.width; col++) this.compute(tensor, row, col);
    }
  }

  computePixel(row, col) {
    for (const tensor of this.perPixel) this.compute(tensor, row, col);
  }

  compute(tensor, row, col) {
    LAYERS[tensor.layer](this, tensor, row, col);
  }

  // ------------------------------------------------------------------ whole images

  // Compute all features of an image: the logits are then in the page of `output`, and the
  // cost of each pixel in `cost`.
  //
  // Layer by layer, in the order of the graph, this is faster than pixel by pixel: the
  // weights of a layer stay in the processor's cache.
  read(image, label = 0) {
    if (this.classes) this.setLabel(label);
    this.last = null;
    this.floats.set(image, this.image.page);
    for (const tensor of this.made) this.computeAll(tensor);
    for (let pixel = 0; pixel < this.cost.length; pixel++) {
      this.noteCost(Math.floor(pixel / this.width), pixel % this.width);
    }
  }

  // For each tensor, the pixels of which the logits of one pixel are made: H·W bytes, 0 or
  // 1. Those of the image are the pixel's receptive field. The way goes from the logits back:
  // a convolution reads a pixel at each of its taps, any other layer the same pixel. The
  // logits may depend on fewer: a tap may join only some channels, and a ReLU may be 0.
  fieldsOf(pixel) {
    const fields = this.tensors.map(() => new Uint8Array(this.height * this.width));
    fields[this.tensors.indexOf(this.output)][pixel] = 1;
    for (let i = fields.length - 1; i > 0; i--) {
      const { from, taps } = this.tensors[i];
      fields[i].forEach((read, at) => {
        if (!read) return;
        for (const { down, right } of taps ?? [{ down: 0, right: 0 }]) {
          const [r, c] = [Math.floor(at / this.width) + down, (at % this.width) + right];
          if (r < 0 || r >= this.height || c < 0 || c >= this.width) continue;
          for (const source of from) fields[source][r * this.width + c] = 1;
        }
      });
    }
    return fields;
  }

  // A copy of a tensor's features, (H, W, channels).
  page(tensor) {
    const [height, width] = tensor.size;
    return this.floats.slice(tensor.page, tensor.page + height * width * tensor.channels);
  }

  // Draw an image, pixel by pixel: float32 (H, W, C). The cost of each pixel at temperature
  // 1 is then in `cost`.
  //
  //   uniforms     a number in [0, 1) for each value
  //   known        for each pixel, whether it is given; then `given` has its values
  //   temperature  divides the log-probabilities of the levels
  //   label        for a network that takes labels
  //
  // If only some uniform numbers or given values differ from those of the last call, all
  // pixels before the first of them are in the pages already.
  draw({ uniforms, known = null, given, temperature = 1, label = 0 }) {
    if (this.classes) this.setLabel(label);
    const { width, channels, floats, image } = this;
    // what makes each value: a uniform number below 1, or 2 and more for a given value
    const isGiven = (i) => known?.[Math.floor(i / channels)];
    const numbers = uniforms.map((u, i) => (isGiven(i) ? 2 + given[i] : u));
    const first = this.firstNew(numbers, temperature);
    for (let pixel = first; pixel < this.height * width; pixel++) {
      const row = Math.floor(pixel / width);
      const col = pixel % width;
      const here = this.place(image, row, col);
      if (col === 0) this.beginRow(row);
      for (let k = 0; k < channels; k++) floats[here + k] = 0;
      if (known?.[pixel]) {
        floats.set(given.subarray(pixel * channels, (pixel + 1) * channels), here);
        this.computePixel(row, col);
      } else {
        for (const run of this.runs) {
          this.computePixel(row, col);
          for (const k of run) {
            const u = uniforms[pixel * channels + k];
            floats[here + k] = this.sample(row, col, k, u, temperature);
          }
        }
        if (this.oneMore) this.computePixel(row, col);
      }
      this.noteCost(row, col);
    }
    this.last = { numbers, temperature };
    return this.page(image);
  }

  // The first pixel whose numbers are not those of the last call.
  firstNew(numbers, temperature) {
    if (this.last?.temperature !== temperature) return 0;
    const value = numbers.findIndex((u, i) => u !== this.last.numbers[i]);
    return value < 0 ? this.height * this.width : Math.floor(value / this.channels);
  }

  // Where the logits of a value begin.
  placeOfLogits(row, col, channel) {
    return this.place(this.output, row, col) + channel * this.perValue;
  }

  // One value: level/(levels-1), chosen by the uniform number u.
  sample(row, col, channel, u, temperature) {
    const { floats, levels } = this;
    const at = this.placeOfLogits(row, col, channel);
    return this.likelihood.sample(floats, at, levels, u, temperature) / (levels - 1);
  }

  // What the values of a pixel cost: -log p(value | earlier values), in nats.
  noteCost(row, col) {
    const { floats, levels } = this;
    const here = this.place(this.image, row, col);
    let sum = 0;
    for (let k = 0; k < this.channels; k++) {
      const level = Math.round(floats[here + k] * (levels - 1));
      sum += this.likelihood.nats(floats, this.placeOfLogits(row, col, k), levels, level);
    }
    this.cost[row * this.width + col] = sum;
  }
}
