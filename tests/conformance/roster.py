"""What a conformance run knows of: its parts, the clients that each is about, and the lock that pins their versions.

A new client is a line in `CLIENTS`, an agent that the gateway runs one in `AGENTS`, and a part of its own one in
`PARTS`; scripts/conformance and the tables in docs/clients.md and docs/acp.md are made of these. `python -m
tests.conformance.roster` prints the parts for the script.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
NPM = "package-lock.json"
CLI = "cli/package-lock.json"
AIDER = "aider/uv.lock"
OPEN_WEBUI = "open-webui/uv.lock"
PYTHON = "uv.lock"
ACP = "acp/package-lock.json"
OLDER = "older/uv.lock"
"""What wants a version of OpenAI's package that the others have left."""


@dataclass(frozen=True, slots=True)
class Part:
    """Tests that run together under one name: `tests` is their module or directory, from the directory `tests`.

    A heavy one takes too long for every change and runs where it is named, or by `--all`. `lock` is that of the Python
    which runs the tests.
    """

    name: str
    tests: str
    heavy: bool = False
    lock: str = PYTHON

    @property
    def locks(self) -> list[str]:
        """The locks that have to be installed for it, first that of its Python."""
        return list(dict.fromkeys([self.lock, *(each.lock for each in (*CLIENTS, *AGENTS) if each.part == self.name)]))


@dataclass(frozen=True, slots=True)
class Client:
    """A client as people know it, or an agent that the gateway runs, and a row of its table.

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


def agent(module: str, kind: str = "") -> tuple[str, ...]:
    """The tests of an agent; where a module has several, by the name of its class or what a few of them begin with."""
    each = f"[{kind}" if kind else ""
    return tuple(
        f"{module}.{test}{each}"
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

# What every agent serves that the gateway runs.
SERVED = (
    "a second turn goes on in the session, an answer that is left aborts the model's request, eight at once, killed in "
    "mid-answer, messages that look like its commands, tools that the model calls all the same, two accounts"
)
SERVED_IN_CHINESE = (
    "第二轮延续会话，中途离开即中止对模型的请求，八个同时进行，回答中途被杀，"
    "形似其命令的消息，模型仍要调用的工具，两个账号"
)


PARTS = (
    Part("agents", "conformance/test_agents.py"),
    Part("cli", "conformance/test_more_agents.py", heavy=True),
    Part("aider", "conformance/test_aider.py", heavy=True),
    Part("open-webui", "conformance/test_open_webui.py", heavy=True),
    Part("node", "conformance/test_node_clients.py"),
    Part("python", "conformance/python"),
    Part("older", "conformance/older", lock=OLDER),
    Part("acp", "conformance/test_acp.py", heavy=True),
    Part("langchain", "conformance/test_langchain.py"),
    Part("openapi", "conformance/test_openapi.py"),
    Part("recorded", "end_to_end/test_recorded_conversations.py"),
)

CLIENTS = (
    Client(
        "Codex CLI", "@openai/codex", NPM, "agents", agent("test_agents", "Codex"),
        f"as `org_auto`, `gpt-5.5` and `gpt-5.6-sol`: {WORK}, {BROKEN} (responses)",
        f"以 `org_auto`、`gpt-5.5` 和 `gpt-5.6-sol`：{WORK_IN_CHINESE}；{BROKEN_IN_CHINESE}（responses）",
    ),
    Client(
        "Claude Code", "@anthropic-ai/claude-code", NPM, "agents",
        (*agent("test_agents", "ClaudeCode"), "test_agents.test_search_is_found_and_never_invented"),
        f"{WORK}, {BROKEN}; a tool found by ToolSearch is served, WebSearch is refused and not invented (messages)",
        f"{WORK_IN_CHINESE}；{BROKEN_IN_CHINESE}；ToolSearch 找到的工具可用，WebSearch 被拒绝而非编造（messages）",
    ),
    Client(
        "opencode", "opencode-ai", CLI, "cli", agent("test_more_agents", "Opencode"),
        f"by its three providers, on chat completions, responses and messages: {WORK}",
        f"通过三种提供方（chat、responses、messages）：{WORK_IN_CHINESE}",
    ),
    Client(
        "Qwen Code", "@qwen-code/qwen-code", CLI, "cli", agent("test_more_agents", "QwenCode"),
        f"on chat completions and messages: {WORK}",
        f"chat 与 messages：{WORK_IN_CHINESE}",
    ),
    Client(
        "Cline CLI", "cline", CLI, "cli", agent("test_more_agents", "Cline"),
        f"{WORK}; the second turn on a terminal (chat completions)",
        f"{WORK_IN_CHINESE}；第二轮在终端中进行（chat）",
    ),
    Client(
        "Continue's `cn`", "@continuedev/cli", CLI, "cli", agent("test_more_agents", "Continue"),
        f"{WORK} (chat completions)",
        f"{WORK_IN_CHINESE}（chat）",
    ),
    Client(
        "aider", "aider-chat", AIDER, "aider", agent("test_aider"),
        "a file is edited by its edit format, the second turn after that goes on in a session, Ctrl-C cancels "
        "(chat completions)",
        "按其编辑格式修改文件，其后第二轮延续会话，Ctrl-C 取消回答（chat）",
    ),
    Client(
        "Open WebUI", "open-webui", OPEN_WEBUI, "open-webui", ("test_open_webui.test_conversation",),
        "by the API that its page uses: models, a second turn that goes on in the session, a stream that is left is "
        "cancelled; titles, tags and follow-ups off and on (chat completions)",
        "通过其页面所用的 API：模型列表，第二轮延续会话，中途离开即取消；标题、标签与后续问题关闭和开启（chat）",
    ),
    Client(
        "OpenAI, Python", "openai", PYTHON, "python", ("python.test_openai.",),
        "tool loops of two steps on chat completions and responses, whole and by the stream helpers, also reset midway",
        "两步工具循环：chat 与 responses，整体与流辅助方法，包括中途断开",
    ),
    Client(
        "Anthropic, Python", "anthropic", PYTHON, "python", ("python.test_anthropic.",),
        "tool loops of two steps by `create`, `stream`, `tool_runner` and `thread().send`, also reset midway",
        "两步工具循环：`create`、`stream`、`tool_runner` 与 `thread().send`，包括中途断开",
    ),
    Client(
        "OpenAI, Node", "openai", NPM, "node", node("openai_chat", "openai_responses", "retries"),
        "tool loops of two steps on chat completions and responses, by hand, by helpers and `runTools`; legacy "
        "completions, faults, retries, aborts",
        "两步工具循环：chat 与 responses，手工、辅助方法与 `runTools`；旧式补全、故障、重试、中止",
    ),
    Client(
        "Anthropic, Node", "@anthropic-ai/sdk", NPM, "node", node("anthropic", "retries"),
        "tool loops of two steps, by hand, by the stream helper and `toolRunner`; token counts, faults, retries, "
        "aborts",
        "两步工具循环：手工、流辅助方法与 `toolRunner`；计数、故障、重试、中止",
    ),
    Client(
        "OpenAI Agents SDK, Python", "openai-agents", PYTHON, "python", ("python.test_openai_agents.",),
        "tool loops of two steps on chat completions and responses, whole and streamed, also reset midway; "
        "`output_type`",
        "两步工具循环：chat 与 responses，整体与流，包括中途断开；`output_type`",
    ),
    Client(
        "OpenAI Agents SDK, Node", "@openai/agents", NPM, "node", node("agents"),
        "tool loops of two steps on chat completions and responses, whole and streamed; `outputType`",
        "两步工具循环：chat 与 responses，整体与流；`outputType`",
    ),
    Client(
        "Ollama, Python", "ollama", PYTHON, "python", ("python.test_ollama.",),
        "tool loops of two steps by Ollama's chat, whole and in pieces, and an answer that breaks off",
        "两步工具循环：Ollama 的 chat，整体与流；中途断开的回答",
    ),
    Client(
        "Ollama, Node", "ollama", NPM, "node", node("ollama"),
        "tool loops of two steps by Ollama's chat, whole and in pieces; generate, models, reasoning, faults, aborts",
        "两步工具循环：Ollama 的 chat，整体与流；generate、模型、推理、故障、中止",
    ),
    Client(
        "Pydantic AI", "pydantic-ai-slim", PYTHON, "python", ("python.test_pydantic_ai.",),
        "tool loops of two steps on chat completions, responses and messages, whole and streamed, also reset midway; "
        "objects in each of its ways",
        "两步工具循环：chat、responses 与 messages，整体与流，包括中途断开；各种结构化输出方式",
    ),
    Client(
        "instructor", "instructor", OLDER, "older", ("older.test_instructor.",),
        "objects in its modes for chat completions, responses and messages; one that is not valid is asked for again",
        "chat、responses 与 messages 各模式的结构化输出，对象无效时再次请求",
    ),
    Client(
        "LlamaIndex", "llama-index-core", OLDER, "older", ("older.test_llama_index.",),
        "tool loops of two steps by `FunctionAgent` on chat completions and responses, whole and streamed, also reset "
        "midway; `structured_predict`",
        "`FunctionAgent` 的两步工具循环：chat 与 responses，整体与流，包括中途断开；`structured_predict`",
    ),
    Client(
        "smolagents", "smolagents", OLDER, "older", ("older.test_smolagents.",),
        "tool loops of two steps by `ToolCallingAgent` (also reset midway) and `CodeAgent`, whole and streamed",
        "`ToolCallingAgent`（包括中途断开）与 `CodeAgent` 的两步工具循环，整体与流",
    ),
    Client(
        "LiteLLM, as a client", "litellm", OLDER, "older", ("older.test_litellm.",),
        "tool loops of two steps on chat completions, responses and messages, whole and streamed, also reset midway; "
        "`response_format`",
        "两步工具循环：chat、responses 与 messages，整体与流，包括中途断开；`response_format`",
    ),
    Client(
        "Vercel AI SDK", "ai", NPM, "node", node("vercel"),
        "tool loops of two steps and objects by `@ai-sdk/openai` (chat completions, responses), `@ai-sdk/anthropic` "
        "and `@ai-sdk/openai-compatible`; an answer reset midway, faults, aborts",
        "两步工具循环与结构化输出：`@ai-sdk/openai`（chat、responses）、`@ai-sdk/anthropic` 与 "
        "`@ai-sdk/openai-compatible`；回答中途断开、故障、中止",
    ),
    Client(
        "LangChain, `ChatOpenAI`", "langchain-openai", PYTHON, "langchain", ("test_langchain.TestChatOpenAI",),
        "tool loops of two steps, whole and streamed, and LangChain's standard suite, on chat completions with both "
        "ways to an object, and on responses",
        "两步工具循环（整体与流）与 LangChain 标准测试：chat（两种结构化输出方式）与 responses",
    ),
    Client(
        "LangChain, `ChatAnthropic`", "langchain-anthropic", PYTHON, "langchain", ("test_langchain.TestChatAnthropic",),
        "tool loops of two steps, whole and streamed, and LangChain's standard suite, on messages",
        "两步工具循环（整体与流）与 LangChain 标准测试：messages",
    ),
)  # fmt: skip

AGENTS = (
    Client("gemini-cli", "@google/gemini-cli", ACP, "acp", ("test_acp.TestGemini",), SERVED, SERVED_IN_CHINESE),
    Client("opencode", "opencode-ai", ACP, "acp", ("test_acp.TestOpencode",), SERVED, SERVED_IN_CHINESE),
    Client("codex-acp", "@zed-industries/codex-acp", ACP, "acp", ("test_acp.TestCodex",), SERVED, SERVED_IN_CHINESE),
)

if __name__ == "__main__":
    for part in PARTS:
        print(part.name, part.tests, "heavy" if part.heavy else "light", *part.locks)  # noqa: T201 - for the script
