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
export function seedWords(seed, key) {
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
export function uniformNumbers(seed, child, size) {
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
export function doubleNumbers(seed, key, count) {
  const generator = new Generator(seed, key);
  return Array.from({ length: count }, () => Number(generator.next() >> 11n) / 2 ** 53);
}
