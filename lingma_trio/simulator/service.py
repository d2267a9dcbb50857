"""The simulated Lingma itself: serves clients and answers their calls.

Knows clients and what each method returns; must not know processes, signals or where its streams come from.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import uuid4

import trio

from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.jsonrpc import Notification, ServerRequest
from lingma_trio.simulator.account import Account, catalogue
from lingma_trio.simulator.chat import Chat
from lingma_trio.simulator.client import Client
from lingma_trio.simulator.pictures import Pictures
from lingma_trio.simulator.rpc import INTERNAL_ERROR, METHOD_NOT_FOUND, NO_REPLY, NOT_INITIALIZED, Refused
from lingma_trio.simulator.session_calls import SessionCalls
from lingma_trio.simulator.sign_in import SignInSite
from lingma_trio.simulator.stage import Stage
from lingma_trio.simulator.wire import WebSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from lingma_trio.simulator.files import WorkDirectory
    from lingma_trio.simulator.knobs import Knobs, Protocol

    _OfClient: TypeAlias = dict[str, Callable[[Client, dict[str, Any]], object]]
    _OfParams: TypeAlias = dict[str, Callable[[dict[str, Any]], object]]

VERSION: Final = "2.5.20-simulator"

_ALWAYS: Final = frozenset({"initialize", "sim/stats"})
_IGNORED: Final = frozenset({"initialized", "shutdown", "ide/update", "settings/change", "textDocument/didOpen"})
_CHAT: Final = frozenset({"chat/ask", "chat/stop", "chat/stopSession", "image/upload"})
_SESSION: Final = frozenset({"session/new", "session/set_model", "session/prompt", "session/cancel"})
_UNKNOWN: Final[dict[Protocol, frozenset[str]]] = {
    "chat": _SESSION,
    "chat_but_stop": _SESSION | {"chat/stop"},
    "session": _CHAT,
    "session_and_stop": _CHAT - {"chat/stop"},
    "neither": _CHAT | _SESSION,
}
_NOISE: Final[tuple[tuple[str, dict[str, Any], bool], ...]] = (
    ("extension/register", {"extensions": []}, True),
    ("session/title/update", {"sessionId": "of-another-client", "sessionTitle": "noise"}, False),
    ("config/refreshModels", {}, False),
)


class SimulatedLingma:
    """One Lingma: start `play` in a nursery, and `serve` for each client's stream.

    `crash` ends the process, or whatever stands for it in a test, without any goodbye. The directory must be prepared,
    and `machine_id` is what that returned. `site` is the sign-in site; whoever serves it sets `http_port`, which login
    links name.
    """

    def __init__(
        self,
        knobs: Knobs,
        *,
        directory: WorkDirectory,
        machine_id: str,
        crash: Callable[[], None],
        endpoint: str = "",
        make_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self.leaving = trio.Event()
        """Set when a client has asked the process to exit."""
        self.http_port = 0
        self.site = SignInSite(knobs, redeem=self._redeem_state)
        self._knobs = knobs
        self._directory = directory
        self._crash = crash
        self._endpoint = endpoint
        self._clients: set[Client] = set()
        self._looked_at = False
        signed_in = knobs.login == "in" or (knobs.login == "files" and directory.holds_login)
        self._account = Account(machine_id=machine_id, signed_in=signed_in, lasts=knobs.login_lasts, quota=knobs.quota)
        if signed_in:
            directory.keep_login()
        self._stage = Stage(crash=crash, ack_wait=knobs.ack_wait)
        pictures = Pictures(knobs, stage=self._stage)
        self._chat = Chat(
            knobs,
            pictures=pictures,
            account=self._account,
            stage=self._stage,
            directory=directory,
            make_id=make_id,
            strikes=self._strikes,
        )
        self._of_client, self._of_params = self._calls_with_params(pictures)
        self._plain: dict[str, Callable[[], object]] = {
            **dict.fromkeys(_IGNORED, _nothing),
            "sim/stats": self.stats,
            "ping": lambda: {"success": True},
            "exit": self.leaving.set,
            "auth/status": self._auth_status,
            "user/plan": self._user_plan,
            "auth/login": self._auth_login,
            "auth/logout": self._auth_logout,
            "login/generateUrl": self._login_link,
            "config/queryModels": self._query_models,
            "config/getEndpoint": lambda: {"endpoint": self._endpoint},
            "chat/listAllSessions": self._chat.list_sessions,
        }

    async def play(self) -> None:
        """Play answers, and make noise when asked, for ever. Cancelling stops both and leaves the clients alone."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stage.run)
            if self._knobs.noise:
                nursery.start_soon(self._make_noise)

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one client until it is gone; closes the stream. Answers that it asked for go on without it.

        Cancelling breaks the connection off; `say_goodbye` before that is the polite way.
        """
        socket = WebSocket(stream)
        client = Client(socket, self._knobs)
        try:
            with socket.life:
                self.strike("crash_connect")
                await trio.sleep(self._knobs.accept_delay)
                if await socket.accept():
                    await self._converse(client)
        finally:
            socket.outbox.lose()
            await trio.aclose_forcefully(stream)

    async def say_goodbye(self) -> None:
        """Close every client's WebSocket and wait until they have been told; the caller sets the deadline."""
        async with trio.open_nursery() as nursery:
            for client in self._clients:
                nursery.start_soon(self._close, client)

    def stats(self) -> dict[str, int]:
        """What there is of what, for whoever wants to know that nothing is left."""
        return {
            "asks": self._chat.asks,
            "stops": self._chat.stops,
            "active": self._chat.active,
            "sessions": len(self._chat.sessions),
            "clients": len(self._clients),
            "pushes": self._stage.pushes,
        }

    def strike(self, fault: str) -> None:
        """Crash when this is the fault that the knobs ask for, and it is to strike again."""
        if self._knobs.fault == fault and self._strikes():
            self._crash()

    def _strikes(self) -> bool:
        return not self._knobs.fault_times or self._directory.count_fault() < self._knobs.fault_times

    def _calls_with_params(self, pictures: Pictures) -> tuple[_OfClient, _OfParams]:
        sessions = SessionCalls(self._chat)
        of_client: _OfClient = {
            "initialize": self._initialize,
            "chat/ask": self._chat.ask,
            "image/upload": pictures.upload,
            "session/prompt": sessions.prompt,
        }
        of_params: _OfParams = {
            "login/auth_callback": self._auth_callback,
            "config/updateEndpoint": self._update_endpoint,
            "chat/stop": self._chat.stop,
            "session/new": sessions.new,
            "session/set_model": sessions.set_model,
            "session/cancel": sessions.cancel,
            "chat/stopSession": self._chat.stop_session,
            "chat/deleteSessionById": self._chat.delete_session,
            "chat/getSessionById": self._chat.get_session,
            "tool/call/approve": self._chat.approve,
            "tool/invokeResult": self._chat.take_result,
        }
        return of_client, of_params

    async def _close(self, client: Client) -> None:
        await client.socket.say_goodbye(ping_first=self._knobs.ping_before_close)

    async def _converse(self, client: Client) -> None:
        self._clients.add(client)
        self._directory.log(f"Client {id(client):#x} is registered, active client count now {len(self._clients)}")
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.socket.outbox.write_forever)
                while (message := await client.socket.receive()) is not None and self._take(client, message):
                    pass
                nursery.cancel_scope.cancel("the client is gone")
        finally:
            self._clients.discard(client)
            self._chat.client_gone(client)

    def _take(self, client: Client, message: bytes) -> bool:
        """Act on one message; return whether the client may go on."""
        if message[:1] in (b"{", b"["):  # JSON without a header
            self._directory.log("Unknown message header")
            return True
        try:
            calls = client.receive(message)
        except ProtocolFault as fault:
            self._directory.log(f"Client {id(client):#x} broke the protocol: {fault}")
            return False
        for call in calls:
            self._handle(client, call)
        return True

    def _handle(self, client: Client, call: Notification | ServerRequest) -> None:
        """Let the method's handler act, and reply where a reply is due."""
        reply_to = call.id if isinstance(call, ServerRequest) else None
        try:
            result = self._result(client, call.method, call.params)
        except Refused as refused:
            self._directory.log(f"{call.method}: {refused.message}")
            if reply_to is not None:
                client.refuse(reply_to, refused.code, refused.message)
            return
        if reply_to is not None and result is not NO_REPLY:
            client.answer(reply_to, result)

    def _result(self, client: Client, method: str, params: dict[str, Any]) -> object:
        """Let the method act and return its result, or NO_REPLY; raises Refused."""
        if not client.initialized and method not in _ALWAYS:
            if self._knobs.before_initialize == "silence":
                return NO_REPLY
            raise Refused(NOT_INITIALIZED, "initialize comes first")
        if method in _UNKNOWN[self._knobs.protocol]:
            raise Refused(METHOD_NOT_FOUND, f"unknown method: {method}")
        if method in self._of_client:
            return self._of_client[method](client, params)
        if method in self._of_params:
            return self._of_params[method](params)
        if method in self._plain:
            return self._plain[method]()
        raise Refused(METHOD_NOT_FOUND, f"unknown method: {method}")

    def _initialize(self, client: Client, _params: dict[str, Any]) -> object:
        self.strike("crash_initialize")
        client.initialized = True
        return {
            "capabilities": {"textDocumentSync": 1, "completionProvider": {"triggerCharacters": ["."]}},
            "serverInfo": {"name": "lingma", "version": VERSION},
        }

    def _auth_status(self) -> object:
        self._account.expire()
        first, self._looked_at = not self._looked_at, True
        if self._knobs.looks == "answered" or first:
            return self._account.status()
        if self._knobs.looks == "silent":
            return NO_REPLY
        raise Refused(INTERNAL_ERROR, "busy")

    def _user_plan(self) -> object:
        match self._knobs.plan:
            case "told":
                return self._account.plan()
            case "silent":
                return NO_REPLY
            case "unknown":
                raise Refused(METHOD_NOT_FOUND, "unknown method: user/plan")
            case "refused":
                raise Refused(INTERNAL_ERROR, "failed to get user plan info: HTTP status 404")

    def _login_link(self) -> dict[str, Any]:
        return self._account.login_link(nonce=uuid4().hex, state=f"2-{uuid4().hex}", port=self.http_port)

    def _auth_login(self) -> object:
        return {"url": self._login_link()["loginUrl"], "success": True}

    def _auth_callback(self, params: dict[str, Any]) -> object:
        if not params.get("auth") or not params.get("tokenString"):
            return {"success": False, "errorCode": "400", "errorMsg": "auth and tokenString are needed"}
        redeemed = self._note_login(self._account.redeem(params.get("nonce")))
        return {"success": redeemed, "errorCode": "" if redeemed else "400", "errorMsg": ""}

    def _redeem_state(self, state: str) -> bool:
        return self._note_login(self._account.redeem_state(state))

    def _note_login(self, redeemed: bool) -> bool:
        """Keep a login and tell the clients of it, or log that there was none; return which."""
        if redeemed:
            self._directory.keep_login()
            self._broadcast("auth/report", self._account.report())
        else:
            self._directory.log("Invalid login nonce or consumed, ignore")
        return redeemed

    def _auth_logout(self) -> object:
        self._account.signed_in = False
        self._directory.drop_login()
        self._broadcast("auth/report", self._account.report())
        return {"success": True}

    def _query_models(self) -> object:
        self._account.expire()
        return catalogue(self._knobs.models) if self._account.signed_in else {}

    def _update_endpoint(self, params: dict[str, Any]) -> object:
        self._endpoint = str(params.get("endpoint") or "")
        self._directory.log(f"Update endpoint success. endpoint config: {self._endpoint}")
        return {"success": True}

    def _broadcast(self, method: str, params: dict[str, Any], *, wants_reply: bool = False) -> None:
        for client in self._clients:
            if client.initialized:
                client.push(method, params, wants_reply=wants_reply)

    async def _make_noise(self) -> None:
        for method, params, wants_reply in cycle(_NOISE):
            await trio.sleep(self._knobs.noise)
            self._broadcast(method, params, wants_reply=wants_reply)


def _nothing() -> None:
    """Take a call that changes nothing here."""
