"""Takes the picture of a running gateway that the page shows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from lingma_trio import __version__
from lingma_trio.http.operator_sessions import OperatorSession
from lingma_trio.http.page.panels import PANELS
from lingma_trio.http.page.places import PLACES, Place
from lingma_trio.http.page.view import View, clock_time
from lingma_trio.http.services import Services


def take_view(
    services: Services,
    session: OperatorSession | None,
    place: Place = PLACES["live"],
    *,
    sections: Iterable[str] | None = None,
    more: Mapping[str, Any] = MappingProxyType({}),
    made: Mapping[str, str] = MappingProxyType({}),
    done: str = "",
    fault: str = "",
    fault_key: str = "",
) -> View:
    """A place of the page as it stands, or those `sections` of it; without a session no more than whether the gateway
    is ready. `more` are panels that had to be waited for.
    """
    signed_in = session is not None
    shown = place.sections if sections is None else sections
    return View(
        readiness=services.readiness,
        version=__version__,
        simulated=signed_in and services.simulated,
        open_to_sign_in=services.operators.enabled,
        place=place,
        csrf=session.csrf if session is not None else "",
        panels={**{name: PANELS[name](services) for name in shown if name in PANELS}, **more} if signed_in else {},
        made=made if signed_in else {},
        clock=clock_time(time.time()),
        done=done,
        fault=services.redactor.text(fault),
        fault_key=fault_key,
    )
