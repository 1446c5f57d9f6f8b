// Beat the network: you, the network and a coin bet on the same pixels of a real digit.
//
// All pay by one rule: -log2 of the probability that they gave to the true value.

import { sigmoid } from "./likelihoods.js";
import { COLORS, Images, Picture, Sentence, Slider, button } from "./ui.js";
import { drawBars, make, row, upTo } from "./ui.js";

const PLAYERS = { you: COLORS.seen, network: "#E69F00", coin: "#777777" };

export function guess({ engine, graph, settings, images, root, answer }) {
  const own = { percent: 50 };
  let number = 0; // of the digit
  let game = null;

  const slider = new Slider("p(ink) in %", own, "percent", {
    min: 1,
    max: 99,
    act() {},
    show(value) {
      const [ink, paper] = [bits(value / 100), bits(1 - value / 100)];
      return `${value}: you pay ${ink} bits if it is ink, ${paper} if paper`;
    },
  });
  const reveal = button("reveal", () => pay());
  reveal.disabled = true;
  const again = button("start again", () => begin());
  const other = button("next digit", () => {
    number = (number + 1) % images.length;
    begin();
  });
  const question = new Sentence("", "strong");
  const [said, costs, warning] = [new Sentence(), new Sentence(), new Sentence("", "warning")];
  const about = "The digit up to the next pixel; all later pixels are gray";
  const picture = new Images(graph.image_shape, 11, about);
  const bars = new Picture(300, 200, "");
  const beside = make("div", { class: "beside" }, said, costs, warning, bars);
  const buttons = [reveal, again, ...(images.length > 1 ? [other] : [])];
  root.append(question.element, row(slider), row(...buttons), row(picture, beside));

  // One pass is enough, because the logit of each pixel depends on earlier pixels only.
  const begin = answer(async () => {
    const image = images[number];
    const { logits, cost } = await engine.ask("read", { image });
    const inkOf = Array.from(logits, sigmoid);
    const places = uncertain(inkOf, settings.questions, settings.among);
    const paid = { you: 0, network: 0, coin: 0 }; // bits, all answers together
    game = { image, cost, inkOf, places, paid, asked: 0 };
    said.text = "Say how probable ink is, then reveal.";
    costs.text = warning.text = "";
    next();
  });

  function pay() {
    const { image, cost, inkOf, places, paid } = game;
    const place = places[game.asked];
    const ink = image[place] === 1;
    const gave = ink ? own.percent / 100 : 1 - own.percent / 100; // to what it was
    const last = { you: -Math.log2(gave), network: cost[place] / Math.LN2, coin: 1 };
    for (const name of Object.keys(PLAYERS)) paid[name] += last[name];
    game.asked++;
    const [was, wrong] = ink ? ["ink", "paper"] : ["paper", "ink"];
    const network = (100 * inkOf[place]).toFixed(0);
    said.text = `The pixel in the blue frame was ${was}; the network said ${network} % ink.`;
    costs.text =
      `you ${last.you.toFixed(1)} bits, network ${last.network.toFixed(1)} bits, ` +
      "coin 1 bit";
    const sure = (100 * (1 - gave)).toFixed(0);
    const rule = `−log₂ ${gave.toFixed(2)} = ${bits(gave)} bits`;
    warning.text = gave < 0.1 ? `${sure} % on ${wrong}, wrong: ${rule}` : "";
    next();
  }

  // Show the next question, or the end.
  function next() {
    const { places, asked, image, paid } = game;
    const over = asked === places.length;
    reveal.disabled = slider.input.disabled = over;
    slider.value = 50;
    question.text = over
      ? `All ${asked} answered: ${verdict()}.`
      : `Question ${asked + 1} of ${places.length}: is the framed pixel ink?`;
    picture.show([upTo(image, over ? image.length : places[asked])], (page) => {
      if (asked) picture.frame(page, places[asked - 1], COLORS.seen);
      if (!over) picture.frame(page, places[asked], COLORS.target);
    });
    const names = Object.keys(PLAYERS);
    const list = names.map((name) => `${name} ${paid[name].toFixed(1)}`);
    bars.about = `Bits paid so far: ${list.join(", ")}`;
    drawBars(bars, Object.values(paid), {
      names: (k) => names[k],
      colors: (k) => PLAYERS[names[k]],
      note: "bits paid so far (fewer is better)",
      most: places.length,
    });
  }

  function verdict() {
    const { you, network } = game.paid;
    if (you === network) return "a draw";
    return you < network ? "you beat the network" : "the network paid less";
  }

  begin();
}

const bits = (probability) => (-Math.log2(probability)).toFixed(1);

// The pixels to ask for, in reading order: of the `among` most uncertain ones `questions`,
// at equal steps. The entropy falls with the distance from one half.
function uncertain(inkOf, questions, among) {
  const away = inkOf.map((p) => Math.abs(p - 0.5));
  const order = [...away.keys()].sort((i, j) => away[i] - away[j]).slice(0, among);
  const count = Math.min(questions, order.length);
  const at = (i) => order[Math.floor((i * order.length) / count)];
  return Array.from({ length: count }, (_, i) => at(i)).sort((i, j) => i - j);
}
