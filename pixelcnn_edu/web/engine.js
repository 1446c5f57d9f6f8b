// A network in a Worker, so that the page stays alive while it computes.
//
// `makeAnswers` is a function that tools/web.py makes: it holds all modules of the network
// and returns `answersOf`. Its own text is the program of the Worker.

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
    if (!inPage && typeof Worker !== "undefined") {
      const program = new Blob([`${makeAnswers}${IN_WORKER}`], { type: "text/javascript" });
      this.url = URL.createObjectURL(program);
      this.worker = new Worker(this.url);
      this.worker.onmessage = ({ data }) => this.answered(data);
      this.worker.onerror = () => this.withoutWorker();
      this.ask("start", this.network);
    } else {
      this.withoutWorker();
    }
  }

  // Ask for one of the answers in answers.js; a promise.
  ask(name, args = {}) {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      const question = { id, name, args };
      this.waiting.set(id, { resolve, reject, question });
      if (this.worker) this.worker.postMessage(question);
      else setTimeout(() => this.answerHere(question));
    });
  }

  // Ask for `count` images of a seed, the first of them number `from`, in two Workers if
  // there are any.
  async draw({ count, from = 0, ...args }) {
    const all = Array.from({ length: count }, (_, i) => from + i);
    if (!this.worker || count < 4) return this.ask("draw", { ...args, children: all });
    const [graph, weights, plain] = this.network;
    this.second ??= new Engine(graph, weights, { plain });
    const half = count >> 1;
    const [own, other] = await Promise.all([
      this.ask("draw", { ...args, children: all.slice(0, half) }),
      this.second.ask("draw", { ...args, children: all.slice(half) }),
    ]);
    return [...own, ...other];
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
    this.answers = makeAnswers()(...this.network);
    for (const { question } of this.waiting.values()) this.answerHere(question);
  }

  answerHere({ id, name, args }) {
    if (!this.waiting.has(id)) return;
    try {
      const result = name === "start" ? null : this.answers[name](args);
      this.answered({ id, result });
    } catch (error) {
      this.answered({ id, error: error.message });
    }
  }

  stop() {
    this.second?.stop();
    this.worker?.terminate();
    if (this.url) URL.revokeObjectURL(this.url);
  }
}

// Returns a function that runs `act` now, or, while an earlier run goes on, once after it:
// of many quick moves only the last one is answered. `act` gets a function that says whether
// a newer move waits. An error goes to `failed`.
export function latest(act, failed) {
  let running = false;
  let again = false;
  return async function run() {
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        await act(() => again);
      }
    } catch (error) {
      failed(error);
    } finally {
      running = false;
    }
  };
}
