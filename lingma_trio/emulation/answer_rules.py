"""Says in a prompt how the answer has to look: which tools can be called and how, what JSON is wanted, how long it is.

Knows the client's tools and format, and the form of an action. Must not know the conversation or who reads the answer.

Declarations are JSON, one a line: no description can end its line and pass for something else.

The form of a call carries the toolbox's word, which `with_word` puts there. It is drawn and not derived: a word that
follows from the conversation is the same for all that begin alike, so whoever uses one could write it into a page that
another one quotes. It costs no upstream cache anything, since what is said here stands at the end of the prompt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pydantic_core import to_json

from lingma_trio.turns import AnswerFormat, Effort, Prompt, Tool, Toolbox, Verbosity

_FORM: Final = """```json action %s
{"tool": "NAME", "arguments": {}}
```"""
_DECLARED: Final = (
    "The user's client can run the tools below for you. They are real and there are no others; you cannot run them"
    " yourself. Each line is one tool, with the JSON Schema of its arguments:"
)
_KNOWN: Final = "The client's tools described above can still be called: "
_MOST_FAULTS: Final = 16  # that are told; more would be a long prompt and no help
_HOW: Final = (
    "To call a tool, write a block of exactly this form, its fences on lines of their own, with arguments that fit the"
    " tool's schema:"
)
_WORD: Final = (
    "What makes it a call is the word %s in its first line. The word holds for this answer only: use no other one, and"
    " leave it out of what you quote or show as an example."
)
_END: Final = (
    "After that end your answer: the client runs the tools, and their results come with the next message. Never write a"
    " result yourself, and never say that a tool is missing."
)
_SEVERAL: Final = "Calls that do not depend on each other may be written as several such blocks, one after the other."
_ONE: Final = "Write no more than one such block."
_AUTO: Final = "Call a tool where it helps; otherwise answer in plain text, without such a block."
_REQUIRED: Final = "You must call a tool now."
_ABSENT: Final = (
    "The client also asked for these, which do not exist here: %s. Do not pretend to have used any of them, and never"
    " make up what it would have returned; where the answer needs one, say that you do not have it."
)
_NONE: Final = "No tool can be called now: reply without one."
_JSON: Final = "Reply with one JSON object and nothing else: no other words, and no fence around it."
_SCHEMA: Final = (
    "Reply with JSON that fits this JSON Schema, and nothing else: no other words, and no fence around it.\n"
)
_AT_ONCE: Final = "Answer at once, without thinking it through first."
_THOROUGHLY: Final = "Think it through as thoroughly as you can, and check what you found, before you answer."
_EFFORTS: Final[dict[Effort, str]] = {
    "none": _AT_ONCE,
    "minimal": _AT_ONCE,
    "low": "Think only briefly before you answer.",
    "high": "Think it through carefully before you answer.",
    "xhigh": _THOROUGHLY,
    "max": _THOROUGHLY,
}
_VERBOSITIES: Final[dict[Verbosity, str]] = {
    "low": "Keep your answer short: say what was asked for and nothing beyond it.",
    "high": "Answer in full, with the details and explanations that belong to it.",
}
_BUT_FOR_CALLS: Final = "This does not hold for an answer that calls a tool."


def with_word(prompt: Prompt, word: str) -> Prompt:
    """The same prompt, where calls that are written as text are proved by `word`: one no text could know before."""
    return prompt if prompt.toolbox is None else replace(prompt, toolbox=replace(prompt.toolbox, word=word))


def rules(prompt: Prompt, *, known: bool) -> str:
    """What the answer to `prompt` has to keep to, or the empty string.

    `known` says that the model has been told of the tools and the format before, in this session.
    """
    parts = []
    toolbox, wanted = prompt.toolbox, prompt.answer_format
    if toolbox is not None:
        parts.append(_NONE if toolbox.choice == "none" else _tool_rules(toolbox, known=known))
        if toolbox.absent:
            parts.append(_ABSENT % ", ".join(toolbox.absent))
    if wanted is not None:
        parts.append(_format_rules(wanted))
        if toolbox is not None and toolbox.choice != "none":
            parts.append(_BUT_FOR_CALLS)
    parts += (_EFFORTS.get(prompt.effort, ""), _VERBOSITIES.get(prompt.verbosity, ""))
    return "\n\n".join(filter(None, parts))


def call_complaint(toolbox: Toolbox, faults: list[str]) -> str:
    """What to answer a model that called no tool where it has to, or called one wrongly for these reasons."""
    found = [f"- {fault}" for fault in faults[:_MOST_FAULTS]] or ["- It calls no tool."]
    names = ", ".join(tool.name for tool in toolbox.tools)
    return "\n".join(
        [
            "Your answer cannot be used:",
            *found,
            "",
            f"Write only what is to be called, put right, and nothing else. The tools are: {names}. {_duty(toolbox)}",
            _how(toolbox),
        ]
    )


def format_complaint(wanted: AnswerFormat, fault: str) -> str:
    """What to answer a model whose JSON is none, or does not fit, for this reason."""
    return f"Your answer cannot be used: {fault}.\n\n{_format_rules(wanted)}"


def _tool_rules(toolbox: Toolbox, *, known: bool) -> str:
    if known:
        told = _KNOWN + ", ".join(tool.name for tool in toolbox.tools) + "."
    else:
        told = "\n".join([_DECLARED, *(_declaration(tool) for tool in toolbox.tools)])
    closing = " ".join((_SEVERAL if toolbox.parallel else _ONE, _END, _duty(toolbox)))
    return f"{told}\n\n{_how(toolbox)}\n\n{closing}"


def _how(toolbox: Toolbox) -> str:
    return f"{_HOW}\n\n{_FORM % toolbox.word}\n\n{_WORD % toolbox.word}"


def _declaration(tool: Tool) -> str:
    described = {"tool": tool.name, "description": tool.description, "arguments": dict(tool.parameters)}
    return to_json(described).decode()


def _duty(toolbox: Toolbox) -> str:
    if toolbox.named:
        return f"You must call {toolbox.named} now."
    return _REQUIRED if toolbox.choice == "required" else _AUTO


def _format_rules(wanted: AnswerFormat) -> str:
    if wanted.schema is None:
        return _JSON
    return _SCHEMA + to_json(dict(wanted.schema)).decode()
