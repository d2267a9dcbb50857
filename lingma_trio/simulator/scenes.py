"""Answers that are written beforehand: what to say to which conversation, one line after the other, calls included.

Knows the file they are in, and the forms in which models write calls. Must not know pushes or time.

The file is JSON: a list of scenes, each with what its conversations hold (`when`) and the lines they get (`answers`):

    [{"when": "rename the function", "answers": [
        {"text": "I will look.", "calls": [{"tool": "read_file", "arguments": {"path": "a.py"}}]},
        {"text": "Done."}]}]

The first answer of a conversation is the first line, and so on; from the last line on, that one is repeated. A line may
also have `knobs`, as in a directive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from lingma_trio.simulator.knob import KnobFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lingma_trio.simulator.common_knobs import CommonKnobs, Form
    from lingma_trio.simulator.sessions import Session

_FORM: Final = re.compile(r"^```json action (\S+)$", re.MULTILINE)
_BLOCK: Final = re.compile(r"^```[^\n`]*\n.*?^```$|<tool_call>.*?</tool_call>", re.MULTILINE | re.DOTALL)
_ANSWERED: Final = re.compile(r'^=== [0-9]{12} assistant(?: ".*")? ===$', re.MULTILINE)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Call(_Part):
    """A call of a tool."""

    tool: str
    arguments: dict[str, Any] = {}


class Line(_Part):
    """What one answer says and calls, and the words that turn its knobs."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    knobs: str = ""


class Scene(_Part):
    """The lines for conversations that hold `when`."""

    when: Annotated[str, Field(min_length=1)]
    answers: Annotated[tuple[Line, ...], Field(min_length=1)]


_FILE: Final = TypeAdapter(tuple[Scene, ...])


@dataclass(slots=True)
class Progress:
    """Which scene a session plays, and which line comes next."""

    scene: Scene
    step: int


def load_scenes(knobs: CommonKnobs) -> tuple[Scene, ...]:
    """Read the file of scenes; none for an empty path. Raises KnobFault for a file that is not there or is none."""
    path = knobs.scenes
    if not path:
        return ()
    try:
        scenes = _FILE.validate_json(Path(path).read_bytes())
    except (OSError, ValidationError) as fault:
        raise KnobFault(f"scenes={path} cannot be read: {fault}") from fault
    for line in (line for scene in scenes for line in scene.answers):
        knobs.turned_for_answer(line.knobs.split())
    return scenes


def next_line(scenes: Sequence[Scene], session: Session, question: str) -> Line | None:
    """The line that answers `question`, or None where no scene is meant.

    A question that is the transcript of a conversation brings the answers before it along: they count as said.
    """
    found = next((scene for scene in scenes if scene.when in question), None)
    progress = session.progress
    if found is not None and (progress is None or progress.scene is not found):
        said = _ANSWERED.findall(question, question.index(found.when))
        progress = session.progress = Progress(found, len(said))
    if progress is None:
        return None
    lines = progress.scene.answers
    progress.step += 1
    return lines[min(progress.step, len(lines)) - 1]


def line_of(knobs: CommonKnobs) -> Line | None:
    """The line that the knobs themselves write, or None where they write none. Raises KnobFault."""
    if not (knobs.say or knobs.call or knobs.quote != "none"):
        return None
    name, _, given = knobs.call.partition(":")
    try:
        arguments = from_json(given) if given else {}
        calls = [{"tool": name, "arguments": arguments}] if name else []
        return Line.model_validate({"text": knobs.say, "calls": calls})
    except ValueError as fault:
        raise KnobFault("call takes NAME or NAME:{...}, the arguments as JSON") from fault


def written(line: Line, knobs: CommonKnobs, question: str = "") -> str:
    """Return the whole text of an answer to `question` that quotes and calls as the knobs say.

    The word that makes a block a call is the one that the question asks for last.
    """
    form, word = knobs.form, "".join(_FORM.findall(question)[-1:])
    parts = [line.text, *_quoted(knobs, question)]
    if line.calls and form == "array":
        parts.append(_fenced(to_json([_fields(call) for call in line.calls]).decode(), word))
    else:
        parts += (_block(call, form, word) for call in line.calls)
    return "\n\n".join(filter(None, parts))


def _quoted(knobs: CommonKnobs, question: str) -> list[str]:
    """The first block of the question, and words after it where it is to stand amid them."""
    found = _BLOCK.search(question)
    if knobs.quote == "none" or found is None:
        return []
    return [found[0]] if knobs.quote == "last" else [found[0], "That is what it says."]


def _block(call: Call, form: Form, word: str) -> str:
    body = to_json(_fields(call)).decode()
    if form in _UNFENCED:
        return _UNFENCED[form](call, body)
    if form in _UNENDED:
        return _fenced(_UNENDED[form](body), word).removesuffix("\n```")
    mended = _FENCED[form](call, body) if form in _FENCED else body
    return _fenced(mended, {"no_word": "", "wrong_word": word[::-1] + "0"}.get(form, word))


def _fenced(body: str, word: str) -> str:
    return f"```{f'json action {word}'.rstrip()}\n{body}\n```"


def _tagged(call: Call, _body: str) -> str:
    named = to_json({"name": call.tool, "arguments": call.arguments}).decode()
    return f"<tool_call>\n{named}\n</tool_call>"


def _as_code(call: Call, _body: str) -> str:
    given = ", ".join(f"{name}={value!r}" for name, value in call.arguments.items())
    return f"```tool_code\nprint({call.tool}({given}))\n```"


def _fields(call: Call) -> dict[str, Any]:
    return {"tool": call.tool, "arguments": call.arguments}


_UNFENCED: Final[Mapping[Form, Callable[[Call, str], str]]] = {
    "plain_json": lambda _, body: f"```json\n{body}\n```",
    "heading": lambda _, body: f"#Tool Call\n{body}",
    "tool_code": _as_code,
    "tag": _tagged,
    "refusal": lambda *_: "I am only a text model and cannot call any tools.",
    "announcement": lambda call, _: f"I will now call {call.tool} for you.",
}
_UNENDED: Final[Mapping[Form, Callable[[str], str]]] = {
    "no_fence": lambda body: body,
    "unclosed": lambda body: body[:-2],
}
_FENCED: Final[Mapping[Form, Callable[[Call, str], str]]] = {
    "smart_quotes": lambda _, body: re.sub(r'"((?:[^"\\]|\\.)*)"', r"“\1”", body),
    "bad_json": lambda _, body: body.replace(":", " ", 1),
    "bad_arguments": lambda call, _: to_json({"tool": call.tool, "arguments": []}).decode(),
    "unknown_tool": lambda call, body: body.replace(call.tool, "no_such_tool", 1),
}
