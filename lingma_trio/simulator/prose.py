"""Words for the simulator's answers: readable text that proves what a session holds, cut into deltas.

Knows nothing of pushes, sessions' ids or time.
"""

from __future__ import annotations

import re
from itertools import cycle, islice
from typing import Final

GIST_LENGTH: Final = 120
"""Characters of a question that are quoted: enough to recognise it, and a long prompt stays cheap to remember."""

DIRECTIVE: Final = "#simulate"
"""A line of a question that begins like this is meant for the simulator and no part of what is asked."""

_LAST_LINE_WITH_DIRECTIVE: Final = re.compile(rf"^[ \t]*{DIRECTIVE}(?=\s|$)(.*)$", re.MULTILINE)
# Words as in a shell, quoted or not. The library's own reader adds each character to a text that it copies.
_QUOTED: Final = r"""'([^']*+)'|"((?:[^"\\]++|\\.)*+)"|\\(.)|([^ \t\r\n'"\\]++)"""
_PART: Final = re.compile(_QUOTED, re.DOTALL)
_WORD: Final = re.compile(rf"[ \t\r\n]*+((?:{_QUOTED})++)(?=[ \t\r\n]|\Z)", re.DOTALL)
_ESCAPED: Final = re.compile(r'\\(["\\])')
_CLOSING: Final = re.compile(r"^=== [0-9]{12} how to answer ===$", re.MULTILINE)
_CHINESE: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_LETTER: Final = re.compile(r"[^\W\d_]")
# Two ideographs are about what a model sends at once; other scripts are cut after a word and its blanks.
_PIECE: Final = re.compile(
    r"[\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef]{1,2}|[^\s\u3000-\u9fff\uff00-\uffef]+\s*|.", re.DOTALL
)
_RECALL: Final = re.compile(
    r"what did i (?:say|ask) first\b|我(?:最先|最初|第一句|首先)(?:说|问)了?什么", re.IGNORECASE
)

_FILLER_ENGLISH: Final = (
    "This sentence only makes the answer longer, so that there is something to stream and something to stop.\n"
)
_FILLER_CHINESE: Final = "这句话只是为了让回答更长一些,以便有内容可以流式输出,也可以随时停止。"


def directive_words(question: str) -> list[str]:
    """Return the `name=value` words of the last directive line in `question`, or none; quotes are as in a shell.

    Where a quote is not closed, all of them are letters.

    The last one wins because a question may be the transcript of a whole conversation, whose newest message is last.
    """
    if DIRECTIVE not in question:
        return []
    found: list[str] = _LAST_LINE_WITH_DIRECTIVE.findall(question)
    line = found[-1] if found else ""
    words, end = [], 0
    while (word := _WORD.match(line, end)) is not None:
        words.append(_PART.sub(_unquoted, word[1]))
        end = word.end()
    return line.split() if line[end:].strip(" \t\r\n") else words


def _unquoted(part: re.Match[str]) -> str:
    plain, quoted, escaped, bare = part.groups()
    if quoted is not None:
        return _ESCAPED.sub(r"\1", quoted)
    return plain or escaped or bare or ""


def gist(question: str) -> str:
    """Return the last line of `question` that says something, without blanks around it, cut to GIST_LENGTH.

    What a transcript says at its end of how to answer is no part of what is asked.
    """
    closing = _CLOSING.search(question)
    end = closing.start() if closing else len(question)
    while end > 0:
        start = question.rfind("\n", 0, end) + 1
        line = question[start:end].strip()
        if line and not line.startswith(DIRECTIVE):
            return line[:GIST_LENGTH]
        end = start - 1
    return ""


def is_chinese(text: str) -> bool:
    """Tell whether most letters of `text` are Chinese characters."""
    return 2 * len(_CHINESE.findall(text)) > len(_LETTER.findall(text))


def answer_text(newest: str, *, number: int, first: str, pictures: tuple[str, ...] = ()) -> str:
    """Return the answer to `newest`, the gist of the `number`-th question of a session that began with `first`.

    `pictures` are those that came with it, in words.
    """
    text = _answer_text(newest, number=number, first=first)
    return f"{text} [{'; '.join(pictures)}]" if pictures else text


def _answer_text(newest: str, *, number: int, first: str) -> str:
    chinese = is_chinese(newest)
    if _RECALL.search(newest):
        return f"你在这个会话里最先说的是:“{first}”。" if chinese else f"The first thing you said was: “{first}”."
    if chinese:
        return (
            f"这里是 Lingma 模拟器,没有调用任何模型。你说的是:“{newest}”。"
            f"(这是本会话的第 {number} 条消息;第一条是:“{first}”。)"
        )
    return (
        f"This is the Lingma simulator; no model was asked. You said: “{newest}”. "
        f"(message {number} of this session; the first was: “{first}”.)"
    )


def thought_text(newest: str) -> str:
    """Return what the simulator thinks before it answers `newest`."""
    if is_chinese(newest):
        return f"用户说:“{newest}”。我先想一想,再回答。"
    return f"The user said “{newest}”. I think about it, and then I answer."


def pieces(text: str) -> list[str]:
    """Cut `text` into deltas as a model sends them; joined they are `text` again."""
    return _PIECE.findall(text)


def exactly(text: str, *, count: int, chars: int) -> list[str]:
    """Cut `text` into exactly `count` deltas.

    Too few are padded with filler of at least `chars` characters each; of too many, the rest is the last one.
    """
    found = pieces(text)
    if len(found) >= count:
        return [*found[: count - 1], "".join(found[count - 1 :])]
    filler = pieces(_FILLER_CHINESE if is_chinese(text) else _FILLER_ENGLISH)
    if chars:
        whole = "".join(filler)
        filler = [(whole * (chars // len(whole) + 1))[:chars]]
    return found + list(islice(cycle(filler), count - len(found)))
