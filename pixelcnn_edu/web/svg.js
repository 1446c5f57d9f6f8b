// Lines and shapes (SVG), and the axes of a chart.

const SPACE = "http://www.w3.org/2000/svg";
export const TOP = 30; // of a chart: above it stands the name of the axis y

export function shape(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const line = (x1, y1, x2, y2, style) =>
  shape("line", { x1, y1, x2, y2, stroke: "black", ...style });

export const text = (x, y, content, style) =>
  shape("text", { x, y, ...style }, content);

// An empty picture of a size in pixels of the page; it shrinks on a narrow page.
export function drawing(width, height, about) {
  const size = { width, viewBox: `0 0 ${width} ${height}` };
  return shape("svg", { ...size, role: "img", "aria-label": about });
}

// The axes of a chart. x and y tell { from, to, ticks, label, show }; `show` makes a text
// of a tick. Returns shapes, and two functions from numbers to places in the picture.
export function axes(width, height, { x, y }) {
  const [left, right, top, bottom] = [44, width - 14, TOP, height - 42];
  const across = (value) => left + ((right - left) * (value - x.from)) / (x.to - x.from);
  const up = (value) => bottom - ((bottom - top) * (value - y.from)) / (y.to - y.from);
  const middle = { "text-anchor": "middle" };
  const shapes = [
    line(left, bottom, right, bottom),
    line(left, top, left, bottom),
    text(4, 14, y.label),
    text((left + right) / 2, height - 6, x.label, middle),
    ...x.ticks.flatMap((tick) => [
      line(across(tick), bottom, across(tick), bottom + 5),
      text(across(tick), bottom + 18, x.show(tick), middle),
    ]),
    ...y.ticks.flatMap((tick) => [
      line(left - 5, up(tick), left, up(tick)),
      text(left - 8, up(tick) + 4, y.show(tick), { "text-anchor": "end" }),
    ]),
  ];
  return { across, up, shapes };
}
