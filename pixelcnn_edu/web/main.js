// What JupyterLab calls to show an explorer (anywidget), and a page from `export` too.

import { Engine } from "./engine.js";
import { fork } from "./fork.js";
import { temperature } from "./temperature.js";
import { make } from "./ui.js";

const EXPLORERS = { fork, temperature };

// model.get(…) knows:
//   explorer   one of the names above
//   settings   what the reader may change, at first
//   graph, weights   the network, as `pixelcnn_edu.export.network` writes it
// and model.remember(settings), if it exists, keeps what the reader has changed.
export function render({ model, el }) {
  const root = make("div", { class: "pixelcnn" });
  el.append(root);
  const graph = model.get("graph");
  const bytes = model.get("weights"); // a DataView
  const end = bytes.byteOffset + bytes.byteLength;
  const weights = new Float32Array(bytes.buffer.slice(bytes.byteOffset, end));
  const engine = new Engine(graph, weights);
  const context = {
    engine,
    graph,
    settings: model.get("settings"),
    root,
    remember: (settings) => model.remember?.(settings),
  };
  const failed = (error) => {
    const text = `This explorer has stopped: ${error.message}`;
    root.append(make("p", { class: "failed", role: "alert" }, text));
    console.error(error);
  };
  Promise.resolve()
    .then(() => EXPLORERS[model.get("explorer")](context))
    .catch(failed);
  return () => engine.stop();
}
