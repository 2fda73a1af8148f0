"""How `twinpurse sync` reads the people of the directory, says how far it is, and what came of it."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

import click
from flask import current_app

from app import clock
from app.db import reading, writing
from app.error_map import exit_code
from app.errors import UnavailableError
from app.people import sync, sync_reports, sync_watch, sync_work
from app.people.sync_models import DirectorySync
from app.people.sync_words import WHAT, message_in_words
from app.settings import settings_of_app
from directory.interface import DirectoryError
from directory.roster import Roster

SAID_EVERY_S: Final = 0.2
WAITS: Final = 3
"""The exit code when the pass waits for an administrator's yes."""


@click.option("--preview", is_flag=True, help="Only say what a full pass would change.")
@click.option("--full", is_flag=True, help="Read everybody, not only who changed since the last time.")
def sync_people(preview: bool, full: bool) -> None:
    """Bring the people of FOLDER up to date with the directory.

    Exit code 3: so many would lose their access that it waits for an administrator's yes.
    """
    roster: Roster = current_app.extensions["twinpurse.roster"]
    settings = settings_of_app().config.directory
    if not (full or preview) and sync_reports.follows_changes(reading()):
        try:
            changed = sync_watch.look(roster=roster, settings=settings)
        except DirectoryError as exc:
            raise UnavailableError(f"The directory does not answer: {exc}. Nobody was changed.") from exc
        click.echo("Who changed in the directory is up to date." if changed else "Nobody changed.")
        return
    kind, now = "preview" if preview else "full", clock.now()
    made = writing(lambda session: sync.begin(session, kind=kind, asked_by="twinpurse sync", now=now))
    sync_work.work(made.id, roster=roster, settings=settings, tell=_teller(sys.stderr))
    reading().rollback()
    done = sync.get(reading(), sync_id=made.id)
    click.echo("\n".join(lines(done)))
    if done.state == "failed":
        sys.exit(exit_code(UnavailableError()))
    if done.state == "waiting":
        sys.exit(WAITS)


def lines(done: DirectorySync) -> list[str]:
    """Return what came of a pass, for people."""
    said = [f"{done.read:,} people read."]
    said += [f"  {getattr(done, what):>9,} {words.lower()}" for what, words in WHAT.items() if getattr(done, what)]
    if done.message:
        said.append(message_in_words(done))
    if done.state == "waiting":
        said.append("Nothing was changed: so many people would lose their access that an administrator has to agree.")
        said.append(f"Look at it and decide: {settings_of_app().config.public_url}/admin/people/sync/{done.id}")
    elif done.state == "done" and done.kind == "preview":
        said.append("Nothing was changed: this was a preview.")
    elif done.state == "done":
        said.append(f"{done.applied:,} changes applied.")
    else:
        word = "failed" if done.state == "failed" else "was stopped"
        said.append(f"It {word}; {f'{done.applied:,} changes were applied' if done.applied else 'nobody was changed'}.")
    return said


def _teller(stream: Any) -> Any:
    began, last = time.monotonic(), [0.0]

    def tell(what: str, count: int) -> None:
        now = time.monotonic()
        if now - last[0] < SAID_EVERY_S:
            return
        last[0] = now
        figure = f" {count:,}" if count else ""
        stream.write(f"{now - began:7.1f} s  {what}{figure}\n")
        stream.flush()

    return tell
