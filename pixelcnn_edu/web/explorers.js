function makeAnswers() {
const likelihoods_js = (() => {
// What the logits of a value mean: probabilities of its levels, and draws.
//
// The same as likelihoods.py. `logits` and `at` say where the logits of one value begin.

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const LIKELIHOODS = {
  // Two levels: ink (1) with probability sigmoid(logit).
  Bernoulli: {
    probabilities: (logits, at) => [sigmoid(-logits[at]), sigmoid(logits[at])],

    // What a level costs: -log of its probability.
    nats: (logits, at, levels, level) => softplus(level ? -logits[at] : logits[at]),

    // The level that a uniform number u chooses: ink if u < p(ink).
    sample(logits, at, levels, u, temperature) {
      if (temperature === 0) return Number(logits[at] > 0);
      return Number(u < sigmoid(logits[at] / temperature));
    },
  },

  // Any number of levels: a softmax over as many logits.
  Categorical: {
    probabilities: (logits, at, levels) => softmax(logits, at, levels, 1),

    nats(logits, at, levels, level) {
      const own = logits.subarray(at, at + levels).map(finite);
      const largest = Math.max(...own);
      const sum = own.reduce((rest, logit) => rest + Math.exp(logit - largest), 0);
      return Math.log(sum) + largest - own[level];
    },

    // The lowest level whose cumulative probability exceeds u, of those with p > 0.
    sample(logits, at, levels, u, temperature) {
      if (temperature === 0) {
        const own = logits.subarray(at, at + levels);
        return own.indexOf(Math.max(...own));
      }
      const p = softmax(logits, at, levels, temperature);
      let sum = 0;
      let last = 0;
      for (let level = 0; level < levels; level++) {
        sum += p[level];
        if (p[level] > 0) last = level;
        if (p[level] > 0 && sum > u) return level;
      }
      return last; // rounding: the sum ended below u
    },
  },
};

// The uniform number that gives a pixel of two levels its other value: 0, or the largest
// float32 below 1. (It fails where the network is certain: p(ink) is 0, or almost 1.)
const flippingNumber = (ink) => (ink ? 1 - 2 ** -24 : 0);

// Infinity minus infinity would be no number.
const finite = (logit) => Math.min(logit, 3e38);

function softmax(logits, at, levels, temperature) {
  const own = Array.from(logits.subarray(at, at + levels), finite);
  const largest = Math.max(...own);
  const parts = own.map((logit) => Math.exp((logit - largest) / temperature));
  const sum = parts.reduce((a, b) => a + b);
  return parts.map((part) => part / sum);
}
return { sigmoid, softplus, LIKELIHOODS, flippingNumber };
})();

const layers_js = (() => {
// The layers of the networks, each as a function that computes the features of one pixel.
//
// All numbers lie in one long array, `net.floats`: the weights, and a page of features for
// each tensor of the network, in the order row, column, channel. `net.place(tensor, row,
// col)` is where the features of a pixel begin. Each function here reads the pages of the
// tensor's sources and writes the features of the pixel (row, col) into the tensor's page.

const { sigmoid, softplus } = likelihoods_js;

const SELU = [1.0507009873554805, 1.6732632423543772];

// The error function, up to 2e-7 (Abramowitz and Stegun, formula 7.1.26).
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const powers = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];
  const sum = powers.reduceRight((rest, factor) => (rest + factor) * t, 0);
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}

// Keras's activations, by their names in Keras.
const ACTIVATIONS = {
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  exponential: Math.exp,
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  hard_sigmoid: (x) => Math.min(Math.max(x / 6 + 0.5, 0), 1),
  hard_silu: (x) => x * Math.min(Math.max(x / 6 + 0.5, 0), 1),
  leaky_relu: (x) => (x > 0 ? x : 0.2 * x),
  linear: (x) => x,
  relu6: (x) => Math.min(Math.max(x, 0), 6),
  selu: (x) => SELU[0] * (x > 0 ? x : SELU[1] * Math.expm1(x)),
  sigmoid,
  silu: (x) => x * sigmoid(x),
  softplus,
  softsign: (x) => x / (1 + Math.abs(x)),
  tanh: Math.tanh,
};

const LAYERS = {
  // The masked convolution. Only the taps that the mask keeps are here: how many rows down
  // and columns right each one looks, and where its weights begin. Outside the image all
  // features are 0.
  Convolution(net, tensor, row, col) {
    const { floats } = net;
    const source = tensor.sources[0];
    const to = net.place(tensor, row, col);
    for (let k = 0; k < tensor.channels; k++) {
      floats[to + k] = tensor.bias === null ? 0 : floats[tensor.bias + k];
    }
    for (const { down, right, weights } of tensor.taps) {
      const r = row + down;
      const c = col + right;
      if (r < 0 || r >= net.height || c < 0 || c >= net.width) continue;
      const from = net.place(source, r, c);
      net.addProduct(to, from, weights, source.channels, tensor.channels);
    }
  },

  // One half of the channels scales the other half, in each color group by itself.
  Gate(net, tensor, row, col) {
    const { floats } = net;
    const from = net.place(tensor.sources[0], row, col);
    const to = net.place(tensor, row, col);
    const size = tensor.channels / tensor.colors; // of a half
    for (let k = 0; k < tensor.channels; k++) {
      const first = from + k + Math.floor(k / size) * size;
      floats[to + k] = Math.tanh(floats[first]) * sigmoid(floats[first + size]);
    }
  },

  PReLU(net, tensor, row, col) {
    const { floats } = net;
    const from = net.place(tensor.sources[0], row, col);
    const to = net.place(tensor, row, col);
    const slope = net.placeOfWeight(tensor.weight, row, col);
    for (let k = 0; k < tensor.channels; k++) {
      const x = floats[from + k];
      floats[to + k] = x > 0 ? x : floats[slope + k] * x;
    }
  },

  PositionBias(net, tensor, row, col) {
    const { floats } = net;
    const from = net.place(tensor.sources[0], row, col);
    const to = net.place(tensor, row, col);
    const bias = net.placeOfWeight(tensor.weight, row, col);
    for (let k = 0; k < tensor.channels; k++) {
      floats[to + k] = floats[from + k] + floats[bias + k];
    }
  },

  Activation(net, tensor, row, col) {
    const { floats } = net;
    const from = net.place(tensor.sources[0], row, col);
    const to = net.place(tensor, row, col);
    const change = ACTIVATIONS[tensor.activation];
    for (let k = 0; k < tensor.channels; k++) {
      floats[to + k] = change(floats[from + k]);
    }
  },

  // The most frequent activation: a function called for each number would be slower.
  ReLU(net, tensor, row, col) {
    const { floats } = net;
    const from = net.place(tensor.sources[0], row, col);
    const to = net.place(tensor, row, col);
    for (let k = 0; k < tensor.channels; k++) {
      floats[to + k] = Math.max(floats[from + k], 0);
    }
  },

  Add(net, tensor, row, col) {
    const { floats } = net;
    const to = net.place(tensor, row, col);
    for (let i = 0; i < tensor.sources.length; i++) {
      const from = net.place(tensor.sources[i], row, col);
      for (let k = 0; k < tensor.channels; k++) {
        floats[to + k] = (i > 0 ? floats[to + k] : 0) + floats[from + k];
      }
    }
  },

  // Each value becomes a vector with a 1 at its level.
  OneHotLevels(net, tensor, row, col) {
    const { floats } = net;
    const { levels } = tensor;
    const from = net.place(tensor.sources[0], row, col);
    const to = net.place(tensor, row, col);
    for (let k = 0; k < tensor.channels; k++) {
      const value = floats[from + Math.floor(k / levels)];
      const away = Math.abs(value * (levels - 1) - (k % levels));
      floats[to + k] = Math.max(0, 1 - away);
    }
  },

  // The weights of the label. `net.label` holds a share for each label, so that a blend of
  // two labels can be told: for one label alone a 1 and zeros.
  Embedding(net, tensor) {
    const { floats } = net;
    for (let k = 0; k < tensor.channels; k++) floats[tensor.page + k] = 0;
    net.label.forEach((share, label) => {
      if (share === 0) return;
      const row = tensor.weights + label * tensor.channels;
      for (let k = 0; k < tensor.channels; k++) {
        floats[tensor.page + k] += share * floats[row + k];
      }
    });
  },

  // The weights of a label as a map: one vector for each pixel. Both pages hold the same
  // numbers in the same order, so a place in one is the same distance from its beginning.
  Reshape(net, tensor, row, col) {
    const { floats } = net;
    const from = tensor.sources[0].page + net.place(tensor, row, col) - tensor.page;
    const to = net.place(tensor, row, col);
    for (let k = 0; k < tensor.channels; k++) floats[to + k] = floats[from + k];
  },
};
return { ACTIVATIONS, LAYERS };
})();

const kernel_wat = (() => {
const KERNEL = "AGFzbQEAAAABCQFgBX9/f39/AAIQAQRwYWdlBm1lbW9yeQIAAQMCAQAHDwELYWRkX3Byb2R1Y3QAAArkAwHhAwMFfwV7AX0gAEECdCEAIAFBAnQhASACQQJ0IQIgBEECdCEGIAEgA0ECdGohByAEIQUCQANAIAVBEEkNASAA/QACACELIAD9AAIQIQwgAP0AAiAhDSAA/QACMCEOIAEhCCACIQkCQANAIAggB08NASAI/QkCACEKIAsgCiAJ/QACAP3mAf3kASELIAwgCiAJ/QACEP3mAf3kASEMIA0gCiAJ/QACIP3mAf3kASENIA4gCiAJ/QACMP3mAf3kASEOIAhBBGohCCAJIAZqIQkMAAsLIAAgC/0LAgAgACAM/QsCECAAIA39CwIgIAAgDv0LAjAgAEHAAGohACACQcAAaiECIAVBEGshBQwACwsCQANAIAVBBEkNASAA/QACACELIAEhCCACIQkCQANAIAggB08NASALIAj9CQIAIAn9AAIA/eYB/eQBIQsgCEEEaiEIIAkgBmohCQwACwsgACAL/QsCACAAQRBqIQAgAkEQaiECIAVBBGshBQwACwsCQANAIAVFDQEgACoCACEPIAEhCCACIQkCQANAIAggB08NASAPIAgqAgAgCSoCAJSSIQ8gCEEEaiEIIAkgBmohCQwACwsgACAPOAIAIABBBGohACACQQRqIQIgBUEBayEFDAALCwsAxgEEbmFtZQJUAQAQAANzdW0BAXgCB3dlaWdodHMDBmlucHV0cwQHb3V0cHV0cwUEbGVmdAYEc3RlcAcDZW5kCAFpCQF3CgV2YWx1ZQsBYQwBYg0BYw4BZA8Db25lA2kBAAwABmRvbmUxNgEGbmV4dDE2AgZzdW1tZWQDCm5leHRfaW5wdXQEBWRvbmU0BQVuZXh0NAYGc3VtbWVkBwpuZXh0X2lucHV0CARkb25lCQRuZXh0CgZzdW1tZWQLCm5leHRfaW5wdXQ=";
return { KERNEL };
})();

const network_js = (() => {
// A network that runs in the page, made from what `pixelcnn_edu.export` writes.
//
// The network is causal: the features of a pixel depend on earlier pixels only. So each
// tensor has a page of features, and when a pixel is drawn, only the features of this pixel
// are computed; all earlier ones are in the pages already (arXiv 1704.06001).

const { LAYERS } = layers_js;
const { LIKELIHOODS } = likelihoods_js;
const { KERNEL } = kernel_wat;

// Each tensor is known at one of three moments, as in pixel_graph.py:
const [PER_IMAGE, PER_ROW, PER_PIXEL] = [0, 1, 2];

// What only some layers have, see export.py. (All tensors have all of them, since objects of
// one shape are the fastest to read.)
const NOTHING = {
  taps: null,
  bias: null,
  weight: null,
  weights: null,
  activation: null,
  colors: null,
  levels: null,
};

class Network {
  // graph: the object that `export` writes, see export.py; weights: a Float32Array.
  // With plain = true, all products are computed in JavaScript.
  constructor(graph, weights, plain = false) {
    [this.height, this.width, this.channels] = graph.image_shape;
    this.levels = graph.levels;
    this.likelihood = LIKELIHOODS[graph.likelihood];
    // Which channels of a pixel are drawn after each run of the network. Gray: [[0]], one run.
    // Colors that know each other: [[0], [1], [2]], since green needs features of red.
    this.runs = graph.runs;
    // Whether the network runs again after the last channel, because features of this pixel
    // that later pixels read contain that channel.
    this.oneMore = graph.one_more;
    this.classes = graph.num_classes; // null for a network without labels
    this.label = new Float32Array(this.classes ?? 0);
    this.tensors = [];
    let end = weights.length;
    for (const entry of graph.tensors) {
      const [height, width] = entry.size; // 1 where one vector stands for all pixels
      this.tensors.push({
        ...NOTHING,
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
    this.labelIsKnown = false;
    this.filled = false; // whether the pages hold the features of the image in them
    this.perValue = this.output.channels / this.channels; // logits
    this.cost = new Float32Array(this.height * this.width); // nats of each pixel
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

  // ------------------------------------------------------------------ the three moments

  // Set the label: a number, or a share for each label, and compute what depends on it.
  setLabel(label) {
    const shares = new Float32Array(this.classes);
    if (typeof label === "number" && !(label in shares)) {
      throw new Error(`Expected a label from 0 to ${this.classes - 1}. Received: ${label}`);
    }
    if (typeof label === "number") shares[label] = 1;
    else shares.set(label);
    if (this.labelIsKnown && shares.every((share, i) => share === this.label[i])) return;
    [this.label, this.labelIsKnown, this.last, this.filled] = [shares, true, null, false];
    this.computePerImage();
  }

  computePerImage() {
    for (const tensor of this.perImage) this.computeRows(tensor, 0);
  }

  // All pixels of a tensor, from a row on.
  computeRows(tensor, first) {
    const [height, width] = tensor.size;
    for (let row = first; row < height; row++) {
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
  // cost of each pixel in `cost`. The rows that the last image had too are there already.
  //
  // Layer by layer, in the order of the graph, this is faster than pixel by pixel: the
  // weights of a layer stay in the processor's cache.
  read(image, label = 0) {
    if (this.classes) this.setLabel(label);
    const before = this.page(this.image);
    const value = this.filled ? image.findIndex((own, i) => own !== before[i]) : 0;
    if (value < 0) return;
    const first = Math.floor(value / this.channels / this.width);
    this.floats.set(image, this.image.page);
    // in the order of the graph: each tensor after those that it reads
    for (const tensor of this.made) this.computeRows(tensor, first);
    for (let pixel = first * this.width; pixel < this.cost.length; pixel++) {
      this.noteCost(Math.floor(pixel / this.width), pixel % this.width);
    }
    [this.last, this.filled] = [null, true];
  }

  // For each tensor, the pixels of which the logits of one pixel are made: H·W bytes, 0 or
  // 1. Those of the image are the pixel's receptive field. The way goes from the logits back:
  // a convolution reads a pixel at each of its taps, any other layer the same pixel.
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
    [this.last, this.filled] = [null, false]; // an error leaves pages that are partly old
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
    [this.last, this.filled] = [{ numbers, temperature }, true];
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
    for (let k = at; k < at + this.perValue; k++) {
      if (Number.isNaN(floats[k])) throw new Error("A logit is not a number");
    }
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
return { Network };
})();

const random_js = (() => {
// NumPy's random numbers: a seed gives the same numbers here as in Python.
//
// `generate(model, count, seed=seed)` gives each image a generator of its own:
// np.random.default_rng(np.random.SeedSequence(seed).spawn(count)[i]). So image i of a seed
// is the same for every count. Two algorithms are needed, both by Melissa O'Neill:
// SeedSequence spreads a seed over 256 bits, and PCG64 (pcg-random.org, variant XSL RR
// 128/64) makes numbers of them. Below, 1n is a BigInt, a whole number of any size. You can
// read on without the recipe: `uniformNumbers` is all that other modules use. The constants are NumPy's (numpy/random, BSD license).

const POOL = 4; // words of 32 bits
const [INIT_A, MULT_A] = [0x43b0d7e5, 0x931e8875];
const [INIT_B, MULT_B] = [0x8b51f9dd, 0x58f38ded];
const [MIX_LEFT, MIX_RIGHT] = [0xca01f9dd, 0x4973f715];
const STEP = 0x2360ed051fc65da44385df649fccf645n;
const [ALL_64, ALL_128] = [(1n << 64n) - 1n, (1n << 128n) - 1n];

// A function that hashes one word after another. Its constant changes with each word.
function hasher(constant, factor) {
  return (word) => {
    word ^= constant;
    constant = Math.imul(constant, factor);
    word = Math.imul(word, constant);
    return word ^ (word >>> 16);
  };
}

function mix(x, y) {
  const mixed = Math.imul(MIX_LEFT, x) - Math.imul(MIX_RIGHT, y);
  return mixed ^ (mixed >>> 16);
}

// The 32-bit words of a whole number, the lowest first.
function wordsOf(seed) {
  const words = [];
  for (let rest = BigInt(seed); rest > 0n || !words.length; rest >>= 32n) {
    words.push(Number(rest & 0xffffffffn));
  }
  return words;
}

// Eight words of SeedSequence(seed, spawn_key=key).
function seedWords(seed, key) {
  const words = wordsOf(seed);
  while (words.length < POOL) words.push(0);
  words.push(...key.flatMap(wordsOf));
  const hash = hasher(INIT_A, MULT_A);
  const pool = words.slice(0, POOL).map(hash);
  for (let from = 0; from < POOL; from++) {
    for (let to = 0; to < POOL; to++) {
      if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
    }
  }
  for (const word of words.slice(POOL)) {
    for (let to = 0; to < POOL; to++) pool[to] = mix(pool[to], hash(word));
  }
  const output = hasher(INIT_B, MULT_B);
  return Array.from({ length: 8 }, (_, i) => output(pool[i % POOL]) >>> 0);
}

// PCG64 with the state that NumPy makes from a seed and a spawn key.
class Generator {
  constructor(seed, key) {
    const w = seedWords(seed, key).map(BigInt);
    const number = (i) => (w[i + 1] << 96n) | (w[i] << 64n) | (w[i + 3] << 32n) | w[i + 2];
    this.increment = ((number(4) << 1n) | 1n) & ALL_128;
    this.state = (this.increment + number(0)) & ALL_128;
    this.step();
  }

  step() {
    this.state = (this.state * STEP + this.increment) & ALL_128;
  }

  // The next 64 bits: both halves of the state, combined and rotated.
  next() {
    this.step();
    const combined = ((this.state >> 64n) ^ this.state) & ALL_64;
    const turn = this.state >> 122n;
    return ((combined >> turn) | (combined << (64n - turn))) & ALL_64;
  }
}

// The uniform numbers of image `child` of a seed: float32 in [0, 1), `size` of them.
// NumPy takes the lower 32 of 64 bits first, and of 32 bits the upper 24.
function uniformNumbers(seed, child, size) {
  const generator = new Generator(seed, [child]);
  const numbers = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    const bits = generator.next();
    numbers[i] = Number((bits & 0xffffffffn) >> 8n) / 2 ** 24;
    if (i + 1 < size) numbers[i + 1] = Number(bits >> 40n) / 2 ** 24;
  }
  return numbers;
}

// The first float64 numbers in [0, 1) of default_rng(SeedSequence(seed, spawn_key=key)).
function doubleNumbers(seed, key, count) {
  const generator = new Generator(seed, key);
  return Array.from({ length: count }, () => Number(generator.next() >> 11n) / 2 ** 53);
}
return { seedWords, uniformNumbers, doubleNumbers };
})();

const answers_js = (() => {
// What a page asks a network, and the answers. They run in a Worker if there is one.

const { flippingNumber } = likelihoods_js;
const { Network } = network_js;
const { uniformNumbers } = random_js;

// graph, weights: as for `Network`. All images and numbers are flat Float32Arrays.
function answersOf(graph, weights, plain) {
  const net = new Network(graph, weights, plain);
  const size = net.height * net.width * net.channels;

  const answers = {
    // The uniform numbers of image `child` of a seed, as generate() in Python has them.
    uniforms: ({ seed, child = 0 }) => uniformNumbers(seed, child, size),

    // An image that was drawn from uniform numbers, and what each pixel costs, in nats at
    // temperature 1. For the other options see `draw` in network.js.
    drawFrom: (options) => ({ image: net.draw(options), cost: net.cost.slice() }),

    // The images of a seed that `children` names, each with its costs.
    draw: ({ seed, children, ...options }) =>
      children.map((child) =>
        answers.drawFrom({ ...options, uniforms: answers.uniforms({ seed, child }) })
      ),

    // For each of `pixels`: the image that has another value there. All earlier pixels
    // stay, and the later ones are drawn again with their old numbers. The latest flip is
    // drawn first, so each drawing but the first begins at its flip, see `draw` in
    // network.js. For gray images without labels.
    forks({ uniforms, image, pixels }) {
      const order = [...pixels.keys()].sort((i, j) => pixels[j] - pixels[i]);
      const images = [];
      for (const i of order) {
        const numbers = uniforms.slice();
        numbers[pixels[i]] = flippingNumber(image[pixels[i]]);
        images[i] = net.draw({ uniforms: numbers });
      }
      return images;
    },

    // The logits of a given image, (H, W, logits per pixel), and what each pixel costs.
    read({ image, label }) {
      net.read(image, label);
      return { logits: net.page(net.output), cost: net.cost.slice() };
    },

    // The features of a tensor for a given image, (H, W, channels).
    features({ image, label, tensor }) {
      net.read(image, label);
      return net.page(net.tensors[tensor]);
    },

    // The same of several tensors, after one pass, and what each pixel costs.
    pages({ image, label, tensors }) {
      net.read(image, label);
      const pages = tensors.map((index) => net.page(net.tensors[index]));
      return { pages, cost: net.cost.slice() };
    },

    // For each tensor the pixels of which the logits of a pixel are made, see network.js.
    fields: ({ pixel }) => net.fieldsOf(pixel),

    // The weights of a convolution: (inputs, outputs) for each tap, and the bias.
    kernel({ tensor }) {
      const { taps, bias, channels, sources } = net.tensors[tensor];
      const part = (at, size) => net.floats.slice(at, at + size);
      const size = sources[0].channels * channels;
      return {
        taps: taps.map((tap) => ({ ...tap, weights: part(tap.weights, size) })),
        bias: bias === null ? new Float32Array(channels) : part(bias, channels),
      };
    },
  };
  return answers;
}
return { answersOf };
})();
return answers_js.answersOf;
}

const likelihoods_js = (() => {
// What the logits of a value mean: probabilities of its levels, and draws.
//
// The same as likelihoods.py. `logits` and `at` say where the logits of one value begin.

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const LIKELIHOODS = {
  // Two levels: ink (1) with probability sigmoid(logit).
  Bernoulli: {
    probabilities: (logits, at) => [sigmoid(-logits[at]), sigmoid(logits[at])],

    // What a level costs: -log of its probability.
    nats: (logits, at, levels, level) => softplus(level ? -logits[at] : logits[at]),

    // The level that a uniform number u chooses: ink if u < p(ink).
    sample(logits, at, levels, u, temperature) {
      if (temperature === 0) return Number(logits[at] > 0);
      return Number(u < sigmoid(logits[at] / temperature));
    },
  },

  // Any number of levels: a softmax over as many logits.
  Categorical: {
    probabilities: (logits, at, levels) => softmax(logits, at, levels, 1),

    nats(logits, at, levels, level) {
      const own = logits.subarray(at, at + levels).map(finite);
      const largest = Math.max(...own);
      const sum = own.reduce((rest, logit) => rest + Math.exp(logit - largest), 0);
      return Math.log(sum) + largest - own[level];
    },

    // The lowest level whose cumulative probability exceeds u, of those with p > 0.
    sample(logits, at, levels, u, temperature) {
      if (temperature === 0) {
        const own = logits.subarray(at, at + levels);
        return own.indexOf(Math.max(...own));
      }
      const p = softmax(logits, at, levels, temperature);
      let sum = 0;
      let last = 0;
      for (let level = 0; level < levels; level++) {
        sum += p[level];
        if (p[level] > 0) last = level;
        if (p[level] > 0 && sum > u) return level;
      }
      return last; // rounding: the sum ended below u
    },
  },
};

// The uniform number that gives a pixel of two levels its other value: 0, or the largest
// float32 below 1. (It fails where the network is certain: p(ink) is 0, or almost 1.)
const flippingNumber = (ink) => (ink ? 1 - 2 ** -24 : 0);

// Infinity minus infinity would be no number.
const finite = (logit) => Math.min(logit, 3e38);

function softmax(logits, at, levels, temperature) {
  const own = Array.from(logits.subarray(at, at + levels), finite);
  const largest = Math.max(...own);
  const parts = own.map((logit) => Math.exp((logit - largest) / temperature));
  const sum = parts.reduce((a, b) => a + b);
  return parts.map((part) => part / sum);
}
return { sigmoid, softplus, LIKELIHOODS, flippingNumber };
})();

const ui_js = (() => {
// The parts of which every explorer is made: controls, and pictures on a canvas.

const COLORS = {
  ink: "#404040",
  paper: "#ffffff",
  notYet: "#bfbfbf",
  seen: "#0072B2",
  target: "#D00000",
  gone: "#f5b8b8",
};

const MOST_SEED = 2 ** 32 - 1;

// A number from an address, made one that the explorer can have.
function within(value, least, most, step = 1) {
  const steps = Math.round((Math.min(Math.max(value, least), most) - least) / step);
  return least + steps * step;
}

// The parts of "404.501." as texts: pixels, of which the last may be missing.
function pixelsIn(text) {
  return /^\d+(\.\d+)*\.?$/.test(text) ? text.split(".") : [""];
}

// An element with attributes and children. A function as attribute listens to an event.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// A new id for an element. JupyterLab loads this module again for each explorer, so a
// random number tells the copies apart.
const copy = Math.random().toString(36).slice(2);
let made = 0;
const newId = () => `pixelcnn-${copy}-${++made}`;

// A named slider with its value beside it. `show` makes a text of the value.
class Slider {
  constructor(name, { min, max, step = 1, value, show = String, act }) {
    const id = newId();
    this.show = show;
    this.text = make("output", { for: id, "aria-live": "off" }); // the slider says it
    this.input = make("input", { id, type: "range", min, max, step, value });
    this.input.addEventListener("input", () => (this.tell(), act(this.value)));
    this.element = make("span", { class: "control" }, make("label", { for: id }, name));
    this.element.append(this.input, this.text);
    this.tell();
  }

  get value() {
    return Number(this.input.value);
  }

  set value(value) {
    this.input.value = value;
    this.tell();
  }

  tell() {
    this.text.textContent = this.show(this.value);
    this.input.setAttribute("aria-valuetext", this.text.textContent);
  }
}

// A named group of buttons of which one is chosen. options: [[text, value], …]. A value that
// is no option, from an address perhaps, stands for the first one.
class Choice {
  constructor(name, { options, value, act }) {
    const group = newId();
    const chosen = Math.max(0, options.findIndex(([, own]) => own === value));
    const buttons = options.flatMap(([text, own], i) => {
      const id = `${group}-${i}`;
      const input = make("input", { id, type: "radio", name: group });
      input.checked = i === chosen;
      input.addEventListener("change", () => act(own));
      return [input, make("label", { for: id }, text)];
    });
    this.element = make("fieldset", { class: "choice" }, make("legend", {}, name));
    this.element.append(...buttons);
  }

  set disabled(is) {
    this.element.disabled = is;
  }
}

function button(text, act, title = null) {
  return make("button", { type: "button", title, click: act }, text);
}

// A row of controls, which breaks on a narrow page.
const row = (...parts) =>
  make("div", { class: "row" }, ...parts.map((part) => part.element ?? part));

// A sentence below or above a picture; screen readers announce its changes.
class Sentence {
  constructor() {
    this.element = make("p", { class: "sentence", "aria-live": "polite" });
  }

  set text(text) {
    if (this.element.textContent !== text) this.element.textContent = text;
  }
}

// The Python call that draws the same images.
class PythonCall {
  constructor() {
    this.text = make("code");
    this.element = make("p", { class: "call" }, "The same in Python: ", this.text);
  }

  // `flips`: pixels that were flipped one after another.
  flipped(seed, flips, width) {
    const pairs = flips.map((pixel) => `(${Math.floor(pixel / width)}, ${pixel % width})`);
    this.text.textContent = `widgets.fork.draw_flipped(model, ${seed}, [${pairs.join(", ")}])`;
  }

  generated(count, options) {
    const named = Object.entries(options).map(([name, value]) => `${name}=${value}`);
    this.text.textContent = `generation.generate(model, ${count}, ${named.join(", ")})`;
  }
}

// A canvas of a fixed size in pixels of the page, sharp on every screen. It shrinks on a
// narrow page. draw(page) gets the 2D context.
class Picture {
  constructor(width, height, about) {
    [this.width, this.height] = [width, height];
    this.element = make("canvas", { role: "img" });
    this.about = about;
    this.element.style.width = `${width}px`;
    this.element.style.aspectRatio = `${width} / ${height}`;
  }

  // A sentence for readers who cannot see the picture.
  set about(text) {
    this.element.setAttribute("aria-label", text);
  }

  draw(act) {
    const dense = Math.min(globalThis.devicePixelRatio || 1, 3);
    this.element.width = this.width * dense;
    this.element.height = this.height * dense;
    const page = this.element.getContext("2d");
    page.scale(dense, dense);
    page.imageSmoothingEnabled = false;
    page.font = "14px system-ui, sans-serif";
    page.textBaseline = "top";
    act(page);
  }
}

// The CSS color of a pixel: ink is black, unless the network has colors.
function colorOf(image, pixel, channels) {
  const byte = (k) => Math.round(255 * image[pixel * channels + k]);
  if (channels === 3) return `rgb(${byte(0)} ${byte(1)} ${byte(2)})`;
  const gray = 255 - byte(0);
  return `rgb(${gray} ${gray} ${gray})`;
}

// Paint an image at (x, y), `scale` pixels of the page per pixel. color: from a pixel's
// index to CSS.
function paint(page, shape, color, x, y, scale) {
  const [height, width] = shape;
  for (let pixel = 0; pixel < height * width; pixel++) {
    page.fillStyle = color(pixel);
    const [row, col] = [Math.floor(pixel / width), pixel % width];
    // up to the next pixel's edge, so that no line of the page shows between them
    const [left, top] = [Math.floor(x + col * scale), Math.floor(y + row * scale)];
    const [right, bottom] = [x + (col + 1) * scale, y + (row + 1) * scale];
    page.fillRect(left, top, Math.floor(right) - left, Math.floor(bottom) - top);
  }
}

// From 0 on, three to seven round numbers up to a last one.
function ticks(last) {
  const ten = 10 ** Math.floor(Math.log10(last || 1));
  const step = [ten / 5, ten / 2, ten, 2 * ten].find((own) => last / own < 7);
  const round = (value) => Number(value.toPrecision(6));
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, i) => round(i * step));
}

// A frame around a pixel, `around` pixels larger on each side.
function frame(page, shape, pixel, color, x, y, scale, around = 0) {
  const [row, col] = [Math.floor(pixel / shape[1]), pixel % shape[1]];
  const side = (1 + 2 * around) * scale;
  for (const [style, edge] of [["white", 2], [color, 0]]) { // to be seen on ink and on paper
    page.strokeStyle = style;
    page.lineWidth = Math.max(2, scale / 4) + edge;
    page.strokeRect(x + (col - around) * scale, y + (row - around) * scale, side, side);
  }
}

const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const clamp = (x, most) => Math.max(0, Math.min(most - 1, x));

// An image to click (with `act`) or to draw on (with `drawn`): by mouse, finger or keys.
//
//   color(pixel)   the CSS color of a pixel
//   name(pixel)    what a pixel is, in a word
//   act(pixel)     after a click, or Space at the cursor
//   drawn(ink)     after a stroke; `ink` (H·W bytes, 0 or 1) is then the new drawing
class Pad {
  constructor(shape, { scale = 11, label, color, name, act, drawn, brush = 2.3 }) {
    [this.height, this.width] = shape;
    Object.assign(this, { shape, scale, color, name, act, drawn, brush });
    this.cursor = 0;
    this.pen = 1; // 0 erases
    this.ink = new Uint8Array(this.height * this.width);
    this.last = null; // where the pen was, [y, x] in pixels of the image
    this.picture = new Picture(this.width * scale + 1, this.height * scale + 1, label);
    const canvas = this.picture.element;
    canvas.tabIndex = 0;
    canvas.className = "pad";
    canvas.setAttribute("role", "application"); // so a screen reader passes keys on
    canvas.style.touchAction = drawn ? "none" : "manipulation";
    canvas.style.cursor = drawn ? "crosshair" : "pointer";
    this.said = make("span", { class: "unseen", "aria-live": "polite" });
    this.element = make("div", { class: "grid" }, canvas, this.said);
    for (const name of ["pointerdown", "pointermove", "click", "keydown", "keyup"]) {
      canvas.addEventListener(name, (event) => this[name](event));
    }
    for (const name of ["lostpointercapture", "blur"]) {
      canvas.addEventListener(name, () => this.endStroke());
    }
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.draw());
  }

  draw() {
    const { scale, shape } = this;
    this.picture.draw((page) => {
      paint(page, shape, this.color, 0, 0, scale);
      page.fillStyle = "rgb(128 128 128 / 0.25)"; // lines between the pixels
      for (let x = 0; x <= this.width; x++) page.fillRect(x * scale, 0, 1, 1e4);
      for (let y = 0; y <= this.height; y++) page.fillRect(0, y * scale, 1e4, 1);
      this.over?.(page);
      if (!this.picture.element.matches(":focus")) return;
      frame(page, shape, this.cursor, COLORS.seen, 0.5, 0.5, scale);
    });
  }

  get place() {
    return [Math.floor(this.cursor / this.width), this.cursor % this.width];
  }

  moveTo(row, col) {
    this.cursor = clamp(row, this.height) * this.width + clamp(col, this.width);
    const [r, c] = this.place;
    const name = this.name ? `: ${this.name(this.cursor)}` : "";
    this.said.textContent = `row ${r}, column ${c}${name}`;
    this.draw();
  }

  choose() {
    this.said.textContent = ""; // what the pixel was
    this.act(this.cursor);
  }

  // In pixels of the image; the page may have shrunk the canvas.
  where(event) {
    const shrunk = this.picture.element.clientWidth / this.picture.width;
    return [event.offsetY, event.offsetX].map((v) => v / shrunk / this.scale);
  }

  // Ink (or paper) on every pixel whose center is under the pen on its way to (y, x).
  penTo(y, x, ink = this.pen) {
    const [y0, x0] = this.last ?? [y, x];
    const steps = Math.ceil(2 * Math.hypot(y - y0, x - x0)) || 1;
    for (let step = 0; step <= steps; step++) {
      const [py, px] = [y0 + ((y - y0) * step) / steps, x0 + ((x - x0) * step) / steps];
      this.ink.forEach((_, i) => {
        const [row, col] = [Math.floor(i / this.width), i % this.width];
        const away = Math.hypot(row + 0.5 - py, col + 0.5 - px);
        if (away <= this.brush / 2) this.ink[i] = ink;
      });
    }
    this.last = [y, x];
    this.moveTo(Math.floor(y), Math.floor(x));
  }

  endStroke() {
    if (!this.last) return;
    this.last = null;
    this.drawn(this.ink);
  }

  pointerdown(event) {
    if (!this.drawn || event.button !== 0 || !event.isPrimary) return;
    this.endStroke(); // of the keyboard
    this.picture.element.setPointerCapture(event.pointerId);
    this.penTo(...this.where(event));
  }

  pointermove(event) {
    if (this.drawn && this.picture.element.hasPointerCapture(event.pointerId)) {
      this.penTo(...this.where(event));
    }
  }

  click(event) {
    if (this.drawn) return;
    this.moveTo(...this.where(event).map(Math.floor));
    this.choose();
  }

  keydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [row, col] = this.place;
    const [down, right] = KEYS[event.key] ?? [0, 0];
    const acts = event.key === " " || event.key === "Enter";
    const erases = this.drawn && (event.key === "Delete" || event.key === "Backspace");
    if (!acts && !erases && !KEYS[event.key]) return;
    event.preventDefault(); // the page does not scroll
    event.stopPropagation();
    if (acts && event.repeat) return;
    if (!this.drawn) {
      if (acts) this.choose();
      else this.moveTo(row + down, col + right);
    } else if (acts || erases || event.shiftKey) {
      this.last ??= [row + 0.5, col + 0.5];
      const to = [clamp(row + down, this.height), clamp(col + right, this.width)];
      this.penTo(to[0] + 0.5, to[1] + 0.5, erases ? 0 : this.pen);
      if (!event.shiftKey) this.endStroke(); // a line ends when Shift is let go
    } else {
      this.moveTo(row + down, col + right);
    }
  }

  keyup(event) {
    if (event.key === "Shift" && this.drawn) this.endStroke();
  }
}
return { COLORS, MOST_SEED, within, pixelsIn, make, Slider, Choice, button, row, Sentence, PythonCall, Picture, colorOf, paint, ticks, frame, Pad };
})();

const bits_js = (() => {
// An image read pixel by pixel, and the bits that each pixel costs.
//
// One pass of the network over an image gives the cost of all its pixels.

const { sigmoid } = likelihoods_js;
const { COLORS, Picture, Sentence, Slider } = ui_js;
const { button, frame, make, paint, row, ticks } = ui_js;

const DEAR = 1; // bits: the other value had a probability above 1/2
const MOST = 5; // bits, the end of the color scale
const SCALE = 8; // pixels of the page
// The color map cividis, which readers of all kinds of color vision see alike.
const CIVIDIS = [
  ...[[0, 34, 78], [8, 51, 112], [53, 69, 108], [79, 87, 108], [102, 105, 112]],
  ...[[125, 124, 120], [148, 142, 119], [174, 163, 113], [200, 184, 102]],
  ...[[229, 207, 82], [254, 232, 56]],
];

function bits({ engine, graph, images, root, answer }) {
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
return { bits };
})();

const engine_js = (() => {
// A network in a Worker, so that the page stays alive while it computes.
//
// tools/web.py joins all modules into one file, which begins like this:
//
//     function makeAnswers() {
//       … all modules that answers.js needs …
//       return answersOf;
//     }
//
// A function in a string becomes its own text: `${makeAnswers}` is the program of the Worker.

const IN_WORKER = `
let answers;
onmessage = ({ data: { id, name, args } }) => {
  try {
    if (name === "start") answers = makeAnswers()(...args);
    const result = name === "start" ? null : answers[name](args);
    postMessage({ id, result });
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};`;

class Engine {
  // Without a Worker (`inPage`, or where a page may start none) the page itself computes;
  // `plain` is for `Network`.
  constructor(graph, weights, { inPage = false, plain = false } = {}) {
    this.waiting = new Map(); // of each question, by number: who gets the answer
    this.asked = 0;
    this.network = [graph, weights, plain];
    try {
      if (inPage) throw new Error("No Worker is wanted");
      const program = new Blob([`${makeAnswers}${IN_WORKER}`], { type: "text/javascript" });
      this.url = URL.createObjectURL(program);
      this.worker = new Worker(this.url);
      this.worker.onmessage = ({ data }) => this.answered(data);
      this.worker.onerror = () => this.withoutWorker();
      // if the network cannot be made, its error is that of all questions
      this.ask("start", this.network).catch((error) => (this.broken = error));
    } catch {
      this.withoutWorker(); // the browser, or the page's policy, allows none
    }
  }

  // Ask for one of the answers in answers.js; a promise.
  ask(name, args = {}) {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      if (this.broken) return reject(this.broken);
      if (this.stopped) return undefined; // nobody waits for an answer
      const question = { id, name, args };
      this.waiting.set(id, { resolve, reject, question });
      if (this.worker) this.worker.postMessage(question);
      else setTimeout(() => this.answerHere(question));
    });
  }

  // Ask one question with many arguments: half of them in a second Worker, if there is one.
  async askAll(name, all) {
    if (this.worker && all.length >= 4) {
      const [graph, weights, plain] = this.network;
      this.second ??= new Engine(graph, weights, { plain });
    }
    const half = this.second ? all.length >> 1 : all.length;
    const asked = (i) => (i < half ? this : this.second);
    return Promise.all(all.map((args, i) => asked(i).ask(name, args)));
  }

  // `count` images of a seed, the first of them number `from`, each with its costs.
  async draw({ count, from = 0, ...args }) {
    const asked = (_, i) => ({ ...args, children: [from + i] });
    return (await this.askAll("draw", Array.from({ length: count }, asked))).flat();
  }

  answered({ id, result, error }) {
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  }

  withoutWorker() {
    this.worker?.terminate();
    this.worker = null;
    try {
      this.answers = makeAnswers()(...this.network);
    } catch (error) {
      this.broken = error;
    }
    for (const { question } of this.waiting.values()) this.answerHere(question);
  }

  answerHere({ id, name, args }) {
    if (this.stopped || !this.waiting.has(id)) return;
    try {
      if (this.broken) throw this.broken;
      const result = name === "start" ? null : this.answers[name](args);
      this.answered({ id, result });
    } catch (error) {
      this.answered({ id, error: error.message });
    }
  }

  stop() {
    this.stopped = true;
    this.second?.stop();
    this.worker?.terminate();
    if (this.url) URL.revokeObjectURL(this.url);
  }
}

// Returns a function that runs `act` now, or, while an earlier run goes on, once after it:
// of many quick moves only the last one is answered. `act` gets a function that says whether
// a newer move waits. `failed` gets an error, or null after a run without one.
function latest(act, failed) {
  let running = false;
  let again = false;
  return async function run() {
    again = true;
    if (running) return;
    running = true;
    while (again) {
      again = false;
      try {
        await act(() => again);
        failed(null);
      } catch (error) {
        failed(error);
      }
    }
    running = false;
  };
}
return { Engine, latest };
})();

const random_js = (() => {
// NumPy's random numbers: a seed gives the same numbers here as in Python.
//
// `generate(model, count, seed=seed)` gives each image a generator of its own:
// np.random.default_rng(np.random.SeedSequence(seed).spawn(count)[i]). So image i of a seed
// is the same for every count. Two algorithms are needed, both by Melissa O'Neill:
// SeedSequence spreads a seed over 256 bits, and PCG64 (pcg-random.org, variant XSL RR
// 128/64) makes numbers of them. Below, 1n is a BigInt, a whole number of any size. You can
// read on without the recipe: `uniformNumbers` is all that other modules use. The constants are NumPy's (numpy/random, BSD license).

const POOL = 4; // words of 32 bits
const [INIT_A, MULT_A] = [0x43b0d7e5, 0x931e8875];
const [INIT_B, MULT_B] = [0x8b51f9dd, 0x58f38ded];
const [MIX_LEFT, MIX_RIGHT] = [0xca01f9dd, 0x4973f715];
const STEP = 0x2360ed051fc65da44385df649fccf645n;
const [ALL_64, ALL_128] = [(1n << 64n) - 1n, (1n << 128n) - 1n];

// A function that hashes one word after another. Its constant changes with each word.
function hasher(constant, factor) {
  return (word) => {
    word ^= constant;
    constant = Math.imul(constant, factor);
    word = Math.imul(word, constant);
    return word ^ (word >>> 16);
  };
}

function mix(x, y) {
  const mixed = Math.imul(MIX_LEFT, x) - Math.imul(MIX_RIGHT, y);
  return mixed ^ (mixed >>> 16);
}

// The 32-bit words of a whole number, the lowest first.
function wordsOf(seed) {
  const words = [];
  for (let rest = BigInt(seed); rest > 0n || !words.length; rest >>= 32n) {
    words.push(Number(rest & 0xffffffffn));
  }
  return words;
}

// Eight words of SeedSequence(seed, spawn_key=key).
function seedWords(seed, key) {
  const words = wordsOf(seed);
  while (words.length < POOL) words.push(0);
  words.push(...key.flatMap(wordsOf));
  const hash = hasher(INIT_A, MULT_A);
  const pool = words.slice(0, POOL).map(hash);
  for (let from = 0; from < POOL; from++) {
    for (let to = 0; to < POOL; to++) {
      if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
    }
  }
  for (const word of words.slice(POOL)) {
    for (let to = 0; to < POOL; to++) pool[to] = mix(pool[to], hash(word));
  }
  const output = hasher(INIT_B, MULT_B);
  return Array.from({ length: 8 }, (_, i) => output(pool[i % POOL]) >>> 0);
}

// PCG64 with the state that NumPy makes from a seed and a spawn key.
class Generator {
  constructor(seed, key) {
    const w = seedWords(seed, key).map(BigInt);
    const number = (i) => (w[i + 1] << 96n) | (w[i] << 64n) | (w[i + 3] << 32n) | w[i + 2];
    this.increment = ((number(4) << 1n) | 1n) & ALL_128;
    this.state = (this.increment + number(0)) & ALL_128;
    this.step();
  }

  step() {
    this.state = (this.state * STEP + this.increment) & ALL_128;
  }

  // The next 64 bits: both halves of the state, combined and rotated.
  next() {
    this.step();
    const combined = ((this.state >> 64n) ^ this.state) & ALL_64;
    const turn = this.state >> 122n;
    return ((combined >> turn) | (combined << (64n - turn))) & ALL_64;
  }
}

// The uniform numbers of image `child` of a seed: float32 in [0, 1), `size` of them.
// NumPy takes the lower 32 of 64 bits first, and of 32 bits the upper 24.
function uniformNumbers(seed, child, size) {
  const generator = new Generator(seed, [child]);
  const numbers = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    const bits = generator.next();
    numbers[i] = Number((bits & 0xffffffffn) >> 8n) / 2 ** 24;
    if (i + 1 < size) numbers[i + 1] = Number(bits >> 40n) / 2 ** 24;
  }
  return numbers;
}

// The first float64 numbers in [0, 1) of default_rng(SeedSequence(seed, spawn_key=key)).
function doubleNumbers(seed, key, count) {
  const generator = new Generator(seed, key);
  return Array.from({ length: count }, () => Number(generator.next() >> 11n) / 2 ** 53);
}
return { seedWords, uniformNumbers, doubleNumbers };
})();

const finish_js = (() => {
// Finish my digit: a part of a drawing is given, and the network draws the rest 16 times.
//
// A given top comes first in reading order, so each completion is an exact draw. A given
// bottom comes last: the tops are drawn without a look at it. Each drawing is then a
// particle with the weight p(given pixels | those before them), and 16 of the particles
// are chosen in proportion to their weights.

const { doubleNumbers } = random_js;
const { COLORS, Choice, MOST_SEED, Pad, Picture, Sentence, Slider } = ui_js;
const { button, make, paint, row, within } = ui_js;

const [FUTURES, COLUMNS, TOGETHER] = [16, 4, 16]; // TOGETHER are drawn at a time
const PARTICLES = [1, 16, 64, 256];
const [SCALE, GAP] = [11, 6]; // pixels of the page
const NOT_GIVEN = { ink: "#bec5cc", paper: "#e5ebf2" };

function finish({ engine, graph, settings, images, root, answer, remember }) {
  const [height, width] = graph.image_shape;
  const shape = [height, width];
  const scale = Math.max(1, Math.floor(84 / Math.max(height, width)));
  const cell = [width * scale + GAP, height * scale + GAP];

  // "0.14": rows 0 to 13 are given, the top. "14.28": rows 14 to 27, the bottom.
  const ends = settings.given.split(".").map(Number);
  let top = ends[0] === 0;
  let edge = top ? ends[1] : ends[0]; // the first row of the lower part
  if (!(edge >= 1 && edge < height)) [top, edge] = [true, height >> 1];
  let particles = PARTICLES.includes(settings.particles) ? settings.particles : 1;
  let seed = within(Math.floor(settings.future), 0, MOST_SEED);
  let example = 0; // which of the images was on the pad last
  let moved = false; // whether the reader has done something
  let drawn = null; // what was drawn for one drawing and one seed

  const act = (set) => (value) => {
    set(value);
    moved = true;
    showGiven();
    show();
  };
  const side = new Choice("given", {
    options: [["the top", true], ["the bottom", false]],
    value: top,
    act: act((is) => (top = is)),
  });
  const slider = new Slider("rows", {
    ...{ min: 1, max: height - 1, value: edge },
    show: (at) => (top ? `0 to ${at - 1}` : `${at} to ${height - 1}`),
    act: act((value) => (edge = value)),
  });
  const many = new Choice("particles", {
    options: PARTICLES.map((count) => [count === 1 ? "1: clamping" : String(count), count]),
    value: particles,
    act: act((count) => (particles = count)),
  });
  const seeds = new Slider("seed", {
    ...{ min: 0, max: Math.max(99, seed), value: seed },
    act: act((value) => (seed = value)),
  });
  const pad = new Pad(shape, {
    scale: SCALE,
    label: "A pad to draw on: the part that is given. Space or Shift with an arrow draws.",
    color(pixel) {
      const ink = pad.ink[pixel];
      if (!isGiven(pixel)) return ink ? NOT_GIVEN.ink : NOT_GIVEN.paper;
      return ink ? COLORS.seen : COLORS.paper;
    },
    drawn: act(() => {}),
  });
  const pen = new Choice("pen", {
    options: [["draw", 1], ["erase", 0]],
    value: 1,
    act: (ink) => (pad.pen = ink),
  });
  const clear = button("clear", act(() => pad.ink.fill(0)));
  const left = make("div", {}, pad.element, row(pen, clear));
  if (images.length) {
    pad.ink.set(images[0]);
    const next = act(() => {
      example = (example + 1) % images.length;
      pad.ink.set(images[example]);
    });
    left.append(row(button("a test digit", next)));
  }
  const sentence = new Sentence();
  const effect = new Sentence();
  const about = "Sixteen ways in which the network goes on with your drawing";
  const grid = new Picture(COLUMNS * cell[0], (FUTURES / COLUMNS) * cell[1], about);
  const progress = make("progress", { "aria-label": "particles drawn", value: 0 });
  const key = new Sentence();
  key.text =
    "Draw with the mouse or a finger. Or go to a pixel with the arrow keys: Space draws, " +
    "Delete erases, and Shift with an arrow key draws a line. Blue: your ink. Black: the " +
    "network's ink. The gray part of the pad is not given: the network draws it. If the " +
    "bottom is given, the network draws as many tops (particles) as you say, and those " +
    "that lead to your bottom best are shown.";
  root.append(row(side, slider), row(many, seeds), sentence.element, effect.element);
  root.append(row(left, grid), progress, key.element);

  function isGiven(pixel) {
    return pixel < edge * width === top;
  }

  function showGiven() {
    slider.tell();
    many.disabled = top;
    many.element.style.display = top ? "none" : "";
    pad.draw();
  }

  // Draw particles, and show 16 futures whenever there are as many as a choice offers: the
  // first answer is soon there.
  const show = answer(async (stale) => {
    const rows = top ? `0.${edge}` : `${edge}.${height}`;
    if (moved) remember({ given: rows, particles, future: seed });
    const known = pad.ink.map((_, pixel) => isGiven(pixel));
    const given = Float32Array.from(pad.ink, (ink, pixel) => ink * known[pixel]);
    const of = [seed, top, edge, ...given].join();
    if (drawn?.of !== of) drawn = { of, seed, top, known, particles: [] };
    const most = top ? 1 : particles;
    for (const count of PARTICLES.filter((n) => n <= most && (n > 1 || most === 1))) {
      while (drawn.particles.length < Math.max(count, FUTURES)) {
        tellProgress(most);
        const from = drawn.particles.length;
        const more = await engine.draw({ seed, from, count: TOGETHER, known, given });
        drawn.particles.push(...more.map((one) => ({ ...one, nats: costOf(one, known) })));
        if (stale() && drawn.particles.length > FUTURES) return;
      }
      draw(count);
      if (stale()) return;
    }
    tellProgress(most);
  });

  function tellProgress(most) {
    [progress.max, progress.value] = [most, Math.min(most, drawn.particles.length)];
    progress.style.visibility = progress.value < most ? "visible" : "hidden";
  }

  function draw(count) {
    const { seed, known } = drawn;
    const all = drawn.particles.slice(0, Math.max(count, FUTURES));
    const weights = weightsOf(all.map(({ nats }) => nats));
    const futures = count === 1 ? all : choose(weights, seed).map((i) => all[i]);
    const bits = median(futures.map(({ nats }) => nats)) / Math.LN2;
    tell(count, bits.toFixed(0), 1 / sum(weights.map((weight) => weight ** 2)));
    grid.draw((page) => {
      futures.forEach(({ image }, i) => {
        const [x, y] = [(i % COLUMNS) * cell[0], Math.floor(i / COLUMNS) * cell[1]];
        const ink = (pixel) => (known[pixel] ? COLORS.seen : "black");
        const color = (pixel) => (image[pixel] ? ink(pixel) : COLORS.paper);
        paint(page, shape, color, x + 1, y + 1, scale);
        page.strokeStyle = "#ccc";
        page.strokeRect(x + 0.5, y + 0.5, width * scale + 1, height * scale + 1);
      });
    });
  }

  // size: the effective sample size.
  function tell(count, bits, size) {
    const few = count > 1 && size < Math.min(5, count / 2);
    effect.element.classList.toggle("warning", few);
    if (drawn.top) {
      sentence.text = `16 futures of your top (blue). Your top costs ${bits} bits.`;
      effect.text = "The top comes first: each future is an exact draw.";
      return;
    }
    const how = count === 1 ? "drawn without a look at" : "chosen to lead to";
    sentence.text =
      `16 tops ${how} your bottom (blue). After these tops, your bottom costs ${bits} ` +
      "bits (median).";
    const effective = `${size.toFixed(1)} of ${count} particles are effective`;
    if (count === 1) effect.text = "The bottom is pasted in: the strokes need not meet.";
    else effect.text = few ? `Only ${effective}: tops repeat.` : `${effective}.`;
  }

  showGiven();
  show();
}

const sum = (values) => values.reduce((a, b) => a + b, 0);

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
return { finish };
})();

const fork_js = (() => {
// Fork: flip one pixel of a drawn digit, and all later pixels are drawn again.
//
// Pixel k is ink if u_k < p(ink | pixels before k). A flip changes one uniform number, to 0
// or to almost 1. All others stay, so every later difference is caused by the flip.

const { flippingNumber, softplus } = likelihoods_js;
const { COLORS, Pad, Picture, PythonCall, Sentence, Slider } = ui_js;
const { MOST_SEED, button, frame, paint, pixelsIn, row, within } = ui_js;

const [CANDIDATES, SHOWN, TOGETHER] = [128, 16, 8]; // compared, shown, drawn at a time
const [SCALE, SMALL, GAP] = [11, 3, 10]; // pixels of the page
const LEAST = 0.05; // probability of a flip that is compared

function fork({ engine, graph, settings, root, answer, remember }) {
  const [height, width] = graph.image_shape;
  const shape = [height, width];
  let seed = within(settings.seed, 0, MOST_SEED);
  // "404.501": pixel 404 was flipped before, and the flip of 501 is on show. After "404."
  // the explorer chooses the flip itself.
  const pixels = pixelsIn(settings.flip);
  const last = pixels.pop();
  let flips = pixels.map(Number);
  let next = last ? { pixel: Number(last) } : null; // the fork on show
  if ([...flips, next?.pixel ?? 0].some((pixel) => pixel >= height * width)) {
    [flips, next] = [[], null];
  }
  let state = null; // the digit: its numbers, its image, and what each flip costs
  let moved = false; // whether the reader has done something
  let telling = []; // the flips that change most

  const slider = new Slider("seed", {
    min: 0,
    max: Math.max(99, seed),
    value: seed,
    act(value) {
      [seed, flips, next, moved] = [value, [], null, true];
      show();
    },
  });
  const onward = button("go on from this fork", () => {
    if (!next?.image) return; // the fork is not drawn yet
    [flips, next, moved] = [[...flips, next.pixel], null, true];
    show();
  });
  const pad = new Pad(shape, {
    scale: SCALE,
    label: "The drawn digit. A click, or Space, flips a pixel.",
    color: (pixel) => (state?.image[pixel] ? "black" : "white"),
    name: (pixel) => (state?.image[pixel] ? "ink" : "paper"),
    act(pixel) {
      [next, moved] = [{ pixel }, true];
      show();
    },
  });
  pad.over = (page) => {
    page.fillStyle = "rgb(0 114 178 / 0.4)";
    for (const { pixel } of telling) {
      const [r, c] = [Math.floor(pixel / width), pixel % width];
      page.fillRect(c * SCALE, r * SCALE, SCALE, SCALE);
    }
  };
  const about = "The digit after the flip: ink of both gray, new ink red, lost ink pale red";
  const picture = new Picture(width * SCALE + 1, height * SCALE + 1, about);
  const sentence = new Sentence();
  const [columns, cell] = [root.clientWidth < 500 ? 4 : 8, SMALL * width + GAP];
  const high = SMALL * height + GAP + 16;
  const size = [columns * cell, (SHOWN / columns) * high];
  const others = new Picture(...size, "The flips that change most");
  const key = new Sentence();
  key.text =
    "Click a pixel, or go there with the arrow keys and press Space. Below: the flips that " +
    "change most (blue on the digit), the pixels that each changes, and its price in bits. " +
    "Click one to see it large.";
  root.append(row(slider, onward), row(pad, picture.element));
  const call = new PythonCall();
  root.append(sentence.element, call.element, key.element, others.element);
  others.element.addEventListener("click", ({ offsetX, offsetY }) => {
    const shrunk = others.element.clientWidth / others.width;
    const [x, y] = [offsetX / shrunk / cell, offsetY / shrunk / high].map(Math.floor);
    const one = telling[y * columns + x];
    if (!one) return;
    [next, moved] = [{ pixel: one.pixel, image: one.image, of: state.name }, true];
    show();
  });

  // Draw the digit, unless it is there already; then the fork; then the other forks. If the
  // reader moves something meanwhile (`stale`), nothing of an old answer is kept.
  const show = answer(async (stale) => {
    const name = [seed, ...flips].join();
    if (state?.name !== name) {
      const digit = await digitOf();
      if (stale()) return;
      [state, telling] = [{ name, found: [], ...digit }, []];
    }
    const shown = next ?? { pixel: cheapest(state.bits), automatic: true };
    const known = shown.of === name ? shown.image : null; // or the fork of another digit
    const image = known ?? (await forksOf([shown.pixel]))[0];
    if (stale()) return;
    next = { ...shown, image, of: name };
    draw();
    call.flipped(seed, [...flips, next.pixel], width);
    const last = next.automatic ? "" : next.pixel;
    if (moved) remember({ seed, flip: [...flips, last].join(".") });
    await compare(stale);
  });

  async function digitOf() {
    const uniforms = await engine.ask("uniforms", { seed });
    let { image } = await engine.ask("drawFrom", { uniforms });
    for (const pixel of flips) {
      uniforms[pixel] = flippingNumber(image[pixel]);
      ({ image } = await engine.ask("drawFrom", { uniforms }));
    }
    const { logits } = await engine.ask("read", { image });
    const bits = image.map((ink, i) => flipBits(logits[i], ink));
    const likely = [...bits.keys()].filter((i) => bits[i] <= -Math.log2(LEAST));
    likely.sort((i, j) => bits[i] - bits[j]);
    return { uniforms, image, bits, candidates: likely.slice(0, CANDIDATES) };
  }

  const forksOf = (pixels) =>
    engine.ask("forks", { uniforms: state.uniforms, image: state.image, pixels });

  // Of the likely flips, find those that change most, at least 3 pixels from each other.
  // A few at a time: the reader's own flip comes first, and then the search goes on.
  async function compare(stale) {
    const { found, candidates } = state;
    if (telling.length) return;
    while (found.length < candidates.length) {
      const part = candidates.slice(found.length, found.length + TOGETHER);
      const images = await forksOf(part);
      if (stale()) return;
      part.forEach((pixel, i) => {
        found.push({ pixel, image: images[i], changed: changesAfter(pixel, images[i]) });
      });
    }
    for (const one of [...found].sort((a, b) => b.changed - a.changed)) {
      if (telling.length < SHOWN && telling.every((other) => apart(one, other) >= 3)) {
        telling.push(one);
      }
    }
    draw();
  }

  function apart(one, other) {
    const rows = Math.floor(one.pixel / width) - Math.floor(other.pixel / width);
    return Math.max(Math.abs(rows), Math.abs((one.pixel % width) - (other.pixel % width)));
  }

  function changesAfter(pixel, image) {
    return image.filter((ink, i) => i > pixel && ink !== state.image[i]).length;
  }

  const colorOf = (image) => (pixel) => {
    const [before, after] = [state.image[pixel], image[pixel]];
    if (before && after) return COLORS.ink;
    if (after) return COLORS.target;
    return before ? COLORS.gone : COLORS.paper;
  };

  function draw() {
    pad.draw();
    picture.draw((page) => {
      paint(page, shape, colorOf(next.image), 0, 0, SCALE);
      frame(page, shape, next.pixel, COLORS.seen, 0, 0, SCALE);
      page.strokeStyle = "#777";
      page.lineWidth = 1;
      page.strokeRect(0.5, 0.5, picture.width - 1, picture.height - 1);
    });
    sentence.text = told();
    const list = telling.map(
      ({ pixel, changed }) =>
        `row ${Math.floor(pixel / width)}, column ${pixel % width}: ` +
        `${changed} pixels, ${state.bits[pixel].toFixed(1)} bits`
    );
    others.about = `The flips that change most: ${list.join("; ")}`;
    others.draw((page) => {
      if (state.found.length < state.candidates.length) {
        page.fillText("The likely flips are compared …", 2, 0);
      }
      telling.forEach(({ pixel, image, changed }, i) => {
        const [x, y] = [(i % columns) * cell, Math.floor(i / columns) * high];
        page.fillStyle = "black";
        page.font = "12px system-ui, sans-serif";
        page.fillText(`${changed}: ${state.bits[pixel].toFixed(1)} bits`, x + 2, y);
        paint(page, shape, colorOf(image), x + 1, y + 16, SMALL);
        page.strokeStyle = "#bbb";
        page.lineWidth = 1;
        page.strokeRect(x + 0.5, y + 15.5, SMALL * width + 1, SMALL * height + 1);
        frame(page, shape, pixel, COLORS.seen, x + 1, y + 16, SMALL, 1);
      });
    });
  }

  function told() {
    const { pixel, image } = next;
    const [r, c] = [Math.floor(pixel / width), pixel % width];
    const [was, is] = state.image[pixel] ? ["ink", "paper"] : ["paper", "ink"];
    if (image[pixel] === state.image[pixel]) {
      return `Row ${r}, column ${c} cannot be flipped: the network is certain of ${was}.`;
    }
    const bits = state.bits[pixel];
    const p = (2 ** -bits).toPrecision(3);
    const later = height * width - pixel - 1;
    const changed = changesAfter(pixel, image);
    return (
      `Row ${r}, column ${c} is flipped to ${is}: ${bits.toFixed(1)} bits, since the ` +
      `network gave ${is} the probability ${p}. ${changed} of ${later} later pixels ` +
      "change. Gray: ink in both. Red: new ink. Pale red: ink that is gone."
    );
  }

  show();
}

const cheapest = (bits) => bits.indexOf(Math.min(...bits));

// -log2 of the probability of the other value of a pixel.
const flipBits = (logit, ink) => softplus(ink ? logit : -logit) / Math.LN2;
return { fork };
})();

const guess_js = (() => {
// Beat the network: you, the network and a coin bet on the same pixels of a real digit.
//
// All pay by one rule: -log2 of the probability that they gave to the true value.

const { sigmoid } = likelihoods_js;
const { COLORS, Picture, Sentence, Slider, button } = ui_js;
const { frame, make, paint, row } = ui_js;

const SCALE = 11; // pixels of the page
const PLAYERS = { you: COLORS.seen, network: "#E69F00", coin: "#777777" };

function guess({ engine, graph, settings, images, root, answer }) {
  const [height, width] = graph.image_shape;
  const shape = [height, width];
  let number = 0; // of the digit
  let game = null;

  const slider = new Slider("p(ink) in %", {
    ...{ min: 1, max: 99, value: 50, act() {} },
    show(value) {
      const [ink, paper] = [bits(value / 100), bits(1 - value / 100)];
      return `${value}: you pay ${ink} bits if it is ink, ${paper} if paper`;
    },
  });
  const reveal = button("reveal", () => pay());
  reveal.disabled = true;
  const again = button("start again", () => begin());
  const other = button("next digit", () => {
    number = (number + 1) % images.length;
    begin();
  });
  const question = new Sentence();
  question.element.classList.add("strong");
  const [said, costs, warning] = [new Sentence(), new Sentence(), new Sentence()];
  warning.element.classList.add("warning");
  const about = "The digit up to the next pixel; all later pixels are gray";
  const picture = new Picture(width * SCALE, height * SCALE, about);
  const bars = new Picture(400, 150, "");
  const right = make("div", { class: "beside" });
  right.append(...[said, costs, warning, bars].map(({ element }) => element));
  const buttons = [reveal, again, ...(images.length > 1 ? [other] : [])];
  root.append(question.element, row(slider), row(...buttons), row(picture, right));

  // One pass is enough, because the logit of each pixel depends on earlier pixels only.
  const begin = answer(async () => {
    const image = images[number];
    const { logits, cost } = await engine.ask("read", { image });
    const inkOf = Array.from(logits, sigmoid);
    const places = uncertain(inkOf, settings.questions, settings.among);
    const paid = { you: 0, network: 0, coin: 0 }; // bits, all answers together
    game = { image, cost, inkOf, places, paid, asked: 0 };
    said.text = "Say how probable ink is, then reveal.";
    costs.text = warning.text = "";
    next();
  });

  function pay() {
    const { image, cost, inkOf, places, paid } = game;
    const place = places[game.asked];
    const ink = image[place] === 1;
    const gave = ink ? slider.value / 100 : 1 - slider.value / 100; // to what it was
    const last = { you: -Math.log2(gave), network: cost[place] / Math.LN2, coin: 1 };
    for (const name of Object.keys(PLAYERS)) paid[name] += last[name];
    game.asked++;
    const [was, wrong] = ink ? ["ink", "paper"] : ["paper", "ink"];
    const network = (100 * inkOf[place]).toFixed(0);
    said.text = `The pixel in the blue frame was ${was}; the network said ${network} % ink.`;
    costs.text =
      `you ${last.you.toFixed(1)} bits, network ${last.network.toFixed(1)} bits, ` +
      "coin 1 bit";
    const sure = (100 * (1 - gave)).toFixed(0);
    const rule = `−log₂ ${gave.toFixed(2)} = ${bits(gave)} bits`;
    warning.text = gave < 0.1 ? `${sure} % on ${wrong}, wrong: ${rule}` : "";
    next();
  }

  // Show the next question, or the end.
  function next() {
    const { places, asked, image } = game;
    const over = asked === places.length;
    reveal.disabled = slider.input.disabled = over;
    slider.value = 50;
    question.text = over
      ? `All ${asked} answered: ${verdict()}.`
      : `Question ${asked + 1} of ${places.length}: is the framed pixel ink?`;
    const end = over ? image.length : places[asked];
    const known = (pixel) => (image[pixel] ? "black" : COLORS.paper);
    picture.draw((page) => {
      paint(page, shape, (i) => (i < end ? known(i) : COLORS.notYet), 0, 0, SCALE);
      page.strokeStyle = "#777";
      page.strokeRect(0.5, 0.5, picture.width - 1, picture.height - 1);
      if (asked) frame(page, shape, places[asked - 1], COLORS.seen, 0, 0, SCALE);
      if (!over) frame(page, shape, end, COLORS.target, 0, 0, SCALE);
    });
    drawBars();
  }

  function verdict() {
    const { you, network } = game.paid;
    if (you === network) return "a draw";
    return you < network ? "you beat the network" : "the network paid less";
  }

  function drawBars() {
    const { paid, places } = game;
    const players = Object.entries(PLAYERS);
    const told = players.map(([name]) => `${name} ${paid[name].toFixed(1)}`);
    bars.about = `Bits paid so far: ${told.join(", ")}`;
    const longest = 1.15 * Math.max(places.length, ...Object.values(paid));
    const [left, high, full] = [66, 38, bars.width - 66];
    bars.draw((page) => {
      players.forEach(([name, color], i) => {
        const length = (full * paid[name]) / longest;
        page.fillStyle = color;
        page.fillRect(left, i * high, length, high - 10);
        page.fillStyle = "black";
        page.fillText(name, 0, i * high + 6);
        page.fillText(paid[name].toFixed(1), left + length + 6, i * high + 6);
      });
      page.fillRect(left, 0, 1, 3 * high - 10);
      page.fillText("bits paid so far (fewer is better)", left, 3 * high + 4);
    });
  }

  begin();
}

const bits = (probability) => (-Math.log2(probability)).toFixed(1);

// The pixels to ask for, in reading order: of the `among` most uncertain ones `questions`,
// at equal steps. The entropy falls with the distance from one half.
function uncertain(inkOf, questions, among) {
  const away = inkOf.map((p) => Math.abs(p - 0.5));
  const order = [...away.keys()].sort((i, j) => away[i] - away[j]).slice(0, among);
  const count = Math.min(questions, order.length);
  const at = (i) => order[Math.floor((i * order.length) / count)];
  return Array.from({ length: count }, (_, i) => at(i)).sort((i, j) => i - j);
}
return { guess };
})();

const inside_js = (() => {
// Inside: what a pixel's logit depends on, the features of every layer, and the products of
// the last kernel that sum to the logit.

const { LIKELIHOODS } = likelihoods_js;
const { COLORS, Choice, MOST_SEED, Pad, Picture, Sentence, Slider } = ui_js;
const { colorOf, frame, make, paint, row, within } = ui_js;

const WIDE = 560; // pixels of the page
const MOST = 256; // channels on show
const LISTED = 8; // products in the table
const NO_KERNEL = "The last layer is no convolution, so no single kernel makes them.";
const [POSITIVE, NEGATIVE] = [[230, 97, 0], [94, 60, 153]]; // orange, purple
const signColor = (value) => `rgb(${(value < 0 ? NEGATIVE : POSITIVE).join(" ")})`;

function inside({ engine, graph, settings, root, answer, remember }) {
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
return { inside };
})();

const morph_js = (() => {
// Digits between two labels: what a network draws if it is told a mixture of both.
//
// The slider moves the label vector from one label to the other. The uniform numbers stay,
// so the label causes every change.

const { sigmoid } = likelihoods_js;
const { Choice, MOST_SEED, Picture, Sentence, Slider } = ui_js;
const { colorOf, make, paint, row, within } = ui_js;

const COUNT = 8;

function morph({ engine, graph, settings, root, answer, remember }) {
  const [height, width] = graph.image_shape;
  const classes = graph.num_classes;
  const scale = Math.max(1, Math.floor(84 / Math.max(height, width)));
  // An address may hold any numbers.
  const label = (value) => within(Math.floor(value), 0, classes - 1);
  let [first, second] = [label(settings.from), label(settings.to)];
  let share = within(settings.share, 0, 1, 0.05);
  let seed = within(Math.floor(settings.morph), 0, MOST_SEED);
  let asked = false; // whether the reader has moved something

  const moved = (set) => (value) => {
    set(value);
    asked = true;
    show();
  };
  const options = Array.from({ length: classes }, (_, k) => [String(k), k]);
  const from = { options, value: first, act: moved((value) => (first = value)) };
  const to = { options, value: second, act: moved((value) => (second = value)) };
  const shares = new Slider("from → to", {
    ...{ min: 0, max: 1, step: 0.05, value: share, show: (value) => value.toFixed(2) },
    act: moved((value) => (share = value)),
  });
  const seeds = new Slider("seed", {
    ...{ min: 0, max: Math.max(9, seed), value: seed },
    act: moved((value) => (seed = value)),
  });
  const sentence = new Sentence();
  const digits = Array.from({ length: COUNT }, (_, i) => {
    const picture = new Picture(width * scale + 2, height * scale + 2, `Digit ${i + 1}`);
    return { picture, reading: make("div") };
  });
  const key = new Sentence();
  key.text =
    "The network gets the label as a vector, and the slider mixes two such vectors. Above " +
    "each digit: the label that the network itself gives it, of these two (Bayes' rule, " +
    "both labels equally probable at first).";
  root.append(row(new Choice("from", from), new Choice("to", to)), row(shares, seeds));
  const figures = digits.map((own) => make("div", {}, own.reading, own.picture.element));
  root.append(sentence.element, make("div", { class: "digits" }, ...figures), key.element);

  const show = answer(async () => {
    const mixture = new Array(classes).fill(0);
    mixture[first] += 1 - share;
    mixture[second] += share;
    const two = { first, second, share }; // as they are now
    const drawn = await engine.draw({ seed, count: COUNT, label: mixture });
    drawn.forEach(({ image }, i) => drawDigit(digits[i], image));
    const both = [first, second].flatMap((label) =>
      drawn.map(({ image }) => ({ image, label }))
    );
    const costs = (await engine.askAll("read", both)).map(({ cost }) => sum(cost));
    // log p(image | second label) - log p(image | first label)
    const posterior = drawn.map((_, i) => sigmoid(costs[i] - costs[COUNT + i]));
    posterior.forEach((p, i) => {
      const text = reading(p, two);
      digits[i].reading.textContent = text;
      digits[i].picture.about = `A digit, read as ${text}`;
    });
    sentence.text = told(posterior, two);
    if (asked) remember({ from: first, to: second, share, morph: seed });
  });

  function drawDigit({ picture, reading }, image) {
    reading.textContent = "…"; // it takes longer than the digit
    picture.about = "A digit";
    picture.draw((page) => {
      paint(page, [height, width], (pixel) => colorOf(image, pixel, 1), 1, 1, scale);
      page.strokeStyle = "#ccc";
      page.strokeRect(0.5, 0.5, picture.width - 1, picture.height - 1);
    });
  }

  show();
}

// What a digit is read as: the likelier of the two labels, and how surely.
function reading(p, { first, second }) {
  const [label, sure] = p >= 0.5 ? [second, p] : [first, 1 - p];
  return `${label}: ${(100 * sure).toFixed(0)}%`;
}

function told(posterior, { first, second, share }) {
  if (first === second) return `Both labels are ${first}. Choose two different ones.`;
  const count = posterior.filter((p) => p >= 0.5).length;
  return (
    `Told ${(1 - share).toFixed(2)} of ${first} and ${share.toFixed(2)} of ${second}: ` +
    `${count} of ${COUNT} are read as ${second}.`
  );
}

const sum = (values) => values.reduce((a, b) => a + b, 0);
return { morph };
})();

const stepper_js = (() => {
// The loop of drawing in single steps: the image so far, and the draw of the next pixel.
//
// One pass of the network over the finished image gives p(ink) of all its pixels, because
// p of a pixel depends on earlier pixels only. So no step needs the network.

const { sigmoid } = likelihoods_js;
const { COLORS, MOST_SEED, Picture, Sentence, Slider } = ui_js;
const { button, frame, make, paint, row, within } = ui_js;

const [LOW, HIGH] = [0.1, 0.9]; // a pixel is doubtful if p(ink) is between these
const [FASTER, EVERY] = [4, 200]; // playing draws so many pixels in so many milliseconds
const SETTLED = 300; // milliseconds without a move until the address is changed
const SCALE = 11; // pixels of the page

function stepper({ engine, graph, settings, root, answer, remember }) {
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
return { stepper };
})();

const temperature_js = (() => {
// Sixteen images of a seed at a temperature, and what they cost at temperature 1.

const { COLORS, Choice, MOST_SEED, Picture, PythonCall, Sentence, Slider } = ui_js;
const { colorOf, paint, row, ticks, within } = ui_js;

const [COUNT, COLUMNS] = [16, 4];
const [SAMPLE, AT_ONCE] = [64, 4]; // so many images tell the usual cost, 4 at a time
const GAP = 6;

function temperature({ engine, graph, settings, root, answer, remember }) {
  const [height, width, channels] = graph.image_shape;
  const shape = [height, width];
  const scale = Math.max(1, Math.floor(84 / Math.max(height, width)));
  const cell = [width * scale + GAP, height * scale + GAP];
  let temperature = within(settings.temperature, 0, 2, 0.05);
  let seed = within(settings.sixteen, 0, MOST_SEED);
  let label = within(settings.label, 0, (graph.num_classes ?? 1) - 1);
  const sampled = {}; // nats of images drawn at temperature 1, by label
  let asked = false; // whether the reader has moved something

  const moved = (set) => (value) => {
    set(value);
    asked = true;
    show();
  };
  const controls = [
    new Slider("temperature", {
      ...{ min: 0, max: 2, step: 0.05, value: temperature },
      show: (value) => value.toFixed(2),
      act: moved((value) => (temperature = value)),
    }),
    new Slider("seed", {
      ...{ min: 0, max: Math.max(9, seed), value: seed },
      act: moved((value) => (seed = value)),
    }),
  ];
  if (graph.num_classes) {
    const options = Array.from({ length: graph.num_classes }, (_, k) => [String(k), k]);
    const act = moved((value) => (label = value));
    controls.push(new Choice("class", { options, value: label, act }));
  }
  const sentence = new Sentence();
  const about = "Sixteen images drawn with these settings";
  const grid = new Picture(COLUMNS * cell[0], (COUNT / COLUMNS) * cell[1], about);
  const costs = new Picture(430, 300, "The cost of each of the images at temperature 1");
  const call = new PythonCall();
  root.append(row(...controls), sentence.element, row(grid.element, costs.element));
  root.append(call.element);

  const show = answer(async (stale) => {
    const drawn = await engine.draw({ seed, count: COUNT, temperature, label });
    if (stale()) return;
    const images = drawn.map(({ image }) => image);
    const nats = drawn.map(({ cost }) => sum(cost));
    drawGrid(images);
    sentence.text = told(images, nats);
    const labels = graph.num_classes ? { labels: label } : {};
    call.generated(COUNT, { seed, temperature: Number(temperature.toFixed(2)), ...labels });
    if (asked) remember({ temperature, sixteen: seed, label });
    drawCosts(nats);
    await sample(label, stale);
    if (!stale()) drawCosts(nats);
  });

  // Draw images at temperature 1. A move waits for the few that are being drawn at most.
  async function sample(label, stale) {
    const all = (sampled[label] ??= []);
    while (all.length < SAMPLE && !stale()) {
      const [own, from] = [Math.floor(all.length / COUNT), all.length % COUNT];
      const drawn = await engine.draw({ seed: own, from, count: AT_ONCE, label });
      all.push(...drawn.map(({ cost }) => sum(cost)));
    }
  }

  function told(images, nats) {
    const drawn = `T = ${temperature.toFixed(2)}: `;
    const least = temperature ? "" : "Every pixel takes its most probable value. ";
    const cost = `Measured at temperature 1, they cost ${mean(nats).toFixed(0)} nats each.`;
    if (graph.levels > 2 || channels > 1) return drawn + least + cost;
    const ink = 100 * mean(images.map(mean));
    return `${drawn}${ink.toFixed(1)} % ink. ${least}${cost}`;
  }

  function drawGrid(images) {
    grid.draw((page) => {
      images.forEach((image, i) => {
        const [x, y] = [(i % COLUMNS) * cell[0], Math.floor(i / COLUMNS) * cell[1]];
        const color = (pixel) => colorOf(image, pixel, channels);
        paint(page, shape, color, x + 1, y + 1, scale);
        page.strokeStyle = "#ccc";
        page.strokeRect(x + 0.5, y + 0.5, width * scale + 1, height * scale + 1);
      });
    });
  }

  // Each image as a dot at its nats, the first image at the top.
  function drawCosts(nats) {
    const known = sampled[label]?.length === SAMPLE ? mean(sampled[label]) : null;
    const most = Math.max(1, 4 * (known ?? 0), 1.1 * Math.max(...nats));
    const [left, right, top, bottom] = [16, costs.width - 16, 32, costs.height - 46];
    const x = (value) => left + ((right - left) * value) / most;
    costs.draw((page) => {
      page.fillStyle = "black";
      page.fillRect(left, bottom, right - left, 1);
      page.textAlign = "center";
      for (const value of ticks(most)) {
        page.fillRect(x(value), bottom, 1, 5);
        page.fillText(String(value), x(value), bottom + 8);
      }
      page.fillText("nats per image at temperature 1; red: their mean", (left + right) / 2, bottom + 28);
      if (known) {
        page.fillRect(x(known), top, 2, bottom - top);
        page.textAlign = "left";
        page.fillText("usual at T = 1", x(known), top - 20);
      }
      page.fillStyle = COLORS.target;
      page.fillRect(x(mean(nats)) - 1, top, 3, bottom - top);
      page.fillStyle = COLORS.seen;
      nats.forEach((value, i) => {
        page.beginPath();
        page.arc(x(value), top + ((i + 0.5) * (bottom - top)) / COUNT, 5, 0, 7);
        page.fill();
      });
    });
  }

  show();
}

const sum = (values) => values.reduce((a, b) => a + b, 0);
const mean = (values) => sum(values) / values.length;
return { temperature };
})();

const touch_js = (() => {
// A digit that draws itself, pixel by pixel. A touched pixel flips, and the rest is drawn
// again: with the same random numbers, but after another past.

const { flippingNumber } = likelihoods_js;
const { COLORS, MOST_SEED, Pad, PythonCall, Sentence } = ui_js;
const { button, frame, pixelsIn, row, within } = ui_js;

const SECONDS = 2; // for a whole digit

function touch({ engine, graph, settings, root, answer, remember }) {
  const [height, width] = graph.image_shape;
  const size = height * width;
  let seed = within(settings.touch, 0, MOST_SEED);
  let flips = pixelsIn(settings.touched).filter(Boolean).map(Number);
  if (flips.some((pixel) => pixel >= size)) flips = [];
  let digit = null; // its seed, its uniform numbers, and how many flips it has
  let image = null;
  let drawn = 0; // pixels on show; the network has drawn all of them already
  let moved = false;

  const pad = new Pad([height, width], {
    scale: 12,
    label: "A digit that draws itself. A click, or Space, flips a pixel.",
    color(pixel) {
      if (!image || pixel >= drawn) return COLORS.notYet;
      return image[pixel] ? "black" : "white";
    },
    name: (pixel) => (pixel >= drawn ? "not drawn yet" : image?.[pixel] ? "ink" : "paper"),
    act(pixel) {
      if (!image) return;
      [flips, moved, drawn] = [[...flips, pixel], true, Math.min(drawn, pixel)];
      show();
    },
  });
  pad.over = (page) => {
    if (drawn < size) frame(page, [height, width], drawn, COLORS.target, 0.5, 0.5, 12);
  };
  const sentence = new Sentence();
  const another = button("another digit", () => {
    [seed, flips, moved, drawn] = [seed + 1, [], true, 0];
    show();
  });
  const call = new PythonCall();
  root.append(sentence.element, row(pad), row(another), call.element);

  const show = answer(async (stale) => {
    if (digit?.seed !== seed || digit.flips > flips.length) {
      const uniforms = await engine.ask("uniforms", { seed });
      const answer = await engine.ask("drawFrom", { uniforms });
      if (stale()) return;
      [digit, image] = [{ seed, uniforms, flips: 0 }, answer.image];
    }
    while (digit.flips < flips.length) {
      const pixel = flips[digit.flips];
      const uniforms = digit.uniforms.slice();
      uniforms[pixel] = flippingNumber(image[pixel]);
      const answer = await engine.ask("drawFrom", { uniforms });
      // a newer touch only adds a flip, and needs this one too
      [digit, image] = [{ seed: digit.seed, uniforms, flips: digit.flips + 1 }, answer.image];
      if (digit.seed !== seed) return;
    }
    if (moved) remember({ touch: seed, touched: flips.join(".") });
    sentence.text = told();
    call.flipped(seed, flips, width);
    await drawItself(stale);
  });

  // Show the later pixels one after another; all at once for readers who want no motion.
  async function drawItself(stale) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) drawn = size;
    let before = performance.now();
    while (drawn < size && !stale()) {
      const now = await new Promise(requestAnimationFrame);
      const step = Math.max(1, Math.round((size * (now - before)) / 1000 / SECONDS));
      [drawn, before] = [Math.min(size, drawn + step), now];
      pad.draw();
    }
    pad.draw();
  }

  function told() {
    const pixel = flips.at(-1);
    if (pixel === undefined) {
      return "The network draws a digit, pixel by pixel. Touch a pixel to flip it.";
    }
    const value = image[pixel] ? "ink" : "paper";
    const [r, c] = [Math.floor(pixel / width), pixel % width];
    const later =
      pixel + 1 < size
        ? `The ${size - pixel - 1} later pixels are drawn again with the same random numbers.`
        : "No pixel comes later.";
    return `Row ${r}, column ${c} is now ${value}. ${later}`;
  }

  pad.draw();
  show();
}
return { touch };
})();

const main_js = (() => {
// What JupyterLab calls to show an explorer (anywidget), and a page from `export` too.

const { bits } = bits_js;
const { Engine, latest } = engine_js;
const { finish } = finish_js;
const { fork } = fork_js;
const { guess } = guess_js;
const { inside } = inside_js;
const { morph } = morph_js;
const { stepper } = stepper_js;
const { temperature } = temperature_js;
const { touch } = touch_js;
const { make } = ui_js;

const EXPLORERS = {
  bits,
  finish,
  fork,
  guess,
  inside,
  morph,
  stepper,
  temperature,
  touch,
};

// model.get(…) knows:
//   explorer   one of the names above
//   settings   what the reader may change, at first
//   graph, weights   the network, as `pixelcnn_edu.export.network` writes it
//   images     images that the explorer shows, a byte for the level of each value
// and model.remember(settings), if it exists, keeps what the reader has changed.
function render({ model, el }) {
  const root = make("div", { class: "pixelcnn waiting" });
  // JupyterLab would take arrow keys and letters for its own commands.
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
  el.append(root);
  let engine = null;
  const told = make("p", { class: "failed", role: "alert" });
  // Say what went wrong; after an answer without an error, say nothing.
  const failed = (error) => {
    told.textContent = error ? `This did not work: ${error.message}` : "";
    if (!error) return told.remove();
    root.append(told);
    console.error(error);
  };

  // Say so if an answer takes a while: what is on show is then that of older settings.
  async function whileBusy(act) {
    const timer = setTimeout(() => root.classList.add("busy"), 300);
    try {
      await act();
    } finally {
      clearTimeout(timer);
      root.classList.remove("busy");
    }
  }

  function start() {
    root.classList.remove("waiting");
    const graph = model.get("graph");
    const weights = new Float32Array(bytesOf(model.get("weights")).buffer);
    engine = new Engine(graph, weights);
    EXPLORERS[model.get("explorer")]({
      engine,
      graph,
      settings: model.get("settings"),
      images: imagesOf(graph, bytesOf(model.get("images"))),
      root,
      answer: (act) => latest((stale) => whileBusy(() => act(stale)), failed),
      remember: (settings) => model.remember?.(settings),
    });
  }

  // An explorer begins to compute when the reader comes near.
  const near = new IntersectionObserver(
    (changes) => {
      if (!changes.some((change) => change.isIntersecting)) return;
      near.disconnect();
      try {
        start();
      } catch (error) {
        failed(error);
      }
    },
    { rootMargin: "300px" }
  );
  near.observe(root);
  return () => {
    near.disconnect();
    engine?.stop();
  };
}

// A copy of bytes, which arrive as a DataView.
const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();

// A Float32Array (H·W·C) for each image.
function imagesOf(graph, bytes) {
  if (!bytes.length) return [];
  const size = graph.image_shape.reduce((a, b) => a * b);
  return Array.from({ length: bytes.length / size }, (_, i) =>
    Float32Array.from(bytes.subarray(i * size, (i + 1) * size), (k) => k / (graph.levels - 1))
  );
}
return { render };
})();

export default main_js;
