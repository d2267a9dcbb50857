"""The simulator's account: whether it is signed in, what it says about itself, and which models it may use.

Pure: what it knows goes away with it. Whoever owns the work directory keeps the login there.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

NAME: Final = "simulator"
USER_ID: Final = "1000000000000001"
SIGNED_OUT: Final = 1
SIGNED_IN: Final = 2

_MODELS: Final = (
    ("auto", "Auto", True, True),
    ("org_auto", "Auto (organisation)", False, True),
    ("dashscope_qwen3_coder", "Qwen3-Coder", False, False),
    ("dashscope_qwen_max_latest", "Qwen3-Max", False, False),
    ("dashscope_qwen_plus_20250428_thinking", "Qwen3-Thinking", False, True),
    ("kmodel", "Kimi-K2.6", False, True),
)
_MAX_INPUT_TOKENS: Final = 180_000


class Account:
    """One process's account.

    `lasts` is the number of questions after which the login expires by itself, 0 for never. `quota` is what it tells.
    """

    def __init__(self, *, machine_id: str, signed_in: bool, lasts: int = 0, quota: int = 0) -> None:
        self.signed_in = signed_in
        self._machine_id = machine_id
        self._lasts = lasts
        self._quota = quota
        self._asked = 0
        self._nonces: dict[str, str] = {}

    def note_question(self) -> None:
        """Count a question towards the login's expiry; the question that uses it up is still answered."""
        self._asked += 1

    def expire(self) -> None:
        """Sign out when the login has been used up."""
        if self._lasts and self._asked >= self._lasts:
            self.signed_in = False

    def status(self) -> dict[str, Any]:
        """Return the result of auth/status."""
        there = self.signed_in
        return {
            "messageId": "",
            "status": SIGNED_IN if there else SIGNED_OUT,
            "name": NAME if there else "",
            "id": USER_ID if there else "",
            "accountId": USER_ID if there else "",
            "token": "pt-fictitious" if there else "",
            "refreshToken": "rt-fictitious" if there else "",
            "expireTime": 4_102_444_800_000 if there else 0,
            "quota": self._quota if there else 0,
            "whitelist": 3 if there else 0,
            "orgId": "",
            "orgName": "",
            "yxUid": "",
            "avatarUrl": "",
            "userType": "personal_standard" if there else "",
            "isSubAccount": False,
            "cloudType": "",
            "email": "",
            "userTag": "",
            "privacyPolicyAgreed": there,
            "isPrivacyPolicyModifiable": True,
        }

    def plan(self) -> dict[str, Any]:
        """Return the result of user/plan, whose shape nobody knows: values, values within values, and what is none."""
        return {
            "success": True,
            "planName": "Simulated",
            "isTrial": False,
            "userToken": "pt-fictitious",
            "requests": {"used": self._asked, "total": 500},
            "features": ["chat"],
        }

    def login_link(self, *, nonce: str, state: str, port: int) -> dict[str, Any]:
        """Return the result of login/generateUrl.

        `nonce` can be redeemed once, `state` is what the callback will name, and `port` is where the sign-in site and
        the callback are.
        """
        self._nonces[state] = nonce
        query = {
            "nonce": nonce,
            "port": port,
            "state": state,
            "challenge": "fictitious",
            "challenge_method": "S256",
            "machine_id": self._machine_id,
        }
        return {
            "loginUrl": f"http://127.0.0.1:{port}/lingma/login?{urlencode(query)}",
            "nonce": nonce,
            "verifier": "fictitious",
            "challenge": "fictitious",
            "challengeMethod": "S256",
            "errorCode": "",
            "errorMsg": "",
            "success": True,
        }

    def redeem(self, nonce: object) -> bool:
        """Sign in with the nonce of a login link; False when it is unknown or used."""
        state = next((state for state, each in self._nonces.items() if each == nonce), None)
        return state is not None and self.redeem_state(state)

    def redeem_state(self, state: str) -> bool:
        """Sign in with the state of a login link, as its callback does; False when it is unknown or used."""
        if self._nonces.pop(state, None) is None:
            return False
        self.signed_in = True
        self._asked = 0
        return True

    def report(self) -> dict[str, Any]:
        """Return the params of auth/report."""
        status = self.status()
        return {"status": status["status"], "name": status["name"], "id": status["id"]}


def catalogue(form: str) -> dict[str, Any]:
    """Return the result of config/queryModels: `normal`, with `alternative` keys, or `empty`."""
    if form == "empty":
        return {}
    models = [_alternative_model(*model) if form == "alternative" else _model(*model) for model in _MODELS]
    scenes = ("chat", "assistant", "developer", "inline", "quest")
    return {scene: models if scene != "inline" else models[:1] for scene in scenes}


def _model(key: str, name: str, is_default: bool, reasons: bool) -> dict[str, Any]:
    return {
        "key": key,
        "displayName": name,
        "format": "openai",
        "source": "system",
        "isReasoning": reasons,
        "isVl": is_default,
        "isDefault": is_default,
        "url": "",
        "apiKey": "",
        "model": "",
        "maxInputTokens": _MAX_INPUT_TOKENS,
    }


def _alternative_model(key: str, name: str, is_default: bool, reasons: bool) -> dict[str, Any]:
    return {"id": key, "name": name, "isDefault": is_default, "isReasoning": reasons}
