"""The administrators' page on which they say what becomes of document titles."""

from __future__ import annotations

import re

import flask
from flask import Blueprint, request
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.printing import titles
from language import _, numbers

blueprint = Blueprint("print_privacy", __name__, url_prefix="/admin/print-privacy")


@blueprint.get("")
@auditor
def show() -> str:
    """Show what becomes of titles."""
    kept = titles.privacy(reading())
    return _render(kept.hidden, bool(kept.keep_days), str(kept.keep_days or 90))


@blueprint.post("")
@admin
def save() -> Response | tuple[str, int]:
    """Set what becomes of titles."""
    form, now, by = request.form, clock.now(), current_user.signature
    hidden, limited, typed = form.get("hidden") == "yes", form.get("limited") == "yes", form.get("days", "").strip()
    days = int(typed) if re.fullmatch(r"[0-9]{1,4}", typed, re.ASCII) else 0
    if limited and not 1 <= days <= titles.DAYS_MAX:
        wrong = _("Write the days as a number from 1 to %(most)s", most=numbers.count(titles.DAYS_MAX))
        return _render(hidden, limited, typed[:20], wrong), 422
    keep = days if limited else 0
    writing(lambda session: titles.set_privacy(session, hidden=hidden, keep_days=keep, by=by, now=now))
    said = _("Saved. Titles that are too old are blanked in the next minutes.") if keep else _("Saved.")
    flask.flash(said, "ok")
    return flask.redirect(flask.url_for(".show"), 303)


def _render(hidden: bool, limited: bool, days: str, error: str = "") -> str:
    return flask.render_template("printing/privacy.html", hidden=hidden, limited=limited, days=days, error=error)
