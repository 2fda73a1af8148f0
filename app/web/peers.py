"""Who is at the other end of this request: its address, and who a trusted proxy says it is, as [sign_in] has it."""

from __future__ import annotations

import flask
from flask import request

from app.settings import settings_of_app
from directory.peers import client_address, peer_address


def address_of_request() -> str:
    """Return the address that this request comes from: an IP address, "unix" or "?"."""
    peer, forwarded_for = request.environ.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", "")
    return client_address(peer, forwarded_for, settings_of_app().config.sign_in.proxies)


def name_in_header() -> str:
    """Return whom a trusted proxy says this request comes from, as it is written there; "" for nobody.

    The header of anybody else is refused: it is not looked at, and the log says who sent it. A name with a comma in it
    is refused too: that is what two lines of one header look like, and one of them may be the browser's own.
    """
    section = settings_of_app().config.sign_in
    name = request.headers.get(section.header, "").strip() if section.header else ""
    if not name:
        return ""
    peer = request.environ.get("REMOTE_ADDR", "")
    if not section.header_peers.include(peer):
        log, sender = flask.current_app.logger, peer_address(peer)
        log.warning("sign-in: refused the header %s from %s, which header_from does not name", section.header, sender)
        return ""
    if "," in name:
        flask.current_app.logger.warning("sign-in: refused a header %s with two names", section.header)
        return ""
    return _utf8(name)


def _utf8(text: str) -> str:
    """A header's bytes come as Latin-1 (PEP 3333); names beyond ASCII are sent as UTF-8."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return ""
