"""The administrators' page that tests the directory: every step of a sign-in, with what to change where it stops."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from itertools import groupby
from typing import Final

import flask
from flask import Blueprint, request

from app import clock
from app.api.access import admin
from app.db import writing
from app.people import rules, throttle
from app.settings import settings_of_app
from app.web.addresses import read_text
from app.web.peers import address_of_request
from directory.diagnosis import Asked, diagnose
from directory.interface import MAX_PASSWORD_CHARACTERS, MAX_USERNAME_CHARACTERS
from directory.steps import Step
from language import N_, _, _n

blueprint = Blueprint("directory", __name__, url_prefix="/admin/directory")

ONE_AT_A_TIME: Final = threading.Lock()
"""A test of a directory that hangs keeps its thread for seconds; several would keep all of them."""

BUSY: Final = N_("Another test is under way. Try again in a few seconds.")

Page = str | tuple[str, int]


@blueprint.get("")
@admin
def show() -> Page:
    """Show the form."""
    return _page("", [])


@blueprint.post("")
@admin
def test() -> Page:
    """Walk through the steps and show them. The password is used once, and neither kept nor shown again."""
    name = read_text(request.form, "name", MAX_USERNAME_CHARACTERS).strip()
    password = request.form.get("password", "")[: MAX_PASSWORD_CHARACTERS + 1] if name else ""
    if not ONE_AT_A_TIME.acquire(blocking=False):
        return _page(name, [], problem=_(BUSY)), 409
    try:
        return _test_counted(name, password) if password else _page(name, _walk(name, ""))
    finally:
        ONE_AT_A_TIME.release()


def _walk(name: str, password: str) -> list[Step]:
    settings = settings_of_app()
    directory = settings.config.directory

    def role_of(groups: Sequence[str]) -> str:  # called in another thread, where no application is
        return rules.role_of(
            groups,
            admin_groups=directory.admin_groups,
            helper_groups=directory.helper_groups,
            auditor_groups=directory.auditor_groups,
        )

    return list(diagnose(directory, settings.directory_password, Asked(name, password), role_of=role_of))


def _test_counted(name: str, password: str) -> Page:
    """A password that is tried here counts as any sign-in does; only a refused one stays counted."""
    now, address = clock.now(), address_of_request()
    lockout_after = settings_of_app().config.directory.lockout_after
    made = writing(
        lambda session: throttle.begin(session, name=name, address=address, lockout_after=lockout_after, now=now)
    )
    if made.wait_s:
        minutes = math.ceil(made.wait_s / 60)
        problem = _n(
            "This name was tried too often. Wait %(num)s minute.",
            "This name was tried too often. Wait %(num)s minutes.",
            minutes,
        )
        return _page(name, [], problem=problem), 429
    steps = _walk(name, password)
    if not any(step.name == "Password" and step.state == "bad" for step in steps):
        writing(lambda session: throttle.take_back(session, made=made))
    return _page(name, steps)


def _page(name: str, steps: Sequence[Step], *, problem: str = "") -> str:
    servers = [(server, list(found)) for server, found in groupby(steps, key=lambda step: step.server)]
    return flask.render_template("people/directory.html", name=name, servers=servers, problem=problem)
