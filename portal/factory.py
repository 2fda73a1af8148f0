"""Puts the portal together from its folder."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask
from flask_wtf.csrf import CSRFProtect
from jinja2 import ChoiceLoader, FileSystemLoader

from directory.gate import GatedDirectory
from directory.interface import Directory
from directory.ldap import LdapDirectory
from language import requests as language_requests
from portal import access, embed, exchange_pages, frame, pages
from portal.exchange_records import Records
from portal.exchanges import Exchanges
from portal.purses import Purses
from portal.settings import Settings
from portal.signin import SignIn
from portal.store import Store

# The look is one for the whole product. It is taken from the folder, not imported: the portal runs without the rest.
WEB = Path(__file__).resolve().parent.parent / "app" / "web"
FORM_BYTES_MAX = 100_000


def create_app(
    folder: Path | str, *, directory: Directory | None = None, clock: Callable[[], datetime] | None = None
) -> Flask:
    """Return the WSGI application of the portal in `folder`.

    `directory` and `clock` (which gives an aware time): others than the real ones, for tests. Raises
    PortalSettingsError with every problem of the folder.
    """
    settings = Settings.load(folder)
    clock = clock or _now
    app = Flask("portal", static_folder=str(WEB / "static"), static_url_path="/static")
    app.jinja_loader = ChoiceLoader(
        [FileSystemLoader(Path(__file__).parent / "templates"), FileSystemLoader(WEB / "templates")]
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    prefix = "__Host-" if settings.is_https else ""
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME=f"{prefix}{settings.id}_session",
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        REMEMBER_COOKIE_NAME=f"{prefix}{settings.id}_remember",
        MAX_CONTENT_LENGTH=FORM_BYTES_MAX,
        MAX_FORM_MEMORY_SIZE=FORM_BYTES_MAX,
        MAX_FORM_PARTS=20,
        TRUSTED_HOSTS=sorted({urlsplit(settings.public_url).hostname or "", "127.0.0.1", "localhost"}),
        WTF_CSRF_TIME_LIMIT=None,  # the token lives as long as the session: a form left open still works
    )
    store = Store(settings.folder)
    directory = directory or GatedDirectory(LdapDirectory(settings.directory, settings.directory_password))
    signin = SignIn(
        store,
        directory,
        clock,
        settings.id,
        lockout_after=settings.directory.lockout_after,
        proxies=settings.sign_in.proxies,
    )
    exchanges = Exchanges(settings.instances, settings.exchanges, Records(store.path), clock)
    app.extensions[pages.EXTENSION] = pages.Services(
        settings, signin, Purses(settings.instances, store, clock), exchanges, clock
    )
    if settings.exchanges:
        exchanges.keep_going()  # what the last process of this portal left open
    language_requests.init_app(app, default=settings.language)
    app.before_request(access.refuse_other_sites)
    CSRFProtect(app)
    signin.manager.init_app(app)
    app.before_request(access.guard)
    frame.init_app(app, settings)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(embed.blueprint)
    app.register_blueprint(exchange_pages.blueprint)
    return app


def _now() -> datetime:
    return datetime.now(UTC)
