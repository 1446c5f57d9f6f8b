// Digits between two labels: what a network draws if it is told a mixture of both.
//
// The slider moves the label vector from one label to the other. The uniform numbers stay,
// so the label causes every change.

import { sigmoid } from "./likelihoods.js";
import { Sentence, Slider, SmallImages, colorOf, labelChoice } from "./ui.js";
import { row, seedSlider, sum } from "./ui.js";

const COUNT = 8;

export function morph({ engine, graph, settings, root, answer, remember }) {
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
