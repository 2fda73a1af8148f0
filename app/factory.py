"""Puts an instance together from its folder: the only place that knows all rooms."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from flask import Flask
from flask_wtf.csrf import CSRFProtect

from app import db, directory_pages, health_pages
from app.accounts import discretion
from app.accounts import pages as accounts_pages
from app.accounts import shared_pages as shared_accounts_pages
from app.api import access
from app.api import models as _api_models
from app.cards import models as _cards_models
from app.cards import pages as cards_pages
from app.client import api as client_api
from app.client import pages as client_pages
from app.client import versions as client_versions
from app.exchanges import api as exchanges_api
from app.internet import api as internet_api
from app.internet import (
    calculator_pages,
    rate_pages,
    rate_site_pages,
    running_api,
    running_pages,
    setup_pages,
    standing_api,
    use_admin_pages,
    use_pages,
)
from app.internet import models as _internet_models
from app.internet import rate_models as _rate_models
from app.internet import running_models as _running_models
from app.jobs import models as _jobs_models
from app.jobs import queue, ticker, worker
from app.ledger import models as _ledger_models
from app.ledger import tasks as ledger_tasks
from app.mail import models as _mail_models
from app.mail import pages as mail_pages
from app.notices import models as _notices_models
from app.notices import pages as notices_pages
from app.own_data import pages as own_data_pages
from app.people import admin_pages as people_admin_pages
from app.people import device_pages, leaver_pages, names_pages, own_pages, relink_pages, sync_pages
from app.people import local_pages as guest_pages
from app.people import pages as people_pages
from app.people import sync_models as _sync_models
from app.people.service import when_first_seen
from app.people.sessions import login_manager
from app.printing import api as printing_api
from app.printing import calculator_pages as print_calculator_pages
from app.printing import job_pages, limit_pages, price_pages, printer_pages, release_pages, title_pages, titles
from app.printing import models as _printing_models
from app.printing import price_models as _price_models
from app.printing import privacy_models as _privacy_models
from app.printing import server_api as print_server_api
from app.purse import api as purse_api
from app.purse import kept_page
from app.purse import pages as purse_pages
from app.quarantine import pages as quarantine_pages
from app.radius import api as radius_api
from app.radius import models as _radius_models
from app.radius import pages as radius_pages
from app.refunds import models as _refunds_models
from app.refunds import pages as refunds_pages
from app.refunds import service as refunds
from app.schedules import group_pages, run_pages
from app.schedules import pages as schedules_pages
from app.schedules.checks import totals_of_runs
from app.schedules.initial import credit_newcomers
from app.settings import Settings
from app.transfers import pages as transfers_pages
from app.web import frame, tabs
from directory.gate import GatedDirectory
from directory.interface import Directory
from directory.ldap import LdapDirectory
from directory.roster import LdapRoster, Roster
from language import requests as language_requests

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
BODY_BYTES_MAX = 8_000_000
INTERNET_PAGES = tuple(
    room.blueprint for room in (calculator_pages, radius_pages, rate_pages, rate_site_pages, running_pages)
) + tuple(room.blueprint for room in (setup_pages, use_admin_pages, use_pages))
TABLES: tuple[ModuleType, ...] = (_api_models, _cards_models, _internet_models, _jobs_models, _ledger_models)
TABLES += (_price_models, _printing_models, _radius_models, _rate_models, _sync_models)
TABLES += (_mail_models, _notices_models, _privacy_models, _refunds_models, _running_models)


def create_app(settings: Settings, *, directory: Directory | None = None, roster: Roster | None = None) -> Flask:
    """Return the WSGI application of one instance. `directory`, `roster`: others than the settings', for tests."""
    config = settings.config
    app = Flask("app.web", root_path=str(Path(__file__).parent / "web"))
    secure = config.public_url.startswith("https://")
    app.config.update(
        SECRET_KEY=settings.secret_key,
        INSTANCE_ID=config.id,
        SESSION_COOKIE_NAME=f"{'__Host-' if secure else ''}{config.id}_session",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=BODY_BYTES_MAX,
        MAX_FORM_MEMORY_SIZE=500_000,
        MAX_FORM_PARTS=200,
        TRUSTED_HOSTS=sorted({urlsplit(config.public_url).hostname or "", "127.0.0.1", "localhost"}),
        WTF_CSRF_TIME_LIMIT=None,  # the token lives as long as the session: a form left open still works
    )
    app.extensions["twinpurse.settings"] = settings
    app.extensions["twinpurse.directory"] = directory or GatedDirectory(
        LdapDirectory(config.directory, settings.directory_password)
    )
    if roster is None and directory is None:
        roster = LdapRoster(config.directory, settings.directory_password)
    app.extensions["twinpurse.roster"] = roster
    db.init_app(app, settings.database_url, str(MIGRATIONS))
    queue.init_app(app, config.id, config.redis_url)
    app.extensions[ledger_tasks.CHECKS] = (("runs", totals_of_runs),)
    when_first_seen(credit_newcomers)
    discretion.keep_private("print", words=titles.HIDDEN, when=lambda session: titles.privacy(session).hidden)
    app.extensions[tabs.COUNTS] = {"/admin/refunds": refunds.count_open}
    client_versions.init_app(app)
    login_manager.init_app(app)
    language_requests.init_app(app, default=config.language)
    csrf = CSRFProtect(app)
    app.before_request(access.guard)
    frame.init_app(app)
    pages = (people_pages, purse_pages, schedules_pages, run_pages, people_admin_pages, health_pages)
    for room in (*pages, own_pages, guest_pages, accounts_pages, shared_accounts_pages, group_pages, directory_pages):
        app.register_blueprint(room.blueprint)
    for room in (cards_pages, names_pages, quarantine_pages, relink_pages, leaver_pages):
        app.register_blueprint(room.blueprint)
    for room in (device_pages, sync_pages, client_pages, transfers_pages, mail_pages, notices_pages, own_data_pages):
        app.register_blueprint(room.blueprint)
    for blueprint in INTERNET_PAGES if settings.charges_internet else ():
        app.register_blueprint(blueprint)
    if settings.charges_print:
        for room in (job_pages, release_pages, title_pages, refunds_pages):
            app.register_blueprint(room.blueprint)
        for room in (printer_pages, price_pages, limit_pages, print_calculator_pages):
            app.register_blueprint(room.blueprint)
    kept_page.init_app(app)
    apis = [purse_api.blueprint, client_api.blueprint, exchanges_api.blueprint]
    apis += [printing_api.blueprint, print_server_api.blueprint] if settings.charges_print else []
    apis += [internet_api.blueprint, standing_api.blueprint, radius_api.blueprint] if settings.charges_internet else []
    apis += [running_api.blueprint] if settings.charges_internet else []
    for blueprint in apis:
        csrf.exempt(blueprint)  # these look at a token in a header and never at a cookie
        app.register_blueprint(blueprint)
    return app


def start_background(app: Flask) -> threading.Event:
    """Start the ticker and, where the queue lives in this process, the worker. Set the result to stop them."""
    logging.getLogger("rq").setLevel(logging.WARNING)
    stop = threading.Event()
    ticker.start(app, stop=stop)
    if app.extensions["twinpurse.jobs"].own_worker:
        worker.start(app, stop=stop)
    return stop
