"""Reasons in Chinese: what is known is said, also within what is known; what others wrote stays as it was."""

from __future__ import annotations

from typing import get_args

import pytest

from lingma_trio.http.page.reasons import tell
from lingma_trio.lingma.acp.life import AgentLife
from lingma_trio.lingma.life import Life
from lingma_trio.lingma.lives import LOST
from lingma_trio.lingma.remote.lives import AWAY, CONNECTING, STOPPING
from lingma_trio.lingma.standing import DRAINED
from lingma_trio.lingma.supervisor import ON_PURPOSE
from lingma_trio.login.journey import WANTED
from lingma_trio.login.messages import HumanReason, Kind


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("Lingma is starting", "灵码正在启动"),
        ("Lingma ended with status -9", "灵码已退出，退出码 -9"),
        (LOST.format("Lingma"), "与灵码断开连接"),
        (LOST.format("the agent"), "与智能体断开连接"),
        ("the agent ended with status 2", "智能体已退出，退出码 2"),
        (
            AgentLife.login_remedy,
            "智能体未登录；请在 ACP_TOKENS 中填写有效的令牌，在 ACP_TOKEN_VARIABLE 中填写它读取的变量名",
        ),
        (
            "ran tools of its own 2 times, though they are to be off; one of its models rests",
            "自身工具本应关闭，却运行了 2 次；有一个模型正在冷却",
        ),
        (
            "the agent does not offer ACP_MODE=yolo; it offers default, plan",
            "智能体不提供模式 ACP_MODE=yolo；可用的有 default, plan",
        ),
        (f"{DRAINED} ({LOST.format('Lingma')})", "管理员已暂停，不再接受新请求（与灵码断开连接）"),
        (ON_PURPOSE, "由管理员重启"),
        ("rests for 12 s: the account's rate limit is reached; ask again later", "冷却 12 秒：账号被限流，请稍后再试"),
        (
            "2 of its models rest; takes 3 at once, as far as is known",
            "有 2 个模型正在冷却；据目前所知，最多同时处理 3 个请求",
        ),
        ("could not be started: no such file", "无法启动：no such file"),
        (CONNECTING, "网关正在与它建立连接"),
        (AWAY.format("gone"), "无法连接其所在的代理：gone"),
        (STOPPING, "其所在的代理正在停止，不再接受新请求"),
    ],
    ids=[
        "start",
        "end",
        "lost",
        "agent lost",
        "agent end",
        "agent's login",
        "agent's tools",
        "mode",
        "drained",
        "purpose",
        "rest",
        "remarks",
        "start failed",
        "connecting",
        "away",
        "stopping",
    ],
)
def test_known_reason_is_said_in_chinese(reason: str, told: str) -> None:
    """And in English as it is."""
    assert tell(reason, "zh") == (told, "zh-CN")
    assert tell(reason, "en") == (reason, "en")


OFF = "automatic login is off (AUTO_LOGIN_ENABLED)"


def test_missing_login_says_what_to_type() -> None:
    """With and without why the gateway does not sign in by itself; the command stays as it is."""
    reason = Life.login_remedy.format("lingma-1")
    assert tell(reason, "zh").text.startswith("灵码未登录；请用 `lingma-trio login --instance lingma-1` 登录")
    assert tell(f"{reason} ({OFF})", "zh").text.endswith("（自动登录已关闭（AUTO_LOGIN_ENABLED））")


@pytest.mark.parametrize("kind", sorted({*get_args(Kind), *get_args(HumanReason)} - {"signed_in"}))
def test_each_end_of_an_attempt_to_sign_in_is_said(kind: str) -> None:
    """Whatever it was, and that the next one has to wait; the words of the site stay as they were."""
    told = tell(f"signing in failed ({kind}): 请; ask them; the next attempt has to wait", "zh")
    assert told.language == "zh-CN"
    assert kind not in told.text
    assert told.text.endswith("：请; ask them；需等待后再试")


@pytest.mark.parametrize(
    "detail", [*WANTED.values(), OFF, "no account with a password is configured (LINGMA_ACCOUNTS)"]
)
def test_what_a_person_is_wanted_for_is_said(detail: str) -> None:
    """By its whole sentence."""
    assert tell(detail, "zh").language == "zh-CN"


def test_unknown_reason_stays() -> None:
    """Marked as the English that it is, for whoever has it read out; braces in it are no gaps."""
    assert tell("it broke; Lingma is starting", "zh") == ("it broke; Lingma is starting", "en")
    assert tell("could not be started: {0} {x}", "zh").text == "无法启动：{0} {x}"
