// How far the middle pixel of a page sees: by first layer, depth, one stack or two.

import { isLive } from "./masks.js";
import { axes, drawing, line, shape, text } from "./svg.js";
import { COLORS, Choice, Picture, Sentence, Slider, make, paint, row } from "./ui.js";

const DEEPEST = 20; // further layers that the slider offers
const SIDE = 336; // of the picture, in pixels of the page
const FIELD = { seen: "#FEE838", notYet: "#00224E", never: "#D55E00", later: "#DEDEDE" };
const STRIPES = `repeating-linear-gradient(135deg, ${FIELD.never} 0 4px, white 4px 5px)`;

// For each pixel of the page: after how many further 3×3 layers the output at `pixel` sees
// it; Infinity if it never does. No network is needed, because offsets add up: a set of
// pixels is replaced by all pixels that these read, layer by layer. A layer of type B reads
// its own pixel too, so no set gets smaller, and only new pixels need a look.
export function depths([height, width], pixel, { first, gated }) {
  const found = new Array(height * width).fill(Infinity);
  const readBy = (pixels, kernel) => {
    const read = new Set();
    for (const at of pixels) {
      for (const [down, right] of kernel) {
        const [row, col] = [Math.floor(at / width) + down, (at % width) + right];
        const inside = row >= 0 && row < height && col >= 0 && col < width;
        if (inside) read.add(row * width + col);
      }
    }
    return [...read];
  };
  const see = (pixels, depth) => {
    for (const at of pixels) found[at] = Math.min(found[at], depth);
  };
  // Two stacks: one reads the rows above, and its later layers also their own row. The
  // other reads to the left, and takes over what the first one has found.
  const isLeft = ([down]) => down === 0;
  const own = (size, type) => live(size, type).filter((at) => !gated || isLeft(at));
  const rowsAbove = live(first, "A").filter((at) => gated && !isLeft(at));
  const andOwnRow = gated ? around(3).filter(([down]) => down <= 0) : [];

  const [inOutput, inAbove] = [new Set(), new Set()]; // features that are needed
  let [output, above] = [addTo(inOutput, [pixel]), []]; // and those that are new
  for (let depth = 0; output.length + above.length; depth++) {
    const both = [...output, ...above];
    see(readBy(output, own(first, "A")), depth);
    see(readBy(both, rowsAbove), depth);
    above = addTo(inAbove, readBy(both, andOwnRow));
    output = addTo(inOutput, readBy(output, own(3, "B")));
  }
  return found;
}

// Add pixels to a set; return those that are new.
function addTo(set, pixels) {
  const fresh = pixels.filter((at) => !set.has(at));
  for (const at of fresh) set.add(at);
  return fresh;
}

// The offsets [down, right] of a kernel, and those of its live weights.
function around(size) {
  const places = Array.from({ length: size }, (_, i) => i - (size - 1) / 2);
  return places.flatMap((down) => places.map((right) => [down, right]));
}

const live = (size, type) =>
  around(size).filter(([down, right]) => isLive(down, right, type));

export function fields({ settings, root, remember }) {
  const [height, width] = [settings.pageHeight, settings.pageWidth];
  const [middleRow, middleCol] = [Math.floor(height / 2), Math.floor(width / 2)];
  const pixel = middleRow * width + middleCol; // so many pixels come before it
  const scale = Math.max(1, Math.floor(SIDE / Math.max(height, width)));
  const first = new Choice("first layer", {
    options: [["3×3", 3], ["7×7", 7]],
    value: settings.firstLayer,
    act: changed,
  });
  const gated = new Choice("stacks", {
    options: [["plain", 0], ["gated", 1]],
    value: settings.gated,
    act: changed,
  });
  const further = new Slider("3×3 layers after it", {
    ...{ min: 0, max: DEEPEST, value: settings.further, act: changed },
  });
  const sentence = new Sentence();
  const picture = new Picture(width * scale + 2, height * scale + 2, "");
  const chart = drawing(372, 240, "The number of pixels seen, by depth");
  const side = make("div", {}, key(`(${middleRow}, ${middleCol})`), chart);
  root.append(row(first, gated), row(further), sentence.element, row(picture, side));

  function changed() {
    draw();
    remember({ firstLayer: first.value, gated: gated.value, further: further.value });
  }

  function draw() {
    const network = { first: first.value, gated: gated.value };
    const found = depths([height, width], pixel, network);
    const seen = (depth) => found.filter((at) => at <= depth).length;
    const now = seen(further.value);
    const never = found.slice(0, pixel).filter((depth) => depth === Infinity).length;
    const notYet = pixel - now - never;
    const rest = notYet || never ? `, ${notYet} not yet, ${never} never` : "";
    const told = `${now} of ${pixel} earlier pixels seen${rest}`;
    sentence.text = told;
    picture.about = `The page: ${told}`;
    drawPage(found);
    drawChart(Array.from({ length: DEEPEST + 1 }, (_, depth) => seen(depth)));
  }

  function drawPage(found) {
    const color = (at) => {
      if (at === pixel) return COLORS.target;
      if (at > pixel) return FIELD.later;
      if (found[at] <= further.value) return FIELD.seen;
      return found[at] === Infinity ? FIELD.never : FIELD.notYet;
    };
    picture.draw((page) => {
      paint(page, [height, width], color, 1, 1, scale);
      page.strokeRect(0.5, 0.5, picture.width - 1, picture.height - 1);
      page.beginPath();
      for (let at = 0; at < pixel; at++) {
        const [r, c] = [Math.floor(at / width), at % width];
        if (found[at] === Infinity) page.rect(1 + c * scale, 1 + r * scale, scale, scale);
      }
      page.clip();
      page.beginPath(); // white stripes on the pixels that are never seen
      for (let x = 0; x < picture.width + picture.height; x += 7) {
        page.moveTo(x, 0);
        page.lineTo(x - picture.height, picture.height);
      }
      page.strokeStyle = "white";
      page.stroke();
    });
  }

  function drawChart(counts) {
    const most = Math.max(1, pixel);
    const { across, up, shapes } = axes(372, 240, {
      x: {
        ...{ from: -0.7, to: DEEPEST + 0.7, ticks: [0, 5, 10, 15, 20], show: String },
        label: "3×3 layers after the first",
      },
      y: {
        ...{ from: 0, to: 1.15 * most, ticks: ticksTo(most), show: String },
        label: "pixels seen",
      },
    });
    const dot = (depth, r, fill) =>
      shape("circle", { cx: across(depth), cy: up(counts[depth]), r, fill });
    const points = counts.map((count, depth) => `${across(depth)},${up(count)}`).join(" ");
    const dashes = { stroke: "#666666", "stroke-dasharray": "6 4" };
    chart.replaceChildren(
      ...shapes,
      line(across(-0.7), up(pixel), across(DEEPEST + 0.7), up(pixel), dashes),
      text(across(-0.4), up(pixel) - 6, `${pixel} come before it`),
      shape("polyline", { points, fill: "none", stroke: COLORS.seen, "stroke-width": 2 }),
      ...counts.map((_, depth) => dot(depth, 3, COLORS.seen)),
      dot(further.value, 6, COLORS.target)
    );
  }

  draw();
}

// Three to six round numbers up to `most`.
function ticksTo(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  const part = [1, 0.5, 0.2].find((share) => most / (share * power) >= 3);
  const step = Math.max(1, part * power);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}

function key(place) {
  const texts = {
    [`the pixel ${place} that asks`]: COLORS.target,
    "earlier, seen": FIELD.seen,
    "earlier, not reached yet": FIELD.notYet,
    "earlier, never seen: the blind spot": STRIPES,
    "later: must not be seen": FIELD.later,
  };
  const lines = Object.entries(texts).map(([words, background]) =>
    make("li", {}, make("span", { style: `background: ${background}` }), words)
  );
  return make("ul", { class: "key" }, ...lines);
}
