"""The set-up page: what is to be written on a proxy and on a RADIUS server, filled in, to be copied or downloaded."""

from __future__ import annotations

import flask
from flask import Blueprint, request
from werkzeug.wrappers import Response

from app import clock
from app.api import tokens
from app.api.access import admin, auditor
from app.db import reading, writing
from app.errors import NotFoundError
from app.internet import rates, setup_texts
from app.internet.setup_texts import SetupFile, Site
from app.settings import settings_of_app
from app.web.addresses import read_text
from language import _

KINDS = {"squid": "proxy1", "freeradius": "radius1"}
"""What can be set up, and what its server is called until somebody says."""

SCOPES = {"squid": "internet", "freeradius": "radius"}

COMMANDS = {
    "squid": "squid -k parse && squid -k reconfigure\n"
    "systemctl enable --now twinpurse-squid-end twinpurse-squid-log\n"
    "sudo twinpurse-doctor",
    "freeradius": "freeradius -XC && systemctl restart freeradius\nsystemctl enable --now twinpurse-radius-disconnect",
}
"""What is typed at the end, on the machine that was set up."""

blueprint = Blueprint("internet_setup", __name__, url_prefix="/admin/internet-setup")


@blueprint.get("")
@auditor
def show_setup() -> str:
    """Show the lines for a proxy, or for a RADIUS server."""
    return _page(_kind(request.args.get("for")), _server_name(request.args.get("server")))


@blueprint.post("/token")
@admin
def make_token() -> Response | tuple[str, int]:
    """Make a token for the server and show the lines with it, this once: nothing keeps it but the page that is sent."""
    kind = _kind(request.form.get("for"))
    server = _server_name(request.form.get("server"))
    if not server and request.form.get("server", "").strip():
        return _page(kind, ""), 422
    server = server or KINDS[kind]
    made = writing(lambda session: tokens.make_machine_token(session, name=server, scope=SCOPES[kind], now=clock.now()))
    answer = flask.make_response(_page(kind, server, token=made))
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.get("/file/<kind>/<name>")
@auditor
def download(kind: str, name: str) -> Response:
    """Send one of the files, with a place for the token where it needs one."""
    if kind not in KINDS:
        raise NotFoundError(_("There is no such file."))
    found = next((each for each in _files(kind, _server_name(request.args.get("server"))) if each.name == name), None)
    if found is None:
        raise NotFoundError(_("There is no such file."))
    answer = flask.Response(found.text, mimetype="text/plain")
    answer.headers["Content-Disposition"] = f'attachment; filename="{found.place.rpartition("/")[2]}"'
    return answer


def _page(kind: str, server: str, *, token: str = "") -> str:
    typed = read_text(request.values, "server", 80)
    name, folder, scope = server or KINDS[kind], settings_of_app().folder, SCOPES[kind]
    return flask.render_template(
        "internet/setup.html",
        kind=kind,
        server=name,
        wrong=bool(typed) and not server,
        typed=typed,
        files=_files(kind, server, token=token),
        token=token,
        let_in=_let_in(),
        token_command=f"twinpurse token create {folder} --name {name} --scope {scope}",
        commands=COMMANDS[kind],
        language_of_pages=settings_of_app().config.language,
        directory=settings_of_app().config.directory,
    )


def _files(kind: str, server: str, *, token: str = "") -> list[SetupFile]:
    config = settings_of_app().config
    site = Site(
        public_url=config.public_url,
        portal_url=config.portal_url,
        directory=config.directory,
        server=server or KINDS[kind],
        slow=rates.policies(reading())[0] == "slow",
        let_in_while_away=_let_in(),
        language=config.language,
    )
    make = setup_texts.squid_files if kind == "squid" else setup_texts.radius_files
    return make(site, token=token)


def _let_in() -> bool:
    return request.values.get("away") == "let-in"


def _kind(given: str | None) -> str:
    return given if given in KINDS else "squid"


def _server_name(given: str | None) -> str:
    """Return a name that may stand in a file; "" for any other text."""
    name = (given or "").strip()
    return name if setup_texts.SERVER_NAME.fullmatch(name) else ""
