"use strict";
// The page works without this. With it the figures are live, times are local, and actions do not reload the page.
// The server writes every region as HTML, in the browser's language; here it is only put in place.

const csrf = document.body.dataset.csrf;

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

// Times come in UTC; here it is known what time that is where one looks.
function tellLocally(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const said = "date" in time.dataset ? at.toLocaleString : at.toLocaleTimeString;
    time.textContent = said.call(at, document.documentElement.lang, { hour12: false });
    time.title = at.toLocaleString(document.documentElement.lang);
  }
}

function show(regions) {
  for (const [name, html] of Object.entries(regions)) {
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    tellLocally(fresh);
    morphChildren(document.getElementById(`region-${name}`), fresh);
  }
}

function keepLive() {
  const live = document.getElementById("live");
  const say = (kind) => {
    const text = live.dataset[kind];
    if (live.textContent !== text) live.textContent = text;
    live.className = kind === "live" ? "live on" : "live lost";
  };
  const source = new EventSource(`/internal/events?place=${document.body.dataset.place}`);
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
      if ("reload" in form.dataset) return void location.reload();
      form.reset();
      notify(form.dataset.done, "done");
    } else notify(await fault(response), "fault");
  } catch {
    notify(document.getElementById("live").dataset.lost, "fault");
  }
});

tellLocally(document);
keepLive();
