"""`twinpurse admin`: the administrator for days on which the directory is away; made on the server, nowhere else."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.errors import InvalidInputError, NotFoundError
from app.people import local, throttle
from app.settings import settings_of_app

MADE_BY = "twinpurse admin"


@click.argument("name")
@click.option("--remove", is_flag=True, help="Take the password and the rights away.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the password from the first line of this file instead of asking for it.",
)
def admin(name: str, remove: bool, password_file: Path | None) -> None:
    """Make NAME an administrator of FOLDER with a password kept here, or give NAME another password.

    The directory is never asked about NAME: this is for the day on which it does not answer. The password is asked for
    twice; where no terminal is, one line is read from standard input.
    """
    try:
        username = local.clean_name(name)
    except ValueError as exc:
        raise InvalidInputError(f"{exc}.") from None
    found = local.find(reading(), typed=username)
    if found is not None and not found.user.is_admin:
        raise InvalidInputError(f"{username} is a guest. Choose another name.")
    if remove:
        if found is None:
            raise NotFoundError(f"There is no local administrator {username}.")
        user_id = found.user.id
        writing(lambda session: local.remove_administrator(session, user_id=user_id, now=clock.now()))
        click.echo(f"{username} is no administrator any more, and is signed out.")
        return
    password = _read_password(username, password_file)
    writing(lambda session: _keep(session, username, password, found.user.id if found else None))
    done = "has another password, and is signed out where the old one was used" if found else "was made"
    click.echo(f"{username} {done}. Sign in at {settings_of_app().config.public_url}/sign-in, directory or not.")


def _keep(session: Session, username: str, password: str, user_id: int | None) -> None:
    now = clock.now()
    if user_id is None:
        local.create(
            session,
            username=username,
            display_name=f"{username} (local administrator)",
            password=password,
            expires_at=None,
            made_by=MADE_BY,
            now=now,
            administrator=True,
        )
    else:
        local.change_password(session, user_id=user_id, password=password, made_by=MADE_BY, now=now)
    throttle.forgive_name(session, name=username)


def _read_password(username: str, file: Path | None) -> str:
    if file is not None:
        lines = file.read_text("utf-8").splitlines()
        password = lines[0] if lines else ""
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt="Once more")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    try:
        return local.check_password(password, name=username)
    except ValueError as exc:
        raise InvalidInputError(f"{exc}.") from None
