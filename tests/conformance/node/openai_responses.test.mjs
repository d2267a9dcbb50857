// OpenAI's client for Node, raw and with its stream helper, at responses and legacy completions.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { CLOSING, TASK, TOOLS, errand } from "./errand.mjs";
import { CUT_SHORT, ENDLESS, KEY, MODEL, ORIGIN, taken, untilInFlight } from "./harness.mjs";

const client = new OpenAI({ baseURL: `${ORIGIN}/v1`, apiKey: KEY, maxRetries: 0 });
const asking = (input, more = {}) => ({ model: MODEL, input, ...more });
const LOOK = {
  type: "function",
  name: "look",
  strict: false,
  parameters: { type: "object", properties: { at: { type: "string" } }, required: ["at"] },
};
const CALL = `Look.\n#simulate call='look:{"at":"sea"}' say='I look.'`;

test("a whole response has text and usage, and is kept until it is forgotten", async () => {
  const response = await client.responses.create(asking("Hello there."));
  assert.match(response.output_text, /Hello there\./);
  assert.equal(response.status, "completed");
  assert.ok(response.usage.total_tokens > 0);
  assert.equal((await client.responses.retrieve(response.id)).output_text, response.output_text);
  await client.responses.delete(response.id);
  await assert.rejects(client.responses.retrieve(response.id), OpenAI.NotFoundError);
});

test("a response follows another one", async () => {
  const first = await client.responses.create(asking("My favourite colour is teal."));
  const second = await client.responses.create(asking("What did I say first?", { previous_response_id: first.id }));
  assert.match(second.output_text, /My favourite colour is teal\./);
});

test("a raw stream counts its events and ends as completed", async () => {
  const events = [];
  for await (const event of await client.responses.create(asking("Slowly.\n#simulate first=0.3", { stream: true }))) events.push(event);
  assert.equal(events[0].type, "response.created");
  assert.equal(events.at(-1).type, "response.completed");
  assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, at) => at));
});

test("the stream helper puts the whole response together", async () => {
  const stream = client.responses.stream(asking("Help."));
  const pieces = [];
  stream.on("response.output_text.delta", (event) => pieces.push(event.delta));
  const response = await stream.finalResponse();
  assert.equal(pieces.join(""), response.output_text);
});

test("a tool is called, whole and streamed", async () => {
  const tools = [LOOK];
  for (const response of [
    await client.responses.create(asking(CALL, { tools })),
    await client.responses.stream(asking(CALL, { tools })).finalResponse(),
  ]) {
    const call = response.output.find((item) => item.type === "function_call");
    assert.equal(call.name, "look");
    assert.deepEqual(JSON.parse(call.arguments), { at: "sea" });
  }
});

const ASK = {
  create: (asked) => client.responses.create(asked),
  stream: (asked) => client.responses.stream(asked).finalResponse(),
};

for (const [way, ask] of Object.entries(ASK)) {
  test(`an errand of two steps is done by ${way}`, async () => {
    const run = errand();
    const tools = TOOLS.map((each) => ({ type: "function", strict: false, ...each }));
    let response = await ask({ model: MODEL, tools, input: TASK });
    for (;;) {
      const calls = response.output.filter((item) => item.type === "function_call");
      if (!calls.length) break;
      const input = calls.map((call) => (
        { type: "function_call_output", call_id: call.call_id, output: run[call.name](JSON.parse(call.arguments)) }));
      response = await ask({ model: MODEL, tools, input, previous_response_id: response.id });
    }
    assert.equal(response.output_text, CLOSING);
    run.assertDone();
  });
}

test("a stream that fails in the middle ends as failed and never as completed", async () => {
  const events = [];
  await taken(await client.responses.create(asking(CUT_SHORT, { stream: true })), events);
  assert.ok(events.some((event) => event.type === "response.output_text.delta"));
  assert.equal(events.at(-1).type, "response.failed");
  assert.equal(events.at(-1).response.error.type, "upstream_error");
});

test("faults before the answer are the client's own classes", async () => {
  await assert.rejects(client.responses.create(asking(5)), OpenAI.BadRequestError);
  await assert.rejects(client.responses.create(asking("Hi.", { previous_response_id: "resp_none" })), OpenAI.APIError);
});

test("an abort in mid-stream frees the slot", async () => {
  for await (const event of await client.responses.create(asking(ENDLESS, { stream: true }))) {
    if (event.type === "response.output_text.delta") break;
  }
  await untilInFlight(0);
});

test("a text is completed, whole and streamed", async () => {
  const whole = await client.completions.create({ model: MODEL, prompt: "Once upon a time" });
  assert.ok(whole.choices[0].text);
  const chunks = [];
  const asked = { model: MODEL, prompt: "Once upon a time", stream: true };
  for await (const chunk of await client.completions.create(asked)) chunks.push(chunk);
  assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(""), whole.choices[0].text);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
});
