"use strict";
// A place to talk to the models: one or two at once. What was said stays in this tab, over a reload, and nowhere else.

const KEPT = "playground";
const MOST_RAW = 2000; // events of an answer that are kept to be shown

class Playground {
  constructor() {
    const at = (id) => document.getElementById(id);
    this.talk = at("talk");
    this.words = this.talk.dataset;
    this.form = at("ask");
    this.fields = { system: at("system"), message: at("message"), model: at("model"), beside: at("beside") };
    this.stop = at("stop");
    this.send = at("send");
    this.running = null;
    this.turns = []; // {text, answers: [{model, content, thought, note, failed, broken, session}]}
    this.recall();
    this.form.hidden = false;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    this.fields.message.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.form.requestSubmit();
      }
    });
    this.form.addEventListener("input", () => this.keep());
    this.stop.addEventListener("click", () => this.running?.abort());
    at("new-talk").addEventListener("click", () => {
      this.running?.abort();
      this.turns = [];
      this.talk.replaceChildren();
      this.talk.hidden = true;
      this.keep();
      this.fields.message.focus();
    });
  }

  keep() {
    const fields = Object.fromEntries(Object.entries(this.fields).map(([name, field]) => [name, field.value]));
    try {
      sessionStorage.setItem(KEPT, JSON.stringify({ fields, turns: this.turns }));
    } catch {
      // There is no room: then it does not stay.
    }
  }

  recall() {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    if (!kept) return;
    for (const [name, field] of Object.entries(this.fields)) {
      const known = field.tagName !== "SELECT" || [...field.options].some((option) => option.value === kept.fields[name]);
      if (known) field.value = kept.fields[name];
    }
    document.getElementById("rules").open = Boolean(kept.fields.system);
    this.turns = kept.turns;
    for (const turn of this.turns) {
      const lanes = this.showTurn(turn);
      turn.answers.forEach((answer, lane) => lanes[lane].show(answer));
    }
  }

  showTurn(turn) {
    this.talk.hidden = false;
    const asked = document.createElement("article");
    asked.className = "you";
    asked.textContent = turn.text;
    const side = document.createElement("div");
    side.className = "answers";
    this.talk.append(asked, side);
    const several = turn.answers.length > 1;
    return turn.answers.map((answer) => new Lane(side, this.words, several ? answer.model : ""));
  }

  // What one of the models is told: its own answers, and those turns that it answered.
  conversation(lane, text) {
    const told = this.fields.system.value.trim() ? [{ role: "system", content: this.fields.system.value }] : [];
    for (const turn of this.turns) {
      const answer = turn.answers[lane];
      if (!answer || answer.failed) continue;
      told.push({ role: "user", content: turn.text }, { role: "assistant", content: answer.content });
    }
    return [...told, { role: "user", content: text }];
  }

  async ask() {
    const text = this.fields.message.value.trim();
    if (!text || this.running) return;
    const models = [this.fields.model.value, this.fields.beside.value].filter((model, lane) => model || !lane);
    const turn = { text, answers: models.map((model) => ({ model, content: "", thought: "", note: "", failed: true })) };
    const told = models.map((_, lane) => this.conversation(lane, text));
    this.fields.message.value = "";
    this.turns.push(turn);
    const lanes = this.showTurn(turn);
    this.busy(new AbortController());
    await Promise.all(turn.answers.map((answer, lane) => this.answer(answer, told[lane], lanes[lane])));
    this.busy(null);
    this.keep();
  }

  async answer(answer, messages, lane) {
    answer.note = this.words.answering;
    lane.show(answer);
    const scroll = () => (this.talk.scrollTop = this.talk.scrollHeight);
    scroll();
    try {
      const response = await fetch("/internal/playground", {
        method: "POST",
        body: JSON.stringify({ model: answer.model, messages, stream: true }),
        headers: { "content-type": "application/json", "x-csrf-token": csrf },
        signal: this.running.signal,
      });
      if (!response.ok) throw new Error(await fault(response));
      await this.stream(response.body, answer, lane, scroll);
      answer.failed = false;
      answer.note = "";
      lane.show(answer);
      await this.tellSession(response.headers.get("x-request-id"), answer);
    } catch (error) {
      answer.broken = error.name !== "AbortError";
      answer.note = answer.broken ? `${this.words.failed}: ${error.message}` : this.words.stopped;
    }
    lane.show(answer);
    scroll();
  }

  // Takes a stream of chat completion chunks as it comes; throws the error that it tells.
  async stream(body, answer, lane, shown) {
    let finished = false;
    for await (const data of events(body)) {
      lane.note(data);
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      const choice = chunk.choices[0];
      if (!choice) continue;
      finished ||= Boolean(choice.finish_reason);
      answer.thought += choice.delta.reasoning_content ?? "";
      answer.content += choice.delta.content ?? "";
      lane.showSoon(answer, shown);
    }
    if (!finished) throw new Error(this.words.cut);
  }

  // What became of the request is known a moment after its last byte.
  async tellSession(id, answer) {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const response = await fetch(`/internal/requests/${encodeURIComponent(id)}`);
      const line = response.ok ? await response.json() : {};
      if (line.outcome) {
        answer.session = line.session;
        answer.note = `${this.words[line.session] ?? ""} · ${line.prompt_tokens} → ${line.answer_tokens}`;
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  busy(running) {
    this.running = running;
    this.stop.disabled = !running;
    this.send.disabled = Boolean(running);
  }
}

// One answer on the screen.
class Lane {
  constructor(parent, words, title) {
    const add = (tag, kind, into) => {
      const made = document.createElement(tag);
      made.className = kind;
      into.append(made);
      return made;
    };
    const lane = add("div", "lane", parent);
    if (title) add("p", "model", lane).textContent = title;
    this.thought = add("div", "thought", lane);
    this.thought.setAttribute("aria-label", words.thinking);
    this.thought.setAttribute("role", "group");
    this.thought.hidden = true;
    this.text = add("article", "answer", lane);
    this.line = add("p", "note", lane);
    this.raw = [];
    this.events = add("details", "raw", lane);
    this.events.hidden = true;
    add("summary", "", this.events).textContent = words.raw;
    const shown = add("pre", "", this.events);
    shown.tabIndex = 0;
    this.events.addEventListener("toggle", () => (shown.textContent = this.events.open ? this.raw.join("\n") : ""));
    this.due = false;
  }

  note(data) {
    if (this.raw.length < MOST_RAW) this.raw.push(data);
    this.events.hidden = false;
  }

  // A picture of the screen is drawn at most once a frame, however many deltas come.
  showSoon(answer, shown) {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.show(answer);
      shown();
    });
  }

  show(answer) {
    this.thought.hidden = !answer.thought;
    if (this.thought.textContent !== answer.thought) this.thought.textContent = answer.thought;
    showMarkdown(answer.content, this.text);
    this.line.textContent = answer.note;
    this.line.classList.toggle("bad", Boolean(answer.broken));
    if (answer.session) this.line.dataset.session = answer.session;
  }
}

// The data of each server-sent event of a body.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) if (block.startsWith("data: ")) yield block.slice(6);
  }
}

new Playground();
