// OpenAI's client for Node, raw and with its stream helper, at chat completions and models.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { CLOSING, TASK, TOOLS, errand } from "./errand.mjs";
import { CUT_SHORT, ENDLESS, KEY, MODEL, ORIGIN, taken, untilInFlight } from "./harness.mjs";

const client = new OpenAI({ baseURL: `${ORIGIN}/v1`, apiKey: KEY, maxRetries: 0 });
const asking = (content, more = {}) => ({ model: MODEL, messages: [{ role: "user", content }], ...more });
const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
const LOOK = {
  type: "function",
  function: {
    name: "look",
    description: "Looks.",
    parameters: { type: "object", properties: { at: { type: "string" } }, required: ["at"] },
  },
};
const CALL = `Look.\n#simulate call='look:{"at":"sea"}' say='I look.'`;

test("models are listed and retrieved", async () => {
  const models = [];
  for await (const model of client.models.list()) models.push(model);
  assert.ok(models.some((model) => model.id === MODEL));
  assert.deepEqual(await client.models.retrieve(MODEL), models.find((model) => model.id === MODEL));
});

test("a whole answer has text, a finish reason and usage", async () => {
  const answer = await client.chat.completions.create(asking("Hello there."));
  assert.match(answer.choices[0].message.content, /Hello there\./);
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  assert.ok(answer._request_id);
});

test("a raw stream has the role first, the finish reason last and usage only where it was asked for", async () => {
  const chunks = [];
  for await (const chunk of await client.chat.completions.create(asking("Both ways.", { stream: true }))) chunks.push(chunk);
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  assert.ok(chunks.every((chunk) => chunk.choices.length === 1 && chunk.usage == null));
  const counted = [];
  const counting = { stream: true, stream_options: { include_usage: true } };
  for await (const chunk of await client.chat.completions.create(asking("Both ways.", counting))) counted.push(chunk);
  assert.deepEqual(counted.at(-1).choices, []);
  assert.ok(counted.at(-1).usage.total_tokens > 0);
  assert.equal(textOf(counted), textOf(chunks));
});

test("the stream helper puts the whole answer together", async () => {
  const stream = client.chat.completions.stream(asking("Help."));
  const pieces = [];
  stream.on("content", (piece) => pieces.push(piece));
  const answer = await stream.finalChatCompletion();
  assert.equal(pieces.join(""), answer.choices[0].message.content);
  assert.equal(answer.choices[0].finish_reason, "stop");
});

test("comments before the first chunk disturb neither way of reading", async () => {
  const slow = "Slowly.\n#simulate first=0.4 gap=0.1";
  const chunks = [];
  for await (const chunk of await client.chat.completions.create(asking(slow, { stream: true }))) chunks.push(chunk);
  assert.match(textOf(chunks), /Slowly\./);
  assert.match(await client.chat.completions.stream(asking(slow)).finalContent(), /Slowly\./);
});

test("reasoning has a field of its own", async () => {
  const answer = await client.chat.completions.create(asking("Think.\n#simulate reasoning=tag"));
  assert.match(answer.choices[0].message.reasoning_content, /I think about it/);
  assert.doesNotMatch(answer.choices[0].message.content, /I think about it/);
});

test("a tool is called, whole and with the stream helper, by its index", async () => {
  const tools = [LOOK];
  const whole = await client.chat.completions.create(asking(CALL, { tools }));
  assert.equal(whole.choices[0].finish_reason, "tool_calls");
  const stream = client.chat.completions.stream(asking(CALL, { tools }));
  const indices = new Set();
  stream.on("chunk", (chunk) => chunk.choices[0]?.delta.tool_calls?.forEach((call) => indices.add(call.index)));
  const streamed = await stream.finalChatCompletion();
  assert.deepEqual([...indices], [0]);
  for (const answer of [whole, streamed]) {
    const [call] = answer.choices[0].message.tool_calls;
    assert.equal(call.function.name, "look");
    assert.deepEqual(JSON.parse(call.function.arguments), { at: "sea" });
  }
});

const ASK = {
  create: async (asked) => (await client.chat.completions.create(asked)).choices[0].message,
  stream: async (asked) => (await client.chat.completions.stream(asked).finalChatCompletion()).choices[0].message,
};

for (const [way, ask] of Object.entries(ASK)) {
  test(`an errand of two steps is done by ${way}`, async () => {
    const run = errand();
    const tools = TOOLS.map((each) => ({ type: "function", function: each }));
    const { messages } = asking(TASK);
    let message;
    do {
      message = await ask({ model: MODEL, tools, messages });
      messages.push(message);
      for (const call of message.tool_calls ?? []) {
        const content = run[call.function.name](JSON.parse(call.function.arguments));
        messages.push({ role: "tool", tool_call_id: call.id, content });
      }
    } while (message.tool_calls?.length);
    assert.equal(message.content, CLOSING);
    run.assertDone();
  });
}

for (const stream of [false, true]) {
  test(`an errand of two steps is done by runTools, ${stream ? "streamed" : "whole"}`, async () => {
    const run = errand();
    const tools = TOOLS.map((each) => ({ type: "function", function: { ...each, parse: JSON.parse, function: run[each.name] } }));
    assert.equal(await client.chat.completions.runTools({ ...asking(TASK), tools, stream }).finalContent(), CLOSING);
    run.assertDone();
  });
}

test("a stream that fails in the middle raises, raw and with the helper", async () => {
  const chunks = [];
  const error = await taken(await client.chat.completions.create(asking(CUT_SHORT, { stream: true })), chunks);
  assert.ok(error instanceof OpenAI.APIError);
  assert.equal(error.code, "upstream_error");
  assert.ok(textOf(chunks));
  assert.ok(chunks.every((chunk) => chunk.choices[0].finish_reason === null));
  await assert.rejects(client.chat.completions.stream(asking(CUT_SHORT)).finalChatCompletion(), OpenAI.APIError);
});

test("faults before the answer are the client's own classes", async () => {
  await assert.rejects(client.chat.completions.create(asking("Hi.", { n: 5 })), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "n");
    assert.equal(error.code, "invalid_request");
    return true;
  });
  const stranger = new OpenAI({ baseURL: `${ORIGIN}/v1`, apiKey: "a-wrong-key", maxRetries: 0 });
  await assert.rejects(stranger.models.retrieve(MODEL), OpenAI.AuthenticationError);
  await assert.rejects(client.models.retrieve("no-such-model"), OpenAI.NotFoundError);
  await assert.rejects(
    client.chat.completions.create(asking("Fail.\n#simulate status=500")), OpenAI.InternalServerError);
});

test("an abort in mid-stream frees the slot", async () => {
  const stream = await client.chat.completions.create(asking(ENDLESS, { stream: true }));
  for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
  await untilInFlight(0);
  const helper = client.chat.completions.stream(asking(ENDLESS));
  await new Promise((resolve) => helper.once("content", resolve));
  await untilInFlight(1);
  helper.abort();
  await assert.rejects(helper.done(), OpenAI.APIUserAbortError);
  await untilInFlight(0);
});
