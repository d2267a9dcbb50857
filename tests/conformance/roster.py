"""What a conformance run knows of: its parts, the clients that each is about, and the lock that pins their versions.

A new client is a line in `CLIENTS`, and a part of its own is one in `PARTS`; scripts/conformance and the table in
docs/clients.md are made of these. `python -m tests.conformance.roster` prints the parts for the script.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
NPM = "package-lock.json"
PYTHON = "uv.lock"


@dataclass(frozen=True, slots=True)
class Part:
    """Tests that run together under one name: `tests` is their module, from the directory `tests`.

    A heavy one takes too long for every change and runs where it is named, or by `--all`.
    """

    name: str
    tests: str
    heavy: bool = False

    @property
    def locks(self) -> list[str]:
        """The locks that have to be installed for it, in the order in which clients name them."""
        return list(dict.fromkeys(client.lock for client in CLIENTS if client.part == self.name))


@dataclass(frozen=True, slots=True)
class Client:
    """A client as people know it, and a row of the table.

    Its version is that of `package` in `lock`, a file below this directory: a `package-lock.json` or a `uv.lock`.
    Its tests are those of `part` whose name, `module.Class.test[parameters]`, begins with one of `tests`.
    """

    name: str
    package: str
    lock: str
    part: str
    tests: tuple[str, ...]
    ran: str
    ran_in_chinese: str

    @property
    def version(self) -> str:
        """What the lock says.

        Raises KeyError where the lock does not have the package.
        """
        text = (HERE / self.lock).read_text(encoding="utf-8")
        if self.lock.endswith(NPM):
            return str(json.loads(text)["packages"][f"node_modules/{self.package}"]["version"])
        return str({each["name"]: each["version"] for each in tomllib.loads(text)["package"]}[self.package])


def node(*modules: str) -> tuple[str, ...]:
    """The tests of modules in `node/`."""
    return tuple(f"test_node_clients.test_client[{module}]" for module in modules)


def agent(kind: str) -> tuple[str, ...]:
    """The tests of an agent, by the name of its class or what several of them begin with."""
    return tuple(
        f"test_agents.{test}[{kind}"
        for test in (
            "test_file_is_edited_and_the_conversation_goes_on",
            "test_broken_stream_is_asked_for_again",
            "test_ctrl_c_cancels",
        )
    )


# What every agent does.
WORK = "a file is read and edited by tools, a second turn goes on in the session, Ctrl-C cancels"
WORK_IN_CHINESE = "用工具读取并修改文件，第二轮延续会话，Ctrl-C 取消回答"
BROKEN = "a stream that breaks off on the way or upstream is asked for again"
BROKEN_IN_CHINESE = "流在途中或上游断开时重新请求"

PARTS = (
    Part("agents", "conformance/test_agents.py"),
    Part("node", "conformance/test_node_clients.py"),
    Part("langchain", "conformance/test_langchain.py"),
    Part("openapi", "conformance/test_openapi.py"),
    Part("recorded", "end_to_end/test_recorded_conversations.py"),
)

CLIENTS = (
    Client(
        "Codex CLI", "@openai/codex", NPM, "agents", agent("Codex"),
        f"as `org_auto`, `gpt-5.5` and `gpt-5.6-sol`: {WORK}, {BROKEN} (responses)",
        f"以 `org_auto`、`gpt-5.5` 和 `gpt-5.6-sol`：{WORK_IN_CHINESE}；{BROKEN_IN_CHINESE}（responses）",
    ),
    Client(
        "Claude Code", "@anthropic-ai/claude-code", NPM, "agents", agent("ClaudeCode"),
        f"{WORK}, {BROKEN} (messages)",
        f"{WORK_IN_CHINESE}；{BROKEN_IN_CHINESE}（messages）",
    ),
    Client(
        "OpenAI, Node", "openai", NPM, "node", node("openai_chat", "openai_responses", "retries"),
        "chat completions, responses and completions, whole, raw streams and helpers; tools, faults, retries, aborts",
        "chat、responses 与旧式补全：整体、原始流与辅助方法；工具、故障、重试、中止",
    ),
    Client(
        "Anthropic, Node", "@anthropic-ai/sdk", NPM, "node", node("anthropic", "retries"),
        "messages, whole, raw streams and the stream helper; token counts, tools, faults, retries, aborts",
        "messages：整体、原始流与流辅助方法；计数、工具、故障、重试、中止",
    ),
    Client(
        "Vercel AI SDK", "ai", NPM, "node", node("vercel"),
        "`generateText` and `streamText` with tools, by `@ai-sdk/openai-compatible`; faults, aborts",
        "通过 `@ai-sdk/openai-compatible` 使用 `generateText` 与 `streamText`，含工具、故障与中止",
    ),
    Client(
        "LangChain, `ChatOpenAI`", "langchain-openai", PYTHON, "langchain", ("test_langchain.TestChatOpenAI",),
        "LangChain's standard suite, on chat completions with both ways to an object, and on responses",
        "LangChain 标准测试：chat（两种结构化输出方式）与 responses",
    ),
    Client(
        "LangChain, `ChatAnthropic`", "langchain-anthropic", PYTHON, "langchain", ("test_langchain.TestChatAnthropic",),
        "LangChain's standard suite, on messages",
        "LangChain 标准测试：messages",
    ),
)  # fmt: skip


if __name__ == "__main__":
    for part in PARTS:
        print(part.name, part.tests, "heavy" if part.heavy else "light", *part.locks)  # noqa: T201 - for the script
