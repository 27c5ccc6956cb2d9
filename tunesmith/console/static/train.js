// The training form: what the preview says of a setting is shown at its field, and the rate's course drawn.
import { LineChart } from "./charts.js";

const form = document.getElementById("train-form");
const place = document.getElementById("rate-chart");
const chart = new LineChart(place);

function showRates() {
  const rates = JSON.parse(document.getElementById("rates").value);
  chart.show({ series: [{ name: place.dataset.name, points: rates, color: 2 }] });
}

// A name is asked for before anything was typed, too; at the field it is said only once there was.
function noteFields() {
  const notes = new Map();
  for (const each of document.querySelectorAll("#preview [data-note]"))
    if (!notes.has(each.dataset.path)) notes.set(each.dataset.path, each);
  for (const target of form.querySelectorAll("[data-note-for]")) {
    const path = target.dataset.noteFor;
    const note = notes.get(path) ?? notes.get([...notes.keys()].find((each) => each.startsWith(`${path}[`)));
    const field = form.elements.namedItem(path);
    const isProblem = note?.dataset.note === "problem" && form.dataset.touched === "yes";
    target.textContent = note && (isProblem || note.dataset.note === "warning") ? note.textContent.trim() : "";
    target.className = `small ${isProblem ? "text-danger" : "text-warning"}`;
    if (field instanceof HTMLElement) field.classList.toggle("is-invalid", isProblem);
  }
}

function countChanges() {
  for (const group of form.querySelectorAll("[data-group]")) {
    const changed = [...group.querySelectorAll("input, select, textarea")].filter((each) => {
      const isChanged = each.value !== (each.dataset.default ?? "");
      each.classList.toggle("changed", isChanged);
      return isChanged;
    });
    const badge = group.querySelector("[data-changed]");
    badge.textContent = changed.length ? `${changed.length} ${badge.dataset.word}` : "";
  }
}

form.addEventListener("input", () => {
  form.dataset.touched = "yes";
  countChanges();
});
form.addEventListener("click", ({ target }) => {
  if (!target.closest("#add-dataset")) return;
  const row = document.querySelector("#datasets input").cloneNode();
  row.removeAttribute("id");
  row.value = "";
  document.getElementById("datasets").append(row);
  row.focus();
});
// What somebody opened stays open when the preview is told anew.
let isOpen = false;
form.addEventListener("toggle", ({ target }) => target.id === "as-text" && (isOpen = target.open), true);
new MutationObserver(() => {
  const text = document.getElementById("as-text");
  if (text) text.open = isOpen;
  showRates();
  noteFields();
}).observe(document.getElementById("preview"), { childList: true });
new MutationObserver(() => {
  countChanges();
  htmx.trigger(document.getElementById("preview"), "refresh");
}).observe(document.getElementById("fields"), { childList: true });

showRates();
noteFields();
countChanges();
