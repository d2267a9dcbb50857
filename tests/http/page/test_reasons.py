"""Reasons in Chinese: what is known is said, also within what is known; what others wrote stays as it was."""

from __future__ import annotations

import pytest

from lingma_trio.http.page.reasons import tell
from lingma_trio.lingma.instance import DRAINED, LOST
from lingma_trio.lingma.supervisor import ON_PURPOSE


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("Lingma is starting", "灵码正在启动"),
        ("Lingma ended with status -9", "灵码已退出，退出码 -9"),
        (LOST.format("Lingma"), "与灵码断开连接"),
        (LOST.format("the agent"), "与智能体断开连接"),
        ("the agent ended with status 2", "智能体已退出，退出码 2"),
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
    ],
    ids=[
        "start",
        "end",
        "lost",
        "agent lost",
        "agent end",
        "mode",
        "drained",
        "purpose",
        "rest",
        "remarks",
        "start failed",
    ],
)
def test_known_reason_is_said_in_chinese(reason: str, told: str) -> None:
    """And in English as it is."""
    assert tell(reason, "zh") == (told, "zh-CN")
    assert tell(reason, "en") == (reason, "en")


def test_unknown_reason_stays() -> None:
    """Marked as the English that it is, for whoever has it read out; braces in it are no gaps."""
    assert tell("it broke; Lingma is starting", "zh") == ("it broke; Lingma is starting", "en")
    assert tell("could not be started: {0} {x}", "zh").text == "无法启动：{0} {x}"
