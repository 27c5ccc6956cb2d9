// Asking without knowing who answers: models are shuffled behind letters until the visitor has voted.
// After a vote the next question begins anew, for what was said before would tell who is who.

import { vote, votes } from "./api.js";
import { part, say } from "./page.js";

const MOST_TOLD = 4;

export class Blind {
  constructor(root) {
    this.root = root;
    this.isOn = false;
    this.isRevealed = false;
    this.bar = part(root, "vote");
  }

  turn(isOn, panes) {
    this.isOn = isOn;
    if (isOn) this.shuffle(panes);
    this.reveal(!isOn);
    this.bar.hidden = true;
    this.root.querySelector('[data-do="blind"]').setAttribute("aria-pressed", isOn);
  }

  reveal(isRevealed) {
    this.isRevealed = isRevealed;
    this.root.classList.toggle("is-blind", !isRevealed);
    this.root.classList.toggle("has-letters", this.isOn);
  }

  // The order of `panes` is what people see, so that letters say nothing.
  shuffle(panes) {
    for (let last = panes.length - 1; last > 0; last--) {
      const other = Math.floor(Math.random() * (last + 1));
      [panes[last], panes[other]] = [panes[other], panes[last]];
    }
    for (const pane of panes) pane.element.parentElement?.append(pane.element);
    this.letter(panes);
  }

  letter(panes) {
    panes.forEach((pane, index) => {
      pane.letter = String.fromCharCode(65 + index);
      part(pane.element, "letter").textContent = pane.letter;
    });
  }

  askForVote(panes) {
    const buttons = panes.map((pane) => {
      const button = document.createElement("button");
      button.className = "btn";
      button.dataset.vote = pane.letter;
      button.textContent = say("best", { letter: pane.letter });
      return button;
    });
    part(this.bar, "letters").replaceChildren(...buttons);
    this.bar.hidden = false;
  }

  // Nobody is named before the vote is kept; one that could not be is asked for again.
  async vote(choice, panes) {
    this.bar.hidden = true;
    try {
      this.tell(await vote({ models: panes.map((pane) => pane.model), choice }));
    } catch (error) {
      this.bar.hidden = false;
      throw error;
    }
    this.reveal(true);
  }

  async tally() {
    this.tell(await votes());
  }

  // How the models stand over all chats of everybody.
  tell({ num_votes, num_ties, standings }) {
    const leaders = standings.slice(0, MOST_TOLD).map((each) => `${each.model} ${each.num_best}`);
    const counts = [...leaders, ...(num_ties ? [`${say("tie")} ${num_ties}`] : [])].join(" · ");
    part(this.root, "tally-text").textContent = num_votes ? say("tally", { counts }) : "";
    part(this.root, "tally").hidden = num_votes === 0;
  }
}
