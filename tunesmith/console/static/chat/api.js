// What the chat asks of the API: answers as they are written, deployments, votes, keeping a chat.

import { said } from "../said.js";

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export async function call(path, { method = "GET", body, signal } = {}) {
  const response = await fetch(path, {
    method,
    signal,
    headers: body && { "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Refused(await said(await complaint(response)), response.status);
  return response;
}

// Both error shapes of the API: its own, and that of OpenAI's clients.
async function complaint(response) {
  try {
    const answer = await response.json();
    const { message, hint } = answer.error ?? answer;
    return hint ? `${message} (${hint})` : message;
  } catch {
    return `HTTP ${response.status}`;
  }
}

// Yields { text }, then { finish } and { tokens }. Throws Refused; null as its status means that
// the connection was lost on the way.
export async function* answers(question, signal) {
  const body = { ...question, stream: true, stream_options: { include_usage: true } };
  const response = await call("/v1/chat/completions", { method: "POST", body, signal });
  for await (const data of events(response.body)) {
    if (data === "[DONE]") return;
    const { error, choices, usage } = JSON.parse(data);
    if (error) throw new Refused(await said(error.message), 503);
    if (choices[0]?.delta.content) yield { text: choices[0].delta.content };
    if (choices[0]?.finish_reason) yield { finish: choices[0].finish_reason };
    if (usage) yield { tokens: usage.completion_tokens };
  }
  throw new Refused("", null);
}

// The data of server-sent events: lines "data: ...", and an empty line after each event.
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      if (lines.length) yield lines.map((line) => line.slice(5).trimStart()).join("\n");
    }
  }
}

// Live deployments and failed ones, newest first.
export async function deployments() {
  const states = ["deploying", "ready", "failed"].map((state) => `state=${state}`).join("&");
  return (await (await call(`/api/v1/deployments?limit=100&${states}`)).json()).data;
}

export const deploy = (model) => call("/api/v1/deployments", { method: "POST", body: { model } });

// Both tell how the models stand: { num_votes, num_ties, standings }.
export const votes = async () => (await call("/api/v1/chat-votes")).json();
export const vote = async (ballot) =>
  (await call("/api/v1/chat-votes", { method: "POST", body: ballot })).json();

export const keep = (chat) => call("/api/v1/transcripts", { method: "POST", body: chat });
