"""Which connections were refused, and why: what an operator has to know of a fleet that does not come together."""

from __future__ import annotations

import ssl
from collections import Counter

import structlog

MOST_REASONS = 20

log = structlog.get_logger("lingma_trio.agent")

_LEFT = "it left in the TLS handshake; it may not take our certificate: see its log"
_WORDS = {
    "UNEXPECTED_EOF_WHILE_READING": _LEFT,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it showed no certificate; set AGENT_CERT_FILE and AGENT_KEY_FILE there",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not of our AGENT_CA_FILE, or has expired",
    "HTTP_REQUEST": "it speaks plain text; give its LINGMA_AGENTS a wss:// address",
    "WRONG_VERSION_NUMBER": "it speaks no TLS; give its LINGMA_AGENTS a wss:// address",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not take our certificate; its AGENT_CA_FILE is another one's",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it showed no certificate; set AGENT_CERT_FILE and AGENT_KEY_FILE there",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not take our certificate; see that it names the host in LINGMA_AGENTS",
}


class Refusals:
    """Refused connections by their reason, each a sentence for people that holds no address and no secret."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Refusals {self.counts.total()}>"

    def note(self, reason: str, who: str) -> None:
        """One more; the log is told at 1, 2, 4, 8 … of a reason, so that a flood does not fill it."""
        if reason not in self.counts and len(self.counts) >= MOST_REASONS:
            reason = "others"
        self.counts[reason] += 1
        times = self.counts[reason]
        if times & (times - 1) == 0:
            log.warning("gateway_refused", gateway=who, reason=reason, times=times)


def tls_reason(fault: BaseException | None) -> str:
    """Why a handshake failed, from what it raised."""
    if not isinstance(fault, ssl.SSLError):
        return _LEFT
    reason = fault.reason or ""
    return _WORDS.get(reason, f"the TLS handshake failed ({reason or fault.strerror})")
