// Sixteen images of a seed at a temperature, and what they cost at temperature 1.

import { COLORS, Choice, MOST_SEED, Picture, PythonCall, Sentence, Slider } from "./ui.js";
import { colorOf, paint, row, ticks, within } from "./ui.js";

const [COUNT, COLUMNS] = [16, 4];
const [SAMPLE, AT_ONCE] = [64, 4]; // so many images tell the usual cost, 4 at a time
const GAP = 6;

export function temperature({ engine, graph, settings, root, answer, remember }) {
  const [height, width, channels] = graph.image_shape;
  const shape = [height, width];
  const scale = Math.max(1, Math.floor(84 / Math.max(height, width)));
  const cell = [width * scale + GAP, height * scale + GAP];
  let temperature = within(settings.temperature, 0, 2, 0.05);
  let seed = within(settings.sixteen, 0, MOST_SEED);
  let label = within(settings.label, 0, (graph.num_classes ?? 1) - 1);
  const sampled = {}; // nats of images drawn at temperature 1, by label
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
  const call = new PythonCall();
  root.append(row(...controls), sentence.element, row(grid.element, costs.element));
  root.append(call.element);

  const show = answer(async (stale) => {
    const drawn = await engine.draw({ seed, count: COUNT, temperature, label });
    if (stale()) return;
    const images = drawn.map(({ image }) => image);
    const nats = drawn.map(({ cost }) => sum(cost));
    drawGrid(images);
    sentence.text = told(images, nats);
    const labels = graph.num_classes ? { labels: label } : {};
    call.generated(COUNT, { seed, temperature: Number(temperature.toFixed(2)), ...labels });
    if (asked) remember({ temperature, sixteen: seed, label });
    drawCosts(nats);
    await sample(label, stale);
    if (!stale()) drawCosts(nats);
  });

  // Draw images at temperature 1. A move waits for the few that are being drawn at most.
  async function sample(label, stale) {
    const all = (sampled[label] ??= []);
    while (all.length < SAMPLE && !stale()) {
      const [own, from] = [Math.floor(all.length / COUNT), all.length % COUNT];
      const drawn = await engine.draw({ seed: own, from, count: AT_ONCE, label });
      all.push(...drawn.map(({ cost }) => sum(cost)));
    }
  }

  function told(images, nats) {
    const drawn = `T = ${temperature.toFixed(2)}: `;
    const least = temperature ? "" : "Every pixel takes its most probable value. ";
    const cost = `Measured at temperature 1, they cost ${mean(nats).toFixed(0)} nats each.`;
    if (graph.levels > 2 || channels > 1) return drawn + least + cost;
    const ink = 100 * mean(images.map(mean));
    return `${drawn}${ink.toFixed(1)} % ink. ${least}${cost}`;
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
    const known = sampled[label]?.length === SAMPLE ? mean(sampled[label]) : null;
    const most = Math.max(1, 4 * (known ?? 0), 1.1 * Math.max(...nats));
    const [left, right, top, bottom] = [16, costs.width - 16, 32, costs.height - 46];
    const x = (value) => left + ((right - left) * value) / most;
    costs.draw((page) => {
      page.fillStyle = "black";
      page.fillRect(left, bottom, right - left, 1);
      page.textAlign = "center";
      for (const value of ticks(most)) {
        page.fillRect(x(value), bottom, 1, 5);
        page.fillText(String(value), x(value), bottom + 8);
      }
      page.fillText("nats per image at temperature 1; red: their mean", (left + right) / 2, bottom + 28);
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
