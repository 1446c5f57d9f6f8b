// What JupyterLab calls to show an explorer (anywidget), and a page from `export` too.

import { Engine, latest } from "./engine.js";
import { fork } from "./fork.js";
import { inside } from "./inside.js";
import { temperature } from "./temperature.js";
import { make } from "./ui.js";

const EXPLORERS = { fork, inside, temperature };

// model.get(…) knows:
//   explorer   one of the names above
//   settings   what the reader may change, at first
//   graph, weights   the network, as `pixelcnn_edu.export.network` writes it, or {} and none
//   images     images that the explorer shows, a byte for the level of each value
// and model.remember(settings), if it exists, keeps what the reader has changed.
export function render({ model, el }) {
  const root = make("div", { class: "pixelcnn" });
  el.append(root);
  const graph = model.get("graph");
  const weights = new Float32Array(bytesOf(model.get("weights")).buffer);
  const engine = graph.tensors ? new Engine(graph, weights) : null;
  const failed = (error) => {
    const text = `This explorer has stopped: ${error.message}`;
    root.append(make("p", { class: "failed", role: "alert" }, text));
    console.error(error);
  };
  const context = {
    engine,
    graph,
    settings: model.get("settings"),
    images: imagesOf(graph, bytesOf(model.get("images"))),
    root,
    answer: (act) => latest(act, failed),
    remember: (settings) => model.remember?.(settings),
  };
  try {
    EXPLORERS[model.get("explorer")](context);
  } catch (error) {
    failed(error);
  }
  return () => engine?.stop();
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
