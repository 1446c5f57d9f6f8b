// A network that runs in the page, made from what `pixelcnn_edu.export` writes.
//
// The network is causal: the features of a pixel depend on earlier pixels only. So each
// tensor has a page of features, and when a pixel is drawn, only the features of this pixel
// are computed; all earlier ones are in the pages already (arXiv 1704.06001).
//
// Each tensor is known at one of three moments, as in pixel_graph.py:
const [PER_IMAGE, PER_ROW, PER_PIXEL] = [0, 1, 2];

import { LAYERS } from "./layers.js";
import { LIKELIHOODS } from "./likelihoods.js";
import { KERNEL } from "./kernel.wat";

export class Network {
  // graph: the object that `export` writes, see export.py; weights: a Float32Array.
  // With plain = true, all products are computed in JavaScript.
  constructor(graph, weights, plain = false) {
    [this.height, this.width, this.channels] = graph.image_shape;
    this.levels = graph.levels;
    this.likelihood = LIKELIHOODS[graph.likelihood];
    this.runs = graph.runs; // which channels are drawn after each run of the network
    this.oneMore = graph.one_more; // whether it runs again after the last channel
    this.classes = graph.num_classes; // null for a network without labels
    this.label = new Float32Array(this.classes ?? 0);
    this.tensors = graph.tensors.map((tensor) => ({ ...tensor }));
    let end = weights.length;
    for (const tensor of this.tensors) {
      tensor.sources = tensor.from.map((index) => this.tensors[index]);
      const [height, width] = tensor.size; // 1 where one vector stands for all pixels
      tensor.page = end;
      tensor.rowStep = height > 1 ? width * tensor.channels : 0;
      tensor.colStep = width > 1 ? tensor.channels : 0;
      end += height * width * tensor.channels;
    }
    this.image = this.tensors[0];
    this.output = this.tensors[graph.output];
    this.perImage = this.tensors.filter((t) => t.when === PER_IMAGE && t.layer in LAYERS);
    this.perRow = this.tensors.filter((t) => t.when === PER_ROW);
    this.perPixel = this.tensors.filter((t) => t.when === PER_PIXEL && t.layer in LAYERS);
    this.last = null; // what the last drawing was made of, if the pages hold its features
    this.labelIsKnown = false;
    this.takeMemory(end, plain);
    this.floats.set(weights);
    if (!this.classes) this.computePerImage();
  }

  // The memory for all numbers, and the function that multiplies in it.
  takeMemory(size, plain) {
    this.addProduct = this.addProductInJavaScript;
    if (plain || typeof WebAssembly === "undefined") {
      this.floats = new Float32Array(size);
      return;
    }
    const pages = Math.ceil((4 * size) / 65536); // a page of WebAssembly has 64 KiB
    const memory = new WebAssembly.Memory({ initial: pages });
    this.floats = new Float32Array(memory.buffer);
    try {
      const code = Uint8Array.from(atob(KERNEL), (letter) => letter.charCodeAt(0));
      const module = new WebAssembly.Module(code);
      const { exports } = new WebAssembly.Instance(module, { page: { memory } });
      this.addProduct = exports.add_product;
    } catch (error) {
      console.warn(`Without WebAssembly the network is slower: ${error.message}`);
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

  // Compute a tensor's features at one pixel from those of its first source.
  map(tensor, row, col, change) {
    const from = this.place(tensor.sources[0], row, col);
    const to = this.place(tensor, row, col);
    for (let k = 0; k < tensor.channels; k++) {
      this.floats[to + k] = change(this.floats[from + k], k);
    }
  }

  // ------------------------------------------------------------------ the three moments

  // Set the label: a number, or a share for each label, and compute what depends on it.
  setLabel(label) {
    const shares = new Float32Array(this.classes);
    if (typeof label === "number") shares[label] = 1;
    else shares.set(label);
    if (this.labelIsKnown && shares.every((share, i) => share === this.label[i])) return;
    [this.label, this.labelIsKnown, this.last] = [shares, true, null];
    this.computePerImage();
  }

  computePerImage() {
    for (const tensor of this.perImage) {
      const [height, width] = tensor.size;
      for (let row = 0; row < height; row++) {
        for (let col = 0; col < width; col++) this.compute(tensor, row, col);
      }
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

  // The logits of an image, (H, W, logits per pixel). All features are in the pages then.
  logits(image, label = 0) {
    if (this.classes) this.setLabel(label);
    const drawn = this.page(this.image);
    if (image.some((value, i) => value !== drawn[i])) this.last = null;
    this.floats.set(image, this.image.page);
    for (let row = 0; row < this.height; row++) {
      this.beginRow(row);
      for (let col = 0; col < this.width; col++) this.computePixel(row, col);
    }
    return this.page(this.output);
  }

  // A copy of a tensor's features, (H, W, channels).
  page(tensor) {
    const [height, width] = tensor.size;
    return this.floats.slice(tensor.page, tensor.page + height * width * tensor.channels);
  }

  // Draw an image, pixel by pixel: float32 (H, W, C).
  //
  //   uniforms     a number in [0, 1) for each value
  //   known        for each pixel, whether it is given; then `given` has its values
  //   temperature  divides the log-probabilities of the levels
  //   label        for a network that takes labels
  //
  // If only some uniform numbers differ from those of the last call, all pixels before the
  // first of them are in the pages already.
  draw({ uniforms, known = null, given, temperature = 1, label = 0 }) {
    if (this.classes) this.setLabel(label);
    const { width, channels, floats, image } = this;
    const first = known ? 0 : this.firstNew(uniforms, temperature);
    this.last = known ? null : { uniforms: uniforms.slice(), temperature };
    for (let pixel = first; pixel < this.height * width; pixel++) {
      const [row, col] = [Math.floor(pixel / width), pixel % width];
      const here = this.place(image, row, col);
      if (col === 0) this.beginRow(row);
      for (let k = 0; k < channels; k++) floats[here + k] = 0;
      if (known?.[pixel]) {
        floats.set(given.subarray(pixel * channels, (pixel + 1) * channels), here);
        this.computePixel(row, col);
        continue;
      }
      for (const run of this.runs) {
        this.computePixel(row, col);
        for (const k of run) {
          const u = uniforms[pixel * channels + k];
          floats[here + k] = this.sample(this.output, row, col, k, u, temperature);
        }
      }
      if (this.oneMore) this.computePixel(row, col);
    }
    return this.page(image);
  }

  // The first pixel whose uniform numbers are not those of the last call.
  firstNew(uniforms, temperature) {
    if (this.last?.temperature !== temperature) return 0;
    const value = uniforms.findIndex((u, i) => u !== this.last.uniforms[i]);
    const at = value < 0 ? uniforms.length : value;
    return Math.floor(at / this.channels);
  }

  // One value: level/(levels-1), chosen by the uniform number u.
  sample(output, row, col, channel, u, temperature) {
    const per = output.channels / this.channels; // logits of one value
    const at = this.place(output, row, col) + channel * per;
    const { floats, levels } = this;
    return this.likelihood.sample(floats, at, levels, u, temperature) / (levels - 1);
  }

  // The probability of each level of a value, from the logits of a whole image.
  probabilities(logits, pixel, channel = 0) {
    const per = this.output.channels / this.channels;
    const at = pixel * this.output.channels + channel * per;
    return this.likelihood.probabilities(logits, at, this.levels);
  }

  // What an image costs, in nats: -Σ log p(value | earlier values).
  nats(image, label = 0) {
    const logits = this.logits(image, label);
    let sum = 0;
    image.forEach((value, i) => {
      const [pixel, channel] = [Math.floor(i / this.channels), i % this.channels];
      const level = Math.round(value * (this.levels - 1));
      sum -= Math.log(this.probabilities(logits, pixel, channel)[level]);
    });
    return sum;
  }
}
