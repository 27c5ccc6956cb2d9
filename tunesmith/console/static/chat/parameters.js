// The form of parameters: how all models are asked.

const NUMBERS = ["temperature", "top_p", "max_tokens", "seed"];

// As the API takes them; what is empty is left out. `system` is the system prompt.
export function parameters(form) {
  const { elements } = form;
  const filled = NUMBERS.filter((name) => elements[name].value !== "");
  const numbers = Object.fromEntries(filled.map((name) => [name, Number(elements[name].value)]));
  const stop = elements.stop.value.split("\n").filter((line) => line !== "");
  return { ...numbers, ...(stop.length && { stop }), system: elements.system.value.trim() };
}

// A character's persona and sampling; without a character, what the page began with.
export function usePersona(form, character) {
  for (const name of NUMBERS)
    form.elements[name].value = character?.sampling[name] ?? form.elements[name].defaultValue;
  form.elements.system.value = character?.persona ?? "";
}
