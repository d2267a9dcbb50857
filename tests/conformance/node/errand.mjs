// An errand of two steps for any client: what is asked, which tools there are, and what the model says at each step.
// What it says next lies in what a tool found, so an errand ends well only where both results reached the model.
import assert from "node:assert/strict";

export const CLOSING = "Seven boats are at sea.";
export const BOATS = { things: "boats", number: 7 };
export const TASK = `How many boats are at sea?\n#simulate call='look:{"at":"sea"}' say='Presently I look.'`;

const PARAMETER = { look: "at", count: "things" };

/** The tools with their descriptions and parameters. */
export const TOOLS = Object.entries({ look: "Looks at something.", count: "Counts things that were seen." }).map(
  ([name, description]) => {
    const parameter = PARAMETER[name];
    const properties = { [parameter]: { type: "string" } };
    return { name, description, parameters: { type: "object", properties, required: [parameter] } };
  },
);

/** The tools for one run by their names; `ending` is what the model does in the end. */
export function errand(ending = `say='${CLOSING}'`) {
  const done = [];
  return {
    look: ({ at }) => (done.push(`look ${at}`), `The sea is calm.\n#simulate call='count:{"things":"boats"}' say='Now I count.'`),
    count: ({ things }) => (done.push(`count ${things}`), `Seven of them.\n#simulate ${ending}`),
    assertDone: () => assert.deepEqual(done, ["look sea", "count boats"]),
  };
}
