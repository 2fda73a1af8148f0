"""A person's own page of notices: from where down their purse is low, and whether they are told by e-mail."""

from __future__ import annotations

import flask
from flask import Blueprint
from flask_login import current_user
from werkzeug.wrappers import Response
from wtforms.fields.choices import SelectChoice

from app import clock, money
from app.api.access import signed_in
from app.db import reading, writing
from app.mail.rules import can_be_written_to
from app.notices import choices
from app.notices.choices import Chosen
from app.notices.forms import NEVER, OWN, USUAL, NoticesForm
from app.notices.models import NoticeChoice
from app.people import service as people
from app.settings import settings_of_app
from language import _

blueprint = Blueprint("notices", __name__, url_prefix="/me/notices")


@blueprint.get("")
@signed_in
def show() -> str:
    """Show what counts for this person."""
    chosen = choices.of_person(reading(), user_id=current_user.id, settings=settings_of_app())
    return _page(_filled_in(chosen))


@blueprint.post("")
@signed_in
def save() -> Response | tuple[str, int]:
    """Keep what was chosen."""
    form, settings, user_id = NoticesForm(), settings_of_app(), current_user.id
    reachable = _is_reachable()
    if not reachable:  # the page does not ask; what was chosen before is kept
        form.language.data = choices.of_person(reading(), user_id=user_id, settings=settings).speaks(settings)
    if not form.validate():
        return _page(form), 422
    threshold, language = form.threshold, form.language.data
    by_email = form.by_email.data if reachable else _by_email_before()
    writing(
        lambda session: choices.choose(
            session,
            user_id=user_id,
            threshold=threshold,
            by_email=by_email,
            language=language,
            settings=settings,
            now=clock.now(),
        )
    )
    flask.flash(_("Saved."), "ok")
    return flask.redirect(flask.url_for(".show"), 303)


def _filled_in(chosen: Chosen) -> NoticesForm:
    settings = settings_of_app()
    own = chosen.is_own and chosen.threshold > 0
    return NoticesForm(
        formdata=None,
        low=OWN if own else NEVER if chosen.is_own else USUAL,
        amount=money.plain(chosen.threshold, settings.unit.decimals) if own else "",
        by_email=chosen.by_email,
        language=chosen.speaks(settings),
    )


def _is_reachable() -> bool:
    return settings_of_app().config.mail is not None and can_be_written_to(_address())


def _by_email_before() -> bool | None:
    choice = reading().get(NoticeChoice, current_user.id)
    return choice.by_email if choice else None


def _address() -> str:
    return people.get_user(reading(), user_id=current_user.id).email


def _page(form: NoticesForm) -> str:
    settings = settings_of_app()
    usual = _("As for everybody: at %(amount)s or less", amount=settings.unit.price(settings.config.low_balance))
    form.low.choices = [SelectChoice(USUAL, usual), *form.low.choices[1:]]
    return flask.render_template(
        "notices/notices.html",
        form=form,
        address=_address(),
        reachable=_is_reachable(),
        sends=settings.config.mail is not None,
    )
