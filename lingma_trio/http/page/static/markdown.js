"use strict";
// Shows Markdown as elements. Nothing of a text ever becomes HTML: every piece of it is put in as text.

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/;

function inline(parent, text) {
  for (let rest = text; rest; ) {
    const found = INLINE.exec(rest);
    if (!found) return void parent.append(rest);
    parent.append(rest.slice(0, found.index));
    const [whole, code, strong, stressed, label, address] = found;
    if (code) element("code", parent).textContent = code;
    else if (strong) inline(element("strong", parent), strong);
    else if (stressed) inline(element("em", parent), stressed);
    else {
      const link = element("a", parent);
      link.href = address;
      link.rel = "noreferrer noopener";
      link.target = "_blank";
      link.textContent = label;
    }
    rest = rest.slice(found.index + whole.length);
  }
}

function element(tag, parent) {
  const made = document.createElement(tag);
  parent.append(made);
  return made;
}

const cells = (row) => row.trim().replace(/^\||\|$/g, "").split("|");

// Each takes what it knows from the front of `lines` and returns whether it did.
const BLOCKS = [
  (lines, parent) => {
    const fence = /^\s*(```+|~~~+)/.exec(lines[0]);
    if (!fence) return false;
    lines.shift();
    const code = [];
    while (lines.length && !lines[0].trim().startsWith(fence[1])) code.push(lines.shift());
    lines.shift();
    const shown = element("pre", parent);
    shown.tabIndex = 0;
    element("code", shown).textContent = code.join("\n");
    return true;
  },
  (lines, parent) => {
    const heading = /^(#{1,6})\s+(.*)/.exec(lines[0]);
    if (!heading) return false;
    lines.shift();
    const shown = element("p", parent);
    shown.className = "heading";
    inline(shown, heading[2]);
    return true;
  },
  (lines, parent) => {
    if (!/^\s*>/.test(lines[0])) return false;
    const quoted = [];
    while (lines.length && /^\s*>/.test(lines[0])) quoted.push(lines.shift().replace(/^\s*>\s?/, ""));
    blocks(quoted, element("blockquote", parent));
    return true;
  },
  (lines, parent) => {
    if (!lines[0].includes("|") || !/^[\s|:-]*-[\s|:-]*$/.test(lines[1] ?? "")) return false;
    const table = element("table", parent);
    const head = element("tr", element("thead", table));
    for (const cell of cells(lines.shift())) inline(element("th", head), cell.trim());
    lines.shift();
    const body = element("tbody", table);
    while (lines.length && lines[0].includes("|")) {
      const row = element("tr", body);
      for (const cell of cells(lines.shift())) inline(element("td", row), cell.trim());
    }
    return true;
  },
  (lines, parent) => {
    const item = /^(\s*)(?:[-*+]|(\d+)[.)])\s+/;
    const first = item.exec(lines[0]);
    if (!first) return false;
    const list = element(first[2] ? "ol" : "ul", parent);
    if (first[2]) list.start = Number(first[2]);
    while (lines.length) {
      const next = item.exec(lines[0]);
      if (!next || next[1].length < first[1].length || Boolean(next[2]) !== Boolean(first[2])) break;
      const own = [lines.shift().slice(next[0].length)];
      const deep = new RegExp(`^\\s{${first[1].length + 2},}`);
      while (lines.length && deep.test(lines[0])) own.push(lines.shift().slice(first[1].length + 2));
      blocks(own, element("li", list));
    }
    return true;
  },
  (lines, parent) => {
    const said = [lines.shift()];
    while (lines.length && lines[0].trim() && !/^\s*(```|~~~|#{1,6}\s|>|[-*+]\s|\d+[.)]\s)/.test(lines[0])) said.push(lines.shift());
    inline(element("p", parent), said.join("\n"));
    return true;
  },
];

function blocks(lines, parent) {
  while (lines.length) {
    if (!lines[0].trim()) lines.shift();
    else BLOCKS.some((block) => block(lines, parent));
  }
}

// Puts `text` into `parent` in place of what is there.
function showMarkdown(text, parent) {
  parent.replaceChildren();
  blocks(text.split("\n"), parent);
}
