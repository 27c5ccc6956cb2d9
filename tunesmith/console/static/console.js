// What every page does: notices that were good news go by themselves, and of tabs in a row that is
// wider than the screen the one at hand is seen.
const SECONDS_TO_READ = 6;

new MutationObserver((changes) => {
  for (const { addedNodes } of changes)
    for (const node of addedNodes)
      if (node.dataset?.notice === "success") setTimeout(() => node.remove(), 1000 * SECONDS_TO_READ);
}).observe(document.getElementById("notices"), { childList: true });

for (const tab of document.querySelectorAll("main [aria-current=page]")) tab.scrollIntoView({ inline: "center", block: "nearest" });
