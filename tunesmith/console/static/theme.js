// Runs before the page is painted: without a choice of their own, visitors get their system's theme.
if (!document.documentElement.dataset.bsTheme) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.bsTheme = dark ? "dark" : "light";
}
