"""The administrators' page of e-mail: what waits, what was given up and why, and a test e-mail to oneself."""

from __future__ import annotations

import flask
from flask import Blueprint
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.mail import letters, outbox, rules
from app.people import service as people
from app.settings import settings_of_app
from language import _, current

FAILED_SHOWN = 20

blueprint = Blueprint("mail", __name__, url_prefix="/admin/health/mail")


@blueprint.get("")
@auditor
def show() -> str:
    """Show how e-mail does."""
    session, now = reading(), clock.now()
    return flask.render_template(
        "mail/mail.html",
        mail=settings_of_app().config.mail,
        standing=outbox.standing(session, now=now),
        failed=outbox.list_failed(session, limit=FAILED_SHOWN),
        test=outbox.last_test(session, user_id=current_user.id),
        address=people.get_user(session, user_id=current_user.id).email,
        may_be_written_to=rules.can_be_written_to,
        kinds=letters.kinds(),
    )


@blueprint.post("/test")
@admin
def send_test() -> Response:
    """Put a test e-mail to oneself into the outbox, and have the server asked at once."""
    settings, user = settings_of_app(), people.get_user(reading(), user_id=current_user.id)
    if settings.config.mail is None or not rules.can_be_written_to(user.email):
        flask.flash(_("No test e-mail can be sent. Nothing was changed."), "bad")
        return flask.redirect(flask.url_for(".show"), 303)
    words = letters.test(settings, name=user.display_name)
    address, name, language = user.email, user.display_name, current().code

    def put(session: Session) -> None:
        now = clock.now()
        outbox.try_soon(session, now=now)
        outbox.put(
            session,
            user_id=current_user.id,
            kind="test",
            address=address,
            name=name,
            language=language,
            subject=words.subject,
            text=words.text,
            now=now,
        )

    writing(put)
    flask.flash(_("On its way. In a few seconds this page says what became of it."), "ok")
    return flask.redirect(flask.url_for(".show"), 303)
