// Whatever has data-key="K" is clicked when K is pressed, unless somebody is writing.
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const element = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!element) return;
  event.preventDefault();
  element.click();
});
