// What the tests of the clients for Node share: where the gateway is, and what can be seen of it from outside.
import assert from "node:assert/strict";

export const ORIGIN = process.env.GATEWAY_ORIGIN;
/** Where the gateway is for a client whose first connection that carries an errand's first answer is reset in its middle. */
export const CUT_ORIGIN = process.env.CUT_ORIGIN;
export const KEY = process.env.GATEWAY_KEY;
export const MODEL = "org_auto";
export const ENDLESS = "Stall.\n#simulate fault=stall_mid";
export const CUT_SHORT = "Go on.\n#simulate deltas=40 partial=1 status=500";

const PATIENCE = 20_000;

/** How many requests hold a slot. */
async function inFlight() {
  const headers = { authorization: `Bearer ${process.env.ADMIN_TOKEN}` };
  const response = await fetch(`${ORIGIN}/internal/stats`, { headers });
  return (await response.json()).limiter.in_flight;
}

/** Waits until so many requests hold a slot. */
export async function untilInFlight(wanted) {
  const giveUp = Date.now() + PATIENCE;
  while ((await inFlight()) !== wanted) {
    assert.ok(Date.now() < giveUp, `never were ${wanted} requests in flight`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A `fetch` that notes when and with which status each response began. */
export function noting(seen) {
  return async (...request) => {
    const response = await fetch(...request);
    seen.push({ status: response.status, at: performance.now() });
    return response;
  };
}

/** Gathers what comes before a stream's error; returns the error, or undefined where it ended well. */
export async function taken(stream, into) {
  try {
    for await (const event of stream) into.push(event);
  } catch (error) {
    return error;
  }
  return undefined;
}
