// The list of runs: comparing needs two or more; runs at work are shown anew while nobody is choosing.
const SECONDS_BETWEEN_LOOKS = 5;
const list = document.getElementById("list");
const chosen = () => list.querySelectorAll("input[name=run]:checked").length;

list.addEventListener("change", () => (document.getElementById("compare").disabled = chosen() < 2));

setInterval(() => {
  const moves = list.querySelector('[data-state="queued"], [data-state="starting"], [data-state="running"], [data-state="pausing"]');
  if (moves && !chosen() && !document.hidden) htmx.trigger(list.querySelector("[data-comparing]"), "refresh");
}, 1000 * SECONDS_BETWEEN_LOOKS);
