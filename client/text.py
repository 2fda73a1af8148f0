"""The balance as text, for screen readers and scripts; signing in and out at a terminal."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from client import remembered
from client.answers import NotAsAgreedError, read_card
from client.config import Config
from client.lock import Lock
from client.remembered import Remembered
from client.state import Known, view
from client.worker import Asker, Fresh, Out, Result, Same, SignedIn, SignInFailed, Trouble

SHOWN: Final = 0
NOT_FRESH: Final = 1
NOT_SIGNED_IN: Final = 3


def run(verb: str, *, asker: Asker, config: Config, state: Path) -> int:
    """Do "text", "sign-in" or "sign-out"; return 0 when it was done, 1 for what is not fresh, 3 for not signed in."""
    kept = remembered.load(state, server=asker.server_url)
    if verb == "sign-in":
        return _sign_in(asker, config, kept, state)
    if verb == "sign-out":
        kept.forget_person()
        _keep(state, kept)
        return _say(asker.sign_out())
    return _show(asker, kept, state)


def _show(asker: Asker, kept: Remembered, state: Path) -> int:
    """Ask once, print, and remember the answer for the next time, unless a window runs, which does that itself.

    Messages are left for the window: here nobody may be looking.
    """
    known = Known()
    try:
        if kept.body:
            known = Known(card=read_card(kept.body, server_url=asker.server_url), heard_at=kept.heard_at)
    except NotAsAgreedError:
        kept.etag = ""
    code, now = NOT_FRESH, time.time()
    for result in asker.poll(kept.etag if known.card else "", "", ""):
        if isinstance(result, Fresh):
            known, code = known.heard(result.card, now), SHOWN
            kept.body, kept.etag, kept.news = result.body, result.etag, result.card.news
        elif isinstance(result, Same):
            known, code = known.still_true(now), SHOWN
        elif isinstance(result, Trouble):
            known = known.failed(result.words)
        elif isinstance(result, Out):
            known, code = known.not_signed_in(result.words, hopeless=result.hopeless), NOT_SIGNED_IN
    seen = view(known, now=now, server=asker.connection.place)
    print(seen.spoken)
    if code == SHOWN:
        kept.heard_at = now
        _keep(state, kept)
    if code == NOT_SIGNED_IN and seen.has_form:
        print("Sign in with: twinpurse-client sign-in", file=sys.stderr)
    return code


def _sign_in(asker: Asker, config: Config, kept: Remembered, state: Path) -> int:
    try:
        username = config.user or input("Network name: ").strip()
        password = getpass.getpass("Password: ")
    except (EOFError, KeyboardInterrupt):
        return NOT_SIGNED_IN
    results = asker.sign_in(username, password)
    if any(isinstance(result, SignedIn) for result in results):
        kept.forget_person()
        _keep(state, kept)
        print("Signed in.")
        return SHOWN
    return _say(results) or NOT_SIGNED_IN


def _say(results: Sequence[Result]) -> int:
    for result in results:
        if isinstance(result, Out | SignInFailed | Trouble):
            print(result.words)
    return SHOWN


def _keep(state: Path, kept: Remembered) -> None:
    try:
        if Lock(state).take():
            remembered.save(state, kept)
    except OSError as error:
        print(f"{state} cannot be written: {error}", file=sys.stderr)
