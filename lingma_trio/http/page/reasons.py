"""Says in Chinese why an instance is as it is, where that is one of the things that are known to be said. Pure.

What Lingma or the system said itself stays as it is: an error that somebody looks up has to be as it was written.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

_SIGN_IN = (
    r"Lingma is not logged in; sign in with `(lingma-trio login --instance [^`]+)`, "
    r"or carry a login over with `lingma-trio bundle`"
)
_SIGN_IN_CHINESE = "灵码未登录；请用 `{0}` 登录，或用 `lingma-trio bundle` 带来一个登录"

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
        (
            r"the agent is not signed in; put a valid token into ACP_TOKENS and [^:]+(?:: (.+))?",
            "智能体未登录；请在 ACP_TOKENS 中填写有效的令牌，在 ACP_TOKEN_VARIABLE 中填写它读取的变量名",
        ),
        (r"the agent refused (\S+): (.+)", "智能体拒绝了 {0}：{1}"),
        (r"ran tools of its own (\d+) times, though they are to be off", "自身工具本应关闭，却运行了 {0} 次"),
        (r"the agent does not offer ACP_MODE=(\S+); it offers (.+)", "智能体不提供模式 ACP_MODE={0}；可用的有 {1}"),
        (r"Lingma ended with status (-?\d+)", "灵码已退出，退出码 {0}"),
        (r"Lingma was not ready within (\S+) s: (.+)", "灵码在 {0} 秒内未就绪：{1}"),
        (r"could not be started: (.+)", "无法启动：{0}"),
        (
            r"there is no room on the disk that its work directory is on; make some .+",
            "工作目录所在的磁盘已满；请腾出空间（lingma-trio doctor 会指出位置）",
        ),
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
        (rf"{_SIGN_IN} \((.+)\)", f"{_SIGN_IN_CHINESE}（{{1}}）"),
        (_SIGN_IN, _SIGN_IN_CHINESE),
        (r"the gateway connects to it", "网关正在与它建立连接"),
        (r"its agent cannot be reached: (.+)", "无法连接其所在的代理：{0}"),
        (r"its agent is stopping: it takes no new turns", "其所在的代理正在停止，不再接受新请求"),
        ("signing in", "正在登录"),
        ("not signed in", "未登录"),
        (r"(.+); the next attempt has to wait", "{0}；需等待后再试"),
        (r"automatic login is off \(AUTO_LOGIN_ENABLED\)", "自动登录已关闭（AUTO_LOGIN_ENABLED）"),
        (r"no account with a password is configured \(LINGMA_ACCOUNTS\)", "未配置带密码的账号（LINGMA_ACCOUNTS）"),
        (r"signing in failed \((\w+)\): (.*)", "登录失败（{0}）：{1}"),
        ("check_code", "需要图片验证码"),
        ("slider", "需要拖动滑块"),
        ("qr_only", "只能扫码"),
        ("verification", "需要短信或邮件验证码"),
        ("organisation", "需要选择组织"),
        ("refused", "登录被拒绝"),
        ("needs_human", "需要人工操作"),
        ("wrong_password", "密码错误"),
        ("page_changed", "登录页面有变化"),
        ("timeout", "超时"),
        ("unreachable", "无法访问"),
        ("browser_missing", "没有可用的浏览器"),
        ("crashed", "异常退出"),
        ("the page asks for the code in a picture", "页面要求输入图片中的验证码"),
        ("the page asks for a slider to be moved", "页面要求拖动滑块"),
        ("the page offers a QR code and no password form", "页面只提供二维码，没有密码登录"),
        ("the page asks for a code that was sent by message or mail", "页面要求输入短信或邮件中的验证码"),
        ("the account has several organisations to choose from", "该账号属于多个组织，需要选择其一"),
        ("the page refuses the login", "页面拒绝了登录"),
        (r"the sign-in was not over after (\S+) s", "登录在 {0} 秒内未完成"),
        (r"the sign-in page did not answer within (\S+) s", "登录页面在 {0} 秒内没有响应"),
        (r"the sign-in page could not be opened: (.+)", "登录页面无法打开：{0}"),
        (r"the sign-in page answered with HTTP (\d+)", "登录页面返回 HTTP {0}"),
        (r"nothing known on (.+)", "{0} 上没有已知的内容"),
        ("the tab of the password form leads nowhere", "密码登录的标签页没有反应"),
        (r"the (.+) did not take what was typed, (\d+) times", "{0} {1} 次未接受输入"),
        ("the browser ended", "浏览器已退出"),
        (r"the login worker ended: (.*)", "登录进程已退出：{0}"),
        ("the login worker did not end in time", "登录进程未及时结束"),
        (r"the login worker could not be started: (.+)", "登录进程无法启动：{0}"),
        ("Lingma gives no login link", "灵码没有给出登录链接"),
        ("the site sent the browser back, and Lingma reports no login", "网站已跳转回来，但灵码未报告登录成功"),
        (r"Playwright is not installed: (.+)", "未安装 Playwright：{0}"),
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
