// Bars of a discretized mixture of logistics under its continuous density.

import { TOP, axes, shape } from "./svg.js";
import { COLORS, Sentence, Slider, make, row } from "./ui.js";

const LEVELS = [2, 4, 8, 16, 32, 64, 128, 256];
// name, least, most and step of the sliders of a component
const RANGES = [
  ["mean", -1.5, 1.5, 0.05],
  ["log scale", -7, 1, 0.1],
  ["weight", 0, 1, 0.05],
];
const [MOST, HEIGHT] = [4, 300]; // components; pixels of the page
const OUTERMOST = "#D55E00";

const sigmoid = (z) => 1 / (1 + Math.exp(-z));
const sum = (values) => values.reduce((a, b) => a + b, 0);

// Probabilities of the levels, and the share of the density beyond the outermost borders.
// A component is { mean, scale, weight }; the weights sum to 1.
export function bars(components, levels) {
  const half = 1 / (levels - 1);
  const below = (x) =>
    sum(components.map(({ mean, scale, weight }) => weight * sigmoid((x - mean) / scale)));
  const borders = Array.from({ length: levels - 1 }, (_, k) => -1 + (2 * k + 1) * half);
  const shares = [0, ...borders.map(below), 1];
  const p = shares.slice(1).map((share, k) => share - shares[k]);
  return { p, beyond: below(-1 - half) + 1 - below(1 + half) };
}

export const density = (components, x) =>
  sum(
    components.map(({ mean, scale, weight }) => {
      const z = Math.min(Math.abs(x - mean) / (2 * scale), 300);
      return weight / (4 * scale * Math.cosh(z) ** 2);
    })
  );

export function mixture({ settings, root, remember }) {
  // "12.55.10.42.45.10": for each slider, its steps above the least value
  const steps = settings.mixture.split(".").map(Number);
  const count = Math.max(1, Math.min(MOST, Math.floor(steps.length / RANGES.length)));
  const groups = Array.from({ length: count }, (_, i) =>
    RANGES.map(([name, least, most, step], k) => {
      const places = step < 0.1 ? 2 : 1;
      const show = (n) => (least + n * step).toFixed(places).replace("-", "−");
      const value = steps[i * RANGES.length + k];
      const max = Math.round((most - least) / step);
      return new Slider(name, { min: 0, max, value, show, act: changed });
    })
  );
  const levels = new Slider("levels", {
    ...{ min: 0, max: LEVELS.length - 1, value: LEVELS.indexOf(settings.mixtureLevels) },
    show: (n) => String(LEVELS[n]),
    act: changed,
  });
  const sentence = new Sentence();
  const chart = shape("svg", { role: "img", "aria-label": "", height: HEIGHT });
  chart.style.width = "100%";
  const about = new Sentence();
  about.text =
    "x: level 0 at −1, the last level at 1. Line: density × bin width. The two outermost " +
    "bars (orange) also contain the density beyond their borders.";
  const fieldsets = groups.map((sliders, i) => {
    const legend = make("legend", {}, `component ${i + 1}`);
    const elements = sliders.map(({ element }) => element);
    return make("fieldset", { class: "component" }, legend, ...elements);
  });
  root.append(row(...fieldsets), row(levels), sentence.element, chart, about.element);

  function changed() {
    draw();
    const places = groups.flat().map((slider) => slider.value);
    remember({ mixture: places.join("."), mixtureLevels: LEVELS[levels.value] });
  }

  // The sliders as components. Weights count relative to each other; if all are 0, they
  // count alike.
  function components() {
    const values = groups.map((sliders) =>
      sliders.map((slider, k) => RANGES[k][1] + RANGES[k][3] * slider.value)
    );
    const total = sum(values.map(([, , weight]) => weight));
    return values.map(([mean, logScale, weight]) => ({
      mean,
      scale: Math.exp(logScale),
      weight: total ? weight / total : 1 / count,
    }));
  }

  function draw() {
    const all = components();
    const { p, beyond } = bars(all, LEVELS[levels.value]);
    const last = p.length - 1;
    const told =
      `${p.length} levels, Σ P = ${sum(p).toFixed(4)}: P(0) = ${p[0].toFixed(3)}, ` +
      `P(${last}) = ${p[last].toFixed(3)}; ` +
      `beyond the borders ${(100 * beyond).toFixed(1)} %`;
    sentence.text = told;
    chart.setAttribute("aria-label", `The probabilities of the levels. ${told}`);
    drawChart(all, p);
  }

  function drawChart(all, p) {
    const width = chart.clientWidth;
    if (!width) return; // not on the page yet
    chart.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const half = 1 / (p.length - 1);
    const top = 1.15 * Math.max(...p, 0.02);
    const step = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2].find((size) => top / size < 7);
    const ticks = Array.from({ length: Math.floor(top / step) + 1 }, (_, i) => i * step);
    const { across, up, shapes } = axes(width, HEIGHT, {
      x: {
        ...{ from: -1.6, to: 1.6, ticks: [-1.5, -1, -0.5, 0, 0.5, 1, 1.5], label: "x" },
        show: (value) => value.toFixed(1).replace("-", "−"),
      },
      y: {
        ...{ from: 0, to: top, ticks, label: "probability of a level" },
        show: (value) => value.toFixed(step < 0.01 ? 3 : 2),
      },
    });
    const rects = p.map((height, k) => {
      const [left, right] = [-1, 1].map((side) => across(-1 + (2 * k + side) * half));
      return shape("rect", {
        ...{ x: left, y: up(height), "shape-rendering": "crispEdges" },
        ...{ width: Math.max(1, right - left), height: up(0) - up(height) },
        fill: k && k < p.length - 1 ? "#4095C5" : OUTERMOST,
      });
    });
    // A component may be far narrower than the page: more points where it is high.
    const near = all.flatMap(({ mean, scale }) =>
      evenly(mean - 8 * scale, mean + 8 * scale, 161)
    );
    const xs = [...evenly(-1.6, 1.6, 641), ...near].filter((x) => Math.abs(x) <= 1.6);
    xs.sort((a, b) => a - b);
    const points = xs.map((x) => {
      const y = density(all, x) * 2 * half;
      return `${across(x).toFixed(2)},${up(y).toFixed(2)}`;
    });
    const style = { fill: "none", stroke: "black", "stroke-width": 1.5 };
    const curve = shape("polyline", { points: points.join(" "), ...style });
    const size = { width, height: HEIGHT - TOP };
    const box = { y: TOP, ...size, viewBox: `0 ${TOP} ${width} ${size.height}` };
    chart.replaceChildren(...rects, shape("svg", box, curve), ...shapes); // cut at the top
  }

  draw();
  new ResizeObserver(draw).observe(chart);
}

const evenly = (from, to, count) =>
  Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1));
