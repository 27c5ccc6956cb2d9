// The chat page: one message to up to four models at once, each in a pane of its own.

import { deploy, deployments, keep } from "./api.js";
import { Blind } from "./blind.js";
import { recall, remember } from "./memory.js";
import { part, say, tell } from "./page.js";
import { Pane } from "./pane.js";
import { parameters, usePersona } from "./parameters.js";

const MOST_PANES = 4;
const SECONDS_BETWEEN_LOOKS = 2;
const LONGEST_TITLE = 80;

const root = document.getElementById("chat");
if (root) start();

function start() {
  const asked = JSON.parse(root.dataset.asked); // { whose, models, turns, isNew }
  const saved = asked.isNew ? undefined : recall(asked.whose);
  const box = document.getElementById("message");
  const blind = new Blind(root);
  const panes = [];
  let edited; // the round that the next message replaces

  // --- panes ---

  function add(pane) {
    panes.push(pane);
    part(root, "panes").append(pane.element);
    arranged();
  }

  function remove(pane) {
    pane.stop();
    panes.splice(panes.indexOf(pane), 1);
    pane.element.remove();
    arranged();
  }

  function arranged() {
    blind.letter(panes);
    root.querySelector('[data-do="add"]').disabled = panes.length >= MOST_PANES;
    root.querySelector('[data-do="blind"]').disabled = panes.length < 2;
    for (const pane of panes)
      pane.element.querySelector('[data-do="remove"]').hidden = panes.length < 2;
    changed();
  }

  const nextModel = () => {
    const names = [...panes[0].select.options].map((option) => option.value);
    return names.find((name) => !panes.some((pane) => pane.model === name)) ?? names[0];
  };

  function changed() {
    const isBusy = panes.some((pane) => pane.isAsked);
    part(root, "send").hidden = isBusy;
    root.querySelector('[data-do="stop"]').hidden = !isBusy;
    root.classList.toggle("is-busy", isBusy);
    remember(asked.whose, { panes: panes.map((pane) => pane.saved) });
  }

  // --- asking ---

  async function everybody(act) {
    const underWay = panes.map(act);
    changed();
    await Promise.all(underWay.map((each) => each.then(changed)));
    if (blind.isOn && !blind.isRevealed) blind.askForVote(panes);
    look();
  }

  async function send() {
    const text = box.value.trim();
    const form = part(root, "parameters");
    if (!form.checkValidity()) document.getElementById("parameters").classList.add("show");
    if (!text || panes.some((pane) => pane.isAsked) || !form.reportValidity()) return;
    if (blind.isOn && blind.isRevealed) {
      for (const pane of panes) pane.forgetFrom(1);
      blind.turn(true, panes);
    }
    const last = Math.max(0, ...panes.flatMap((pane) => pane.turns.map((turn) => turn.round)));
    const round = edited ?? last + 1;
    for (const pane of panes) pane.forgetFrom(round);
    edit(undefined);
    box.value = "";
    await everybody((pane) => pane.ask(text, round, parameters(form)));
  }

  function edit(round, text) {
    edited = round;
    root.querySelector('[data-do="cancel-edit"]').hidden = round === undefined;
    if (round === undefined) return;
    box.value = text;
    box.focus();
  }

  async function again(pane) {
    const answering = pane.again(parameters(part(root, "parameters")));
    changed();
    await answering;
    changed();
  }

  function restart() {
    for (const pane of panes) pane.stop();
    for (const pane of panes) pane.forgetFrom(0);
    edit(undefined);
    blind.turn(blind.isOn, panes);
    greet();
    changed();
  }

  async function turnBlind() {
    blind.turn(!blind.isOn, panes);
    restart();
    await blind.tally();
  }

  // --- characters, keeping ---

  const chosen = (name) => {
    const { edition } = root.querySelector(`[data-pick="${name}"]`).selectedOptions[0].dataset;
    return edition && JSON.parse(edition);
  };

  function greet() {
    const character = chosen("character");
    if (character?.greeting)
      for (const pane of panes) pane.add({ round: 0, role: "assistant", text: character.greeting });
  }

  function meet() {
    const character = chosen("character");
    usePersona(part(root, "parameters"), character);
    if (character?.model) panes[0].model = character.model;
    restart();
    look();
  }

  function insert(select) {
    const prompt = chosen("prompt");
    if (!prompt) return;
    // A template without a place for it stands for itself.
    box.value = prompt.template.replace(/\{\{\s*prompt\s*\}\}/g, () => box.value);
    if (prompt.system_prompt !== null)
      part(root, "parameters").elements.system.value = prompt.system_prompt;
    select.value = "";
    const gap = /\{\{\s*\w+\s*\}\}/.exec(box.value); // a value that the visitor writes
    box.focus();
    if (gap) box.setSelectionRange(gap.index, gap.index + gap[0].length);
  }

  async function keepAll() {
    const { system, temperature, top_p, max_tokens, seed } = parameters(part(root, "parameters"));
    const character = chosen("character");
    const told = panes.filter((pane) => pane.turns.some((turn) => turn.round > 0 && turn.text));
    for (const pane of told) {
      const messages = pane.messages(Infinity, system);
      const title = pane.turns.find((turn) => turn.role === "user").text.slice(0, LONGEST_TITLE);
      const sampling = { temperature, top_p, max_tokens, seed };
      const who = character && `${character.name}@${character.version}`;
      await keep({ title, model: pane.model, character: who, messages, sampling });
    }
    if (told.length) tell(say("kept"), "success");
  }

  // --- what is deployed ---

  async function look() {
    const found = await deployments();
    for (const pane of panes) pane.see(found);
  }

  async function watch() {
    await look().catch(() => {}); // the next look comes soon
    setTimeout(watch, 1000 * SECONDS_BETWEEN_LOOKS);
  }

  async function deployPane(pane) {
    await deploy(pane.model);
    await look();
  }

  // --- what people do ---

  const deeds = {
    add: () => add(new Pane({ model: nextModel() })),
    blind: turnBlind,
    keep: keepAll,
    restart,
    stop: () => panes.forEach((pane) => pane.stop()),
    "cancel-edit": () => (edit(undefined), (box.value = "")),
    remove,
    deploy: deployPane,
    again,
    edit: (pane, turn) => edit(turn.round, turn.text),
    copy: (pane, turn) => navigator.clipboard.writeText(turn.text),
  };

  root.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-do], [data-vote]");
    if (!button) return;
    const pane = panes.find((each) => each.element.contains(button));
    const turn = pane?.turns.find((each) => each.element.contains(button));
    try {
      if (button.dataset.vote) await blind.vote(button.dataset.vote, panes);
      else await deeds[button.dataset.do](pane, turn);
      changed();
    } catch (error) {
      tell(error.message, "danger");
    }
  });

  root.addEventListener("change", ({ target }) => {
    if (target.dataset.pick === "character") meet();
    if (target.dataset.pick === "prompt") insert(target);
    if (target.dataset.part === "model") (look(), changed());
  });

  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") edit(undefined);
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  part(root, "composer").addEventListener("submit", (event) => (event.preventDefault(), send()));
  part(root, "parameters").addEventListener("submit", (event) => event.preventDefault());

  for (const pane of saved?.panes ?? asked.panes) add(new Pane(pane));
  box.focus({ preventScroll: true });
  watch();
}
