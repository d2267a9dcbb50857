"""What the simulated agent offers: its capabilities, and models and modes in the two forms that are about.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lingma_trio.simulator.account import catalogue
from lingma_trio.simulator.rpc import INVALID_PARAMS, METHOD_NOT_FOUND, Refused

if TYPE_CHECKING:
    from lingma_trio.simulator.acp.knobs import AcpKnobs

VERSION: Final = "1.1.41-simulator"

_MODELS: Final = {model["key"]: model["displayName"] for model in catalogue("normal")["chat"]}
_MODES: Final = {
    "default": "Default",
    "acceptEdits": "Accept edits",
    "bypassPermissions": "Bypass permissions",
    "plan": "Plan",
}
_EFFORTS: Final = {"low": "Low", "medium": "Medium", "high": "High"}


@dataclass(slots=True)
class Choices:
    """What one session has chosen."""

    model: str = "auto"
    mode: str = "default"
    effort: str = "medium"


class Offers:
    """What one process offers."""

    def __init__(self, knobs: AcpKnobs) -> None:
        self._knobs = knobs

    def initialized(self) -> dict[str, Any]:
        """Return the result of initialize."""
        knobs = self._knobs
        sessions = {"list": knobs.listing, "resume": knobs.resume, "close": knobs.close}
        return {
            "protocolVersion": knobs.version,
            "agentCapabilities": {
                "loadSession": knobs.load,
                "promptCapabilities": {"image": knobs.images, "audio": False, "embeddedContext": False},
                "mcpCapabilities": {"http": False, "sse": False},
                "sessionCapabilities": {name: {} for name, there in sessions.items() if there},
            },
            "agentInfo": {"name": "lingma-simulator", "title": "Lingma simulator", "version": VERSION},
            "authMethods": [{"id": "token", "name": "Token", "description": f"Set {knobs.token_variable}"}],
        }

    def of(self, choices: Choices) -> dict[str, Any]:
        """Return what a session's result tells of models and modes."""
        told: dict[str, Any] = {}
        if self._knobs.offers in ("both", "models"):
            told["modes"] = {
                "currentModeId": choices.mode,
                "availableModes": [{"id": key, "name": name} for key, name in _MODES.items()],
            }
            told["models"] = {
                "currentModelId": choices.model,
                "availableModels": [{"modelId": key, "name": name} for key, name in _MODELS.items()],
            }
        if self._knobs.offers in ("both", "options"):
            told["configOptions"] = self._options(choices)
        return told

    def set_model(self, choices: Choices, params: dict[str, Any]) -> object:
        """Take a session/set_model. Raises Refused."""
        self._require("models", "session/set_model")
        choices.model = self._checked(params.get("modelId"), _MODELS, checks=self._knobs.names == "checked")
        return {}

    def set_mode(self, choices: Choices, params: dict[str, Any]) -> object:
        """Take a session/set_mode. Raises Refused."""
        self._require("models", "session/set_mode")
        choices.mode = self._checked(params.get("modeId"), _MODES)
        return {}

    def set_option(self, choices: Choices, params: dict[str, Any]) -> object:
        """Take a session/set_config_option; the result has all options. Raises Refused."""
        self._require("options", "session/set_config_option")
        value = params.get("value")
        match params.get("configId"):
            case "model":
                choices.model = self._checked(value, _MODELS, checks=self._knobs.names == "checked")
            case "mode":
                choices.mode = self._checked(value, _MODES)
            case "reasoning_effort":
                choices.effort = self._checked(value, _EFFORTS)
            case _:
                raise Refused(INVALID_PARAMS, "no such option")
        return {"configOptions": self._options(choices)}

    def _options(self, choices: Choices) -> list[dict[str, Any]]:
        return [
            _select("mode", "mode", "Mode", choices.mode, _MODES),
            _select("model", "model", "Model", choices.model, _MODELS),
            _select("reasoning_effort", "thought_level", "Reasoning effort", choices.effort, _EFFORTS),
        ]

    def _require(self, form: str, method: str) -> None:
        if self._knobs.offers not in ("both", form):
            raise Refused(METHOD_NOT_FOUND, f'"Method not found": {method}')

    def _checked(self, value: object, offered: dict[str, str], *, checks: bool = True) -> str:
        if not isinstance(value, str) or (checks and value not in offered):
            raise Refused(INVALID_PARAMS, f"not offered: {value}")
        return value


def _select(key: str, category: str, name: str, current: str, offered: dict[str, str]) -> dict[str, Any]:
    options = [{"value": value, "name": text} for value, text in offered.items()]
    return {
        "id": key,
        "name": name,
        "category": category,
        "type": "select",
        "currentValue": current,
        "options": options,
    }
