// The page of a run, drawn from one stream: /api/v1/runs/ID/events tells everything that was stored and
// then what happens, in one order. The same code shows a run at work and one that ended a year ago.
import { LineChart, figure, smooth } from "./charts.js";
import { said } from "./said.js";
import { Samples } from "./samples.js";

const MOST_LOG_CHARACTERS = 500_000;
const SECONDS_TO_RETRY = 3;
const SECONDS_UNTIL_STALE = 30;
const STEPS_OF_PACE = 20;
const FINAL = ["succeeded", "failed", "cancelled"];

const root = document.getElementById("run");
const address = `/api/v1/runs/${root.dataset.run}`;
const texts = JSON.parse(root.dataset.texts);
const byId = (id) => document.getElementById(id);
const show = (name, text) => root.querySelectorAll(`[data-figure="${name}"]`).forEach((each) => (each.textContent = text));

// --- what the stream told ------------------------------------------------------------------------

let steps = [];
let validations = [];
const samples = new Samples(byId("samples"), { nameOf: (step) => (step ? `${texts.step} ${step}` : texts.at_start) });
let totalSteps = 0;
let status = "";
let seen = 0; // every event moves the position by one, so the sum of its two counters orders them
let lastNews = Date.now();

const listeners = {
  status(event) {
    status = event.status;
    if (FINAL.includes(status) || status === "paused") show("phase", "");
    refresh("head");
    // Which worker took it is nothing that a tenant has to know.
    tellSaid("status", texts[event.status] ?? event.status, event.status === "starting" ? "" : event.message);
  },
  phase(event) {
    const phase = texts[event.phase] ?? event.phase;
    show("phase", `${phase} …`);
    tell("phase", phase, event.detail);
  },
  started(event) {
    show("phase", "");
    totalSteps = event.total_steps;
    // Steps after the checkpoint that it goes on from are taken, and told, again.
    steps = steps.filter((each) => each.step <= event.from_step);
    validations = validations.filter((each) => each.step <= event.from_step);
    samples.keepUntil(event.from_step);
    tell("started", texts.training, event.from_step ? `${texts.from_step} ${event.from_step}` : "");
  },
  step: (event) => steps.push(event),
  evaluated(event) {
    validations.push(event);
    tell("evaluated", texts.validation, `${texts.step} ${event.step}: ${figure(event.loss)}`);
  },
  sampled: (event) => samples.add(event),
  checkpoint(event) {
    refresh("checkpoints");
    tell("checkpoint", texts.checkpoint, `${texts.step} ${event.step}`);
  },
  warning(event) {
    tellSaid("warning", texts.warning, event.message);
    warn(event.message);
  },
  paused: (event) => tell("paused", texts.paused, event.step ? `${texts.step} ${event.step}` : ""),
  finished: () => tell("finished", texts.finished, ""),
  failed: (event) => tellSaid("failed", texts.failed, event.message),
};

let source;
function listen() {
  source = new EventSource(`${address}/events`);
  for (const kind of Object.keys(listeners)) source.addEventListener(kind, (message) => take(kind, message));
  source.addEventListener("end", () => {
    source.close();
    connection("ended");
  });
  source.onopen = () => connection("live");
  source.onerror = () => {
    connection("lost");
    // A browser comes back by itself after a broken line, not after an answer that is no stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 1000 * SECONDS_TO_RETRY);
  };
}

function take(kind, message) {
  const position = message.lastEventId.split("-").reduce((sum, part) => sum + Number(part), 0);
  if (position <= seen) return; // told from the beginning again, by a new line
  seen = position;
  lastNews = Date.now();
  listeners[kind](JSON.parse(message.data));
  draw();
}

function connection(state) {
  root.dataset.connection = state;
  lastNews = Date.now();
  for (const each of root.querySelectorAll("[data-connection-is]")) each.hidden = each.dataset.connectionIs !== state;
}

setInterval(() => {
  const silent = Date.now() - lastNews > 1000 * SECONDS_UNTIL_STALE;
  byId("stale").hidden = !(silent && status === "running" && root.dataset.connection === "live");
}, 1000);

// Parts that the server renders are fetched anew when the stream tells of something they show.
const due = new Map();
function refresh(id) {
  clearTimeout(due.get(id));
  due.set(id, setTimeout(() => byId(id) && htmx.trigger(byId(id), "refresh"), 300));
}

// --- events and log ------------------------------------------------------------------------------

const ICONS = { warning: "alert-triangle text-warning", failed: "alert-circle text-danger", checkpoint: "device-floppy",
  evaluated: "target", finished: "circle-check text-success", status: "arrow-right", paused: "player-pause" };

function tell(kind, what, detail) {
  const line = byId("event-line").content.cloneNode(true);
  line.querySelector("i").className = `ti ti-${ICONS[kind] ?? "point"}`;
  line.querySelector("[data-what]").textContent = what;
  const place = line.querySelector("[data-detail]");
  place.textContent = detail ?? "";
  byId("events").prepend(line);
  return place;
}

async function tellSaid(kind, what, sentence) {
  const place = tell(kind, what, "");
  place.textContent = await said(sentence);
}

async function warn(sentence) {
  const box = byId("warnings");
  const line = document.createElement("div");
  box.append(line);
  line.textContent = await said(sentence);
  box.hidden = false;
}

let log;
byId("log-panel").addEventListener("toggle", ({ target }) => {
  if (!target.open || log) return;
  let offset = 0;
  log = new EventSource(`${address}/logs`);
  log.addEventListener("end", () => log.close());
  log.addEventListener("log", (message) => {
    if (Number(message.lastEventId) <= offset) return;
    offset = Number(message.lastEventId);
    const box = byId("log");
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    box.textContent = (box.textContent + JSON.parse(message.data).text).slice(-MOST_LOG_CHARACTERS);
    if (atEnd) box.scrollTop = box.scrollHeight;
  });
});

// --- curves --------------------------------------------------------------------------------------

const charts = Object.fromEntries(
  [...root.querySelectorAll("[data-chart]")].map((each) => [each.dataset.chart, new LineChart(each, { group: "run", slider: each.dataset.chart === "loss" })]),
);
const controls = { smoothing: byId("smoothing"), axis: byId("axis"), most: byId("most"), log: byId("log-scale") };
for (const each of Object.values(controls)) each.addEventListener("input", () => draw());

let drawing;
function draw() {
  // Once for all that arrived together: ten thousand steps come in one go.
  drawing ??= setTimeout(() => {
    drawing = undefined;
    drawCurves();
    showFigures();
  }, 100);
}

// Where each step is on the chosen axis: its number, the tokens seen, or the minutes taken so far.
function places() {
  let tokens = 0;
  let seconds = 0;
  return steps.map((each) => {
    tokens += each.num_tokens;
    seconds += each.seconds;
    return { step: each.step, tokens, minutes: seconds / 60 }[controls.axis.value];
  });
}

function drawCurves() {
  const xs = places();
  const xName = controls.axis.selectedOptions[0].textContent;
  const along = (value) => steps.map((each, place) => [xs[place], value(each)]);
  const placeOf = new Map(steps.map((each, place) => [each.step, xs[place]]));
  const weight = Number(controls.smoothing.value);
  byId("smoothing-value").textContent = weight.toFixed(2);
  const losses = along((each) => each.loss);
  const most = Number(controls.most.value);
  charts.loss.show({
    log: controls.log.checked,
    most,
    xName,
    series: [
      { name: texts.loss, points: losses, color: 0, faint: weight > 0 },
      ...(weight > 0 ? [{ name: texts.smoothed, points: smooth(losses, weight), color: 0 }] : []),
      { name: texts.validation, color: 1, dots: true,
        points: validations.map((each) => [placeOf.get(each.step) ?? 0, each.loss]) },
    ],
  });
  const single = (chart, name, value, color, more) => chart.show({ xName, series: [{ name, points: along(value), color }], ...more });
  single(charts.rate, texts.rate, (each) => each.learning_rate, 2);
  single(charts.norm, texts.norm, (each) => each.grad_norm, 3, { most });
  single(charts.speed, texts.speed, (each) => each.num_tokens / each.seconds, 5);
  root.dataset.steps = steps.map((each) => each.step).length;
  root.dataset.distinct = new Set(steps.map((each) => each.step)).size;
}

function showFigures() {
  const last = steps.at(-1);
  if (!last) return;
  const recent = steps.slice(-STEPS_OF_PACE);
  const seconds = recent.reduce((sum, each) => sum + each.seconds, 0);
  show("step", `${last.step.toLocaleString(document.documentElement.lang)} / ${totalSteps.toLocaleString(document.documentElement.lang)}`);
  show("epoch", last.epoch.toFixed(2));
  show("loss", figure(last.loss));
  show("validation", validations.length ? figure(validations.at(-1).loss) : "–");
  show("speed", figure(recent.reduce((sum, each) => sum + each.num_tokens, 0) / seconds));
  show("rate", figure(last.learning_rate));
  show("norm", figure(last.grad_norm));
  show("tokens", figure(steps.reduce((sum, each) => sum + each.num_tokens, 0)));
  const isOver = FINAL.includes(status) || status === "paused";
  show("left", isOver ? "–" : duration((seconds / recent.length) * (totalSteps - last.step)));
  byId("done").value = last.step;
  byId("done").max = Math.max(totalSteps, 1);
}

function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const parts = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) => Math.floor(part));
  const [hours, minutes, rest] = [parts[0], ...parts.slice(1).map((part) => String(part).padStart(2, "0"))];
  return hours ? `${hours}:${minutes}:${rest}` : `${Number(minutes)}:${rest}`;
}

listen();
