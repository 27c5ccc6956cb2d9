// The list of runs: two or more are compared; runs at work are shown anew while nobody is choosing.
const SECONDS_BETWEEN_LOOKS = 5;
const list = document.getElementById("list");
const boxes = () => [...list.querySelectorAll("input[name=run]")];
const numChosen = () => boxes().filter((box) => box.checked).length;

list.addEventListener("change", ({ target }) => {
  if (target.id === "all") for (const box of boxes()) box.checked = target.checked;
  const compare = document.getElementById("compare");
  compare.disabled = numChosen() < 2 || numChosen() > Number(compare.dataset.most);
});

setInterval(() => {
  const moves = list.querySelector('[data-state="queued"], [data-state="starting"], [data-state="running"], [data-state="pausing"]');
  if (moves && !numChosen() && !document.hidden) htmx.trigger(list.querySelector("[data-comparing]"), "refresh");
}, 1000 * SECONDS_BETWEEN_LOOKS);
