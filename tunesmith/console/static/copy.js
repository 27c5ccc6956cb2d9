// Buttons with data-copy="ID" copy that field's value, or that element's text, and say so.
const MILLISECONDS_SHOWN = 1500;

addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  source.select?.();
  // Browsers give the clipboard to pages from this machine or over TLS; elsewhere a field stays selected.
  if (!navigator.clipboard) return;
  await navigator.clipboard.writeText(source.value ?? source.textContent);
  if (button.dataset.copied) button.textContent = button.dataset.copied;
  const icon = button.querySelector(".ti-copy");
  icon?.classList.replace("ti-copy", "ti-check");
  setTimeout(() => icon?.classList.replace("ti-check", "ti-copy"), MILLISECONDS_SHOWN);
});
