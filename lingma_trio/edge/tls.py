"""The certificate that TLS is spoken with, which can be renewed while the server runs."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import structlog

from lingma_trio.private_files import ask_no_phrase

log = structlog.get_logger("lingma_trio.edge")


class Certificate:
    """A certificate and its key, in PEM, and whose certificates clients have to show; without `authority` none.

    `context` is for the next connection, and a renewal makes another. Raises `OSError` for files that cannot be read,
    or that do not fit.
    """

    def __init__(self, certificate: Path, key: Path, authority: Path | None = None) -> None:
        self._files = (str(certificate), str(key))
        self._authority = authority
        self._stamps = self._look()
        self.context = self._read()

    def __repr__(self) -> str:
        return f"<Certificate {self._files[0]}>"

    def reload(self) -> None:
        """Read the files again; connections from here on have what is in them. What does not fit is logged, and the
        certificate that was there stays.
        """
        self._stamps = self._look()
        try:
            # Never into the context there is: it would be left with half of what does not fit, and goes on trusting an
            # authority whatever it reads besides.
            self.context = self._read()
        except OSError as fault:
            log.error("certificate_not_renewed", fault=str(fault))
        else:
            log.info("certificate_renewed", file=self._files[0])

    def renew(self) -> None:
        """Read the files again where they are others than before: for who has nobody that says so, as with mounted
        secrets. Costs as many looks at the disk as there are files.
        """
        if self._look() != self._stamps:
            self.reload()

    def _look(self) -> list[tuple[int, int]]:
        """What tells files from others of the same name; those that are not there are passed over."""
        found = []
        for file in (*self._files, self._authority):
            with suppress(OSError):
                if file is not None:
                    stat = Path(file).stat()
                    found.append((stat.st_mtime_ns, stat.st_ino))
        return found

    def _read(self) -> ssl.SSLContext:
        """A context with what the files hold now."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(*self._files, password=ask_no_phrase)
        if self._authority is not None:
            context.load_verify_locations(self._authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context
