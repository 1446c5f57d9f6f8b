// What JupyterLab does for an explorer, done by a page that `export.page` wrote.
//
// The settings of the explorers stand in the page's address: whoever opens the same
// address sees the same digits.

const textOf = (id) => document.getElementById(id).textContent;
const bytesOf = (id) => Uint8Array.from(atob(textOf(id)), (letter) => letter.charCodeAt(0));
const common = {
  graph: JSON.parse(textOf("graph")),
  weights: new DataView(bytesOf("weights").buffer),
  images: new DataView(bytesOf("images").buffer),
};

// Settings from the address, where they are of the same kind as the explorer's own.
function fromAddress(own) {
  const given = new URLSearchParams(location.hash.slice(1));
  const read = ([name, value]) => {
    const text = given.get(name);
    if (text === null) return [name, value];
    if (typeof value === "string") return [name, /^[\d.]*$/.test(text) ? text : value];
    const number = Number(text);
    return [name, text && number >= 0 && number <= 2 ** 32 ? number : value];
  };
  return Object.fromEntries(Object.entries(own).map(read));
}

function remember(settings) {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of Object.entries(settings)) given.set(name, value);
  history.replaceState(null, "", `#${given}`);
}

const clean = [];

function showAll() {
  for (const end of clean.splice(0)) end();
  for (const el of document.querySelectorAll("[data-explorer]")) {
    const settings = fromAddress(JSON.parse(el.dataset.settings));
    const values = { ...common, explorer: el.dataset.explorer, settings };
    el.replaceChildren();
    clean.push(main_js.render({ model: { get: (name) => values[name], remember }, el }));
  }
}

addEventListener("hashchange", showAll);
showAll();
