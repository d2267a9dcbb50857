"""The OpenAPI document as one page of HTML, which reads without a script and needs nothing from elsewhere.

Knows the parts of a document that `document` writes; must not know which operations there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

_REF_PREFIX = "#/components/schemas/"


def build_page(document: Mapping[str, Any], *, style: str, scripts: Sequence[str]) -> str:
    """Return the page that shows `document`, with these addresses of what it looks like and of what its calls are tried
    with; every text in it is escaped.
    """
    info = document["info"]
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f'<title>API · {escape(info["title"])}</title>\n<link rel="stylesheet" href="{escape(style)}">',
        *(f'<script src="{escape(script)}" defer></script>' for script in scripts),
        '</head>\n<body class="api" data-copied="Copied">',
        f'<header><p class="brand">{escape(info["title"])} <small>{escape(info["version"])}</small></p></header>',
        '<nav aria-label="Places"><ul><li><a href="/">Status page</a></li>',
        '<li><a href="/docs" aria-current="page">API</a></li></ul></nav>\n<main>\n<h1>API</h1>',
        f"<p>{escape(info['description'])}</p>",
        '<p>For programs: <a href="/openapi.json"><code>openapi.json</code></a>. In the calls below',
        "<code>GATEWAY</code> is the address of this gateway, and <code>KEY</code> one of its API keys.</p>",
        '<p class="row" hidden><label for="key">Key to try calls with; it is kept nowhere</label>',
        '<input id="key" type="password" autocomplete="off"></p>',
        *_operations(document["paths"]),
        "<h2>Objects</h2>",
        *_objects(document["components"]["schemas"]),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _operations(paths: Mapping[str, Any]) -> Iterator[str]:
    rooms: dict[str, list[str]] = {}
    for path, methods in paths.items():
        for method, operation in methods.items():
            rooms.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    for room, shown in rooms.items():
        yield f"<h2>{escape(room)}</h2>"
        yield from shown


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    keepers = " or ".join(name for choice in operation["security"] for name in choice) or "nothing"
    lines = [
        f'<details class="operation">\n<summary><span class="method">{method}</span> <code>{escape(path)}</code>',
        f"— {escape(operation['summary'])}</summary>",
        f"<p>Asks for: {escape(keepers)}.</p>",
    ]
    if "requestBody" in operation:
        lines.append(f"<p>Takes {_content(operation['requestBody'])}.</p>")
    lines.append("<table>\n<tr><th>Status</th><th>Meaning</th><th>Body</th></tr>")
    for status, response in operation["responses"].items():
        cells = (status, escape(response["description"]), _content(response))
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "\n".join([*lines, "</table>", *_call(method, path, operation), "</details>"])


def _call(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    """The call as a command, and a form that a script makes use of."""
    name = escape(operation["operationId"])
    sample = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    body = "" if sample is None else json.dumps(sample, indent=2)
    command = "curl -sSN" + (f" -X {method.upper()}" if method not in {"get", "post"} else "") + f' "$GATEWAY{path}"'
    if operation["security"]:
        command += ' \\\n  -H "Authorization: Bearer $KEY"'
    if body:
        command += f" \\\n  -H \"Content-Type: application/json\" \\\n  -d '{json.dumps(sample)}'"
    copy = f'<button type="button" data-copies="curl-{name}">Copy</button>'
    yield f'<div class="lines"><p><span>With curl</span> {copy}</p>'
    yield f'<pre class="curl" id="curl-{name}" tabindex="0">{escape(command)}</pre></div>'
    yield f'<form class="try" data-method="{method.upper()}" hidden>'
    yield f'<label for="path-{name}">Path</label><input id="path-{name}" value="{escape(path)}" autocomplete="off">'
    if body:
        rows = body.count("\n") + 1
        yield f'<label for="body-{name}">Body</label><textarea id="body-{name}" rows="{rows}">{escape(body)}</textarea>'
    yield '<p class="row"><button class="main">Try it</button> <button type="button" disabled>Stop</button></p>'
    yield '<pre tabindex="0" aria-label="What came back" role="group" hidden></pre></form>'


def _content(holder: Mapping[str, Any]) -> str:
    shown = []
    for kind, content in holder["content"].items():
        about = content["schema"].get("description", "")
        name = _kind(content["schema"]) if "$ref" in content["schema"] else escape(about.replace("`", ""))
        shown.append(f"<code>{escape(kind)}</code> {name}".rstrip())
    return "<br>".join(shown)


def _objects(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f'<details id="{escape(name)}">\n<summary><code>{escape(name)}</code></summary>'
        yield f"<p>{escape(schema.get('description', ''))}</p>"
        if properties := schema.get("properties"):
            required = schema.get("required", ())
            yield "<table>\n<tr><th>Field</th><th>Type</th><th>Meaning</th></tr>"
            for field, about in properties.items():
                mark = "" if field in required else " (optional)"
                kind, meaning = _kind(about), escape(about.get("description", ""))
                yield f"<tr><td><code>{escape(field)}</code>{mark}</td><td>{kind}</td><td>{meaning}</td></tr>"
            yield "</table>"
        yield "</details>"


def _kind(schema: Mapping[str, Any]) -> str:
    """What a schema lets through, in a few words of HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].removeprefix(_REF_PREFIX))
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        values = schema.get("enum") or [schema["const"]]
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in values)
    if schema.get("type") == "array":
        return f"array of {_kind(schema.get('items', {}))}"
    return escape(str(schema.get("type", "anything")))
