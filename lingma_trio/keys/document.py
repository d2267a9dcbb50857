"""The text of KEYS_FILE, YAML or JSON, to keys.

Knows the form of the document. Does not know files. A fault names the entry and the field, and repeats no value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from lingma_trio.keys.examples import FAULT, is_published
from lingma_trio.keys.key import NAME, ApiKey, digest_of, name_faults, parse_digest

Form: TypeAlias = Literal["yaml", "json"]

MOST_KEYS = 1000
"""A key is compared with every other at each request; a thousand take a tenth of a millisecond."""


class KeysFault(Exception):
    """KEYS_FILE cannot be used; the message has a line for each fault."""


def load(text: str, form: Form) -> list[Any]:
    """The entries as they are written, unchecked. Raises `KeysFault` for a text that is no document with entries."""
    if form == "json":
        document = _load_json(text)
    else:
        from lingma_trio.keys.yaml_text import load_yaml  # noqa: PLC0415 - a gateway without a file holds no YAML

        document = load_yaml(text)
    if document in (None, {}):
        return []
    if not isinstance(document, dict) or document.keys() != {"keys"} or not isinstance(document["keys"], list | None):
        raise KeysFault("the file has to be `keys:` and a list of entries, and nothing beside it")
    return document["keys"] or []


def read(text: str, form: Form) -> tuple[ApiKey, ...]:
    """The keys of a document. Raises `KeysFault` with all that is wrong with it."""
    entries = load(text, form)
    if len(entries) > MOST_KEYS:
        raise KeysFault(f"there are more than {MOST_KEYS} entries")
    keys: list[ApiKey] = []
    faults: list[str] = []
    for place, entry in enumerate(entries, start=1):
        try:
            keys.append(_Entry.model_validate(entry).key_of())
        except ValidationError as error:
            faults += [f"entry {place}{_name(entry)}: {fault}" for fault in _faults(error)]
    faults += name_faults(keys)
    if len({key.digest for key in keys}) < len(keys):
        faults.append("two entries have the same key")
    if faults:
        raise KeysFault("\n".join(faults))
    return tuple(keys)


def check_beside(fixed: Iterable[ApiKey], keys: Iterable[ApiKey]) -> None:
    """See that the keys of KEYS_FILE can stand beside the `fixed` ones of API_KEYS.

    Raises `KeysFault` where one name or one key is in both.
    """
    by_digest = {key.digest: key.name for key in fixed}
    names = set(by_digest.values())
    faults = [
        f"{key.name} of KEYS_FILE is the key {by_digest[key.digest]} of API_KEYS as well; take it out of one of them"
        for key in keys
        if key.digest in by_digest
    ]
    faults += [
        f"the name {key.name} is given in KEYS_FILE and in API_KEYS; change one of them"
        for key in keys
        if key.name in names and key.digest not in by_digest
    ]
    if faults:
        raise KeysFault("\n".join(faults))


def moment(given: object) -> datetime | None:
    """A moment as YAML or a text has it; a day alone is its first moment, and what has no time zone is in UTC."""
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            raise ValueError("is no date or time such as 2027-01-31 or 2027-01-31T18:00:00+08:00") from None
    if isinstance(given, date) and not isinstance(given, datetime):
        given = datetime(given.year, given.month, given.day, tzinfo=UTC)
    if not isinstance(given, datetime | None):
        raise ValueError("is no date or time")
    return given.replace(tzinfo=UTC) if given is not None and given.tzinfo is None else given


def _named(text: object) -> object:
    if not isinstance(text, str) or not NAME.fullmatch(text):
        raise ValueError("is not 1 to 64 letters, digits, dots, dashes and underscores")
    return text


def _digest(text: object) -> object:
    return parse_digest(text) if isinstance(text, str) else text


_Limit: TypeAlias = Annotated[int, Field(ge=0, le=10**9)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    name: Annotated[str, BeforeValidator(_named)]
    digest: Annotated[bytes | None, BeforeValidator(_digest)] = None
    key: Annotated[SecretStr, Field(min_length=1)] | None = None
    max_in_flight: _Limit = 0
    requests_per_minute: _Limit = 0
    tokens_per_minute: _Limit = 0
    models: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    expires: Annotated[datetime | None, BeforeValidator(moment)] = None

    def model_post_init(self, _context: object) -> None:
        """Want one of the two ways to write a key, and a key that is not everybody's."""
        if (self.digest is None) == (self.key is None):
            raise ValueError("needs either `digest` or `key`")
        if is_published(self._sha256()):
            raise ValueError(f"has a key that {FAULT}")

    def key_of(self) -> ApiKey:
        """What the entry says."""
        return ApiKey(
            self.name,
            self._sha256(),
            max_in_flight=self.max_in_flight,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            models=tuple(self.models),
            expires=self.expires,
        )

    def _sha256(self) -> bytes:
        digest = self.digest if self.key is None else digest_of(self.key.get_secret_value())
        assert digest is not None
        return digest


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_input=False, include_url=False):
        if fault["type"] == "extra_forbidden":  # what stands where a field's name should be may be a key
            yield f"has a field that is none of {', '.join(_Entry.model_fields)}"
        else:
            field = str(fault["loc"][0]) if fault["loc"] else ""
            message = fault["msg"].removeprefix("Value error, ")
            yield f"{field} {message[:1].lower()}{message[1:]}".strip()


def _name(entry: object) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return f" ({name})" if isinstance(name, str) and NAME.fullmatch(name) else ""


def _load_json(text: str) -> Any:  # noqa: ANN401 - any document
    try:
        return json.loads(text, object_pairs_hook=_without_repeats) if text.strip() else None
    except (ValueError, RecursionError):
        pass
    raise KeysFault("the file is no valid JSON, or has a field twice")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("repeated")
    return fields
