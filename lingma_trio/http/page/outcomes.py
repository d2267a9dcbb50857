"""What requests come to, in words, and what to do about those that failed. Pure.

By the code that log and metrics have: English and Chinese, for each first the word and then the advice.
"""

from __future__ import annotations

from collections.abc import Mapping

Words = tuple[str, str]

UNHARMED: Mapping[str, Words] = {
    "ok": ("ok", "成功"),
    "cancelled": ("client left", "客户端断开连接"),
    "cancelled_by_operator": ("cancelled", "管理员已取消"),
}
"""Those that nothing has to be done about."""

_SEND_LESS = ("Send less: shorten the conversation, or start a new one.", "减少内容：缩短对话，或开始新对话。")
_FIX_REQUEST = (
    "The client's request is at fault; its error names the field. Change the client's settings.",
    "请求本身有误，错误信息会指出字段。请调整客户端设置。",
)
_ASK_AGAIN = (
    "Ask again. If it stays, look at the instance's last output on the Live page and run lingma-trio doctor.",
    "请重试。若一直如此，请查看“实时”页上实例的最近输出，并运行 lingma-trio doctor。",
)
_WAIT_OR_RAISE = (
    "Wait a moment, or raise this key's limits in KEYS_FILE.",
    "请稍候，或在 KEYS_FILE 中提高该密钥的限额。",
)
_MORE_ROOM = (
    "More is asked than there are slots: add accounts, or raise GATEWAY_MAX_IN_FLIGHT or the queue's bounds.",
    "请求多于并发槽位：增加账号，或调高 GATEWAY_MAX_IN_FLIGHT 或排队上限。",
)
_GONE = (
    "It is not kept any more, or belongs to another key. Send the whole conversation.",
    "内容已不再保留，或属于其他密钥。请发送完整对话。",
)
_OTHER_MODEL = (
    "Ask for one of the models that GET /v1/models lists for this key, or add an alias in MODEL_ALIASES.",
    "请改用 GET /v1/models 为该密钥列出的模型，或在 MODEL_ALIASES 中添加别名。",
)

FAILED: Mapping[str, tuple[Words, Words]] = {
    "cut_off": (
        ("cut off", "中途断开"),
        (
            "The client read too slowly or the connection broke; see CLIENT_STALL_SEC.",
            "客户端读取太慢，或连接中断；参见 CLIENT_STALL_SEC。",
        ),
    ),
    "internal_error": (
        ("fault in the gateway", "网关内部错误"),
        (
            "A bug of the gateway's: the log has the traceback under this id. Please report it.",
            "网关自身的缺陷：日志中按此编号有完整回溯，请反馈。",
        ),
    ),
    "invalid_request": (("invalid request", "请求无效"), _FIX_REQUEST),
    "thread_unsupported_request": (("threads not kept", "不支持保存对话"), _FIX_REQUEST),
    "model_not_found": (("no such model", "模型不存在"), _OTHER_MODEL),
    "model_not_allowed": (("model not allowed", "无权使用该模型"), _OTHER_MODEL),
    "prompt_over_token_limit": (("prompt over the key's limit", "提示超出密钥限额"), _SEND_LESS),
    "context_length_exceeded": (("prompt too long", "提示过长"), _SEND_LESS),
    "image_unavailable": (
        ("image unavailable", "图片无法获取"),
        (
            "The image's address cannot be read from here; have the client send the image itself.",
            "从此处无法读取该图片地址；请让客户端直接发送图片。",
        ),
    ),
    "not_found": (("not found", "不存在"), _FIX_REQUEST),
    "response_not_found": (("response not kept", "响应未保留"), _GONE),
    "thread_not_found": (("conversation not kept", "对话未保留"), _GONE),
    "previous_response_not_found": (("previous response not kept", "上一个响应未保留"), _GONE),
    "item_not_found": (("item not kept", "条目未保留"), _GONE),
    "method_not_allowed": (("method not allowed", "方法不允许"), _FIX_REQUEST),
    "upgrade_refused": (("WebSocket declined", "拒绝 WebSocket"), _FIX_REQUEST),
    "request_body_timeout": (
        ("body too slow", "请求体超时"),
        (
            "The request's body did not arrive within 30 s; look at the network between client and gateway.",
            "请求体未在 30 秒内到达；请检查客户端与网关之间的网络。",
        ),
    ),
    "request_too_large": (
        ("request too large", "请求过大"),
        ("Send less, or raise MAX_REQUEST_BYTES.", "减少内容，或调高 MAX_REQUEST_BYTES。"),
    ),
    "invalid_api_key": (
        ("key refused", "密钥无效"),
        ("Give the client a key that is valid; see Keys.", "请为客户端配置有效密钥，见“密钥”页。"),
    ),
    "gateway_overloaded": (("too many attempts", "尝试过多"), _WAIT_OR_RAISE),
    "queue_full": (("queue full", "队列已满"), _MORE_ROOM),
    "queue_timeout": (("waited too long", "排队超时"), _MORE_ROOM),
    "request_limit_exceeded": (("requests used up", "请求数已用尽"), _WAIT_OR_RAISE),
    "token_limit_exceeded": (("tokens used up", "token 已用尽"), _WAIT_OR_RAISE),
    "upstream_unavailable": (
        ("no Lingma ready", "没有可用的灵码"),
        ("See the instances on the Live page: each says why it does not answer.", "见“实时”页的实例：各自说明了原因。"),
    ),
    "shutting_down": (
        ("gateway stopping", "网关正在停止"),
        ("Ask again once it is back.", "网关恢复后再试。"),
    ),
    "bytes_in_flight_exceeded": (
        ("no memory left for it", "内存额度已满"),
        ("Send less at once, or raise MAX_BYTES_IN_FLIGHT.", "减少同时发送的内容，或调高 MAX_BYTES_IN_FLIGHT。"),
    ),
    "state_unavailable": (
        ("store not reached", "共用存储不可用"),
        (
            "See to the store of STATE_URL; /internal/stats and the log say what is wrong.",
            "请检查 STATE_URL 的存储；原因见 /internal/stats 和日志。",
        ),
    ),
    "login_required": (
        ("not signed in", "未登录"),
        (
            "Sign the account in: on the Live page, or with lingma-trio login.",
            "请登录账号：在“实时”页，或运行 lingma-trio login。",
        ),
    ),
    "upstream_error": (("error of Lingma's", "灵码出错"), _ASK_AGAIN),
    "upstream_rejected": (("refused by Lingma", "被灵码拒绝"), _FIX_REQUEST),
    "upstream_quota_exceeded": (
        ("quota used up", "额度已用尽"),
        (
            "Wait for the account's quota, take another model, or add an account.",
            "等待额度恢复，换用其他模型，或增加账号。",
        ),
    ),
    "upstream_rate_limited": (
        ("rate limit of Lingma's", "被灵码限流"),
        ("Ask less at once, or add an account.", "减少同时的请求，或增加账号。"),
    ),
    "content_filter": (
        ("content filter", "内容过滤"),
        ("Lingma withheld the answer; ask in other words.", "灵码拦截了回答，请换一种说法。"),
    ),
    "upstream_empty_answer": (("empty answer", "空回答"), _ASK_AGAIN),
    "upstream_answer_too_long": (
        ("answer too long", "回答过长"),
        ("Ask for less, or raise MAX_ANSWER_BYTES.", "请求更短的回答，或调高 MAX_ANSWER_BYTES。"),
    ),
    "upstream_answer_malformed": (
        ("answer of the wrong form", "回答格式不符"),
        (
            "The model did not keep to the tools or the format; ask again, or take a stronger model.",
            "模型未遵守工具或格式要求；请重试，或换用更强的模型。",
        ),
    ),
    "upstream_lost": (("Lingma was lost", "与灵码断开连接"), _ASK_AGAIN),
    "upstream_timeout": (("Lingma fell silent", "灵码无响应"), _ASK_AGAIN),
    "request_timeout": (
        ("took too long", "请求超时"),
        ("Ask for less at once, or raise GATEWAY_REQUEST_TIMEOUT.", "减少一次的要求，或调高 GATEWAY_REQUEST_TIMEOUT。"),
    ),
}
"""Those that somebody can do something about."""


def words(language: int) -> dict[str, str]:
    """All of it for a catalogue, as `outcome_…` and `advice_…`; 0 is English, 1 Chinese."""
    said = {f"outcome_{code}": each[language] for code, each in UNHARMED.items()}
    for code, (word, advice) in FAILED.items():
        said[f"outcome_{code}"] = word[language]
        said[f"advice_{code}"] = advice[language]
    return said
