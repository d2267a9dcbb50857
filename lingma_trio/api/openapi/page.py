"""The OpenAPI document as one page of HTML, which reads without a script and needs nothing from elsewhere.

Knows the parts of a document that `document` writes; must not know which operations there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from html import escape
from typing import Any

_REF_PREFIX = "#/components/schemas/"


def build_page(
    document: Mapping[str, Any], say: Callable[[str], str], *, language: str, style: str, scripts: Sequence[str]
) -> str:
    """Return the page that shows `document`, with these addresses of what it looks like and of what its calls are tried
    with; every text in it is escaped.

    `say` is given each text, of the document and of the page itself, on one line and in English, and returns it in
    `language`, as HTML names that.
    """
    return _Writer(say).page(document, language, style, scripts)


class _Writer:
    """Writes one page in the language of `say`."""

    def __init__(self, say: Callable[[str], str]) -> None:
        self._say = say

    def page(self, document: Mapping[str, Any], language: str, style: str, scripts: Sequence[str]) -> str:
        info, say = document["info"], self._told
        programs = "For programs: {}. In the calls below {} is the address of this gateway, and {} one of its API keys."
        codes = ('<a href="/openapi.json"><code>openapi.json</code></a>', "<code>GATEWAY</code>", "<code>KEY</code>")
        parts = [
            f'<!doctype html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f'<title>{say("API")} · {escape(info["title"])}</title>\n<link rel="stylesheet" href="{escape(style)}">',
            *(f'<script src="{escape(script)}" defer></script>' for script in scripts),
            f'</head>\n<body class="api" data-copied="{say("Copied")}">',
            f'<header><p class="brand">{escape(info["title"])} <small>{escape(info["version"])}</small></p></header>',
            f'<nav aria-label="{say("Places")}"><ul><li><a href="/">{say("Status page")}</a></li>',
            f'<li><a href="/docs" aria-current="page">{say("API")}</a></li></ul></nav>\n<main>\n<h1>{say("API")}</h1>',
            f"<p>{say(info['description'])}</p>",
            f"<p>{say(programs).format(*codes)}</p>",
            f'<p class="row" hidden><label for="key">{say("Key to try calls with; it is kept nowhere")}</label>',
            '<input id="key" type="password" autocomplete="off"></p>',
            *self._operations(document["paths"]),
            f"<h2>{say('Objects')}</h2>",
            *self._objects(document["components"]["schemas"]),
            "</main>\n</body>\n</html>\n",
        ]
        return "\n".join(parts)

    def _told(self, text: str) -> str:
        return escape(self._say(" ".join(text.split()))) if text else ""

    def _any_of(self, choices: Sequence[str]) -> str:
        return reduce(self._told("{} or {}").format, choices)

    def _operations(self, paths: Mapping[str, Any]) -> Iterator[str]:
        rooms: dict[str, list[str]] = {}
        for path, methods in paths.items():
            for method, operation in methods.items():
                rooms.setdefault(operation["tags"][0], []).append(self._operation(method, path, operation))
        for room, shown in rooms.items():
            yield f"<h2>{self._told(room)}</h2>"
            yield from shown

    def _operation(self, method: str, path: str, operation: Mapping[str, Any]) -> str:
        say = self._told
        names = [escape(name) for choice in operation["security"] for name in choice] or [say("nothing")]
        lines = [
            f'<details class="operation">\n<summary><span class="method">{method}</span> <code>{escape(path)}</code>',
            f"— {say(operation['summary'])}</summary>",
            f"<p>{say('Asks for: {}.').format(self._any_of(names))}</p>",
        ]
        if "requestBody" in operation:
            lines.append(f"<p>{say('Takes {}.').format(self._content(operation['requestBody']))}</p>")
        lines.append(f"<table>\n<tr><th>{say('Status')}</th><th>{say('Meaning')}</th><th>{say('Body')}</th></tr>")
        for status, response in operation["responses"].items():
            cells = (status, say(response["description"]), self._content(response))
            lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        return "\n".join([*lines, "</table>", *self._call(method, path, operation), "</details>"])

    def _call(self, method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
        """The call as a command, and a form that a script makes use of."""
        name, say = escape(operation["operationId"]), self._told
        sample = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        body = "" if sample is None else json.dumps(sample, indent=2)
        verb = "" if method in {"get", "post"} else f" -X {method.upper()}"
        command = f'curl -sSN{verb} "$GATEWAY{path}"'
        if operation["security"]:
            command += ' \\\n  -H "Authorization: Bearer $KEY"'
        if body:
            command += f" \\\n  -H \"Content-Type: application/json\" \\\n  -d '{json.dumps(sample)}'"
        copy = f'<button type="button" data-copies="curl-{name}">{say("Copy")}</button>'
        yield f'<div class="lines"><p><span>{say("With curl")}</span> {copy}</p>'
        yield f'<pre class="curl" id="curl-{name}" tabindex="0">{escape(command)}</pre></div>'
        yield f'<form class="try" data-method="{method.upper()}" hidden>'
        yield f'<label for="path-{name}">{say("Path")}</label>'
        yield f'<input id="path-{name}" value="{escape(path)}" autocomplete="off">'
        if body:
            rows = body.count("\n") + 1
            yield f'<label for="body-{name}">{say("Body")}</label>'
            yield f'<textarea id="body-{name}" rows="{rows}">{escape(body)}</textarea>'
        yield f'<p class="row"><button class="main">{say("Try it")}</button>'
        yield f'<button type="button" disabled>{say("Stop")}</button></p>'
        yield f'<pre tabindex="0" aria-label="{say("What came back")}" role="group" hidden></pre></form>'

    def _content(self, holder: Mapping[str, Any]) -> str:
        shown = []
        for kind, content in holder["content"].items():
            about = content["schema"].get("description", "")
            name = self._kind(content["schema"]) if "$ref" in content["schema"] else self._told(about).replace("`", "")
            shown.append(f"<code>{escape(kind)}</code> {name}".rstrip())
        return "<br>".join(shown)

    def _objects(self, schemas: Mapping[str, Any]) -> Iterator[str]:
        say = self._told
        for name, schema in schemas.items():
            yield f'<details id="{escape(name)}">\n<summary><code>{escape(name)}</code></summary>'
            yield f"<p>{say(schema.get('description', ''))}</p>"
            if properties := schema.get("properties"):
                required = schema.get("required", ())
                yield f"<table>\n<tr><th>{say('Field')}</th><th>{say('Type')}</th><th>{say('Meaning')}</th></tr>"
                for field, about in properties.items():
                    shown = f"<code>{escape(field)}</code>"
                    mark = shown if field in required else say("{} (optional)").format(shown)
                    kind, meaning = self._kind(about), say(about.get("description", ""))
                    yield f"<tr><td>{mark}</td><td>{kind}</td><td>{meaning}</td></tr>"
                yield "</table>"
            yield "</details>"

    def _kind(self, schema: Mapping[str, Any]) -> str:
        """What a schema lets through, in a few words of HTML."""
        if "$ref" in schema:
            name = escape(schema["$ref"].removeprefix(_REF_PREFIX))
            return f'<a href="#{name}">{name}</a>'
        if "anyOf" in schema:
            return self._any_of([self._kind(choice) for choice in schema["anyOf"]])
        if "const" in schema or "enum" in schema:
            values = schema.get("enum") or [schema["const"]]
            return self._any_of([f"<code>{escape(str(value))}</code>" for value in values])
        if schema.get("type") == "array":
            return self._told("array of {}").format(self._kind(schema.get("items", {})))
        return escape(str(schema["type"])) if "type" in schema else self._told("anything")
