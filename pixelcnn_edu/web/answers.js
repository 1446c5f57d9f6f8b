// What a page asks a network, and the answers. They run in a Worker if there is one.

import { flippingNumber } from "./likelihoods.js";
import { Network } from "./network.js";
import { uniformNumbers } from "./random.js";

// graph, weights: as for `Network`. All images and numbers are flat Float32Arrays.
export function answersOf(graph, weights) {
  const net = new Network(graph, weights);
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
