// What the model answers while it learns: under each prompt its answers by step, the newest first.
// Prompts and answers are text, whatever they look like.

export class Samples {
  // `place` holds runs/samples.html; `nameOf` says what a step is called.
  constructor(place, { nameOf }) {
    this.place = place;
    this.nameOf = nameOf;
    this.answers = new Map(); // by prompt: the body of a table
  }

  add({ step, prompt, answer }) {
    const row = this.copy("of-answer").querySelector("tr");
    row.dataset.at = step;
    row.querySelector("[data-step]").textContent = this.nameOf(step);
    row.querySelector("[data-answer]").textContent = answer || "–";
    this.tableOf(prompt).prepend(row);
    this.place.hidden = false;
  }

  // Steps after the one that a run goes on from are taken, and asked, again: after 0, all of them.
  keepUntil(step) {
    for (const row of this.place.querySelectorAll("tr[data-at]")) if (!step || Number(row.dataset.at) > step) row.remove();
  }

  tableOf(prompt) {
    if (!this.answers.has(prompt)) {
      const section = this.copy("of-prompt");
      section.querySelector("[data-prompt]").textContent = prompt;
      this.answers.set(prompt, section.querySelector("tbody"));
      this.place.querySelector("[data-prompts]").append(section);
    }
    return this.answers.get(prompt);
  }

  copy(name) {
    return this.place.querySelector(`template[data-${name}]`).content.cloneNode(true);
  }
}
