// What JupyterLab calls to show an explorer (anywidget), and a page from `export` too.

import { bits } from "./bits.js";
import { Engine, latest } from "./engine.js";
import { finish } from "./finish.js";
import { fork } from "./fork.js";
import { guess } from "./guess.js";
import { inside } from "./inside.js";
import { morph } from "./morph.js";
import { stepper } from "./stepper.js";
import { temperature } from "./temperature.js";
import { touch } from "./touch.js";
import { make } from "./ui.js";

const EXPLORERS = { bits, finish, fork, guess, inside, morph, stepper, temperature, touch };

// model.get(…) knows:
//   explorer   one of the names above
//   settings   what the reader may change, at first
//   graph, weights   the network, as `pixelcnn_edu.export.network` writes it
//   images     images that the explorer shows, a byte for the level of each value
// and model.remember(settings), if it exists, keeps what the reader has changed.
//
// An explorer changes its own copy of the settings, and calls `remember` when they are on
// show. Until the reader does something, nothing is kept.
export function render({ model, el }) {
  // JupyterLab would take arrow keys and letters for its own commands.
  const own = { class: "pixelcnn waiting", "data-lm-suppress-shortcuts": "true" };
  const root = make("div", own);
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
  let moved = false;
  for (const name of ["input", "keydown", "pointerdown", "click"]) {
    root.addEventListener(name, () => (moved = true), { capture: true });
  }
  el.append(root);
  let engine = null;
  const told = make("p", { class: "failed", role: "alert" });
  // Say what went wrong; after an answer without an error, say nothing.
  const failed = (error) => {
    told.textContent = error ? `This did not work: ${error.message}` : "";
    if (!error) return told.remove();
    root.append(told);
    console.error(error);
  };

  // Say so if an answer takes a while: what is on show is then that of older settings.
  async function whileBusy(act) {
    const timer = setTimeout(() => root.classList.add("busy"), 300);
    try {
      await act();
    } finally {
      clearTimeout(timer);
      root.classList.remove("busy");
    }
  }

  function start() {
    root.classList.remove("waiting");
    const [graph, settings] = [model.get("graph"), { ...model.get("settings") }];
    const weights = new Float32Array(bytesOf(model.get("weights")).buffer);
    engine = new Engine(graph, weights);
    EXPLORERS[model.get("explorer")]({
      engine,
      graph,
      settings,
      images: imagesOf(graph, bytesOf(model.get("images"))),
      root,
      answer: (act) => latest((stale) => whileBusy(() => act(stale)), failed),
      remember: () => moved && model.remember?.(settings),
    });
  }

  // An explorer begins to compute when the reader comes near.
  const near = new IntersectionObserver(
    (changes) => {
      if (!changes.some((change) => change.isIntersecting)) return;
      near.disconnect();
      try {
        start();
      } catch (error) {
        failed(error);
      }
    },
    { rootMargin: "300px" }
  );
  near.observe(root);
  return () => {
    near.disconnect();
    engine?.stop();
  };
}

// A copy of bytes, which arrive as a DataView.
const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();

// A Float32Array (H·W·C) for each image.
function imagesOf(graph, bytes) {
  if (!bytes.length) return [];
  const size = graph.image_shape.reduce((a, b) => a * b);
  return Array.from({ length: bytes.length / size }, (_, i) =>
    Float32Array.from(bytes.subarray(i * size, (i + 1) * size), (k) => k / (graph.levels - 1))
  );
}
