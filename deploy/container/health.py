#!/usr/bin/env -S python3 -I -S
"""Asks the gateway, or the agent, of this container for one of its health paths.

    lingma-trio-health /readyz      whether a chat would be answered
    lingma-trio-health /healthz     whether the process serves at all

Exit status: 0 for a 200, else 1 with a line that says why. It runs every few seconds and so stands alone: nothing of
the package, no curl. The container's HOST and PORT say where to ask, or AGENT_PROBE_PORT, where no certificate is
wanted.
"""

import http.client
import os
import socket
import ssl
import sys

SECONDS = 4
UNIX = "unix:"


class AtSocket(http.client.HTTPConnection):
    """A connection to a socket in the file system."""

    def connect(self) -> None:
        """Reach it."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self.host)


def connect() -> http.client.HTTPConnection:
    """A connection to where this container says that it listens."""
    host = os.environ.get("HOST", "")
    probes = os.environ.get("AGENT_PROBE_PORT")
    port = int(probes or os.environ.get("PORT") or 8317)
    if host.startswith(UNIX) and not probes:
        return AtSocket(host.removeprefix(UNIX))
    if os.environ.get("TLS_CERT_FILE") and not probes:
        context = ssl.create_default_context()
        context.check_hostname = False  # it asks itself, by an address that the certificate is not for
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context)
    return http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)


def main() -> None:
    """Ask once and end the process with the answer."""
    path = sys.argv[1] if len(sys.argv) > 1 else "/readyz"
    connection = connect()
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(65536).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as fault:
        sys.exit(f"{path}: {fault}")
    print(body)
    sys.exit(0 if answer.status == http.client.OK else 1)


if __name__ == "__main__":
    main()
