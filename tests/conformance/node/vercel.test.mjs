// Vercel's AI SDK by its providers for OpenAI, Anthropic and compatible servers, which check every chunk against a schema.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import { BOATS, CLOSING, TASK, errand } from "./errand.mjs";
import { CUT_ORIGIN, CUT_SHORT, ENDLESS, KEY, MODEL, ORIGIN, taken, untilInFlight } from "./harness.mjs";

const compatible = createOpenAICompatible({ name: "lingma", baseURL: `${ORIGIN}/v1`, apiKey: KEY, includeUsage: true });
const openai = createOpenAI({ baseURL: `${ORIGIN}/v1`, apiKey: KEY });
const anthropic = createAnthropic({ baseURL: `${ORIGIN}/v1`, apiKey: KEY });
const MODELS = {
  compatible: compatible(MODEL),
  "compatible with schemas": createOpenAICompatible({
    name: "lingma", baseURL: `${ORIGIN}/v1`, apiKey: KEY, supportsStructuredOutputs: true })(MODEL),
  "openai, chat completions": openai.chat(MODEL),
  "openai, responses": openai.responses(MODEL),
  anthropic: anthropic(MODEL),
};
const model = MODELS.compatible;

/** Every part of a stream. A fault in it is a part as well, or ends the iteration. */
async function parts(result) {
  const found = [];
  const error = await taken(result.fullStream, found);
  return error === undefined ? found : [...found, { type: "error", error }];
}

test("text is generated, with its reason and its usage", async () => {
  const result = await generateText({ model, prompt: "Hello there.", maxRetries: 0 });
  assert.match(result.text, /Hello there\./);
  assert.equal(result.finishReason, "stop");
  assert.ok(result.usage.inputTokens > 0 && result.usage.outputTokens > 0);
});

test("text is streamed, with comments before it", async () => {
  const result = streamText({ model, prompt: "Slowly.\n#simulate first=0.4", maxRetries: 0 });
  const kinds = new Set((await parts(result)).map((part) => part.type));
  assert.ok(kinds.has("text-delta") && kinds.has("finish") && !kinds.has("error"));
  assert.match(await result.text, /Slowly\./);
  assert.equal(await result.finishReason, "stop");
  assert.ok((await result.usage).outputTokens > 0);
});

test("reasoning is told apart from text", async () => {
  const result = streamText({ model, prompt: "Think.\n#simulate reasoning=push", maxRetries: 0 });
  assert.match(await result.reasoningText, /I think about it/);
  assert.doesNotMatch(await result.text, /I think about it/);
});

const tools = (run) => ({
  look: tool({ description: "Looks.", inputSchema: z.object({ at: z.string() }), execute: async (input) => run.look(input) }),
  count: tool({ description: "Counts.", inputSchema: z.object({ things: z.string() }), execute: async (input) => run.count(input) }),
});

for (const [name, model] of Object.entries(MODELS)) {
  test(`an errand of two steps is done by ${name}`, async () => {
    const run = errand();
    const result = await generateText({ model, prompt: TASK, tools: tools(run), stopWhen: isStepCount(3), maxRetries: 0 });
    assert.equal(result.text, CLOSING);
    assert.equal(result.finishReason, "stop");
    run.assertDone();
  });

  test(`an errand of two steps is done by ${name}, streamed`, async () => {
    const run = errand();
    const result = streamText({ model, prompt: TASK, tools: tools(run), stopWhen: isStepCount(3), maxRetries: 0 });
    assert.ok(!(await parts(result)).some((part) => part.type === "error"));
    assert.equal(await result.text, CLOSING);
    run.assertDone();
  });

  test(`an object is what an errand by ${name} ends in`, async () => {
    // The provider for Anthropic has objects handed in by a tool of its own.
    const run = errand(name === "anthropic" ? `call='json:${JSON.stringify(BOATS)}'` : `say='${JSON.stringify(BOATS)}'`);
    const output = Output.object({ schema: z.object({ things: z.string(), number: z.number() }) });
    const asked = { model, prompt: TASK, tools: tools(run), output, stopWhen: isStepCount(3), maxRetries: 0 };
    assert.deepEqual((await generateText(asked)).output, BOATS);
    run.assertDone();
  });
}

test("an answer that breaks off on the way is asked for again", async () => {
  const run = errand();
  let asked = 0;
  const counted = (...request) => (asked += 1, fetch(...request));
  const model = createOpenAI({ baseURL: `${CUT_ORIGIN}/v1`, apiKey: KEY, fetch: counted }).chat(MODEL);
  const result = await generateText({ model, prompt: TASK, tools: tools(run), stopWhen: isStepCount(3), maxRetries: 1 });
  assert.equal(result.text, CLOSING);
  assert.equal(asked, 4);
  run.assertDone();
});

test("a stream that fails in the middle is an error and no finished text", async () => {
  const found = await parts(streamText({ model, prompt: CUT_SHORT, maxRetries: 0, onError: () => {} }));
  assert.ok(found.some((part) => part.type === "text-delta"));
  assert.ok(found.some((part) => part.type === "error"));
  assert.ok(!found.some((part) => part.type === "finish" && part.finishReason === "stop"));
});

test("a refusal carries its status and its message", async () => {
  const asked = generateText({ model, prompt: "Fail.\n#simulate status=406", maxRetries: 0 });
  await assert.rejects(asked, (error) => APICallError.isInstance(error) && error.statusCode === 400);
});

test("an abort in mid-stream frees the slot", async () => {
  const controller = new AbortController();
  const result = streamText({ model, prompt: ENDLESS, maxRetries: 0, abortSignal: controller.signal });
  for await (const part of result.fullStream) if (part.type === "text-delta") { controller.abort(); break; }
  await untilInFlight(0);
});
