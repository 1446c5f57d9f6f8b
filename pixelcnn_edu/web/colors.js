// What red, green or blue knows of its own pixel, by masks, groups and layout.
//
// The network of one pixel is small: a first layer from the three values to six features,
// and a 1×1 convolution from the features to six logits, two levels for each color.

import { mayRead } from "./masks.js";
import { drawing, line, shape, text } from "./svg.js";
import { table } from "./table.js";
import { COLORS, Choice, Sentence, row } from "./ui.js";

const NAMES = ["red", "green", "blue"];
const LETTERS = ["R", "G", "B"];
const HUES = ["#D55E00", "#009E73", "#0072B2"]; // color-blind readers can distinguish them
const [THREE, SIX] = [[0, 1, 2], [0, 1, 2, 3, 4, 5]];
// pixels of the page
const [VALUES, FEATURES, LOGITS, NODE] = [24, 130, 236, 26];
const [WIDTH, TOP, STEP] = [372, 34, 42];

// The connections, as functions of two places, and what follows from them.
export function connections({ firstB, turns, plain, levelsFirst }) {
  const group = (channel) => (turns ? channel % 3 : Math.floor(channel / 2));
  const colorOf = (logit) => (levelsFirst ? logit % 3 : Math.floor(logit / 2));
  const levelOf = (logit) => (levelsFirst ? Math.floor(logit / 3) : logit % 2);
  const toFeature = (value, feature) => mayRead(value, group(feature), firstB ? "B" : "A");
  const toLogit = (feature, logit) => plain || mayRead(group(feature), group(logit), "B");
  const used = (feature, asks) =>
    SIX.some((logit) => colorOf(logit) === asks && toLogit(feature, logit));
  const knows = (asks, value) =>
    SIX.some((feature) => used(feature, asks) && toFeature(value, feature));
  return { group, colorOf, levelOf, toFeature, toLogit, used, knows };
}

// What a color knows, as a sentence.
export function told(asks, knows) {
  const known = THREE.filter((value) => knows(asks, value));
  const names = known.map((value) => NAMES[value]);
  const last = names.pop() ?? "nothing";
  const what = names.length ? `${names.join(", ")} and ${last}` : last;
  const leak = known.some((value) => value >= asks) ? ": a leak" : "";
  return `${NAMES[asks]} knows ${what} of its own pixel${leak}`;
}

export function colors({ settings, root, remember }) {
  const choices = {
    firstB: ["first layer", "A", "B"],
    plain: ["1×1 layer", "masked", "plain"],
    turns: ["groups", "RRGGBB", "RGBRGB"],
    levelsFirst: ["logits read as", "(3, 2)", "(2, 3)"],
    asks: ["asks", ...NAMES],
  };
  const controls = {};
  for (const [key, [name, ...texts]] of Object.entries(choices)) {
    const options = texts.map((option, i) => [option, i]);
    controls[key] = new Choice(name, { options, value: settings[key], act: changed });
  }
  const { firstB, plain, turns, levelsFirst, asks } = controls;
  const sentence = new Sentence();
  const about = "The paths from the values through the features to the logits";
  const picture = drawing(WIDTH, TOP + 6 * STEP - 4, about);
  const pictures = row();
  root.append(row(firstB, plain), row(turns, levelsFirst), row(asks));
  root.append(sentence.element, pictures);

  function values() {
    const pairs = Object.entries(controls).map(([key, choice]) => [key, choice.value]);
    return Object.fromEntries(pairs);
  }

  function changed() {
    draw();
    remember(values());
  }

  function draw() {
    const chosen = values();
    const network = connections(chosen);
    sentence.text = told(chosen.asks, network.knows);
    picture.replaceChildren(...paths(network, chosen.asks));
    pictures.replaceChildren(picture, whoKnows(network, chosen.asks));
  }

  draw();
}

// The network as lines and nodes; everything that reaches the color that asks is dark.
function paths(network, asks) {
  const { group, colorOf, levelOf, toFeature, toLogit, used, knows } = network;
  const height = (node) => TOP + node * STEP + NODE / 2;
  const valueHeight = (value) => height(2 * value + 0.5);
  const lines = [];
  const connect = (x1, y1, x2, y2, lit, leak) => {
    const style = { stroke: "#C8C8C8", "stroke-width": 1 };
    if (lit) Object.assign(style, { stroke: COLORS.ink, "stroke-width": 2 });
    if (lit && leak) {
      Object.assign(style, { stroke: COLORS.target, "stroke-width": 3 });
      style["stroke-dasharray"] = "8 3";
    }
    lines.push({ order: style["stroke-width"], element: line(x1, y1, x2, y2, style) });
  };
  for (const feature of SIX) {
    const reached = THREE.some((value) => toFeature(value, feature));
    for (const value of THREE.filter((value) => toFeature(value, feature))) {
      const lit = used(feature, asks);
      connect(VALUES, valueHeight(value), FEATURES, height(feature), lit, value >= asks);
    }
    for (const logit of SIX.filter((logit) => toLogit(feature, logit))) {
      const lit = reached && colorOf(logit) === asks;
      connect(FEATURES, height(feature), LOGITS, height(logit), lit, false);
    }
  }
  lines.sort((one, other) => one.order - other.order); // dark ones above pale ones
  return [
    ...["values", "features", "logits"].map((name, i) => {
      const style = { "text-anchor": "middle" };
      return text([VALUES + 4, FEATURES, LOGITS][i], 20, name, style);
    }),
    text(LOGITS + 64, 20, "read as"),
    ...lines.map(({ element }) => element),
    ...THREE.map((value) => {
      const leak = value >= asks && knows(asks, value);
      return node(VALUES, valueHeight(value), value, leak);
    }),
    ...SIX.flatMap((channel) => [
      node(FEATURES, height(channel), group(channel)),
      node(LOGITS, height(channel), group(channel)),
    ]),
    ...SIX.flatMap((logit) => {
      const wanted = colorOf(logit) === asks;
      const style = wanted ? { "font-weight": "bold" } : { fill: "#666666" };
      const reading = `${NAMES[colorOf(logit)]}, level ${levelOf(logit)}`;
      const own = text(LOGITS + 24, height(logit) + 5, reading, style);
      return wanted ? [frame(height(logit)), own] : [own];
    }),
  ];
}

function node(x, y, color, leak = false) {
  const place = { x: x - NODE / 2, y: y - NODE / 2, width: NODE, height: NODE };
  const edge = leak ? { stroke: COLORS.target, "stroke-width": 4 } : { stroke: "white" };
  const letter = text(x, y + 5, LETTERS[color], {
    ...{ "text-anchor": "middle", "font-weight": "bold", fill: "white" },
  });
  return shape("g", {}, shape("rect", { ...place, ...edge, fill: HUES[color] }), letter);
}

function frame(y) {
  const place = { x: LOGITS - 17, y: y - 18, width: WIDTH - LOGITS + 15, height: 36 };
  return shape("rect", { ...place, fill: "none", stroke: "black", "stroke-width": 2 });
}

function whoKnows({ knows }, asks) {
  const cell = (color, value) => {
    if (!knows(color, value)) return ["0", ""];
    return value >= color ? ["leak", "leak"] : ["1", "live"];
  };
  const rows = LETTERS.map((letter) => `${letter} knows`);
  const made = table("what each color knows of its own pixel", rows, LETTERS, cell);
  made.rows[1 + asks].className = "asks";
  return made;
}
