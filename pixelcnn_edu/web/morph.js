// Digits between two labels: what a network draws if it is told a mixture of both.
//
// The slider moves the label vector from one label to the other. The uniform numbers stay,
// so the label causes every change.

import { sigmoid } from "./likelihoods.js";
import { Choice, MOST_SEED, Picture, Sentence, Slider } from "./ui.js";
import { colorOf, make, paint, row, within } from "./ui.js";

const COUNT = 8;

export function morph({ engine, graph, settings, root, answer, remember }) {
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
