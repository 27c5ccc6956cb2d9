// A chat outlives a reload of its page, in this tab and for who wrote it.

const KEY = "tunesmith-chat";

export function remember(whose, chat) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ whose, chat }));
  } catch {
    // Larger than what browsers keep: then it does not outlive a reload.
  }
}

export function recall(whose) {
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
  return kept.whose === whose ? kept.chat : undefined;
}
