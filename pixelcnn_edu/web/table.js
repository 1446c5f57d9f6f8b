// A table of colored cells with headings, which a screen reader can read cell by cell.

import { make } from "./ui.js";

// rows, columns: the headings. cell(row, column) returns a text and a class of style.css.
export function table(caption, rows, columns, cell) {
  const headings = columns.map((name) => make("th", { scope: "col" }, name));
  const lines = rows.map((name, row) => {
    const cells = columns.map((_, column) => {
      const [text, kind] = cell(row, column);
      return make("td", { class: kind }, text);
    });
    return make("tr", {}, make("th", { scope: "row" }, name), ...cells);
  });
  const first = make("tr", {}, make("td", { class: "corner" }), ...headings);
  return make("table", { class: "cells" }, make("caption", {}, caption), first, ...lines);
}
