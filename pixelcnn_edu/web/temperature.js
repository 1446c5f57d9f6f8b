// Sixteen images of a seed at a temperature, and what they cost at temperature 1.

import { COLORS, Picture, Sentence, Slider, SmallImages } from "./ui.js";
import { axis, colorOf, labelChoice, pythonCall, row, seedSlider, sum } from "./ui.js";

const COUNT = 16;

export function temperature({ engine, graph, settings, root, answer, remember }) {
  const channels = graph.image_shape[2];
  const classes = graph.num_classes;
  let last = 1; // nats at the end of the axis

  const act = () => show();
  const heat = { max: 2, step: 0.05, show: (value) => value.toFixed(2), act };
  const controls = [new Slider("temperature", settings, "temperature", heat)];
  controls.push(seedSlider(settings, "sixteen", act));
  if (classes) controls.push(labelChoice("class", settings, "label", classes, act));
  const sentence = new Sentence();
  const about = "Sixteen images drawn with these settings";
  const grid = new SmallImages(graph.image_shape, COUNT, about);
  const costs = new Picture(430, 300, "The cost of each of the images at temperature 1");
  const call = pythonCall(graph);
  root.append(row(...controls), sentence.element, row(grid, costs), call);

  const show = answer(async (stale) => {
    const { temperature, sixteen: seed, label } = settings;
    const drawn = await engine.draw({ seed, count: COUNT, temperature, label });
    if (stale()) return;
    const images = drawn.map(({ image }) => image);
    const nats = drawn.map(({ cost }) => sum(cost));
    grid.show(images.map((image) => colorOf(image, channels)));
    sentence.text = told(images, nats);
    const labels = classes ? `, labels=${label}` : "";
    const how = `seed=${seed}, temperature=${temperature}${labels}`;
    call.lastChild.textContent = `generation.generate(model, ${COUNT}, ${how})`;
    drawCosts(nats);
    remember();
  });

  function told(images, nats) {
    const { temperature } = settings;
    const drawn = `T = ${temperature.toFixed(2)}: `;
    const least = temperature ? "" : "Every pixel takes its most probable value. ";
    const cost = `Measured at temperature 1, they cost ${mean(nats).toFixed(0)} nats on average.`;
    if (graph.levels > 2 || channels > 1) return drawn + least + cost;
    return `${drawn}${(100 * mean(images.map(mean))).toFixed(1)} % ink. ${least}${cost}`;
  }

  // Each image as a dot at its nats, the first image at the top.
  function drawCosts(nats) {
    last = Math.max(last, 1.1 * Math.max(...nats));
    const [left, right, top, bottom] = [16, costs.width - 16, 12, costs.height - 46];
    const name = "nats per image at temperature 1; red: their mean";
    costs.draw((page) => {
      const x = axis(page, { left, right, y: bottom, last, name });
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

const mean = (values) => sum(values) / values.length;
