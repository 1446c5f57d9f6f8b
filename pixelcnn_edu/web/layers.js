// The layers of the networks, each as a function that computes the features of one pixel.
//
// All numbers lie in one long array, `net.floats`: the weights, and a page of features for
// each tensor of the network, in the order row, column, channel. `net.place(tensor, row,
// col)` is where the features of a pixel begin. Each function here reads the pages of the
// tensor's sources and writes the features of the pixel (row, col) into the tensor's page.

import { sigmoid, softplus } from "./likelihoods.js";

// The error function, up to 2e-7 (Abramowitz and Stegun, formula 7.1.26).
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const powers = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];
  const sum = powers.reduceRight((rest, factor) => (rest + factor) * t, 0);
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}

// Keras's activations, by their names in Keras.
export const ACTIVATIONS = {
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  leaky_relu: (x) => (x > 0 ? x : 0.2 * x),
  sigmoid,
  silu: (x) => x * sigmoid(x),
  softplus,
  tanh: Math.tanh,
};

export const LAYERS = {
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
