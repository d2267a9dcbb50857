// OpenAI's Agents SDK for Node on chat completions and on responses: an errand of two steps, and an object in the end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";
import { BOATS, CLOSING, TASK, TOOLS, errand } from "./errand.mjs";
import { KEY, MODEL, ORIGIN } from "./harness.mjs";

const client = new OpenAI({ baseURL: `${ORIGIN}/v1`, apiKey: KEY, maxRetries: 0 });
const MODELS = {
  "chat completions": new OpenAIChatCompletionsModel(client, MODEL),
  responses: new OpenAIResponsesModel(client, MODEL),
};
const PARAMETERS = { look: z.object({ at: z.string() }), count: z.object({ things: z.string() }) };
const runner = new Runner({ tracingDisabled: true });

const agentOf = (model, run, more = {}) =>
  new Agent({
    name: "Harbour master",
    instructions: "You know the harbour.",
    model,
    tools: TOOLS.map(({ name, description }) =>
      tool({ name, description, parameters: PARAMETERS[name], execute: async (input) => run[name](input) })),
    ...more,
  });

for (const [surface, model] of Object.entries(MODELS)) {
  test(`an errand of two steps is done on ${surface}`, async () => {
    const run = errand();
    assert.equal((await runner.run(agentOf(model, run), TASK)).finalOutput, CLOSING);
    run.assertDone();
  });

  test(`an errand of two steps is done on ${surface}, streamed`, async () => {
    const run = errand();
    const result = await runner.run(agentOf(model, run), TASK, { stream: true });
    let text = "";
    for await (const event of result) {
      if (event.type === "raw_model_stream_event" && event.data.type === "output_text_delta") text += event.data.delta;
    }
    await result.completed;
    assert.equal(result.finalOutput, CLOSING);
    assert.ok(text.endsWith(CLOSING));
    run.assertDone();
  });

  test(`an object is what an errand on ${surface} ends in`, async () => {
    const run = errand(`say='${JSON.stringify(BOATS)}'`);
    const outputType = z.object({ things: z.string(), number: z.number() });
    assert.deepEqual((await runner.run(agentOf(model, run, { outputType }), TASK)).finalOutput, BOATS);
    run.assertDone();
  });
}
