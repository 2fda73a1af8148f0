"""What the pages of prices and of limits share: keep a version, bring an older one back, say what came of it."""

from __future__ import annotations

from collections.abc import Callable

import flask
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.db import writing
from app.errors import WrongStateError
from app.printing import price_forms, rule_versions
from app.settings import settings_of_app
from language import _, speaking


def keep(*, kind: str, body: str, after: int, note: Callable[[], str]) -> None:
    """Keep a new version of "prices" or "limits". `note` says what was changed, in the instance's own language.

    Raises WrongStateError: somebody else was first.
    """
    by = current_user.signature
    with speaking(settings_of_app().config.language):
        words = note()
    writing(
        lambda session: rule_versions.save(
            session, kind=kind, body=body, after=after, note=words, by=by, now=clock.now()
        )
    )


def tried(work: Callable[[], object]) -> bool:
    """Do `work`, and tell who asked for it where somebody else was first; return whether it was done."""
    try:
        work()
    except WrongStateError as exc:
        flask.flash(_("%(problem)s Nothing was changed.", problem=exc.message), "bad")
        return False
    return True


def restore(*, kind: str, version: int, back_to: str) -> Response:
    """Bring the older version that a form names back, and go `back_to` the page of what counts."""
    after, by = price_forms.version(flask.request.form), current_user.signature
    if tried(
        lambda: writing(
            lambda session: rule_versions.restore(
                session, kind=kind, version=version, after=after, by=by, now=clock.now()
            )
        )
    ):
        said = _("Version %(version)s is back. It holds for jobs that are sent from now on.", version=version)
        flask.flash(said, "ok")
    return flask.redirect(back_to, 303)
