"""Says in Chinese why an instance is as it is, where that is one of the things that are known to be said. Pure.

What Lingma or the system said itself stays as it is: an error that somebody looks up has to be as it was written.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

_KNOWN = tuple(
    (re.compile(english, re.DOTALL), chinese)
    for english, chinese in (
        ("Lingma is starting", "灵码正在启动"),
        ("the agent is starting", "智能体正在启动"),
        (r"the agent ended with status (-?\d+)", "智能体已退出，退出码 {0}"),
        (r"the agent was not ready within (\S+) s: (.+)", "智能体在 {0} 秒内未就绪：{1}"),
        ("the connection to the agent was lost", "与智能体断开连接"),
        (
            r"the agent has (\d+) sessions, as many as ACP_SESSIONS_PER_LIFE allows",
            "智能体已有 {0} 个会话，达到 ACP_SESSIONS_PER_LIFE 的上限",
        ),
        (
            r"the agent left (\d+) cancelled turns unanswered, one after another",
            "智能体接连 {0} 次没有回应取消",
        ),
        (r"the agent does not offer ACP_MODE=(\S+); it offers (.+)", "智能体不提供模式 ACP_MODE={0}；可用的有 {1}"),
        (r"Lingma ended with status (-?\d+)", "灵码已退出，退出码 {0}"),
        (r"Lingma was not ready within (\S+) s: (.+)", "灵码在 {0} 秒内未就绪：{1}"),
        (r"could not be started: (.+)", "无法启动：{0}"),
        ("ended without a reason", "无故结束"),
        ("restarted by the operator", "由管理员重启"),
        ("the connection to Lingma was lost", "与灵码断开连接"),
        ("drained by the operator: takes no new turns", "管理员已暂停，不再接受新请求"),
        (r"drained by the operator: takes no new turns \((.+)\)", "管理员已暂停，不再接受新请求（{0}）"),
        (r"rests for (\d+) s: (.+)", "冷却 {0} 秒：{1}"),
        ("the account's rate limit is reached; ask again later", "账号被限流，请稍后再试"),
        (
            r"the account's quota for (?:each of its models|the model .+) is used up, or its plan does not cover it;.+",
            "账号的额度已用尽，或套餐不包含该模型；请换用其他模型，或稍后再试",
        ),
        (r"(\d+) of its models rest", "有 {0} 个模型正在冷却"),
        ("one of its models rests", "有一个模型正在冷却"),
        (r"takes (\d+) at once, as far as is known", "据目前所知，最多同时处理 {0} 个请求"),
        (r"the gateway is stopping", "网关正在停止"),
    )
)


class Said(NamedTuple):
    """A text, and the language that it is in as HTML names it."""

    text: str
    language: Literal["en", "zh-CN"]


def tell(reason: str, language: str) -> Said:
    """The reason in the language of the page, `en` or `zh`, or as it is where it is not known."""
    told = _chinese(reason) if language == "zh" else None
    return Said(reason, "en") if told is None else Said(told, "zh-CN")


def _chinese(reason: str) -> str | None:
    parts = reason.split("; ")
    for known, chinese in _KNOWN:
        if (found := known.fullmatch(reason)) is not None:
            return chinese.format(*(_chinese(part) or part for part in found.groups(default="")))
    told = [_chinese(part) for part in parts] if len(parts) > 1 else [None]
    return None if None in told else "；".join(filter(None, told))
