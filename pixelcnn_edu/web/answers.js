// What a page asks a network, and the answers. They run in a Worker if there is one.

import { flippingNumber } from "./likelihoods.js";
import { Network } from "./network.js";
import { uniformNumbers } from "./random.js";

// graph, weights: as for `Network`. All images and numbers are flat Float32Arrays.
export function answersOf(graph, weights, plain) {
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
