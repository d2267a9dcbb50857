"""What is asked about the gateway itself: models, health, readiness, metrics, statistics."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import trio
from pydantic_core import to_json

from lingma_trio import __version__
from lingma_trio.api.anthropic import models as anthropic
from lingma_trio.api.openai.models import model_body, model_list
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.key_usage import keys_report
from lingma_trio.http.model_list import listed_model, listed_models
from lingma_trio.http.services import Services
from lingma_trio.lingma.instance import Instance
from lingma_trio.protocol.allowance import Allowance
from lingma_trio.state.link import StoreLink

PROMETHEUS_TEXT = b"text/plain; version=0.0.4; charset=utf-8"


async def list_models(exchange: Exchange, services: Services) -> None:
    """The models of the account; they outlive a restart of Lingma, so that clients keep their lists."""
    tenant = services.gatekeeper.admit(exchange)
    models = list(listed_models(services, tenant).values())
    if exchange.head.for_anthropic:
        body = anthropic.model_list(models, created=services.created)
    else:
        body = model_list(models, owned_by=services.owner, created=services.created)
    await exchange.respond(200, body)


async def show_model(exchange: Exchange, services: Services) -> None:
    """One model, by alias, key or display name."""
    tenant = services.gatekeeper.admit(exchange)
    model = listed_model(services, tenant, exchange.scope["path_params"]["model"])
    if exchange.head.for_anthropic:
        body = anthropic.model_body(model, created=services.created)
    else:
        body = model_body(model, owned_by=services.owner, created=services.created)
    await exchange.respond(200, body)


async def show_health(exchange: Exchange, services: Services) -> None:
    """The process runs and its loop turns. Says nothing of Lingma."""
    del services
    await exchange.respond(200, b'{"status":"ok"}')


async def show_readiness(exchange: Exchange, services: Services) -> None:
    """Whether a chat would be answered, and why not. Open to anybody, so it holds states and reasons only.

    A gateway without the store that it shares with others answers all the same: no balancer is to take it away, for the
    others are most likely without it, too.
    """
    verdict = services.readiness
    report: dict[str, Any] = {
        "status": verdict,
        "upstream": services.upstream,
        "instances": [_standing(instance) for instance in services.pool.instances],
    }
    if services.agents is not None:
        report["agents"] = [asdict(standing) for standing in services.agents.standings]
    if services.simulated:
        report["notice"] = services.play
    await exchange.respond(200 if verdict in ("ready", "degraded") else 503, to_json(services.redactor.value(report)))


async def show_metrics(exchange: Exchange, services: Services) -> None:
    """Prometheus' text format."""
    await services.gatekeeper.admit_scraper(exchange)
    await exchange.respond(200, services.metrics.page(), content_type=PROMETHEUS_TEXT)


async def show_stats(exchange: Exchange, services: Services) -> None:
    """The same as JSON, with what only the operator may see."""
    await services.gatekeeper.admit_operator(exchange)
    await exchange.respond(200, to_json(services.redactor.value(_stats(services))))


async def show_tree(exchange: Exchange, services: Services) -> None:
    """Every task that runs in this process, as a tree of bounded size."""
    await services.gatekeeper.admit_operator(exchange)
    await exchange.respond(200, to_json(services.redactor.value(asdict(services.tree.snapshot()))))


def _account(allowance: Allowance) -> dict[str, Any]:
    return {"kind": allowance.kind or None, "quota": allowance.quota, "plan": dict(allowance.plan)}


def _standing(instance: Instance) -> dict[str, Any]:
    state, reason = instance.standing.told()
    return {"name": instance.name, "state": state, "reason": reason}


def _stats(services: Services) -> dict[str, Any]:
    sessions = services.sessions_view()
    samples: dict[str, float] = {}
    for family in services.metrics.registry.collect():
        for sample in family.samples:
            if not sample.name.endswith(("_bucket", "_created")):
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return {
        "version": __version__,
        "uptime_seconds": round(trio.current_time() - services.began, 3),
        "upstream": services.upstream,
        "draining": services.ceiling.draining,
        "store": _store(services.link),
        "replicas": [each._asdict() for each in services.replicas.seen] if services.replicas is not None else [],
        "keys": keys_report(services),
        "limiter": asdict(services.limiter_view()),
        "sessions": {
            **asdict(sessions),
            "misses": sum(sessions.misses.values()),
            "commits": sum(sessions.commits.values()),
        },
        "session_misses": sessions.misses,
        "session_commits": sessions.commits,
        "instances": [
            {
                **_standing(instance),
                "account_name": instance.label,
                "detail": instance.lives.detail,
                "dialect": instance.dialect,
                "generation": instance.lives.generation,
                "turns": instance.turns,
                "most_turns": instance.health.bound,
                "silent": instance.health.silent,
                "resting_models": {model: round(rest, 1) for model, rest in instance.health.resting().items()},
                "restarts": instance.lives.restarts,
                "rpc_errors": instance.lives.rpc_errors,
                "models": [model.key for model in instance.account.catalogue.models],
                "account": _account(instance.account.allowance),
                "agent": _agent(instance),
            }
            for instance in services.pool.instances
        ],
        "metrics": samples,
    }


def _store(link: StoreLink | None) -> dict[str, Any] | None:
    """The store that gateways share, as this one reaches it; null where it shares nothing."""
    if link is None:
        return None
    return {"up": link.up, "reason": "" if link.up else link.reason, "replica": link.name, "replicas": link.replicas}


def _agent(instance: Instance) -> dict[str, Any] | None:
    """What an agent says of itself, and what it did unasked; null for a Lingma."""
    if (watch := instance.account.program) is None:
        return None
    return {"name": watch.agent.name, "version": watch.agent.version, **asdict(watch.oddities)}
