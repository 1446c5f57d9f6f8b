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

    logits: ({ image, label }) => net.logits(image, label),

    nats: ({ images, label }) => images.map((image) => net.nats(image, label)),

    // Images: of a seed, the first `count`; or one of given uniform numbers.
    draw({ seed, count = 1, uniforms, ...options }) {
      if (uniforms) return [net.draw({ uniforms, ...options })];
      return Array.from({ length: count }, (_, child) =>
        net.draw({ uniforms: answers.uniforms({ seed, child }), ...options })
      );
    },

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

    // Completions by clamping, and of each the nats of the given pixels after its past.
    complete({ seed, count, given, known, label }) {
      const images = answers.draw({ seed, count, given, known, label });
      const nats = images.map((image) => {
        const logits = net.logits(image, label);
        let sum = 0;
        known.forEach((is, pixel) => {
          if (is) sum -= Math.log(net.probabilities(logits, pixel)[image[pixel]]);
        });
        return sum;
      });
      return { images, nats };
    },

    // The features of a tensor for the image of the last answer, (H, W, channels).
    features: ({ tensor }) => net.page(net.tensors[tensor]),
  };
  return answers;
}
