"""How fast the engine in JavaScript draws in Chromium, beside `generate` in Python.

    python benchmarks/browser.py

Needs Chromium and Playwright (`make test-browser` installs Playwright). Each row is the
median of several runs, one after the other in one page, after a first run.
"""

import argparse
import base64
import shutil
import statistics
import time

from pixelcnn_edu import export, generation, pretrained
from pixelcnn_edu._web import explorers

from playwright.sync_api import sync_playwright

RUNS = 9
TIMED = """async ([graph, text, runs]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const engine = new engine_js.Engine(graph, new Float32Array(bytes.buffer));
  const timed = {};
  const time = async (name, act) => {
    timed[name] = [];
    for (let run = 0; run <= runs; run++) {
      const start = performance.now();
      await act(run);
      if (run) timed[name].push(performance.now() - start);
    }
  };
  await time("one", (seed) => engine.ask("draw", { seed, children: [0] }));
  await time("sixteen", (seed) => engine.draw({ seed, count: 16 }));
  const uniforms = await engine.ask("uniforms", { seed: 0 });
  const { image } = await engine.ask("drawFrom", { uniforms });
  const { length } = image;
  await time("flip", (run) =>
    engine.ask("forks", { uniforms, image, pixels: [(length >> 1) + (run % 2)] })
  );
  engine.stop();
  return timed;
}"""


def in_page(page, model):
    """Return the milliseconds of each run in the page, by task."""
    graph, weights = export.network(model)
    text = base64.b64encode(weights.tobytes()).decode()
    return page.evaluate(TIMED, [graph, text, RUNS])


def in_python(model):
    """Return the milliseconds of each run of `generate`, after compiling, by task."""
    timed = {"one": [], "sixteen": []}
    labels = 0 if len(model.inputs) > 1 else None
    for name, count in (("one", 1), ("sixteen", 16)):
        for seed in range(RUNS + 2):  # the second call compiles
            start = time.perf_counter()
            generation.generate(model, count, seed=seed, labels=labels, progress=False)
            timed[name].append(1000 * (time.perf_counter() - start))
        del timed[name][:2]
    return timed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["coffee", "night"])
    names = parser.parse_args().models
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    script = explorers()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page()
        page.add_script_tag(content=script)
        print("Medians of milliseconds:", f"Chromium {browser.version}")
        print("| model | in | one image | sixteen | flip of the middle pixel |")
        print("|---|---|---|---|---|")
        for name in names:
            model = pretrained.load(name)
            for where, timed in (
                ("page", in_page(page, model)),
                ("Python, cached", in_python(model)),
            ):
                medians = [
                    f"{statistics.median(timed[task]):.0f}" if task in timed else ""
                    for task in ("one", "sixteen", "flip")
                ]
                print(f"| {name} | {where} | {' | '.join(medians)} |", flush=True)


if __name__ == "__main__":
    main()
