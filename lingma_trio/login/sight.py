"""Tells what a browser's page shows at this moment, in the terms of `steps`.

Looks only. Raises Playwright's Error when the page changes under its eyes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from playwright.sync_api import Frame, Locator, Page

from lingma_trio.login.messages import HumanReason
from lingma_trio.login.steps import Form, Sign, Steps


@dataclass(frozen=True, slots=True)
class Arrived:
    """The browser was sent back to Lingma."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something only a person gets past. One that is not `certain` may be the moment before a form appears."""

    reason: HumanReason
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Complaint:
    """The page shows an error."""

    text: str
    wrong_password: bool


@dataclass(frozen=True, slots=True)
class FormSeen:
    """A form that can be filled in, in `frame`."""

    form: Form
    frame: Frame


@dataclass(frozen=True, slots=True)
class Tab:
    """The way to the password form, where another form is in front."""

    handle: Locator


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing known; `loading` says that more may come by itself."""

    loading: bool


Sight: TypeAlias = Arrived | Obstacle | Complaint | FormSeen | Tab | Nothing


def look(page: Page, steps: Steps) -> Sight:
    """What matters most of all that the page shows."""
    if re.search(steps.callback, page.url):
        return Arrived()
    return (
        _obstacle(page, steps.obstacles, certain=True)
        or _complaint(page, steps)
        or _form(page, steps)
        or _tab(page, steps)
        or _obstacle(page, steps.other_ways, certain=False)
        or Nothing(loading=page.evaluate("document.readyState") != "complete")
    )


def visible(frame: Frame, selector: str) -> Locator | None:
    """The first visible element of `selector`."""
    found = frame.locator(selector).filter(visible=True)
    return found.first if found.count() else None


def _obstacle(page: Page, signs: tuple[Sign, ...], *, certain: bool) -> Obstacle | None:
    for sign in signs:
        for frame in page.frames:
            known = bool(sign.address and re.search(sign.address, frame.url))
            if known or (sign.selector and visible(frame, sign.selector) is not None):
                return Obstacle(sign.reason, certain)
    return None


def _complaint(page: Page, steps: Steps) -> Complaint | None:
    for text in _errors(page, steps.errors):
        # A form that was wiped is sent empty; the form itself, filled in again, is the answer to that.
        if text and not re.search(steps.nothing_typed, text):
            return Complaint(text, bool(re.search(steps.wrong_password, text, re.IGNORECASE)))
    return None


def _errors(page: Page, selector: str) -> Iterator[str]:
    for frame in page.frames:
        for error in frame.locator(selector).filter(visible=True).all():
            yield error.inner_text().strip()


def _form(page: Page, steps: Steps) -> FormSeen | None:
    for form in steps.forms:
        asked = [selector for selector in (form.username, form.password, form.submit) if selector]
        for frame in page.frames:
            if re.search(form.address, frame.url) and all(visible(frame, selector) for selector in asked):
                return FormSeen(form, frame)
    return None


def _tab(page: Page, steps: Steps) -> Tab | None:
    for frame in page.frames:
        if (tab := visible(frame, steps.password_tabs)) is not None:
            return Tab(tab)
    return None
