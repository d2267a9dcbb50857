"""Endpoints that clients know from elsewhere and that Lingma has nothing for: each says so where it is looked for.

Knows paths; must not know what is served.
"""

from __future__ import annotations

from lingma_trio.errors import NotFound
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.services import Services

ABSENT = {
    "assistants": "assistants",
    "audio": "speech, neither spoken nor heard",
    "batches": "batches",
    "containers": "containers",
    "conversations": "conversations that are kept; name the last answer in previous_response_id",
    "embeddings": "embeddings",
    "evals": "evaluations",
    "files": "store of files; send them within the messages",
    "fine_tuning": "models that can be tuned",
    "images": "pictures of its own making",
    "moderations": "moderation",
    "realtime": "speech, neither spoken nor heard",
    "rerank": "ranking of texts",
    "skills": "skills",
    "threads": "assistants",
    "uploads": "store of files; send them within the messages",
    "vector_stores": "vector stores",
    "videos": "videos",
    "messages/batches": "batches",
}
"""First steps of paths, and what it is that Lingma has not."""


class Absent:
    """A handler for a path under which nothing is served, whatever the method. Raises `NotFound`."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def __call__(self, exchange: Exchange, services: Services) -> None:
        """Say what there is none of. Whoever asks needs no key to learn that."""
        del exchange, services
        raise NotFound(
            f"there is no /v1/{self._path} here: Lingma has no {ABSENT[self._path]}. GET /v1/capabilities tells what is"
            " here"
        )
