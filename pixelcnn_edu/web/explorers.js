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
    // contain that channel.
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

  // A pixel gets its other value. All earlier pixels stay, and the later ones are drawn
  // again with their old numbers.
  function flip({ uniforms, image }, pixel) {
    const numbers = uniforms.slice();
    numbers[pixel] = flippingNumber(image[pixel]);
    return { uniforms: numbers, image: net.draw({ uniforms: numbers }) };
  }

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

    // The image of a seed after flips of pixels, one after another, and its uniform numbers.
    // For gray images without labels.
    flipped({ seed, flips }) {
      const uniforms = answers.uniforms({ seed });
      const drawn = { uniforms, image: net.draw({ uniforms }) };
      return flips.reduce(flip, drawn);
    },

    // For each of `pixels`: the image after a flip there. The latest flip is drawn first,
    // so each drawing but the first begins at its flip, see `draw` in network.js.
    forks({ pixels, ...drawn }) {
      const order = [...pixels.keys()].sort((i, j) => pixels[j] - pixels[i]);
      const images = [];
      for (const i of order) images[i] = flip(drawn, pixels[i]).image;
      return images;
    },

    // Of a given image: the logits, (H, W, logits per pixel), the features of tensors,
    // (H, W, channels) each, and what each pixel costs.
    read({ image, label, tensors = [] }) {
      net.read(image, label);
      const pages = tensors.map((index) => net.page(net.tensors[index]));
      return { logits: net.page(net.output), pages, cost: net.cost.slice() };
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
  gone: "#2F8FCB",
  border: "#808080",
  tint: "rgb(0 114 178 / 0.4)", // seen, with the image behind it
};

const sum = (values) => values.reduce((a, b) => a + b, 0);

const placeOf = (pixel, width) =>
  `row ${Math.floor(pixel / width)}, column ${pixel % width}`;
const capital = (text) => text[0].toUpperCase() + text.slice(1);

// A whole number from an address, made one that the explorer can have.
const within = (value, least, most) =>
  Math.min(Math.max(Math.floor(value), least), most);

// The pixels in "404.501.", of which the last may be missing: null. An address may hold more
// than an image of `size` pixels has.
function pixelsIn(text, size) {
  const pixels = text.split(".").map((part) => (part === "" ? null : Number(part)));
  const fits = /^\d+(\.\d+)*\.?$/.test(text) && pixels.every((pixel) => pixel < size);
  return fits ? pixels : [null];
}

// An element with attributes and children. A function as attribute listens to an event.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children.map((child) => child.element ?? child));
  return element;
}

// A row of controls, which breaks on a narrow page.
const row = (...parts) => make("div", { class: "row" }, ...parts);

const button = (text, act) => make("button", { type: "button", click: act }, text);

// A new id for an element. JupyterLab loads this module again for each explorer, so a
// random number tells the copies apart.
const copy = Math.random().toString(36).slice(2);
let made = 0;
const newId = () => `pixelcnn-${copy}-${++made}`;

// A slider for the number own[key], which `show` writes beside it. A number from an address
// becomes one that the slider has. `act` is called after each move.
class Slider {
  constructor(name, own, key, { min = 0, max, step = 1, show = String, act }) {
    const id = newId();
    Object.assign(this, { own, key, show });
    this.text = make("output", { for: id, "aria-live": "off" }); // the slider says it
    const value = step === 1 ? Math.floor(own[key]) : own[key];
    const style = max > 300 ? "width: 440px" : null; // on a wide page
    this.input = make("input", { id, type: "range", style, min, max, step, value });
    this.input.addEventListener("input", () => {
      this.read();
      act();
    });
    this.element = make("span", { class: "control" }, make("label", { for: id }, name));
    this.element.append(this.input, this.text);
    this.read();
  }

  read() {
    this.own[this.key] = Number(this.input.value);
    this.tell();
  }

  set value(value) {
    this.input.value = value;
    this.read();
  }

  tell() {
    this.text.textContent = this.show(this.own[this.key]);
    this.input.setAttribute("aria-valuetext", this.text.textContent);
  }
}

function seedSlider(own, key, act, name = "seed") {
  return new Slider(name, own, key, { max: within(own[key], 99, 2 ** 32 - 1), act });
}

// A named group of buttons of which one is chosen: own[key]. options: [[text, value], …]. A
// value that is no option, from an address perhaps, becomes the first one.
class Choice {
  constructor(name, own, key, { options, act }) {
    const group = newId();
    if (!options.some(([, value]) => value === own[key])) own[key] = options[0][1];
    const buttons = options.flatMap(([text, value], i) => {
      const id = `${group}-${i}`;
      const input = make("input", { id, type: "radio", name: group });
      input.checked = value === own[key];
      input.addEventListener("change", () => {
        own[key] = value;
        act();
      });
      return [input, make("label", { for: id }, text)];
    });
    this.element = make("fieldset", { class: "choice" }, make("legend", {}, name));
    this.element.append(...buttons);
  }
}

function labelChoice(name, own, key, classes, act) {
  own[key] = within(own[key], 0, classes - 1);
  const options = Array.from({ length: classes }, (_, k) => [String(k), k]);
  return new Choice(name, own, key, { options, act });
}

// A sentence below or above a picture; screen readers announce its changes.
class Sentence {
  constructor(text = "", kind = "") {
    this.element = make("p", { class: `sentence ${kind}`, "aria-live": "polite" }, text);
  }

  set text(text) {
    if (this.element.textContent !== text) this.element.textContent = text;
  }
}

// The Python call that draws the same images; its text stands in the last child. It is
// hidden for a model that leaves its size open: these calls are for one size.
function pythonCall(graph) {
  const call = make("p", { class: "call" }, "The same in Python: ", make("code"));
  call.hidden = graph.is_open;
  return call;
}

// `flips`: pixels that were flipped one after another.
function flippedInPython(seed, flips, width) {
  const pairs = flips.map((pixel) => `(${Math.floor(pixel / width)}, ${pixel % width})`);
  return `widgets.fork.draw_flipped(model, ${seed}, [${pairs.join(", ")}])`;
}

// A canvas of a fixed size in pixels of the page, sharp on every screen. It shrinks on a
// narrow page. draw(page) gets the 2D context.
class Picture {
  constructor(width, height, about) {
    Object.assign(this, { width, height });
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
    page.font = "14px system-ui, sans-serif";
    page.textBaseline = "top";
    act(page);
  }
}

// Images side by side, each with a border and with room above it for a text.
class Images extends Picture {
  constructor(shape, scale, about, { count = 1, columns = 1, gap = 2, above = 0 } = {}) {
    const [height, width] = shape;
    const cell = [width * scale + gap, height * scale + gap + above];
    super(columns * cell[0], Math.ceil(count / columns) * cell[1], about);
    Object.assign(this, { shape, scale, columns, cell, above });
  }

  // Where a pixel of image i begins.
  place(pixel, i) {
    const { columns, cell, scale, shape } = this;
    const x = (i % columns) * cell[0] + 1 + (pixel % shape[1]) * scale;
    const y = Math.floor(i / columns) * cell[1] + 1 + Math.floor(pixel / shape[1]) * scale;
    return [x, y + this.above];
  }

  // Where a pointer is, [y, x] in pixels of the first image. The page may have shrunk or
  // zoomed the canvas.
  where({ offsetX, offsetY }) {
    const shown = this.element.clientWidth * (this.element.currentCSSZoom ?? 1);
    const scale = (this.scale * shown) / this.width;
    return [offsetY / scale, offsetX / scale].map((v) => v - 1 / this.scale);
  }

  // Which image is at a pointer.
  at(event) {
    const [y, x] = this.where(event).map((v) => v * this.scale);
    return Math.floor(y / this.cell[1]) * this.columns + Math.floor(x / this.cell[0]);
  }

  // Draw images: of each a function from a pixel's index to its color in CSS. over(page, i)
  // draws more.
  show(colors, over) {
    const [height, width] = this.shape.map((pixels) => pixels * this.scale);
    this.draw((page) => {
      colors.forEach((color, i) => {
        const [x, y] = this.place(0, i);
        for (let pixel = 0; pixel < this.shape[0] * this.shape[1]; pixel++) {
          this.fill(page, pixel, color(pixel), i);
        }
        page.strokeStyle = COLORS.border;
        page.lineWidth = 1;
        page.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
        over?.(page, i);
      });
    });
  }

  fill(page, pixel, color, i = 0) {
    page.fillStyle = color;
    page.fillRect(...this.place(pixel, i), this.scale, this.scale);
  }

  // Write a text above image i.
  title(page, text, i) {
    const [x, y] = this.place(0, i);
    page.fillStyle = "black";
    page.font = "12px system-ui, sans-serif";
    page.fillText(text, x + 1, y - this.above);
  }

  // A frame around a pixel, `around` pixels larger on each side.
  frame(page, pixel, color, { i = 0, around = 0 } = {}) {
    const [x, y] = this.place(pixel, i).map((v) => v - around * this.scale);
    const side = (1 + 2 * around) * this.scale;
    for (const [style, edge] of [["white", 2], [color, 0]]) { // to be seen on ink and on paper
      page.strokeStyle = style;
      page.lineWidth = Math.max(2, this.scale / 4) + edge;
      page.strokeRect(x, y, side, side);
    }
  }
}

// Images of about 84 pixels of the page each, side by side.
class SmallImages extends Images {
  constructor(shape, count, about, { columns = 4, above = 0 } = {}) {
    const scale = Math.max(1, Math.floor(84 / Math.max(shape[0], shape[1])));
    super(shape, scale, about, { count, columns, gap: 6, above });
  }
}

// The CSS color of a pixel: ink is black, unless the network has colors.
const colorOf = (image, channels) => (pixel) => {
  const byte = (k) => Math.round(255 * image[pixel * channels + k]);
  if (channels === 3) return `rgb(${byte(0)} ${byte(1)} ${byte(2)})`;
  const gray = 255 - byte(0);
  return `rgb(${gray} ${gray} ${gray})`;
};

// The color of a pixel of which only those before pixel `at` are known.
const upTo = (image, at) => (pixel) => {
  if (pixel >= at) return COLORS.notYet;
  return image[pixel] ? "black" : COLORS.paper;
};

// From 0 on, three to seven round numbers up to a last one.
function ticks(last) {
  const ten = 10 ** Math.floor(Math.log10(last || 1));
  const step = [ten / 5, ten / 2, ten, 2 * ten].find((own) => last / own < 7);
  const round = (value) => Number(value.toPrecision(6));
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, i) => round(i * step));
}

// Draw a horizontal axis from 0 to `last`. Returns where a value is on it.
function axis(page, { left, right, y, last, name }) {
  const x = (value) => left + ((right - left) * value) / last;
  page.fillStyle = "black";
  page.textAlign = "center";
  page.fillRect(left, y, right - left, 1);
  for (const value of ticks(last)) {
    page.fillRect(x(value), y, 1, 5);
    page.fillText(String(value), x(value), y + 8);
  }
  page.fillText(name, (left + right) / 2, y + 28);
  return x;
}

// Draw values as bars up or down from 0, at least up to `most`; few bars with their names
// and values. There is a point below bar number `marked`, which may be too small to be seen.
function drawBars(picture, values, { colors, names, note, most = 0, marked }) {
  const [top, bottom, step] = [20, picture.height - 46, picture.width / values.length];
  const [low, high] = [Math.min(0, ...values), Math.max(most, ...values)];
  const y = (value) => top + ((bottom - top) * (high - value)) / (high - low || 1);
  const wide = Math.max(1, Math.min(60, 0.8 * step));
  picture.draw((page) => {
    page.textAlign = "center";
    values.forEach((value, k) => {
      const middle = (k + 0.5) * step;
      page.fillStyle = colors(k);
      page.fillRect(middle - wide / 2, y(value), wide, y(0) - y(value));
      if (k === marked) page.fillRect(middle - 2, y(0) + 1, 4, 4);
      page.fillStyle = "black";
      if (values.length > 8) return;
      page.fillText(names(k), middle, bottom + 5);
      page.fillText(value.toPrecision(3), middle, y(Math.max(0, value)) - 17);
    });
    page.fillRect(0, y(0), picture.width, 1);
    page.fillText(note, picture.width / 2, bottom + 27);
  });
}

const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// An image to click (with `act`) or to draw on (with `drawn`): by mouse, finger or keys.
//
//   color(pixel)   the CSS color of a pixel
//   name(pixel)    what a pixel is, in a word
//   act(pixel)     after a click, or Space at the cursor
//   drawn()        after a stroke; pad.ink (H·W bytes, 0 or 1) is then the new drawing
class Pad {
  constructor(shape, { scale = 11, label, color, name, act, drawn, brush = 2.3 }) {
    [this.height, this.width] = shape;
    Object.assign(this, { color, name, act, drawn, brush });
    this.cursor = 0;
    this.pen = 1; // 0 erases
    this.ink = new Uint8Array(this.height * this.width);
    this.last = null; // where the pen was, [y, x] in pixels of the image
    this.picture = new Images(shape, scale, label);
    const canvas = this.picture.element;
    canvas.tabIndex = 0;
    canvas.className = "pad";
    canvas.setAttribute("role", "application"); // so a screen reader passes keys on
    canvas.style.touchAction = drawn ? "none" : "manipulation";
    canvas.style.cursor = drawn ? "crosshair" : "pointer";
    this.said = make("span", { class: "unseen", "aria-live": "polite" });
    this.element = make("div", { class: "grid" }, canvas, this.said);
    for (const name of ["pointerdown", "pointermove", "click", "keydown"]) {
      canvas.addEventListener(name, (event) => this[name](event));
    }
    if (drawn) canvas.addEventListener("lostpointercapture", () => this.endStroke());
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.draw());
  }

  draw() {
    const { picture } = this;
    const { scale } = picture;
    picture.show([this.color], (page) => {
      page.fillStyle = "rgb(128 128 128 / 0.25)"; // lines between the pixels
      for (let x = 1; x < this.width; x++) page.fillRect(x * scale, 0, 1, 1e4);
      for (let y = 1; y < this.height; y++) page.fillRect(0, y * scale, 1e4, 1);
      this.over?.(page);
      if (picture.element.matches(":focus")) picture.frame(page, this.cursor, COLORS.seen);
    });
  }

  moveTo(row, col) {
    const [y, x] = [within(row, 0, this.height - 1), within(col, 0, this.width - 1)];
    this.cursor = y * this.width + x;
    const name = this.name ? `: ${this.name(this.cursor)}` : "";
    this.said.textContent = placeOf(this.cursor, this.width) + name;
    this.draw();
  }

  choose() {
    this.said.textContent = ""; // what the pixel was
    this.act(this.cursor);
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
    this.moveTo(y, x);
  }

  endStroke() {
    this.last = null;
    this.drawn();
  }

  pointerdown(event) {
    if (!this.drawn || event.button !== 0 || !event.isPrimary) return;
    this.picture.element.setPointerCapture(event.pointerId);
    this.penTo(...this.picture.where(event));
  }

  pointermove(event) {
    if (this.drawn && this.picture.element.hasPointerCapture(event.pointerId)) {
      this.penTo(...this.picture.where(event));
    }
  }

  click(event) {
    if (this.drawn) return;
    this.moveTo(...this.picture.where(event));
    this.choose();
  }

  keydown(event) {
    const acts = event.key === " " || event.key === "Enter";
    const erases = this.drawn && (event.key === "Delete" || event.key === "Backspace");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!acts && !erases && !KEYS[event.key]) return;
    event.preventDefault(); // the page does not scroll
    if (acts && event.repeat) return;
    const [y, x] = [Math.floor(this.cursor / this.width), this.cursor % this.width];
    const [down, right] = KEYS[event.key] ?? [0, 0];
    if (acts && !this.drawn) {
      this.choose();
    } else if (acts || erases || (this.drawn && event.shiftKey)) {
      this.last = [y + 0.5, x + 0.5];
      this.penTo(y + down + 0.5, x + right + 0.5, erases ? 0 : this.pen);
      this.endStroke();
    } else {
      this.moveTo(y + down, x + right);
    }
  }
}
return { COLORS, sum, placeOf, capital, within, pixelsIn, make, row, button, Slider, seedSlider, Choice, labelChoice, Sentence, pythonCall, flippedInPython, Picture, Images, SmallImages, colorOf, upTo, ticks, axis, drawBars, Pad };
})();

const bits_js = (() => {
// An image read pixel by pixel, and the bits that each pixel costs.
//
// One pass of the network over an image gives the cost of all its pixels.

const { sigmoid } = likelihoods_js;
const { COLORS, Images, Picture, Sentence, Slider, axis, button, capital } = ui_js;
const { make, placeOf, row, ticks, upTo } = ui_js;

const DEAR = 1; // bits: the other value had a probability above 1/2
const MOST = 5; // bits, the end of the color scale
// The color map cividis, which readers of all kinds of color vision see alike.
const CIVIDIS = [
  ...[[0, 34, 78], [8, 51, 112], [53, 69, 108], [79, 87, 108], [102, 105, 112]],
  ...[[125, 124, 120], [148, 142, 119], [174, 163, 113], [200, 184, 102]],
  ...[[229, 207, 82], [254, 232, 56]],
];

function bits({ engine, graph, images, root, answer }) {
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
const { COLORS, Choice, Pad, Sentence, Slider, SmallImages } = ui_js;
const { button, make, row, seedSlider, sum } = ui_js;

const FUTURES = 16; // are shown, and so many are drawn at a time
const PARTICLES = [1, 16, 64, 256];
const NOT_GIVEN = { ink: "#bec5cc", paper: "#e5ebf2" };

function finish({ engine, graph, settings, images, root, answer, remember }) {
  const [height, width] = graph.image_shape;

  // "0.14": rows 0 to 13 are given, the top. "14.28": rows 14 to 27, the bottom.
  const ends = settings.given.split(".").map(Number);
  const own = { top: ends[0] === 0, edge: ends[0] || ends[1] }; // edge: where the bottom begins
  if (!(own.edge >= 1 && own.edge < height)) Object.assign(own, { top: true, edge: height >> 1 });
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
return { finish };
})();

const fork_js = (() => {
// Fork: flip one pixel of a drawn digit, and all later pixels are drawn again.
//
// Pixel k is ink if u_k < p(ink | pixels before k). A flip changes one uniform number, to 0
// or to almost 1. All others stay, so every later difference is caused by the flip.

const { softplus } = likelihoods_js;
const { COLORS, Images, Pad, Sentence, SmallImages, button, capital } = ui_js;
const { flippedInPython, pixelsIn, placeOf, pythonCall, row, seedSlider } = ui_js;

const [CANDIDATES, SHOWN] = [64, 16]; // flips that are compared, and shown
const LEAST = 0.05; // probability of a flip that is compared

function fork({ engine, graph, settings, root, answer, remember }) {
  const [height, width] = graph.image_shape;
  // "404.501": pixel 404 was flipped before, and the flip of 501 is on show. After "404."
  // the explorer chooses the flip itself.
  let flips = pixelsIn(settings.flip, height * width);
  const last = flips.pop();
  let next = last === null ? null : { pixel: last }; // the fork on show
  let state = null; // the digit: its numbers, its image, and what each flip costs
  let telling = []; // likely flips that change most

  const change = (before, fork) => {
    [flips, next] = [before, fork];
    settings.flip = [...flips, next?.pixel ?? ""].join(".");
    show();
  };
  const slider = seedSlider(settings, "seed", () => change([], null));
  const onward = button("keep this flip", () => {
    if (next?.image) change([...flips, next.pixel], null); // or it is not drawn yet
  });
  const pad = new Pad(graph.image_shape, {
    label: "The drawn digit. A click, or Space, chooses the pixel that is flipped on the right.",
    color: (pixel) => (state?.image[pixel] ? "black" : "white"),
    name: (pixel) => (state?.image[pixel] ? "ink" : "paper"),
    act: (pixel) => change(flips, { pixel }),
  });
  pad.over = (page) => telling.forEach(({ pixel }) => pad.picture.fill(page, pixel, COLORS.tint));
  const about = "The digit after the flip: ink of both gray, new ink red, lost ink blue";
  const picture = new Images(graph.image_shape, 11, about);
  const sentence = new Sentence();
  const others = new SmallImages(graph.image_shape, SHOWN, "Likely flips that change most", {
    columns: root.clientWidth < 500 ? 4 : 8,
    above: 16,
  });
  const key = new Sentence(
    "Click a pixel of the left picture, or go there with the arrow keys and press Space. The " +
      "right picture shows the digit after the flip of this pixel (at first, of the likeliest " +
      "flip). The button puts this digit into the left picture. The explorer compares the " +
      `likeliest flips (probability above 5 %, at most ${CANDIDATES}). The small pictures show ` +
      `those that change the most later pixels (at most ${SHOWN} flips, at least 3 pixels ` +
      "apart). The left picture marks their pixels in light blue. Above each small picture: how many " +
      "later pixels change, and the price in bits. Click one to see it large."
  );
  const call = pythonCall(graph);
  root.append(row(slider, onward), row(pad, picture), sentence.element, call);
  root.append(key.element, others.element);
  others.element.addEventListener("click", (event) => {
    const one = telling[others.at(event)];
    if (one) change(flips, { pixel: one.pixel });
  });

  // Draw the digit, unless it is there already; then the fork; then the other forks. If the
  // reader moves something meanwhile (`stale`), nothing of an old answer is kept.
  const show = answer(async (stale) => {
    const name = [settings.seed, ...flips].join();
    if (state?.name !== name) {
      const digit = await engine.ask("flipped", { seed: settings.seed, flips });
      const { logits } = await engine.ask("read", digit);
      if (stale()) return;
      [state, telling] = [{ name, ...digit, ...pricesOf(digit.image, logits) }, []];
    }
    const pixel = next?.pixel ?? state.cheapest;
    const [image] = await forksOf([pixel]);
    if (stale()) return;
    next = { pixel, image };
    draw();
    call.lastChild.textContent = flippedInPython(settings.seed, [...flips, pixel], width);
    remember();
    await compare(stale);
  });

  const forksOf = (pixels) =>
    engine.ask("forks", { uniforms: state.uniforms, image: state.image, pixels });

  // Of the likely flips, find those that change most, at least 3 pixels from each other.
  async function compare(stale) {
    if (telling.length) return;
    const { likely } = state;
    const images = [];
    while (images.length < likely.length) { // a few at a time: a move waits for them
      images.push(...(await forksOf(likely.slice(images.length, images.length + 8))));
      if (stale()) return;
    }
    const changed = images.map((image, i) => changesAfter(likely[i], image));
    for (const i of [...likely.keys()].sort((i, j) => changed[j] - changed[i])) {
      const near = ({ pixel }) => apart(pixel, likely[i]) < 3;
      if (telling.length === SHOWN || telling.some(near)) continue;
      telling.push({ pixel: likely[i], image: images[i], changed: changed[i] });
    }
    draw();
  }

  function apart(one, other) {
    const rows = Math.floor(one / width) - Math.floor(other / width);
    return Math.max(Math.abs(rows), Math.abs((one % width) - (other % width)));
  }

  const changesAfter = (pixel, image) =>
    image.filter((ink, i) => i > pixel && ink !== state.image[i]).length;

  const colorOf = (image) => (pixel) => {
    const [before, after] = [state.image[pixel], image[pixel]];
    if (before && after) return COLORS.ink;
    if (after) return COLORS.target;
    return before ? COLORS.gone : COLORS.paper;
  };

  function draw() {
    const price = (pixel) => `${state.bits[pixel].toFixed(1)} bits`;
    pad.draw();
    picture.show([colorOf(next.image)], (page) =>
      picture.frame(page, next.pixel, COLORS.seen)
    );
    sentence.text = told(price(next.pixel));
    const list = telling.map(
      ({ pixel, changed }) => `${placeOf(pixel, width)}: ${changed} pixels, ${price(pixel)}`
    );
    others.about = `Likely flips that change most: ${list.join("; ")}`;
    others.show(telling.map(({ image }) => colorOf(image)), (page, i) => {
      const { pixel, changed } = telling[i];
      others.title(page, `${changed}: ${price(pixel)}`, i);
      others.frame(page, pixel, COLORS.seen, { i, around: 1 });
    });
  }

  function told(price) {
    const { pixel, image } = next;
    const place = capital(placeOf(pixel, width));
    const [was, is] = state.image[pixel] ? ["ink", "paper"] : ["paper", "ink"];
    if (image[pixel] === state.image[pixel]) {
      return `${place} cannot be flipped: the network is certain of ${was}.`;
    }
    return (
      `${place} is flipped to ${is}. This costs ${price}: the network gave ${is} the ` +
      `probability ${(2 ** -state.bits[pixel]).toPrecision(3)}. ` +
      `${changesAfter(pixel, image)} of ${height * width - pixel - 1} later pixels change. ` +
      "On the right, dark gray is ink of both digits, red is new ink, and blue is lost ink. " +
      "The dark blue frame is the flipped pixel."
    );
  }

  show();
}

// What each flip costs: -log2 of the probability of the other value. And the pixels whose
// flip is likely, the cheapest first.
function pricesOf(image, logits) {
  const bits = image.map((ink, i) => softplus(ink ? logits[i] : -logits[i]) / Math.LN2);
  const order = [...bits.keys()].sort((i, j) => bits[i] - bits[j]);
  const likely = order.filter((i) => bits[i] <= -Math.log2(LEAST)).slice(0, CANDIDATES);
  return { bits, likely, cheapest: order[0] };
}
return { fork };
})();

const guess_js = (() => {
// Beat the network: you, the network and a coin bet on the same pixels of a real digit.
//
// All pay by one rule: -log2 of the probability that they gave to the true value.

const { sigmoid } = likelihoods_js;
const { COLORS, Images, Picture, Sentence, Slider, button } = ui_js;
const { drawBars, make, row, upTo } = ui_js;

const PLAYERS = { you: COLORS.seen, network: "#E69F00", coin: "#777777" };

function guess({ engine, graph, settings, images, root, answer }) {
  const own = { percent: 50 };
  let number = 0; // of the digit
  let game = null;

  const slider = new Slider("p(ink) in %", own, "percent", {
    min: 1,
    max: 99,
    act() {},
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
  const question = new Sentence("", "strong");
  const [said, costs, warning] = [new Sentence(), new Sentence(), new Sentence("", "warning")];
  const about = "The digit up to the next pixel; all later pixels are gray";
  const picture = new Images(graph.image_shape, 11, about);
  const bars = new Picture(300, 200, "");
  const beside = make("div", { class: "beside" }, said, costs, warning, bars);
  const buttons = [reveal, again, ...(images.length > 1 ? [other] : [])];
  root.append(question.element, row(slider), row(...buttons), row(picture, beside));

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
    const gave = ink ? own.percent / 100 : 1 - own.percent / 100; // to what it was
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
    const { places, asked, image, paid } = game;
    const over = asked === places.length;
    reveal.disabled = slider.input.disabled = over;
    slider.value = 50;
    question.text = over
      ? `All ${asked} answered: ${verdict()}.`
      : `Question ${asked + 1} of ${places.length}: is the framed pixel ink?`;
    picture.show([upTo(image, over ? image.length : places[asked])], (page) => {
      if (asked) picture.frame(page, places[asked - 1], COLORS.seen);
      if (!over) picture.frame(page, places[asked], COLORS.target);
    });
    const names = Object.keys(PLAYERS);
    const list = names.map((name) => `${name} ${paid[name].toFixed(1)}`);
    bars.about = `Bits paid so far: ${list.join(", ")}`;
    drawBars(bars, Object.values(paid), {
      names: (k) => names[k],
      colors: (k) => PLAYERS[names[k]],
      note: "bits paid so far (fewer is better)",
      most: places.length,
    });
  }

  function verdict() {
    const { you, network } = game.paid;
    if (you === network) return "a draw";
    return you < network ? "you beat the network" : "the network paid less";
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
const { COLORS, Choice, Images, Pad, Picture, Sentence, Slider } = ui_js;
const { colorOf, drawBars, labelChoice, make, placeOf, row, seedSlider, sum } = ui_js;

const MOST = 64; // channels on show
const LISTED = 8; // products in the table
const [POSITIVE, NEGATIVE] = [[230, 97, 0], [94, 60, 153]]; // orange, purple

function inside({ engine, graph, settings, root, answer, remember }) {
  const shape = graph.image_shape;
  const [height, width, channels] = shape;
  const { levels, tensors } = graph;
  const classes = graph.num_classes;
  const last = tensors[graph.output];
  const perValue = last.channels / channels; // logits
  const whole = ({ size }) => size[0] === height && size[1] === width;
  const layers = [...tensors.keys()].filter((i) => whole(tensors[i])); // those on show
  const place = (pixel) => placeOf(pixel, width);
  // A number that counts something, from a string of digits; else null.
  const counting = (text, many) =>
    text !== "" && Number.isInteger(Number(text)) && text < many ? Number(text) : null;
  settings.pixel = counting(settings.pixel, height * width); // null: the one that costs most
  settings.layer = counting(settings.layer, layers.length) ?? Math.max(0, layers.length - 2);
  const own = { channel: 0 }; // of the pixel: its color
  let state = null; // the image, its logits, and the features of the layer
  let kernel = null; // of the last layer

  const act = () => show();
  const controls = [seedSlider(settings, "look", act, "image (seed)")];
  if (classes) controls.push(labelChoice("class", settings, "lookclass", classes, act));
  const names = channels === 3 ? ["red", "green", "blue"] : [...Array(channels).keys()];
  if (channels > 1) {
    const options = names.map((name, k) => [String(name), k]);
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
return { inside };
})();

const morph_js = (() => {
// Digits between two labels: what a network draws if it is told a mixture of both.
//
// The slider moves the label vector from one label to the other. The uniform numbers stay,
// so the label causes every change.

const { sigmoid } = likelihoods_js;
const { Sentence, Slider, SmallImages, colorOf, labelChoice } = ui_js;
const { row, seedSlider, sum } = ui_js;

const COUNT = 8;

function morph({ engine, graph, settings, root, answer, remember }) {
  const classes = graph.num_classes;

  const act = () => show();
  const choices = ["from", "to"].map((end) => labelChoice(end, settings, end, classes, act));
  const share = { max: 1, step: 0.05, show: (value) => value.toFixed(2), act };
  const sliders = [
    new Slider("from → to", settings, "share", share),
    seedSlider(settings, "morph", act),
  ];
  const sentence = new Sentence();
  const grid = new SmallImages(graph.image_shape, COUNT, "Eight digits", {
    columns: root.clientWidth < 500 ? 4 : 8,
    above: 16,
  });
  const key = new Sentence(
    "The network gets the label as a vector, and the slider mixes two such vectors. Above " +
      "each digit: the label that the network itself gives it, of these two (Bayes' rule, " +
      "both labels equally probable at first)."
  );
  root.append(row(...choices), row(...sliders), sentence.element, grid.element, key.element);

  const show = answer(async () => {
    const now = { ...settings };
    const mixture = new Array(classes).fill(0);
    mixture[now.from] += 1 - now.share;
    mixture[now.to] += now.share;
    const drawn = await engine.draw({ seed: now.morph, count: COUNT, label: mixture });
    const colors = drawn.map(({ image }) => colorOf(image, 1));
    grid.show(colors, (page, i) => grid.title(page, "…", i)); // readings take longer
    const both = [now.from, now.to].flatMap((label) =>
      drawn.map(({ image }) => ({ image, label }))
    );
    const costs = (await engine.askAll("read", both)).map(({ cost }) => sum(cost));
    // log p(image | second label) - log p(image | first label)
    const posterior = drawn.map((_, i) => sigmoid(costs[i] - costs[COUNT + i]));
    const readings = posterior.map((p) => reading(p, now));
    grid.show(colors, (page, i) => grid.title(page, readings[i], i));
    grid.about = `Eight digits, read as ${readings.join(", ")}`;
    sentence.text = told(posterior, now);
    remember();
  });

  show();
}

// What a digit is read as: the likelier of the two labels, and how surely.
function reading(p, { from, to }) {
  const [label, sure] = p >= 0.5 ? [to, p] : [from, 1 - p];
  return `${label}: ${(100 * sure).toFixed(0)}%`;
}

function told(posterior, { from, to, share }) {
  if (from === to) return `Both labels are ${from}. Choose two different ones.`;
  const count = posterior.filter((p) => p >= 0.5).length;
  return (
    `Told ${(1 - share).toFixed(2)} of ${from} and ${share.toFixed(2)} of ${to}: ` +
    `${count} of ${COUNT} are read as ${to}.`
  );
}
return { morph };
})();

const stepper_js = (() => {
// The loop of drawing in single steps: the image so far, and the draw of the next pixel.
//
// One pass of the network over the finished image gives p(ink) of all its pixels, because
// p of a pixel depends on earlier pixels only. So no step needs the network.

const { sigmoid } = likelihoods_js;
const { COLORS, Images, Picture, Sentence, Slider, axis, button, make } = ui_js;
const { placeOf, row, seedSlider, sum, upTo } = ui_js;

const [LOW, HIGH] = [0.1, 0.9]; // a pixel is doubtful if p(ink) is between these

function stepper({ engine, graph, settings, root, answer, remember }) {
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
return { stepper };
})();

const temperature_js = (() => {
// Sixteen images of a seed at a temperature, and what they cost at temperature 1.

const { COLORS, Picture, Sentence, Slider, SmallImages } = ui_js;
const { axis, colorOf, labelChoice, pythonCall, row, seedSlider, sum } = ui_js;

const COUNT = 16;

function temperature({ engine, graph, settings, root, answer, remember }) {
  const channels = graph.image_shape[2];
  const classes = graph.num_classes;
  let last = 1; // nats at the end of the axis

  const act = () => show();
  const heat = { max: 2, step: 0.05, show: (value) => value.toFixed(2), act };
  const controls = [new Slider("temperature", settings, "temperature", heat)];
  controls.push(seedSlider(settings, "sixteen", act));
  if (classes) controls.push(labelChoice("class", settings, "label", classes, act));
  const sentence = new Sentence();
  const about = "Sixteen images drawn with these settings";
  const grid = new SmallImages(graph.image_shape, COUNT, about);
  const costs = new Picture(430, 300, "The cost of each of the images at temperature 1");
  const call = pythonCall(graph);
  root.append(row(...controls), sentence.element, row(grid, costs), call);

  const show = answer(async (stale) => {
    const { temperature, sixteen: seed, label } = settings;
    const drawn = await engine.draw({ seed, count: COUNT, temperature, label });
    if (stale()) return;
    const images = drawn.map(({ image }) => image);
    const nats = drawn.map(({ cost }) => sum(cost));
    grid.show(images.map((image) => colorOf(image, channels)));
    sentence.text = told(images, nats);
    const labels = classes ? `, labels=${label}` : "";
    const how = `seed=${seed}, temperature=${temperature}${labels}`;
    call.lastChild.textContent = `generation.generate(model, ${COUNT}, ${how})`;
    drawCosts(nats);
    remember();
  });

  function told(images, nats) {
    const { temperature } = settings;
    const drawn = `T = ${temperature.toFixed(2)}: `;
    const least = temperature ? "" : "Every pixel takes its most probable value. ";
    const cost = `Measured at temperature 1, they cost ${mean(nats).toFixed(0)} nats on average.`;
    if (graph.levels > 2 || channels > 1) return drawn + least + cost;
    return `${drawn}${(100 * mean(images.map(mean))).toFixed(1)} % ink. ${least}${cost}`;
  }

  // Each image as a dot at its nats, the first image at the top.
  function drawCosts(nats) {
    last = Math.max(last, 1.1 * Math.max(...nats));
    const [left, right, top, bottom] = [16, costs.width - 16, 12, costs.height - 46];
    const name = "nats per image at temperature 1; red: their mean";
    costs.draw((page) => {
      const x = axis(page, { left, right, y: bottom, last, name });
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

const mean = (values) => sum(values) / values.length;
return { temperature };
})();

const touch_js = (() => {
// A digit that draws itself, pixel by pixel. A touched pixel flips, and the rest is drawn
// again: with the same random numbers, but after another past.

const { COLORS, Pad, Sentence, button, capital, flippedInPython } = ui_js;
const { pixelsIn, placeOf, pythonCall, row, upTo, within } = ui_js;

const SECONDS = 2; // for a whole digit

function touch({ engine, graph, settings, root, answer, remember }) {
  const [height, width] = graph.image_shape;
  const size = height * width;
  settings.touch = within(settings.touch, 0, 2 ** 32 - 1);
  let flips = pixelsIn(settings.touched, size).filter((pixel) => pixel !== null);
  let image = null;
  let drawn = 0; // pixels on show; the network has drawn all of them already

  const change = (seed, touched, from) => {
    [settings.touch, settings.touched] = [seed, touched.join(".")];
    [flips, drawn] = [touched, Math.min(drawn, from)];
    show();
  };
  const pad = new Pad(graph.image_shape, {
    scale: 12,
    label: "A digit that draws itself. A click, or Space, flips a pixel.",
    color: (pixel) => upTo(image, image ? drawn : 0)(pixel),
    name: (pixel) => (pixel >= drawn ? "not drawn yet" : image?.[pixel] ? "ink" : "paper"),
    act: (pixel) => image && change(settings.touch, [...flips, pixel], pixel),
  });
  pad.over = (page) => drawn < size && pad.picture.frame(page, drawn, COLORS.target);
  const sentence = new Sentence();
  const another = button("another digit", () =>
    change((settings.touch + 1) % 2 ** 32, [], 0) // after the largest seed comes 0
  );
  const call = pythonCall(graph);
  root.append(sentence.element, row(pad), row(another), call);

  const show = answer(async (stale) => {
    const digit = await engine.ask("flipped", { seed: settings.touch, flips });
    if (stale()) return;
    image = digit.image;
    remember();
    sentence.text = told();
    call.lastChild.textContent = flippedInPython(settings.touch, flips, width);
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
    const later =
      pixel + 1 < size
        ? `The ${size - pixel - 1} later pixels are drawn again with the same random numbers.`
        : "No pixel comes later.";
    const value = image[pixel] ? "ink" : "paper";
    return `${capital(placeOf(pixel, width))} is now ${value}. ${later}`;
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

const EXPLORERS = { bits, finish, fork, guess, inside, morph, stepper, temperature, touch };

// model.get(…) knows:
//   explorer   one of the names above
//   settings   what the reader may change, at first
//   graph, weights   the network, as `pixelcnn_edu.export.network` writes it
//   images     images that the explorer shows, a byte for the level of each value
// and model.remember(settings), if it exists, keeps what the reader has changed.
//
// An explorer changes its own copy of the settings, and calls `remember` when they are on
// show. Until the reader does something, nothing is kept.
function render({ model, el }) {
  // JupyterLab would take arrow keys and letters for its own commands.
  const own = { class: "pixelcnn waiting", "data-lm-suppress-shortcuts": "true" };
  const root = make("div", own);
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
  let moved = false;
  for (const name of ["input", "keydown", "pointerdown", "click"]) {
    root.addEventListener(name, () => (moved = true), { capture: true });
  }
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
    const [graph, settings] = [model.get("graph"), { ...model.get("settings") }];
    const weights = new Float32Array(bytesOf(model.get("weights")).buffer);
    engine = new Engine(graph, weights);
    EXPLORERS[model.get("explorer")]({
      engine,
      graph,
      settings,
      images: imagesOf(graph, bytesOf(model.get("images"))),
      root,
      answer: (act) => latest((stale) => whileBusy(() => act(stale)), failed),
      remember: () => moved && model.remember?.(settings),
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
