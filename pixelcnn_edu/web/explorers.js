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
      const own = logits.subarray(at, at + levels);
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
// float32 below 1. (If p(ink) is exactly 0 or 1, no number does.)
const flippingNumber = (ink) => (ink ? 1 - 2 ** -24 : 0);

function softmax(logits, at, levels, temperature) {
  const own = Array.from(logits.subarray(at, at + levels));
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

  // The weights of the label. `net.label` holds a share for each label: for one label
  // alone a 1 and zeros.
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

  // The weights of a label as a map: one vector for each pixel.
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

// What only some layers have, see export.py.
const NOTHING = {
  ...{ taps: null, bias: null, weight: null, weights: null },
  ...{ activation: null, colors: null, levels: null },
};

class Network {
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
    this.tensors = [];
    let end = weights.length;
    for (const entry of graph.tensors) {
      const [height, width] = entry.size; // 1 where one vector stands for all pixels
      // Objects with the same properties in the same order are the fastest to read.
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
    this.perRow = this.tensors.filter((t) => t.when === PER_ROW);
    this.perPixel = this.tensors.filter((t) => t.when === PER_PIXEL && t.layer in LAYERS);
    this.last = null; // what the last drawing was made of, if the pages hold its features
    this.labelIsKnown = false;
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

  // Compute all features of an image: the logits are then in the page of `output`, and the
  // cost of each pixel in `cost`.
  read(image, label = 0) {
    if (this.classes) this.setLabel(label);
    const drawn = this.page(this.image);
    if (image.some((value, i) => value !== drawn[i])) this.last = null;
    if (this.last) return; // this image was just drawn: all features are there
    this.floats.set(image, this.image.page);
    for (let row = 0; row < this.height; row++) {
      this.beginRow(row);
      for (let col = 0; col < this.width; col++) {
        this.computePixel(row, col);
        this.noteCost(row, col);
      }
    }
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
  // If only some uniform numbers differ from those of the last call, all pixels before the
  // first of them are in the pages already.
  draw({ uniforms, known = null, given, temperature = 1, label = 0 }) {
    if (this.classes) this.setLabel(label);
    const { width, channels, floats, image } = this;
    const first = known ? 0 : this.firstNew(uniforms, temperature);
    this.last = known ? null : { uniforms: uniforms.slice(), temperature };
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
    return this.page(image);
  }

  // The first pixel whose uniform numbers are not those of the last call.
  firstNew(uniforms, temperature) {
    if (this.last?.temperature !== temperature) return 0;
    const value = uniforms.findIndex((u, i) => u !== this.last.uniforms[i]);
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
return { Network };
})();

const random_js = (() => {
// NumPy's random numbers: a seed gives the same numbers here as in Python.
//
// `generate(model, count, seed=seed)` gives each image a generator of its own:
// np.random.default_rng(np.random.SeedSequence(seed).spawn(count)[i]). So image i of a seed
// is the same for every count. Two algorithms are needed, both by Melissa O'Neill:
// SeedSequence spreads a seed over 256 bits, and PCG64 (pcg-random.org, variant XSL RR
// 128/64) makes numbers of them. The constants are NumPy's (numpy/random, BSD license).

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

// Eight words of SeedSequence(seed, spawn_key=[child]).
function seedWords(seed, child) {
  const words = wordsOf(seed);
  while (words.length < POOL) words.push(0);
  words.push(...wordsOf(child));
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

// PCG64 with the state that NumPy makes from a seed.
class Generator {
  constructor(seed, child) {
    const w = seedWords(seed, child).map(BigInt);
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
  const generator = new Generator(seed, child);
  const numbers = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    const bits = generator.next();
    numbers[i] = Number((bits & 0xffffffffn) >> 8n) / 2 ** 24;
    if (i + 1 < size) numbers[i + 1] = Number(bits >> 40n) / 2 ** 24;
  }
  return numbers;
}
return { seedWords, uniformNumbers };
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
    // drawn first, so each drawing begins at its flip, see `draw` in network.js.
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

const engine_js = (() => {
// A network in a Worker, so that the page stays alive while it computes.
//
// `makeAnswers` is a function that tools/web.py makes: it holds all modules of the network
// and returns `answersOf`. Its own text is the program of the Worker.

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
    if (!inPage && typeof Worker !== "undefined") {
      const program = new Blob([`${makeAnswers}${IN_WORKER}`], { type: "text/javascript" });
      this.url = URL.createObjectURL(program);
      this.worker = new Worker(this.url);
      this.worker.onmessage = ({ data }) => this.answered(data);
      this.worker.onerror = () => this.withoutWorker();
      this.ask("start", this.network);
    } else {
      this.withoutWorker();
    }
  }

  // Ask for one of the answers in answers.js; a promise.
  ask(name, args = {}) {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      const question = { id, name, args };
      this.waiting.set(id, { resolve, reject, question });
      if (this.worker) this.worker.postMessage(question);
      else setTimeout(() => this.answerHere(question));
    });
  }

  // Ask for one of the images of a seed after another, in two Workers if there are any.
  async draw({ count, ...args }) {
    const all = [...Array(count).keys()];
    if (!this.worker || count < 4) return this.ask("draw", { ...args, children: all });
    const [graph, weights, plain] = this.network;
    this.second ??= new Engine(graph, weights, { plain });
    const half = count >> 1;
    const [own, other] = await Promise.all([
      this.ask("draw", { ...args, children: all.slice(0, half) }),
      this.second.ask("draw", { ...args, children: all.slice(half) }),
    ]);
    return [...own, ...other];
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
    this.answers = makeAnswers()(...this.network);
    for (const { question } of this.waiting.values()) this.answerHere(question);
  }

  answerHere({ id, name, args }) {
    if (!this.waiting.has(id)) return;
    try {
      const result = name === "start" ? null : this.answers[name](args);
      this.answered({ id, result });
    } catch (error) {
      this.answered({ id, error: error.message });
    }
  }

  stop() {
    this.second?.stop();
    this.worker?.terminate();
    if (this.url) URL.revokeObjectURL(this.url);
  }
}

// Returns a function that runs `act` now, or, while an earlier run goes on, once after it:
// of many quick moves only the last one is answered. `act` gets a function that says whether
// a newer move waits. An error goes to `failed`.
function latest(act, failed) {
  let running = false;
  let again = false;
  return async function run() {
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        await act(() => again);
      }
    } catch (error) {
      failed(error);
    } finally {
      running = false;
    }
  };
}
return { Engine, latest };
})();

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
      const own = logits.subarray(at, at + levels);
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
// float32 below 1. (If p(ink) is exactly 0 or 1, no number does.)
const flippingNumber = (ink) => (ink ? 1 - 2 ** -24 : 0);

function softmax(logits, at, levels, temperature) {
  const own = Array.from(logits.subarray(at, at + levels));
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

// An id that is new in the page. JupyterLab loads these modules again for each explorer, so
// the count is the page's.
function newId() {
  globalThis.pixelcnnIds = (globalThis.pixelcnnIds ?? 0) + 1;
  return `pixelcnn-${globalThis.pixelcnnIds}`;
}

// A named slider with its value beside it. `show` makes a text of the value.
class Slider {
  constructor(name, { min, max, step = 1, value, show = String, act }) {
    const id = newId();
    this.show = show;
    this.text = make("output", { for: id });
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

// A named group of buttons of which one is chosen. options: [[text, value], …].
class Choice {
  constructor(name, { options, value, act }) {
    const group = newId();
    this.inputs = options.map(([text, own], i) => {
      const id = `${group}-${i}`;
      const input = make("input", { id, type: "radio", name: group });
      input.checked = own === value;
      input.addEventListener("change", () => act(own));
      return { own, input, label: make("label", { for: id }, text) };
    });
    const buttons = this.inputs.flatMap(({ input, label }) => [input, label]);
    this.element = make("fieldset", { class: "choice" }, make("legend", {}, name));
    this.element.append(...buttons);
  }

  get value() {
    return this.inputs.find(({ input }) => input.checked).own;
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

// A frame around a pixel, `around` pixels larger on each side.
function frame(page, shape, pixel, color, x, y, scale, around = 0) {
  const [row, col] = [Math.floor(pixel / shape[1]), pixel % shape[1]];
  page.strokeStyle = color;
  page.lineWidth = Math.max(2, scale / 4);
  const side = (1 + 2 * around) * scale;
  page.strokeRect(x + (col - around) * scale, y + (row - around) * scale, side, side);
}

const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const clamp = (x, most) => Math.max(0, Math.min(most - 1, x));

// An image to click (with `act`) or to draw on (with `drawn`): by mouse, finger or keys.
//
//   color(pixel)   the CSS color of a pixel
//   act(pixel)     after a click, or Space at the cursor
//   drawn(ink)     after a stroke; `ink` (H·W bytes, 0 or 1) is then the new drawing
class Pad {
  constructor(shape, { scale = 11, label, color, act, drawn, brush = 2.3 }) {
    [this.height, this.width] = shape;
    Object.assign(this, { shape, scale, color, act, drawn, brush });
    this.cursor = 0;
    this.pen = 1; // 0 erases
    this.ink = new Uint8Array(this.height * this.width);
    this.last = null; // where the pen was, [y, x] in pixels of the image
    this.picture = new Picture(this.width * scale + 1, this.height * scale + 1, label);
    const canvas = this.picture.element;
    canvas.tabIndex = 0;
    canvas.className = "pad";
    canvas.setAttribute("role", "application"); // so a screen reader passes keys on
    canvas.setAttribute("data-lm-suppress-shortcuts", "true"); // and so does JupyterLab
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
  }

  draw() {
    const { scale, shape } = this;
    this.picture.draw((page) => {
      paint(page, shape, this.color, 0, 0, scale);
      page.fillStyle = "rgb(128 128 128 / 0.25)"; // lines between the pixels
      for (let x = 0; x <= this.width; x++) page.fillRect(x * scale, 0, 1, 1e4);
      for (let y = 0; y <= this.height; y++) page.fillRect(0, y * scale, 1e4, 1);
      this.over?.(page);
      // white and blue, to be seen on ink and on paper
      frame(page, shape, this.cursor, "white", 0.5, 0.5, scale, 0.15);
      frame(page, shape, this.cursor, COLORS.seen, 0.5, 0.5, scale, 0);
    });
  }

  get place() {
    return [Math.floor(this.cursor / this.width), this.cursor % this.width];
  }

  moveTo(row, col) {
    this.cursor = clamp(row, this.height) * this.width + clamp(col, this.width);
    const [r, c] = this.place;
    this.said.textContent = `row ${r}, column ${c}`;
    this.draw();
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
    this.act(this.cursor);
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
      if (acts) this.act(this.cursor);
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
return { COLORS, make, Slider, Choice, button, row, Sentence, Picture, colorOf, paint, frame, Pad };
})();

const fork_js = (() => {
// Fork: flip one pixel of a drawn digit, and all later pixels are drawn again.
//
// Pixel k is ink if u_k < p(ink | pixels before k). A flip changes one uniform number, to 0
// or to almost 1. All others stay, so every later difference is caused by the flip.

const { flippingNumber, softplus } = likelihoods_js;
const { COLORS, Pad, Picture, Sentence, Slider, button, frame, paint, row } = ui_js;

const [CANDIDATES, SHOWN, TOGETHER] = [128, 16, 8]; // compared, shown, drawn at a time
const [SCALE, SMALL, GAP] = [11, 3, 10]; // pixels of the page
const LEAST = 0.05; // probability of a flip that is compared

function fork({ engine, graph, settings, root, answer, remember }) {
  const [height, width] = graph.image_shape;
  const shape = [height, width];
  let { seed } = settings;
  // "404.501": pixel 404 was flipped before, and the flip of 501 is on show. After "404."
  // the explorer chooses the flip itself.
  const pixels = settings.flip.split(".");
  const last = pixels.pop();
  let flips = pixels.map(Number);
  let next = last ? { pixel: Number(last) } : null; // the fork on show
  if ([...flips, next?.pixel ?? 0].some((pixel) => pixel >= height * width)) {
    [flips, next] = [[], null];
  }
  let state = null; // the digit: its numbers, its image, and what each flip costs
  let moved = false; // whether the reader has done something
  let telling = []; // the flips that change most

  const slider = new Slider("digit (seed)", {
    min: 0,
    max: Math.max(99, seed),
    value: seed,
    act(value) {
      [seed, flips, next, moved] = [value, [], null, true];
      show();
    },
  });
  const onward = button("go on from this fork", () => {
    [flips, next, moved] = [[...flips, next.pixel], null, true];
    show();
  });
  const pad = new Pad(shape, {
    scale: SCALE,
    label: "The drawn digit. A click, or Space, flips a pixel.",
    color: (pixel) => (state?.image[pixel] ? "black" : "white"),
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
  const [columns, cell] = [8, SMALL * width + GAP];
  const high = SMALL * height + GAP + 16;
  const others = new Picture(columns * cell, 2 * high, "The flips that change most");
  const key = new Sentence();
  key.text =
    "Click a pixel, or go there with the arrow keys and press Space. Below: the flips that " +
    "change most (blue on the digit), the pixels that each changes, and its price in bits.";
  root.append(row(slider, onward), row(pad, picture.element));
  root.append(sentence.element, others.element, key.element);

  // Draw the digit, unless it is there already; then the fork; then the other forks.
  const show = answer(async (stale) => {
    await takeDigit();
    next ??= { pixel: cheapest(state.bits), automatic: true };
    if (!next.image) [next.image] = await forksOf([next.pixel]);
    draw();
    const shown = next.automatic ? "" : next.pixel;
    if (moved) remember({ seed, flip: [...flips, shown].join(".") });
    if (!state.compared) await compare(stale);
  });

  async function takeDigit() {
    const name = [seed, ...flips].join();
    if (state?.name === name) return;
    const uniforms = await engine.ask("uniforms", { seed });
    let { image } = await engine.ask("drawFrom", { uniforms });
    for (const pixel of flips) {
      uniforms[pixel] = flippingNumber(image[pixel]);
      ({ image } = await engine.ask("drawFrom", { uniforms }));
    }
    const { logits } = await engine.ask("read", { image });
    state = { name, uniforms, image, bits: image.map((ink, i) => flipBits(logits[i], ink)) };
    telling = [];
  }

  const forksOf = (pixels) =>
    engine.ask("forks", { uniforms: state.uniforms, image: state.image, pixels });

  // Of the likely flips, find those that change most, at least 3 pixels from each other.
  async function compare(stale) {
    const { bits } = state;
    const likely = Array.from(bits.keys()).filter((i) => bits[i] <= -Math.log2(LEAST));
    likely.sort((i, j) => bits[i] - bits[j]);
    const pixels = likely.slice(0, CANDIDATES);
    const found = [];
    for (let at = 0; at < pixels.length; at += TOGETHER) {
      const part = pixels.slice(at, at + TOGETHER);
      const images = await forksOf(part);
      if (stale()) return;
      part.forEach((pixel, i) => {
        found.push({ pixel, image: images[i], changed: changesAfter(pixel, images[i]) });
      });
    }
    found.sort((a, b) => b.changed - a.changed);
    telling = [];
    for (const one of found) {
      if (telling.length < SHOWN && telling.every((other) => apart(one, other) >= 3)) {
        telling.push(one);
      }
    }
    state.compared = true;
    if (next.automatic && telling.length) next = { ...telling[0], automatic: true };
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
      `Row ${r}, column ${c} is flipped to ${is}: ${bits.toFixed(1)} bits (p = ${p}). ` +
      `${changed} of ${later} later pixels change. Gray: ink in both. Red: new ink. ` +
      "Pale red: ink that is gone."
    );
  }

  show();
}

const cheapest = (bits) => bits.indexOf(Math.min(...bits));

// -log2 of the probability of the other value of a pixel.
const flipBits = (logit, ink) => softplus(ink ? logit : -logit) / Math.LN2;
return { fork };
})();

const inside_js = (() => {
// Inside: what a pixel's logit depends on, the features of every layer, and the products of
// the last kernel that sum to the logit.

const { LIKELIHOODS } = likelihoods_js;
const { COLORS, Choice, Pad, Picture, Sentence, Slider } = ui_js;
const { colorOf, frame, make, paint, row } = ui_js;

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
  const within = (value, many) =>
    value !== "" && Number.isInteger(Number(value)) && value < many ? Number(value) : null;
  const chosen = {
    look: Math.floor(settings.look),
    label: within(settings.lookclass, graph.num_classes) ?? 0,
    pixel: within(settings.pixel, height * width), // null: the one that costs most
    layer: within(settings.layer, layers.length) ?? Math.max(0, layers.length - 2),
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
    "it. Blue: its receptive field. No other pixel can change what the network says of it.";

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
    "Left, blue: the pixels of the layer that lead to the logits. Right: the features of " +
    "the pixel. Below: each channel for the whole image; orange is above 0, purple below.";
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

const temperature_js = (() => {
// Sixteen images of a seed at a temperature, and what they cost at temperature 1.

const { COLORS, Choice, Picture, Sentence, Slider, colorOf, paint, row } = ui_js;

const [COUNT, COLUMNS, SAMPLE] = [16, 4, 64]; // SAMPLE images tell the usual cost
const GAP = 6;

function temperature({ engine, graph, settings, root, answer, remember }) {
  const [height, width, channels] = graph.image_shape;
  const shape = [height, width];
  const scale = Math.max(1, Math.floor(84 / Math.max(height, width)));
  const cell = [width * scale + GAP, height * scale + GAP];
  let { temperature, sixteen: seed, label } = settings;
  const usual = {}; // mean nats at temperature 1, by label
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
  root.append(row(...controls), sentence.element, row(grid.element, costs.element));

  const show = answer(async (stale) => {
    const drawn = await engine.draw({ seed, count: COUNT, temperature, label });
    const images = drawn.map(({ image }) => image);
    const nats = drawn.map(({ cost }) => sum(cost));
    drawGrid(images);
    sentence.text = told(images, nats);
    if (asked) remember({ temperature, sixteen: seed, label });
    drawCosts(nats);
    if (label in usual || stale()) return;
    usual[label] = await usualNats(stale);
    drawCosts(nats);
  });

  // The mean cost of images drawn at temperature 1, a few at a time.
  async function usualNats(stale) {
    const all = [];
    for (let own = 0; all.length < SAMPLE; own++) {
      const drawn = await engine.draw({ seed: own, count: COUNT, label });
      all.push(...drawn.map(({ cost }) => sum(cost)));
      if (stale()) return undefined;
    }
    return mean(all);
  }

  function told(images, nats) {
    const drawn = `T = ${temperature.toFixed(2)}: `;
    const cost = `${mean(nats).toFixed(0)} nats per image at temperature 1.`;
    if (graph.levels > 2 || channels > 1) return drawn + cost;
    const ink = 100 * mean(images.map(mean));
    return `${drawn}${ink.toFixed(1)} % ink, ${cost}`;
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
    const known = usual[label];
    const most = Math.max(4 * (known ?? 0), 1.1 * Math.max(...nats));
    const [left, right, top, bottom] = [16, costs.width - 16, 32, costs.height - 46];
    const x = (value) => left + ((right - left) * value) / most;
    costs.draw((page) => {
      page.fillStyle = "black";
      page.fillRect(left, bottom, right - left, 1);
      const step = 10 ** Math.floor(Math.log10(most)) / (most < 3e2 ? 2 : 1);
      page.textAlign = "center";
      for (let value = 0; value <= most; value += step) {
        page.fillRect(x(value), bottom, 1, 5);
        page.fillText(String(value), x(value), bottom + 8);
      }
      page.fillText("nats per image; red: their mean", (left + right) / 2, bottom + 28);
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

const main_js = (() => {
// What JupyterLab calls to show an explorer (anywidget), and a page from `export` too.

const { Engine, latest } = engine_js;
const { fork } = fork_js;
const { inside } = inside_js;
const { temperature } = temperature_js;
const { make } = ui_js;

const EXPLORERS = { fork, inside, temperature };

// model.get(…) knows:
//   explorer   one of the names above
//   settings   what the reader may change, at first
//   graph, weights   the network, as `pixelcnn_edu.export.network` writes it, or {} and none
//   images     images that the explorer shows, a byte for the level of each value
// and model.remember(settings), if it exists, keeps what the reader has changed.
function render({ model, el }) {
  const root = make("div", { class: "pixelcnn" });
  el.append(root);
  const graph = model.get("graph");
  const weights = new Float32Array(bytesOf(model.get("weights")).buffer);
  const engine = graph.tensors ? new Engine(graph, weights) : null;
  const failed = (error) => {
    const text = `This explorer has stopped: ${error.message}`;
    root.append(make("p", { class: "failed", role: "alert" }, text));
    console.error(error);
  };
  const context = {
    engine,
    graph,
    settings: model.get("settings"),
    images: imagesOf(graph, bytesOf(model.get("images"))),
    root,
    answer: (act) => latest(act, failed),
    remember: (settings) => model.remember?.(settings),
  };
  try {
    EXPLORERS[model.get("explorer")](context);
  } catch (error) {
    failed(error);
  }
  return () => engine?.stop();
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
