// Finding things on the page, and texts in the visitor's language.

const texts = JSON.parse(document.getElementById("texts")?.dataset.texts ?? "{}");

// The text of that name, with its {places} filled.
export const say = (name, values = {}) =>
  texts[name].replace(/\{(\w+)\}/g, (_, place) => values[place]);

export const part = (element, name) => element.querySelector(`[data-part="${name}"]`);

export const piece = (name) =>
  document.getElementById(`${name}-piece`).content.firstElementChild.cloneNode(true);

// A line over the page, as those that the server sends; the text is text.
export function tell(text, kind) {
  const toast = document.createElement("div");
  toast.className = `toast show border-${kind}`;
  toast.dataset.notice = kind;
  toast.setAttribute("role", kind === "danger" ? "alert" : "status");
  const body = document.createElement("div");
  body.className = "toast-body text-break";
  body.textContent = text;
  toast.append(body);
  toast.addEventListener("click", () => toast.remove());
  document.getElementById("notices").append(toast);
}
