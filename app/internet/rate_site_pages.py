"""The administrators' pages of lists of sites: all of them, one with its pasted domains, and what is taken back."""

from __future__ import annotations

from collections.abc import Callable

import flask
from flask import Blueprint, request
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.errors import WrongStateError
from app.internet import rate_site_changes, rate_site_past
from app.internet import rate_words as words
from app.internet.rate_forms import SiteListForm
from app.internet.rate_models import SiteList
from app.internet.rate_pages import list_sites
from app.settings import settings_of_app
from language import _, _n

blueprint = Blueprint("site_lists", __name__, url_prefix="/admin/site-lists")

BY_ID = "/<int(max=9223372036854775807):site_list_id>"


@blueprint.get("")
@auditor
def list_all() -> str:
    """List the lists, and those that were lately deleted."""
    session = reading()
    deleted = rate_site_past.lately_deleted(session)
    return flask.render_template(
        "internet/site_lists.html",
        sites=list_sites(session),
        deleted=deleted,
        most=rate_site_past.DELETED_KEPT,
        w=words,
    )


@blueprint.get("/new")
@admin
def show_new() -> str:
    """Show the empty form."""
    return _page(SiteListForm(data={"percent": "0"}), None)


@blueprint.post("/new")
@admin
def create() -> tuple[str, int] | Response:
    """Keep a new list, or show what is wrong."""
    return _save(None)


@blueprint.get(BY_ID)
@auditor
def show(site_list_id: int) -> str:
    """Show a list, and its last changes."""
    found = rate_site_changes.get_site_list(reading(), site_list_id=site_list_id)
    values = {"name": found.name, "percent": str(found.percent), "always_open": found.always_open}
    return _page(SiteListForm(data=values | {"domains": found.domains}), found)


@blueprint.post(BY_ID)
@admin
def edit(site_list_id: int) -> tuple[str, int] | Response:
    """Change a list, or show what is wrong."""
    rate_site_changes.get_site_list(reading(), site_list_id=site_list_id)
    return _save(site_list_id)


@blueprint.get(BY_ID + "/delete")
@admin
def show_delete(site_list_id: int) -> str:
    """Ask whether to take a list away."""
    session = reading()
    rate_site_changes.get_site_list(session, site_list_id=site_list_id)
    site = next(each for each in list_sites(session) if each.id == site_list_id)
    return flask.render_template("internet/site_list_delete.html", chosen=site, w=words)


@blueprint.post(BY_ID + "/delete")
@admin
def delete(site_list_id: int) -> Response:
    """Take a list away."""
    settings, by = settings_of_app(), str(current_user.username)
    name = writing(
        lambda session: rate_site_changes.delete_site_list(
            session, site_list_id=site_list_id, settings=settings, by=by, now=clock.now()
        )
    )
    flask.flash(_("“%(name)s” is deleted. Its sites cost the usual price from now on.", name=name), "ok")
    return flask.redirect(flask.url_for(".list_all"), 303)


@blueprint.post(BY_ID + "/undo")
@admin
def undo(site_list_id: int) -> Response:
    """Make a list what it was before the change that the form names."""
    settings, by = settings_of_app(), str(current_user.username)
    past_id, newest = (request.form.get(name, -1, type=int) for name in ("past", "newest"))

    def work(session: Session) -> str:
        return rate_site_changes.undo(
            session,
            site_list_id=site_list_id,
            past_id=past_id,
            newest=newest,
            settings=settings,
            by=by,
            now=clock.now(),
        ).name

    name = _taken_back(work)
    if name:
        said = _("“%(name)s” is what it was before. What was charged meanwhile stays as it was.", name=name)
        flask.flash(said, "ok")
    return flask.redirect(flask.url_for(".show", site_list_id=site_list_id), 303)


@blueprint.post("/deleted/<int(max=9223372036854775807):past_id>/restore")
@admin
def restore(past_id: int) -> Response:
    """Take a deleted list back."""
    settings, by = settings_of_app(), str(current_user.username)
    name = _taken_back(
        lambda session: (
            rate_site_changes.restore(session, past_id=past_id, settings=settings, by=by, now=clock.now()).name
        )
    )
    if name:
        said = _("“%(name)s” is back. What was charged meanwhile stays as it was.", name=name)
        flask.flash(said, "ok")
    return flask.redirect(flask.url_for(".list_all"), 303)


def _taken_back(work: Callable[[Session], str]) -> str:
    """Do `work` and return the name of the list; "" where it cannot be done, and tell who asked for it why."""
    try:
        return writing(work)
    except WrongStateError as exc:
        flask.flash(_("%(problem)s Nothing was changed.", problem=exc.message), "bad")
        return ""


def _save(site_list_id: int | None) -> tuple[str, int] | Response:
    session, settings, form = reading(), settings_of_app(), SiteListForm()
    percent, read, problems = form.read(rate_site_changes.taken_domains(session, besides=site_list_id))
    name, always_open, by = str(form.name.data or "").strip(), bool(form.always_open.data), str(current_user.username)

    def keep(inner: Session) -> int:
        return rate_site_changes.save_site_list(
            inner,
            site_list_id=site_list_id,
            name=name,
            percent=percent,
            always_open=always_open,
            domains=read.domains,
            settings=settings,
            by=by,
            now=clock.now(),
        ).id

    if not problems:
        try:
            writing(keep)
        except WrongStateError as exc:
            problems = {"name": exc.message}
    if problems:
        form.show(problems)
        found = session.get(SiteList, site_list_id) if site_list_id else None
        return _page(form, found, good=len(read.domains)), 422
    count = len(read.domains)
    said = [_n("“%(name)s” is saved, with 1 site.", "“%(name)s” is saved, with %(num)s sites.", count, name=name)]
    if read.doubled:
        said.append(_n("%(num)s were there twice.", "%(num)s were there twice.", read.doubled))
    flask.flash(" ".join(said), "ok")
    return flask.redirect(flask.url_for(".list_all"), 303)


def _page(form: SiteListForm, found: SiteList | None, *, good: int | None = None) -> str:
    return flask.render_template(
        "internet/site_list.html",
        form=form,
        site_list=found,
        count=len(found.domains.split("\n")) if found and found.domains else 0,
        good=good,
        changes=rate_site_past.changes(reading(), found) if found else [],
        w=words,
    )
