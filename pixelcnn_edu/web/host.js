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

let given = null; // the settings in the address

// Settings from the address, where they are of the same kind as the explorer's own.
function fromAddress(own) {
  const read = ([name, value]) => {
    const text = given.get(name);
    if (text === null) return [name, value];
    if (typeof value === "string") return [name, /^[\d.]*$/.test(text) ? text : value];
    return [name, text && Number.isFinite(Number(text)) ? Number(text) : value];
  };
  return Object.fromEntries(Object.entries(own).map(read));
}

// Browsers limit how often an address may change, so quick moves change it once.
let waiting = null;
function remember(settings) {
  for (const [name, value] of Object.entries(settings)) given.set(name, value);
  clearTimeout(waiting);
  waiting = setTimeout(() => history.replaceState(null, "", `#${given}`), 300);
}

const clean = [];

function showAll() {
  given = new URLSearchParams(location.hash.slice(1));
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
