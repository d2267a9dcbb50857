"""What agents of other makers were seen to say, line for line: each has its own way, and one turn reads them all."""

from __future__ import annotations

from dataclasses import dataclass

from lingma_trio.protocol.answer import Failed
from lingma_trio.protocol.failures import AGENT_ERROR, BROKEN_OFF, EMPTY_ANSWER, SPENT
from lingma_trio.turns import Finished


@dataclass(frozen=True)
class Recording:
    """Lines of an agent's after the prompt, which has the id 1; what the gateway answers; and what comes of it."""

    lines: tuple[str, ...]
    end: Finished | Failed
    text: str = ""
    answers: tuple[dict[str, object], ...] = ()
    ran: tuple[str, ...] = ()


def update(kind: str, rest: str = "") -> str:
    """A line that tells of the turn."""
    return (
        f'{{"jsonrpc":"2.0","method":"session/update","params":{{"sessionId":"S","update":'
        f'{{"sessionUpdate":"{kind}"{rest}}}}}}}'
    )


def chunk(text: str, more: str = "") -> str:
    """A line with more of the answer."""
    return update("agent_message_chunk", f',"content":{{"type":"text","text":"{text}"}}{more}')


RECORDINGS = {
    # Asks for permission with the id 0, names its options in its own way, and tells tokens where nobody looks.
    "gemini": Recording(
        (
            (
                '{"jsonrpc":"2.0","id":0,"method":"session/request_permission","params":{"sessionId":"S","options":['
                '{"optionId":"proceed_always","name":"Allow for this session","kind":"allow_always"},'
                '{"optionId":"proceed_once","name":"Allow","kind":"allow_once"},'
                '{"optionId":"cancel","name":"Reject","kind":"reject_once"}],"toolCall":{"toolCallId":"sh-1",'
                '"status":"pending","title":"touch f","content":[],"locations":[],"kind":"execute"}}}'
            ),
            update("tool_call_update", ',"toolCallId":"sh-1","status":"failed","content":[]'),
            chunk("I was "),
            chunk("not allowed to."),
            (
                '{"jsonrpc":"2.0","id":1,"result":{"stopReason":"end_turn","_meta":{"quota":{"token_count":'
                '{"input_tokens":12011,"output_tokens":42},"model_usage":[]}}}}'
            ),
        ),
        Finished("S"),
        "I was not allowed to.",
        ({"id": 0, "result": {"outcome": {"outcome": "selected", "optionId": "cancel"}}},),
    ),
    # Runs what it likes and asks nobody, and has the whole list of its commands to tell in the middle of it.
    "opencode": Recording(
        (
            update("available_commands_update", ',"availableCommands":[{"name":"init","description":"create AGENTS"}]'),
            update("tool_call", ',"toolCallId":"c","title":"bash","kind":"execute","status":"pending","rawInput":{}'),
            update("tool_call_update", ',"toolCallId":"c","status":"in_progress","kind":"execute","title":"bash"'),
            update("tool_call_update", ',"toolCallId":"c","status":"completed","kind":"execute","rawOutput":{}'),
            chunk("Done."),
            update("usage_update", ',"used":7633,"size":128000,"cost":{"amount":0,"currency":"USD"}'),
            (
                '{"jsonrpc":"2.0","id":1,"result":{"stopReason":"end_turn","usage":{"totalTokens":7640,"inputTokens":7633,'
                '"outputTokens":7},"_meta":{}}}'
            ),
        ),
        Finished("S"),
        "Done.",
        ran=("execute",),
    ),
    # Ends a turn whose tool was rejected without a word.
    "opencode, silent": Recording(
        ('{"jsonrpc":"2.0","id":1,"result":{"stopReason":"end_turn","_meta":{}}}',), Failed(EMPTY_ANSWER, "")
    ),
    # Warns in the model's place, thinks aloud, and writes its ids last.
    "codex": Recording(
        (
            chunk("Model metadata for `mock` not found. "),
            update("agent_thought_chunk", ',"content":{"type":"text","text":"**Thinking**"}'),
            chunk("Hello"),
            '{"jsonrpc":"2.0","result":{"stopReason":"end_turn"},"id":1}',
        ),
        Finished("S"),
        "Model metadata for `mock` not found. Hello",
    ),
    # Calls a turn cancelled that nobody cancelled.
    "codex, cancelled": Recording(
        (chunk("Let me"), '{"jsonrpc":"2.0","result":{"stopReason":"cancelled"},"id":1}'),
        Failed(BROKEN_OFF, ""),
        "Let me",
    ),
    "codex, failed": Recording(
        (
            (
                '{"jsonrpc":"2.0","error":{"code":-32603,"message":"Internal error","data":'
                '{"message":"unexpected status 500"}},"id":1}'
            ),
        ),
        Failed(AGENT_ERROR, "Internal error: unexpected status 500"),
    ),
    # Asks and tells what no version of the protocol has, sends an empty chunk, and complains of a line that it got.
    "qwen": Recording(
        (
            '{"jsonrpc":"2.0","id":0,"method":"craft/drainMidTurnQueue","params":{"sessionId":"S"}}',
            chunk(""),
            chunk("Hi."),
            '{"jsonrpc":"2.0","method":"qwen/notify/session/prompt-suggestion","params":{"sessionId":"S"}}',
            '{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error"}}',
            '{"jsonrpc":"2.0","id":1,"result":{"stopReason":"end_turn"}}',
        ),
        Finished("S"),
        "Hi.",
        ({"id": 0, "error": {"code": -32601, "message": "Method not found: craft/drainMidTurnQueue"}},),
    ),
    # Reported of another: tells a failure as text first, with usage that is all zeros, and chatters where messages go.
    "qoder": Recording(
        (
            chunk("[Error] out of credits"),
            "Shutting down telemetry ...",
            '{"jsonrpc":"2.0","id":1,"error":{"code":500,"message":"Your usage limit is reached"}}',
        ),
        Failed(SPENT, "Your usage limit is reached"),
        "[Error] out of credits",
    ),
}
