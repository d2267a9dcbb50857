// Ollama's package for Node at chat, generate and what is told of models.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ollama } from "ollama";
import { CLOSING, TASK, TOOLS, errand } from "./errand.mjs";
import { CUT_SHORT, ENDLESS, KEY, MODEL, ORIGIN, taken, untilInFlight } from "./harness.mjs";

const headers = { Authorization: `Bearer ${KEY}` };
const client = new Ollama({ host: ORIGIN, headers });
const asking = (content, more = {}) => ({ model: MODEL, messages: [{ role: "user", content }], ...more });
const textOf = (pieces) => pieces.map((piece) => piece.message?.content ?? piece.response).join("");
const tools = TOOLS.map((tool) => ({ type: "function", function: tool }));

/** All pieces of a stream. */
async function all(stream) {
  const pieces = [];
  for await (const piece of await stream) pieces.push(piece);
  return pieces;
}

test("models are listed, shown with and without their tag, and ready", async () => {
  const { models } = await client.list();
  assert.ok(models.some((model) => model.name === `${MODEL}:latest`));
  assert.deepEqual((await client.ps()).models.map((model) => model.name), models.map((model) => model.name));
  const shown = await client.show({ model: MODEL });
  assert.deepEqual(await client.show({ model: `${MODEL}:latest` }), shown);
  assert.ok(shown.capabilities.includes("tools"));
  assert.match((await client.version()).version, /^\d+\.\d+\.\d+$/);
});

test("a chat comes whole and in pieces, with the figures at the end", async () => {
  const whole = await client.chat(asking("Both ways."));
  const pieces = await all(client.chat(asking("Both ways.", { stream: true })));
  assert.equal(textOf(pieces), whole.message.content);
  for (const end of [whole, pieces.at(-1)]) {
    assert.equal(end.done_reason, "stop");
    assert.equal(end.model, MODEL);
    assert.ok(end.eval_count > 0 && end.eval_duration > 0 && end.total_duration > 0);
  }
});

test("a second turn goes on in its session", async () => {
  const question = { role: "user", content: "My favourite colour is teal." };
  const first = await client.chat({ model: MODEL, messages: [question] });
  const messages = [question, first.message, { role: "user", content: "What did I say?" }];
  assert.match((await client.chat({ model: MODEL, messages })).message.content, /message 2 of this session/);
});

test("a text is made, cut off, and a model loaded", async () => {
  const whole = await client.generate({ model: MODEL, prompt: "Once.", system: "Be brief." });
  assert.match(whole.response, /Once\./);
  const request = { model: MODEL, prompt: "Once.", stream: true, options: { num_predict: 4 } };
  assert.equal((await all(client.generate(request))).at(-1).done_reason, "length");
  assert.equal((await client.generate({ model: MODEL, prompt: "" })).done_reason, "load");
});

test("signs of life before the first piece are pieces without text", async () => {
  const pieces = await all(client.chat(asking("Slowly.\n#simulate first=0.4 gap=0.1", { stream: true })));
  assert.equal(pieces[0].message.content, "");
  assert.match(textOf(pieces), /Slowly\./);
});

for (const stream of [false, true]) {
  test(`an errand of two steps is done, ${stream ? "in pieces" : "whole"}`, async () => {
    const run = errand();
    const messages = [...asking(TASK).messages];
    const ask = async () => {
      if (!stream) return (await client.chat({ model: MODEL, messages, tools })).message;
      const pieces = await all(client.chat({ model: MODEL, messages, tools, stream }));
      const tool_calls = pieces.flatMap((piece) => piece.message.tool_calls ?? []);
      return { role: "assistant", content: textOf(pieces), tool_calls };
    };
    let message = await ask();
    while (message.tool_calls?.length) {
      messages.push(message);
      for (const { function: called } of message.tool_calls) {
        messages.push({ role: "tool", tool_name: called.name, content: run[called.name](called.arguments) });
      }
      message = await ask();
    }
    assert.equal(message.content, CLOSING);
    run.assertDone();
  });
}

test("reasoning has a field of its own, unless it is not wanted", async () => {
  const thinking = "Think.\n#simulate reasoning=tag";
  assert.match((await client.chat(asking(thinking, { think: true }))).message.thinking, /I think about it/);
  assert.equal((await client.chat(asking(thinking, { think: false }))).message.thinking, undefined);
});

test("faults are texts, before the answer and in its middle", async () => {
  const stranger = new Ollama({ host: ORIGIN, headers: { Authorization: "Bearer a-wrong-key" } });
  await assert.rejects(stranger.list(), { name: "ResponseError", status_code: 401 });
  await assert.rejects(client.show({ model: "no-such-model" }), { name: "ResponseError", status_code: 404 });
  await assert.rejects(client.embed({ model: MODEL, input: "Hello." }), /no embeddings/);
  await assert.rejects(client.chat(asking("Hi.", { format: "yaml" })), /format must be json/);
  const pieces = [];
  const error = await taken(await client.chat(asking(CUT_SHORT, { stream: true })), pieces);
  assert.match(error.message, /status 500/);
  assert.ok(textOf(pieces));
});

test("an abort in mid-stream frees the slot", async () => {
  const stream = await client.chat(asking(ENDLESS, { stream: true }));
  const reading = (async () => {
    for await (const piece of stream) if (piece.message.content) await untilInFlight(1).then(() => stream.abort());
  })();
  await assert.rejects(reading, { name: "AbortError" });
  await untilInFlight(0);
});
