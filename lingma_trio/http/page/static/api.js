"use strict";
// The description of the API reads without this. With it calls have this gateway's address, and can be tried.

const key = document.getElementById("key");

for (const shown of document.querySelectorAll(".curl")) {
  shown.textContent = shown.textContent.replaceAll("$GATEWAY", location.origin);
}

class Try {
  constructor(form) {
    this.form = form;
    this.path = form.querySelector("input");
    this.body = form.querySelector("textarea");
    this.stop = form.querySelector("button[type=button]");
    this.shown = form.querySelector("pre");
    this.running = null;
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.stop.addEventListener("click", () => this.running?.abort());
  }

  async send() {
    this.running?.abort();
    const running = (this.running = new AbortController());
    this.stop.disabled = false;
    this.shown.hidden = false;
    this.shown.textContent = "";
    const headers = key.value ? { authorization: `Bearer ${key.value}` } : {};
    if (this.body) headers["content-type"] = "application/json";
    try {
      const response = await fetch(this.path.value, {
        method: this.form.dataset.method,
        body: this.body?.value,
        headers,
        signal: running.signal,
      });
      this.shown.textContent = `${response.status} ${response.headers.get("content-type") ?? ""}\n\n`;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        this.shown.append(value);
        this.shown.scrollTop = this.shown.scrollHeight;
      }
    } catch (error) {
      this.shown.append(`\n${error.message}`);
    }
    if (this.running === running) this.stop.disabled = true;
  }
}

for (const form of document.querySelectorAll("form.try")) new Try(form);
key.closest("p").hidden = false;
