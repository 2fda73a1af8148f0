"""The pages on which people release their jobs: their own page, and the one for a screen beside a printer."""

from __future__ import annotations

import re
from functools import partial

import flask
from flask import Blueprint, request
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.api.access import public, signed_in
from app.db import reading, writing
from app.error_map import http_status
from app.errors import (
    NotAllowedError,
    NotFoundError,
    NotSignedInError,
    TooManyAttemptsError,
    TwinpurseError,
    UnavailableError,
    WrongStateError,
)
from app.people import credentials, sessions
from app.people.rules import STATION_IDLE
from app.printing import jobs_list, releases
from app.printing.models import Printer
from app.printing.releases import Actor
from app.web.addresses import read_number
from app.web.peers import address_of_request
from language import _, _n

ONE = re.compile(r"(release|cancel)-([0-9]{1,19})", re.ASCII)
REFRESH_AFTER_S = int(STATION_IDLE.total_seconds()) + 2
"""The page of a station asks again when its session is over, and then shows nobody's jobs."""

blueprint = Blueprint("release", __name__)


@blueprint.get("/print-jobs/waiting")
@signed_in
def show_waiting() -> str:
    """List the visitor's jobs that wait, each with why and what it costs."""
    waiting = releases.list_waiting(reading(), user_id=current_user.id)
    return flask.render_template("printing/waiting.html", waiting=waiting)


@blueprint.post("/print-jobs/waiting")
@signed_in
def decide() -> Response:
    """Release or cancel one, several or all of one's own."""
    _carry_out()
    return flask.redirect(flask.url_for(".show_waiting"), 303)


@blueprint.get("/release/<printer>")
@public
def show_station(printer: str) -> str | Response | tuple[str, int]:
    """Show the screen beside a printer: whoever signs in there sees their own jobs for it, and is soon signed out.

    A session that was begun elsewhere becomes such a short one: this page is made for a screen that many share. It asks
    for itself again when nobody is signed in any more, so that no name stays on that screen.
    """
    found = _printer(printer)
    if not current_user.is_authenticated:
        return _ask(found)
    if current_user.way != "station":
        sessions.shorten()
    page = flask.render_template(
        "printing/station.html",
        printer=found,
        server=request.args.get("server", ""),
        waiting=releases.list_waiting(
            reading(), user_id=current_user.id, printer=found.name, server=request.args.get("server", "")
        ),
        idle=STATION_IDLE,
    )
    response = flask.make_response(page)
    response.headers["Refresh"] = str(REFRESH_AFTER_S)
    return response


@blueprint.post("/release/<printer>/sign-in")
@public
def sign_in_at_station(printer: str) -> Response | tuple[str, int]:
    """Check name and password with the directory, and sign in for a moment."""
    found, username = _printer(printer), request.form.get("username", "")
    try:
        user_id = credentials.check(
            username=username, password=request.form.get("password", ""), address=address_of_request()
        )
        sessions.sign_in(user_id, way="station")
    except (NotSignedInError, NotAllowedError, TooManyAttemptsError, UnavailableError) as exc:
        return _ask(found, exc.message, username), http_status(exc)
    return _back(found)


@blueprint.post("/release/<printer>")
@public
def decide_at_station(printer: str) -> Response:
    """Release or cancel one's own jobs for this printer; who was signed out meanwhile signs in again."""
    found = _printer(printer)
    if current_user.is_authenticated:
        _carry_out(found.name, request.args.get("server", ""))
    return _back(found)


@blueprint.post("/release/<printer>/sign-out")
@public
def sign_out_of_station(printer: str) -> Response:
    """Be done at this screen."""
    found = _printer(printer)
    if current_user.is_authenticated:
        sessions.sign_out()
    return _back(found)


def _carry_out(printer: str = "", server: str = "") -> None:
    """Do what the form asks for, each job for itself, and say what came of it."""
    me = Actor(current_user.id, "", current_user.signature)  # nobody else's, whatever role
    now = clock.now()
    verb, job_ids = _asked(printer, server)
    do = releases.release if verb == "release" else releases.cancel
    done, problems = 0, list[TwinpurseError]()
    for job_id in job_ids:
        try:
            writing(partial(do, job_id=job_id, by=me, now=now))
            done += 1
        except (NotFoundError, WrongStateError) as exc:
            problems.append(exc)
    _say(verb, done, problems)


def _asked(printer: str, server: str) -> tuple[str, list[int]]:
    """Read what the form asks for: "release" or "cancel", and of which jobs."""
    one = ONE.fullmatch(request.form.get("one", ""))
    if one is not None:
        return one[1], [number for number in [read_number(one[2])] if number]
    verb = "cancel" if request.form.get("do") == "cancel" else "release"
    if request.form.get("do") == "release-all":
        waiting = releases.list_waiting(reading(), user_id=current_user.id, printer=printer, server=server)
        return verb, [one.job.id for one in waiting if one.may_release]
    numbers = [read_number(text) for text in request.form.getlist("job")[: releases.WAITING_MAX]]
    return verb, [number for number in numbers if number is not None]


def _say(verb: str, done: int, problems: list[TwinpurseError]) -> None:
    if done:
        if verb == "release":
            said = _n("%(num)s job released. It prints soon.", "%(num)s jobs released. They print soon.", done)
        else:
            said = _n(
                "%(num)s job cancelled. Nothing was charged.", "%(num)s jobs cancelled. Nothing was charged.", done
            )
        flask.flash(said, "ok")
    for message in sorted({problem.message for problem in problems}):
        flask.flash(message, "bad")
    if not done and not problems:
        flask.flash(_("No job was chosen. Nothing was changed."), "warn")


def _printer(name: str) -> Printer:
    found = jobs_list.find_printer(reading(), name=name, server=request.args.get("server", ""))
    if found is None:
        raise NotFoundError(_("There is no printer of this name."))
    return found


def _ask(printer: Printer, error: str = "", username: str = "") -> str:
    return flask.render_template(
        "printing/station_sign_in.html",
        printer=printer,
        server=request.args.get("server", ""),
        error=error,
        username=username[:256],
    )


def _back(printer: Printer) -> Response:
    place = {"printer": printer.name, "server": request.args.get("server") or None}
    return flask.redirect(flask.url_for(".show_station", **place), 303)  # type: ignore[arg-type]  # None leaves it out
