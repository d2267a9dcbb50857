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
"""First steps of paths under `/v1`, and what it is that Lingma has not."""


_MODELS = "models of its own that could be {}; GET /api/tags lists those that are there"

ABSENT_FROM_OLLAMA = {
    "blobs": _MODELS.format("made"),
    "copy": _MODELS.format("copied"),
    "create": _MODELS.format("made"),
    "delete": _MODELS.format("deleted"),
    "embed": "embeddings",
    "embeddings": "embeddings",
    "pull": _MODELS.format("fetched"),
    "push": _MODELS.format("published"),
}
"""The same under `/api`."""


class Absent:
    """A handler for a path under which nothing is served, whatever the method. Raises `NotFound`.

    `missing` says what it is that Lingma has not.
    """

    def __init__(self, path: str, missing: str) -> None:
        self._path = path
        self._missing = missing

    async def __call__(self, exchange: Exchange, services: Services) -> None:
        """Say what there is none of. Whoever asks needs no key to learn that."""
        del exchange, services
        raise NotFound(
            f"there is no {self._path} here: Lingma has no {self._missing}. GET /v1/capabilities tells what is here"
        )
