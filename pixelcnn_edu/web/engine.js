// A network in a Worker, so that the page stays alive while it computes.
//
// `_web.py` joins all modules into one text, which begins like this:
//
//     function makeAnswers() {
//       … all modules that answers.js needs …
//       return answersOf;
//     }
//
// A function in a string becomes its own text: `${makeAnswers}` is the program of the Worker.

const IN_WORKER = `
let answers;
onmessage = ({ data: { id, name, args } }) => {
  try {
    const result = name === "start" ? null : answers[name](args);
    if (name === "start") answers = makeAnswers()(...args);
    postMessage({ id, result });
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};`;

export class Engine {
  constructor(graph, weights) {
    this.waiting = new Map(); // of each question, by number: who gets the answer
    this.asked = 0;
    this.network = [graph, weights];
    const program = new Blob([`${makeAnswers}${IN_WORKER}`], { type: "text/javascript" });
    this.url = URL.createObjectURL(program);
    this.worker = new Worker(this.url);
    this.worker.onmessage = ({ data }) => this.answered(data);
    this.ask("start", this.network);
  }

  // Ask for one of the answers in answers.js; a promise.
  ask(name, args = {}) {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, name, args });
    });
  }

  // Ask one question with many arguments: of four and more, half in a second Worker.
  async askAll(name, all) {
    if (all.length >= 4) this.second ??= new Engine(...this.network);
    const half = this.second ? all.length >> 1 : all.length;
    const asked = (i) => (i < half ? this : this.second);
    return Promise.all(all.map((args, i) => asked(i).ask(name, args)));
  }

  // `count` images of a seed, the first of them number `from`, each with its costs.
  async draw({ count, from = 0, ...args }) {
    const asked = (_, i) => ({ ...args, children: [from + i] });
    return (await this.askAll("draw", Array.from({ length: count }, asked))).flat();
  }

  answered({ id, result, error }) {
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  }

  stop() {
    this.second?.stop();
    this.worker.terminate();
    URL.revokeObjectURL(this.url);
  }
}

// Returns a function that runs `act` now, or, while an earlier run goes on, once after it:
// of many quick moves only the last one is answered. `act` gets a function that says whether
// a newer move waits. `failed` gets an error, or null after a run without one.
export function latest(act, failed) {
  let running = false;
  let again = false;
  return async function run() {
    again = true;
    if (running) return;
    running = true;
    while (again) {
      again = false;
      try {
        await act(() => again);
        failed(null);
      } catch (error) {
        failed(error);
      }
    }
    running = false;
  };
}
