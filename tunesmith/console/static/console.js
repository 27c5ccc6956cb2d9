// What every page does: notices that were good news go by themselves.
const SECONDS_TO_READ = 6;

new MutationObserver((changes) => {
  for (const { addedNodes } of changes)
    for (const node of addedNodes)
      if (node.dataset?.notice === "success") setTimeout(() => node.remove(), 1000 * SECONDS_TO_READ);
}).observe(document.getElementById("notices"), { childList: true });
