// What a model wrote, as nodes: fenced code, `code`, line breaks. All of it goes in as text, never as
// HTML, so that nothing in it can do anything.

export function show(element, text) {
  // Between fences, every second part is code; its first line names the language.
  const parts = text.split(/^```/m);
  const nodes = parts.map((part, index) => (index % 2 ? block(part) : prose(part)));
  element.replaceChildren(...nodes.filter((node) => node.textContent));
}

function block(part) {
  const pre = document.createElement("pre");
  pre.append(tagged("code", part.slice(part.indexOf("\n") + 1).trimEnd()));
  return pre;
}

function prose(part) {
  const pieces = part.replace(/^\n+|\n+$/g, "").split(/`([^`\n]+)`/);
  const div = document.createElement("div");
  div.append(...pieces.map((piece, index) => (index % 2 ? tagged("code", piece) : piece)));
  return div;
}

function tagged(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
