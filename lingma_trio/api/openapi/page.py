"""The OpenAPI document as one page of HTML: no script, and nothing fetched from anywhere.

Knows the parts of a document that `document` writes; must not know which operations there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font-family: ui-monospace, monospace; font-size: .9em; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; }
details { margin: .5rem 0; }
summary { cursor: pointer; }
.method { text-transform: uppercase; font-weight: bold; }
"""
_REF_PREFIX = "#/components/schemas/"


def build_page(document: Mapping[str, Any]) -> str:
    """Return the page that shows `document`; every text in it is escaped."""
    info = document["info"]
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(info['title'])}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
        f"<p>{escape(info['description'])}</p>",
        '<p>For programs: <a href="openapi.json"><code>openapi.json</code></a></p>',
        *_operations(document["paths"]),
        "<h2>Objects</h2>",
        *_objects(document["components"]["schemas"]),
        "</body>\n</html>\n",
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
        f'<details>\n<summary><span class="method">{method}</span> <code>{escape(path)}</code>',
        f"— {escape(operation['summary'])}</summary>",
        f"<p>Asks for: {escape(keepers)}.</p>",
    ]
    if "requestBody" in operation:
        lines.append(f"<p>Takes {_content(operation['requestBody'])}.</p>")
    lines.append("<table>\n<tr><th>Status</th><th>Meaning</th><th>Body</th></tr>")
    for status, response in operation["responses"].items():
        cells = (status, escape(response["description"]), _content(response))
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "\n".join([*lines, "</table>\n</details>"])


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
