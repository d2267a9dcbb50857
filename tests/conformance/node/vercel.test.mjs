// Vercel's AI SDK by its provider for OpenAI-compatible servers, which checks every chunk against a schema.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import { CUT_SHORT, ENDLESS, KEY, MODEL, ORIGIN, taken, untilInFlight } from "./harness.mjs";

const provider = createOpenAICompatible({ name: "lingma", baseURL: `${ORIGIN}/v1`, apiKey: KEY, includeUsage: true });
const model = provider(MODEL);

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

test("a tool is called and run, and its result goes on from there", async () => {
  const seen = [];
  const look = tool({
    description: "Looks.",
    inputSchema: z.object({ at: z.string() }),
    execute: async (input) => (seen.push(input), "The sea is calm.\n#simulate say=Calm."),
  });
  const prompt = `Look.\n#simulate call='look:{"at":"sea"}'`;
  const result = streamText({ model, prompt, tools: { look }, stopWhen: isStepCount(2), maxRetries: 0 });
  assert.ok(!(await parts(result)).some((part) => part.type === "error"));
  assert.deepEqual(seen, [{ at: "sea" }]);
  assert.equal(await result.text, "Calm.");
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
