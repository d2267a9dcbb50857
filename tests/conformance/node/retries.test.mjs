// Clients that meet a full gateway: each waits as long as it is told to, and is served once there is room.
import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { ENDLESS, KEY, MODEL, ORIGIN, noting, untilInFlight } from "./harness.mjs";

const RETRY_AFTER = 5_000;
const messages = [{ role: "user", content: "Me?" }];

/** Lets `ask` run into the full gateway, makes room after its first refusal, and returns what it then got. */
async function refusedOnce(ask) {
  const holder = new OpenAI({ baseURL: `${ORIGIN}/v1`, apiKey: KEY, maxRetries: 0 });
  const stream = await holder.chat.completions.create({
    model: MODEL, stream: true, messages: [{ role: "user", content: ENDLESS }] });
  await untilInFlight(1);
  const seen = [];
  const refused = async (...request) => {
    const response = await noting(seen)(...request);
    if (response.status === 429) stream.controller.abort();
    return response;
  };
  const answer = await ask(refused);
  assert.deepEqual(seen.map((each) => each.status), [429, 200]);
  const waited = seen[1].at - seen[0].at;
  assert.ok(waited >= RETRY_AFTER - 50 && waited < 2 * RETRY_AFTER, `waited ${waited} ms`);
  await untilInFlight(0);
  return answer;
}

test("OpenAI's client comes back when it was told to", async () => {
  const answer = await refusedOnce((fetch) => {
    const client = new OpenAI({ baseURL: `${ORIGIN}/v1`, apiKey: KEY, maxRetries: 1, fetch });
    return client.chat.completions.create({ model: MODEL, messages });
  });
  assert.match(answer.choices[0].message.content, /Me\?/);
});

test("Anthropic's client comes back when it was told to", async () => {
  const answer = await refusedOnce((fetch) => {
    const client = new Anthropic({ baseURL: ORIGIN, apiKey: KEY, maxRetries: 1, fetch });
    return client.messages.create({ model: MODEL, max_tokens: 1000, messages });
  });
  assert.match(answer.content[0].text, /Me\?/);
});
