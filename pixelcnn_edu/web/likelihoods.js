// What the logits of a value mean: probabilities of its levels, and draws.
//
// The same as likelihoods.py. `logits` and `at` say where the logits of one value begin.

export const sigmoid = (x) => 1 / (1 + Math.exp(-x));

export const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

export const LIKELIHOODS = {
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
// float32 below 1. (It fails where the network is certain: p(ink) is 0, or almost 1.)
export const flippingNumber = (ink) => (ink ? 1 - 2 ** -24 : 0);

function softmax(logits, at, levels, temperature) {
  const own = Array.from(logits.subarray(at, at + levels));
  const largest = Math.max(...own);
  const parts = own.map((logit) => Math.exp((logit - largest) / temperature));
  const sum = parts.reduce((a, b) => a + b);
  return parts.map((part) => part / sum);
}
