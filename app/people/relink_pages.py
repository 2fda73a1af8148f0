"""The administrators' pages of relinking: who is gone and may be somebody new, a preview, and the doing."""

from __future__ import annotations

import flask
from flask import Blueprint, request
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.errors import NotFoundError, WrongStateError
from app.people import relink
from app.people.relink import Join, Pair
from app.web.addresses import read_number
from language import _, _n

ID = "int(max=9223372036854775807)"
PAGE = 100
AT_ONCE = 500
"""Pairs that one request relinks; the page says how many are left."""

blueprint = Blueprint("relink", __name__, url_prefix="/admin/people/relink")


@blueprint.get("")
@auditor
def list_pairs() -> str:
    """List who is gone beside who may be the same person."""
    pairs = relink.find_pairs(reading())
    skip = min(read_number(request.args.get("skip")) or 0, len(pairs))
    return flask.render_template(
        "people/relink.html",
        pairs=pairs[skip : skip + PAGE],
        total=len(pairs),
        exact=sum(pair.exact for pair in pairs),
        skip=skip,
        more=skip + PAGE if len(pairs) > skip + PAGE else None,
        page=PAGE,
    )


@blueprint.get(f"/<{ID}:old_id>/<{ID}:new_id>")
@admin
def preview(old_id: int, new_id: int) -> str | Response:
    """Show what relinking one pair would do."""
    try:
        join = relink.look_at(reading(), old_id=old_id, new_id=new_id)
    except WrongStateError as exc:
        flask.flash(_("%(why)s Nothing was changed.", why=exc.message), "bad")
        return flask.redirect(flask.url_for(".list_pairs"))
    return _render([join])


@blueprint.get("/exact")
@admin
def preview_exact() -> str:
    """Show what relinking all exact pairs would do."""
    return _render([_look_at(pair) for pair in _exact()], every=True)


@blueprint.post(f"/<{ID}:old_id>/<{ID}:new_id>")
@admin
def relink_one(old_id: int, new_id: int) -> Response:
    """Relink one pair."""
    try:
        done = writing(
            lambda session: relink.relink(
                session, old_id=old_id, new_id=new_id, by=current_user.signature, now=clock.now()
            )
        )
    except WrongStateError as exc:
        flask.flash(_("%(why)s Nothing was changed.", why=exc.message), "bad")
        return flask.redirect(flask.url_for(".list_pairs"), 303)
    flask.flash(_("%(name)s has the old purse again.", name=done.old.display_name), "ok")
    return flask.redirect(flask.url_for("accounts.show", user_id=old_id), 303)


@blueprint.post("/exact")
@admin
def relink_exact() -> Response:
    """Relink all exact pairs, a transaction each: what is interrupted goes on when it is asked for again."""
    pairs, done, left = _exact(), 0, 0
    for pair in pairs[:AT_ONCE]:
        try:
            _relink(pair)
            done += 1
        except (NotFoundError, WrongStateError):
            left += 1
    left += len(pairs[AT_ONCE:])
    words = [_n("%(num)s person relinked.", "%(num)s people relinked.", done)]
    if left:
        words.append(
            _n(
                "%(num)s person not: something is held, or ask again.",
                "%(num)s people not: something is held, or ask again.",
                left,
            )
        )
    flask.flash(" ".join(words), "ok" if done or not left else "bad")
    return flask.redirect(flask.url_for(".list_pairs"), 303)


def _exact() -> list[Pair]:
    return [pair for pair in relink.find_pairs(reading()) if pair.exact]


def _look_at(pair: Pair) -> Join:
    return relink.look_at(reading(), old_id=pair.gone.id, new_id=pair.here.id)


def _relink(pair: Pair) -> Join:
    by, now = current_user.signature, clock.now()
    return writing(lambda session: relink.relink(session, old_id=pair.gone.id, new_id=pair.here.id, by=by, now=now))


def _render(joins: list[Join], *, every: bool = False) -> str:
    return flask.render_template(
        "people/relink_preview.html",
        joins=joins[:PAGE],
        total=len(joins),
        moved=sum(join.moved for join in joins if not join.obstacle),
        obstacles=sum(bool(join.obstacle) for join in joins),
        every=every,
        at_once=AT_ONCE,
    )
