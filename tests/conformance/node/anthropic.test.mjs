// Anthropic's client for Node, raw and with its stream helper, at messages, token counts and models.
import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { CLOSING, TASK, TOOLS, errand } from "./errand.mjs";
import { CUT_SHORT, ENDLESS, KEY, MODEL, ORIGIN, taken, untilInFlight } from "./harness.mjs";

const client = new Anthropic({ baseURL: ORIGIN, apiKey: KEY, maxRetries: 0 });
const asking = (content, more = {}) => ({ model: MODEL, max_tokens: 1000, messages: [{ role: "user", content }], ...more });
const LOOK = {
  name: "look",
  description: "Looks.",
  input_schema: { type: "object", properties: { at: { type: "string" } }, required: ["at"] },
};
const CALL = `Look.\n#simulate call='look:{"at":"sea"}' say='I look.'`;

test("models are listed", async () => {
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  assert.ok(models.includes(MODEL));
});

test("a whole message has text, a reason and usage", async () => {
  const message = await client.messages.create(asking("Hello there."));
  assert.match(message.content[0].text, /Hello there\./);
  assert.equal(message.stop_reason, "end_turn");
  assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0);
  assert.ok(message._request_id);
});

test("tokens are counted without asking anybody", async () => {
  const { max_tokens, ...counted } = asking("Hello there.");
  assert.ok((await client.messages.countTokens(counted)).input_tokens > 0);
});

test("a raw stream has its events in order, and usage in both that tell of it", async () => {
  const events = [];
  for await (const event of await client.messages.create(asking("Slowly.\n#simulate first=0.3", { stream: true }))) events.push(event);
  const kinds = events.map((event) => event.type).filter((kind, at, all) => kind !== all[at - 1]);
  assert.deepEqual(kinds, ["message_start", "content_block_start", "content_block_delta", "content_block_stop",
    "message_delta", "message_stop"]);
  assert.ok(events[0].message.usage.input_tokens > 0);
  assert.ok(events.find((event) => event.type === "message_delta").usage.output_tokens > 0);
});

test("the stream helper puts the whole message together", async () => {
  const stream = client.messages.stream(asking("Help."));
  const pieces = [];
  stream.on("text", (piece) => pieces.push(piece));
  const message = await stream.finalMessage();
  assert.equal(pieces.join(""), message.content[0].text);
  assert.equal(message.stop_reason, "end_turn");
});

test("reasoning is a block of its own where it was asked for", async () => {
  const thinking = { type: "enabled", budget_tokens: 1024 };
  const message = await client.messages.stream(asking("Think.\n#simulate reasoning=push", { thinking })).finalMessage();
  assert.deepEqual(message.content.map((block) => block.type), ["thinking", "text"]);
});

test("a tool is called, whole and streamed, and its result goes on from there", async () => {
  const tools = [LOOK];
  const message = await client.messages.create(asking(CALL, { tools }));
  assert.equal(message.stop_reason, "tool_use");
  const call = message.content.find((block) => block.type === "tool_use");
  assert.deepEqual([call.name, call.input], ["look", { at: "sea" }]);
  const streamed = await client.messages.stream(asking(CALL, { tools })).finalMessage();
  assert.deepEqual(streamed.content.find((block) => block.type === "tool_use").input, { at: "sea" });
  const result = { type: "tool_result", tool_use_id: call.id, content: "The sea is calm.\n#simulate say=Calm." };
  const messages = [...asking(CALL).messages, { role: "assistant", content: message.content }, { role: "user", content: [result] }];
  assert.equal((await client.messages.create({ ...asking(""), tools, messages })).stop_reason, "end_turn");
});

const DECLARED = TOOLS.map(({ parameters, ...each }) => ({ ...each, input_schema: parameters }));
const ASK = {
  create: (asked) => client.messages.create(asked),
  stream: (asked) => client.messages.stream(asked).finalMessage(),
};

for (const [way, ask] of Object.entries(ASK)) {
  test(`an errand of two steps is done by ${way}`, async () => {
    const run = errand();
    const { messages, ...asked } = asking(TASK, { tools: DECLARED });
    let message;
    for (;;) {
      message = await ask({ ...asked, messages });
      const calls = message.content.filter((block) => block.type === "tool_use");
      if (!calls.length) break;
      const content = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: run[call.name](call.input) }));
      messages.push({ role: "assistant", content: message.content }, { role: "user", content });
    }
    assert.equal(message.content.at(-1).text, CLOSING);
    run.assertDone();
  });
}

for (const stream of [false, true]) {
  test(`an errand of two steps is done by the tool runner, ${stream ? "streamed" : "whole"}, in one thread`, async () => {
    const run = errand();
    const bodies = [];
    const noted = (url, init) => (bodies.push(JSON.parse(init.body)), fetch(url, init));
    const noting = new Anthropic({ baseURL: ORIGIN, apiKey: KEY, maxRetries: 0, fetch: noted });
    const tools = DECLARED.map((each) => ({ ...each, type: "custom", run: run[each.name], parse: (input) => input }));
    const message = await noting.beta.messages.toolRunner(asking(TASK, { tools, stream })).runUntilDone();
    assert.equal(message.content.at(-1).text, CLOSING);
    assert.deepEqual(bodies.map((body) => body.thread?.type), ["create", "continue", "continue"]);
    run.assertDone();
  });
}

test("a stream that fails in the middle raises, raw and with the helper", async () => {
  const events = [];
  const error = await taken(await client.messages.create(asking(CUT_SHORT, { stream: true })), events);
  assert.ok(error instanceof Anthropic.APIError);
  assert.ok(events.some((event) => event.type === "content_block_delta"));
  assert.ok(!events.some((event) => event.type === "message_stop"));
  await assert.rejects(client.messages.stream(asking(CUT_SHORT)).finalMessage(), Anthropic.APIError);
});

test("faults before the answer are the client's own classes", async () => {
  await assert.rejects(client.messages.create(asking("Hi.", { messages: [] })), Anthropic.BadRequestError);
  const stranger = new Anthropic({ baseURL: ORIGIN, apiKey: "a-wrong-key", maxRetries: 0 });
  await assert.rejects(stranger.messages.create(asking("Hi.")), Anthropic.AuthenticationError);
  await assert.rejects(client.messages.create(asking("Fail.\n#simulate status=500")), Anthropic.InternalServerError);
});

test("an abort in mid-stream frees the slot", async () => {
  for await (const event of await client.messages.create(asking(ENDLESS, { stream: true }))) {
    if (event.type === "content_block_delta") break;
  }
  await untilInFlight(0);
});
