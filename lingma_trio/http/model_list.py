"""Which models a tenant can ask for, and under which names: the account's, and the operator's other names for them."""

from __future__ import annotations

from lingma_trio.api.listed_model import ListedModel
from lingma_trio.errors import ModelNotFound, Unavailable
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import Tenant
from lingma_trio.protocol.catalogue import Catalogue, Model


def listed_models(services: Services, tenant: Tenant) -> dict[str, ListedModel]:
    """What `tenant` can ask for, by the name to ask by: the account's models, then the operator's aliases.

    Raises `Unavailable` while nobody knows them.
    """
    may_use = tenant.key.may_use
    listed = {
        model.key: _listed(model.key, model) for model in _catalogue(services).models if may_use(model.key, model.name)
    }
    for alias in services.dialogues.aliases.listed:
        if may_use(*services.dialogues.names_of(alias.name)):
            model = services.dialogues.find(alias.name)
            listed[alias.name] = ListedModel(alias.name, alias.model) if model is None else _listed(alias.name, model)
    return listed


def listed_model(services: Services, tenant: Tenant, wanted: str) -> ListedModel:
    """The model that goes by this name: an alias, a key or a display name. Raises `ModelNotFound`, and as above."""
    listed = listed_models(services, tenant)
    key = _key(wanted, services)
    if key is None or key not in listed:
        raise ModelNotFound(f"no model {wanted[:100]!r}; GET /v1/models lists those there are", param="model")
    return listed[key]


def _listed(name: str, model: Model) -> ListedModel:
    return ListedModel(name, model.name, model.max_input_tokens, model.sees, model.reasons)


def _key(wanted: str, services: Services) -> str | None:
    """Under what the model that goes by this name is listed."""
    if (alias := services.dialogues.aliases.find(wanted)) is not None:
        return alias.name
    catalogue, matched = services.pool.catalogue, services.dialogues.aliases.match(wanted)
    model = catalogue.find(wanted) or (None if matched is None else catalogue.find(matched))
    return None if model is None else model.key


def _catalogue(services: Services) -> Catalogue:
    catalogue = services.pool.catalogue
    if not catalogue.models:
        if services.pool.expected() > 0:
            raise services.pool.refusal()
        raise Unavailable("Lingma has not told its models yet; try again in a moment")
    return catalogue
