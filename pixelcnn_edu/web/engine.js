// A network in a Worker, so that the page stays alive while it computes.
//
// `export.explorers` joins all modules into one text, which begins like this:
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
    if (name === "start") answers = makeAnswers()(...args);
    const result = name === "start" ? null : answers[name](args);
    postMessage({ id, result });
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};`;

export class Engine {
  // Without a Worker (`inPage`, or where a page may start none) the page itself computes;
  // `plain` is for `Network`.
  constructor(graph, weights, { inPage = false, plain = false } = {}) {
    this.waiting = new Map(); // of each question, by number: who gets the answer
    this.asked = 0;
    this.network = [graph, weights, plain];
    try {
      if (inPage) throw new Error("No Worker is wanted");
      const program = new Blob([`${makeAnswers}${IN_WORKER}`], { type: "text/javascript" });
      this.url = URL.createObjectURL(program);
      this.worker = new Worker(this.url);
      this.worker.onmessage = ({ data }) => this.answered(data);
      this.worker.onerror = () => this.withoutWorker();
      // if the network cannot be made, its error is that of all questions
      this.ask("start", this.network).catch((error) => (this.broken = error));
    } catch {
      this.withoutWorker(); // the browser, or the page's policy, allows none
    }
  }

  // Ask for one of the answers in answers.js; a promise.
  ask(name, args = {}) {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      if (this.broken) return reject(this.broken);
      if (this.stopped) return undefined; // nobody waits for an answer
      const question = { id, name, args };
      this.waiting.set(id, { resolve, reject, question });
      if (this.worker) this.worker.postMessage(question);
      else setTimeout(() => this.answerHere(question));
    });
  }

  // Ask one question with many arguments: half of them in a second Worker, if there is one.
  async askAll(name, all) {
    if (this.worker && all.length >= 4) {
      const [graph, weights, plain] = this.network;
      this.second ??= new Engine(graph, weights, { plain });
    }
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

  withoutWorker() {
    this.worker?.terminate();
    this.worker = null;
    try {
      this.answers = makeAnswers()(...this.network);
    } catch (error) {
      this.broken = error;
    }
    for (const { question } of this.waiting.values()) this.answerHere(question);
  }

  answerHere({ id, name, args }) {
    if (this.stopped || !this.waiting.has(id)) return;
    try {
      if (this.broken) throw this.broken;
      const result = name === "start" ? null : this.answers[name](args);
      this.answered({ id, result });
    } catch (error) {
      this.answered({ id, error: error.message });
    }
  }

  stop() {
    this.stopped = true;
    this.second?.stop();
    this.worker?.terminate();
    if (this.url) URL.revokeObjectURL(this.url);
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
