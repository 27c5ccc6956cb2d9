// A model's conversation: what was said so far, and what it says now.
// A turn is { round, role, text, note }; rounds count the visitor's messages over all panes.

import { answers } from "./api.js";
import { part, piece, say } from "./page.js";
import { said } from "../said.js";
import { show } from "./text.js";

const MILLISECONDS_BETWEEN_LOOKS = 300;

export class Pane {
  constructor(saved = {}) {
    this.element = piece("pane");
    this.turns = [];
    this.state = "ready"; // until known better
    this.attempt = 0;
    this.select = part(this.element, "model");
    if (saved.model) this.model = saved.model;
    for (const turn of saved.turns ?? []) this.add(turn);
  }

  get model() {
    return this.select.value;
  }

  set model(name) {
    if ([...this.select.options].some((option) => option.value === name)) this.select.value = name;
  }

  get saved() {
    return { model: this.model, turns: this.turns.map(({ element, ...turn }) => turn) };
  }

  get isAsked() {
    return this.controller !== undefined;
  }

  // --- turns ---

  add(turn) {
    const element = piece("turn");
    element.dataset.role = turn.role;
    element.dataset.round = turn.round;
    this.turns.push({ ...turn, element });
    part(this.element, "turns").append(element);
    this.paint(this.turns.at(-1));
    return this.turns.at(-1);
  }

  paint(turn) {
    const log = part(this.element, "turns");
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    show(part(turn.element, "text"), turn.text);
    part(turn.element, "figures").textContent = turn.note ?? "";
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  }

  forgetFrom(round) {
    for (const turn of this.turns.filter((each) => each.round >= round)) turn.element.remove();
    this.turns = this.turns.filter((turn) => turn.round < round);
  }

  // What goes before a round's answer: rounds without an answer are left out.
  messages(round, system) {
    const told = this.turns.filter(
      (turn) =>
        turn.round === 0 || // a greeting
        (turn.round === round && turn.role === "user") ||
        (turn.round < round && this.isAnswered(turn.round)),
    );
    const said = told.map(({ role, text }) => ({ role, content: text }));
    return system ? [{ role: "system", content: system }, ...said] : said;
  }

  isAnswered(round) {
    return this.turns.some((turn) => turn.round === round && turn.role === "assistant" && turn.text);
  }

  // --- asking ---

  async ask(text, round, parameters) {
    this.add({ round, role: "user", text });
    this.attempt = 0;
    await this.answer(round, parameters);
  }

  async again(parameters) {
    const { round } = this.turns.at(-1);
    this.turns.pop().element.remove();
    this.attempt += 1;
    await this.answer(round, parameters);
  }

  async answer(round, { system, ...sampling }) {
    const turn = this.add({ round, role: "assistant", text: "" });
    const messages = this.messages(round, system);
    if (sampling.seed !== undefined) sampling.seed += this.attempt;
    this.controller = new AbortController();
    this.element.setAttribute("aria-busy", "true");
    try {
      await this.whenReady(this.controller.signal);
      await this.hear(turn, { model: this.model, messages, ...sampling }, this.controller.signal);
    } catch (error) {
      turn.isBroken = true;
      turn.note = error.name === "AbortError" ? say("stopped") : error.message || say("lost");
    }
    turn.element.classList.toggle("is-broken", turn.isBroken ?? false);
    this.element.removeAttribute("aria-busy");
    this.controller = undefined;
    this.paint(turn);
  }

  async whenReady(signal) {
    while (this.state === "deploying") {
      await new Promise((resolve) => setTimeout(resolve, MILLISECONDS_BETWEEN_LOOKS));
      signal.throwIfAborted();
    }
  }

  async hear(turn, question, signal) {
    const began = performance.now();
    let first, tokens, finish, isPainted = true;
    const paintSoon = () => {
      if (isPainted) requestAnimationFrame(() => { isPainted = true; this.paint(turn); });
      isPainted = false;
    };
    for await (const heard of answers(question, signal)) {
      first ??= performance.now();
      turn.text += heard.text ?? "";
      tokens = heard.tokens ?? tokens;
      finish = heard.finish ?? finish;
      paintSoon();
    }
    const seconds = (performance.now() - first) / 1000;
    const speed = tokens > 1 && seconds > 0 ? ((tokens - 1) / seconds).toFixed(1) : "–";
    turn.note = say("figures", { tokens, speed, first: Math.round(first - began) });
    if (!turn.text.trim()) turn.note += ` · ${say("empty")}`;
    if (finish === "length") turn.note += ` · ${say("cut")}`;
  }

  stop() {
    this.controller?.abort();
  }

  // --- the model's deployment ---

  // Of the deployments that answer to the chosen name, the best state counts.
  see(deployments) {
    const { model } = this.select.selectedOptions[0].dataset;
    const mine = deployments.filter((each) => each.model === model || each.alias === this.model);
    const states = new Set(mine.map((each) => each.state));
    this.state = ["ready", "deploying", "failed"].find((state) => states.has(state)) ?? "unknown";
    if (this.state === "failed") this.showWhy(mine[0]);
    else this.showState();
  }

  async showWhy({ message, hint }) {
    const why = await said(`${message} ${hint}`);
    if (this.state === "failed") this.showState(`${say("failed")} ${why}`);
  }

  showState(text) {
    const alert = part(this.element, "state");
    alert.hidden = this.state === "ready";
    alert.classList.toggle("alert-danger", this.state === "failed");
    alert.classList.toggle("alert-info", this.state !== "failed");
    part(alert, "state-text").textContent = alert.hidden ? "" : (text ?? say(this.state));
    const deploy = alert.querySelector('[data-do="deploy"]');
    if (deploy) deploy.hidden = this.state === "deploying";
  }
}
