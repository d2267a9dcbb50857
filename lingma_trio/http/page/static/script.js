"use strict";
// The page works without this. With it the figures are live, actions do not reload the page, and one can chat.
// The server writes every region as HTML, in the browser's language; here it is only put in place.

const csrf = document.body.dataset.csrf;
const watchers = new Set();

// Makes `old` equal to `fresh` and leaves alone what is equal already, so that focus and what was typed or opened stay.
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const wanted = [...fresh.childNodes];
  wanted.forEach((child, place) => {
    const here = old.childNodes[place];
    // A row that moved, because a newer one came above it, is moved and not rewritten.
    const known = child.id && (!here || here.id !== child.id) && [...old.childNodes].find((each) => each.id === child.id);
    if (known) old.insertBefore(known, here || null);
    const target = old.childNodes[place];
    if (!target) old.append(child);
    else if (child.id && target.id && child.id !== target.id) old.insertBefore(child, target);
    else morph(target, child);
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

function show(regions) {
  for (const [name, html] of Object.entries(regions)) {
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    morphChildren(document.getElementById(`region-${name}`), fresh);
  }
  for (const watcher of watchers) watcher();
}

function keepLive() {
  const live = document.getElementById("live");
  const say = (kind) => {
    const text = live.dataset[kind];
    if (live.textContent !== text) live.textContent = text;
    live.className = kind === "live" ? "live on" : "live lost";
  };
  const source = new EventSource("/internal/events");
  source.onmessage = (event) => {
    say("live");
    show(JSON.parse(event.data));
  };
  source.onerror = () => say(source.readyState === EventSource.CLOSED ? "over" : "lost");
}

function notify(text, kind) {
  const line = document.createElement("p");
  line.className = `notice ${kind}`;
  line.textContent = text;
  document.getElementById("notice").replaceChildren(line);
}

async function fault(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `HTTP ${response.status}`;
  }
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!("done" in form.dataset)) return;
  event.preventDefault();
  if (form.dataset.sure && !window.confirm(form.dataset.sure)) return;
  const headers = { accept: "application/json", "x-csrf-token": csrf };
  try {
    const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers });
    if (response.ok) {
      form.reset();
      notify(form.dataset.done, "done");
    } else notify(await fault(response), "fault");
  } catch {
    notify(document.getElementById("live").dataset.lost, "fault");
  }
});

class Playground {
  constructor(section) {
    this.words = section.dataset;
    this.talk = document.getElementById("talk");
    this.form = document.getElementById("ask");
    this.message = document.getElementById("message");
    this.stop = document.getElementById("stop");
    this.send = document.getElementById("send");
    this.messages = [];
    this.running = null;
    this.form.hidden = false;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    this.message.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.form.requestSubmit();
      }
    });
    this.stop.addEventListener("click", () => this.running?.abort());
    document.getElementById("new-talk").addEventListener("click", () => {
      this.running?.abort();
      this.messages = [];
      this.talk.replaceChildren();
      this.talk.hidden = true;
      this.message.focus();
    });
  }

  add(tag, kind, parent = this.talk) {
    const element = document.createElement(tag);
    element.className = kind;
    this.talk.hidden = false;
    parent.append(element);
    this.talk.scrollTop = this.talk.scrollHeight;
    return element;
  }

  async ask() {
    const text = this.message.value.trim();
    if (!text || this.running) return;
    const talk = this.messages;
    this.message.value = "";
    this.add("article", "you").textContent = text;
    talk.push({ role: "user", content: text });
    const answer = this.add("article", "answer");
    const note = this.add("p", "note");
    note.textContent = this.words.answering;
    this.busy(new AbortController());
    try {
      const request = { model: document.getElementById("model").value, messages: talk, stream: true };
      const response = await fetch("/internal/playground", {
        method: "POST",
        body: JSON.stringify(request),
        headers: { "content-type": "application/json", "x-csrf-token": csrf },
        signal: this.running.signal,
      });
      if (!response.ok) throw new Error(await fault(response));
      const content = await this.stream(response.body, answer);
      talk.push({ role: "assistant", content });
      note.textContent = "";
      this.tellSession(response.headers.get("x-request-id"), note);
    } catch (error) {
      const stopped = error.name === "AbortError";
      talk.pop();
      note.textContent = stopped ? this.words.stopped : `${this.words.failed}: ${error.message}`;
      note.classList.toggle("bad", !stopped);
    }
    this.busy(null);
  }

  // Puts the text of a stream of chat completion chunks into `answer` as it comes; returns it, or throws its error.
  async stream(body, answer) {
    const text = document.createTextNode("");
    let thought = null;
    let finished = false;
    answer.append(text);
    for await (const data of events(body)) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      const choice = chunk.choices[0];
      if (!choice) continue;
      finished ||= Boolean(choice.finish_reason);
      if (choice.delta.reasoning_content) {
        if (!thought) {
          thought = document.createElement("div");
          thought.className = "thought";
          thought.setAttribute("aria-label", this.words.thinking);
          answer.prepend(thought);
        }
        thought.textContent += choice.delta.reasoning_content;
      }
      if (choice.delta.content) text.data += choice.delta.content;
      this.talk.scrollTop = this.talk.scrollHeight;
    }
    if (!finished) throw new Error("the stream was cut off");
    return text.data;
  }

  // Whether the session went on is in the request's own line, which comes with the next look at the figures.
  tellSession(id, note) {
    const look = () => {
      const line = document.getElementById(`request-${id}`);
      if (!line) return;
      watchers.delete(look);
      note.textContent = `${this.words[line.dataset.session] ?? ""} · ${line.querySelector(".tokens").textContent}`;
      note.dataset.session = line.dataset.session;
    };
    watchers.add(look);
    look();
  }

  busy(running) {
    this.running = running;
    this.stop.disabled = !running;
    this.send.disabled = Boolean(running);
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

keepLive();
new Playground(document.getElementById("playground"));
