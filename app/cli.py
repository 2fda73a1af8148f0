"""The command `twinpurse`: make, check, upgrade, serve and verify an instance, and its tokens and workers."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from flask import Flask
from flask_migrate import upgrade as run_migrations
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from app import admin_command, clock, directory_command, health, serving, sync_command, verify_command
from app.api import tokens
from app.api.models import MachineToken
from app.check import check_folder
from app.db import reading, writing
from app.error_map import exit_code
from app.errors import InvalidInputError, SettingsError, TwinpurseError, UnavailableError, WrongStateError
from app.factory import MIGRATIONS, create_app
from app.folder import Plan, make_folder, make_portal_folder, write_secret
from app.jobs import worker
from app.ledger import tasks as ledger_tasks
from app.settings import CONFIG_FILE, SECRETS_DIR, Settings, settings_of_app
from edge import doctor as edge_doctor
from portal import settings as portal_settings

CHARGES = ("print", "internet")
SCOPES = (*CHARGES, "radius")
Folder = click.Path(file_okay=False, path_type=Path)


def main() -> None:
    """Run the command; expected errors become a plain line and an exit code."""
    try:
        cli(standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except click.Abort:
        sys.exit(130)
    except (SettingsError, portal_settings.PortalSettingsError) as exc:
        for problem in exc.problems:
            click.echo(f"{exc.folder}: {problem}", err=True)
        sys.exit(2)
    except TwinpurseError as exc:
        click.echo(f"twinpurse: {exc.message}", err=True)
        sys.exit(exit_code(exc))
    except OSError as exc:
        click.echo(f"twinpurse: {exc}", err=True)
        sys.exit(1)


@click.group()
@click.version_option(package_name="twinpurse")
def cli() -> None:
    """Two purses for every network user: one for printing, one for the Internet."""


@cli.command()
@click.argument("folder", type=Folder)
@click.option("--charges", multiple=True, type=click.Choice(CHARGES), help="What it charges; may be repeated.")
@click.option("--portal", "is_portal", is_flag=True, help="Make the portal's folder instead.")
@click.option("--name", default="", help="What people read in the coloured band.")
@click.option("--organisation", default="", help="What stands in the foot of every page.")
@click.option("--public-url", default="", help="The address that browsers use.")
def init(
    folder: Path, is_portal: bool, charges: tuple[str, ...], name: str, organisation: str, public_url: str
) -> None:
    """Make an instance FOLDER with a commented config.toml and secrets of its own. Nothing that is there is changed."""
    is_portal = is_portal or (folder / portal_settings.CONFIG_FILE).exists()
    if is_portal:
        made = make_portal_folder(folder, organisation=organisation, public_url=public_url)
    elif not charges and not (folder / CONFIG_FILE).exists():
        raise click.UsageError("say what it charges: --charges print, --charges internet, or both")
    else:
        plan = Plan(charges=charges or ("print",), name=name, organisation=organisation, public_url=public_url)
        made = make_folder(folder, plan)
    for line in made:
        click.echo(line)
    config = portal_settings.CONFIG_FILE if is_portal else CONFIG_FILE
    click.echo(f"Next: edit {folder / config}, then twinpurse check {folder}")


@cli.command()
@click.argument("folder", type=Folder)
def check(folder: Path) -> None:
    """Say what FOLDER still needs before it can serve: configuration, secrets, directory, database, queue."""
    problems = check_folder(folder)
    for problem in problems:
        click.echo(problem)
    if problems:
        sys.exit(1)
    click.echo(f"{folder} is ready: twinpurse serve {folder}")


@cli.command()
@click.argument("folder", type=Folder)
def upgrade(folder: Path) -> None:
    """Make or bring up to date the database of FOLDER."""
    if serving.is_portal(folder):
        click.echo(f"{folder} is a portal's: it has nothing to upgrade.")
        return
    try:
        with _app(folder).app_context():
            run_migrations(directory=str(MIGRATIONS))
    except OperationalError as exc:
        raise UnavailableError(f"The database does not answer: {str(exc.orig).strip().splitlines()[0]}") from None
    click.echo(f"The database of {folder} is up to date.")


@cli.command()
@click.argument("folder", type=Folder)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=int, help="Default: the one in public_url; else 8000 portal, 8001 print, 8002 Internet.")
@click.option("--socket", "socket_path", type=click.Path(path_type=Path), help="Serve on a Unix socket instead.")
@click.option("--threads", default=4, show_default=True, help="Requests served at the same time.")
def serve(folder: Path, host: str, port: int | None, socket_path: Path | None, threads: int) -> None:
    """Serve the instance or portal in FOLDER with granian."""
    serving.serve(folder, host=host, port=port, threads=threads, socket_path=socket_path)


@cli.command("worker")
@click.argument("folder", type=Folder)
@click.option("--burst", is_flag=True, help="Stop when the queue is empty.")
def work(folder: Path, burst: bool) -> None:
    """Do the jobs of the instance in FOLDER (needs redis_url), and tick, until stopped."""
    app = _ready_app(Settings.load(folder))
    if app.extensions["twinpurse.jobs"].own_worker:
        raise click.ClickException("without redis_url the worker lives inside the instance: nothing to do here")
    worker.serve(app, burst=burst)


@cli.command()
@click.argument("folder", type=Folder)
@click.option("--json", "for_machines", is_flag=True, help="Print JSON; amounts in millionths.")
@click.option("--progress/--no-progress", default=None, help="Say on stderr how far it is (default: on a terminal).")
@click.option("--accept", default="", metavar="WHY", help="Take a past that differs as it is now, and keep why.")
def verify(folder: Path, for_machines: bool, progress: bool | None, accept: str) -> None:
    """Recompute the books of FOLDER and name every difference; exit code 1 when there is one."""
    app = _ready_app(Settings.load(folder))
    wanted = verify_command.is_terminal() if progress is None else progress
    with app.app_context():
        report, row = ledger_tasks.verify_and_keep(
            accept=accept.strip(), progress=verify_command.progress_on(sys.stderr, wanted=wanted)
        )
        if for_machines:
            click.echo(verify_command.as_json(report, row))
        else:
            click.echo("\n".join(verify_command.lines(report, row, settings_of_app().unit)))
    sys.exit(1 if report.difference_count else 0)


@cli.command()
@click.argument("portal", type=Folder)
@click.argument("folder", type=Folder)
def pair(portal: Path, folder: Path) -> None:
    """Give the portal in PORTAL and the instance in FOLDER one shared key."""
    instance_id = Settings.load(folder).config.id
    if not (portal / portal_settings.CONFIG_FILE).exists():
        raise click.ClickException(f"{portal} is no portal: it has no {portal_settings.CONFIG_FILE}")
    key = secrets.token_urlsafe(48)
    ends = (portal / SECRETS_DIR / f"instance-{instance_id}.key", folder / SECRETS_DIR / "portal.key")
    for end in ends:
        end.parent.mkdir(mode=0o700, exist_ok=True)
        if end.exists():
            raise click.ClickException(f"{end} exists: remove it on both sides to make a new key")
    for end in ends:
        write_secret(end, key)
        click.echo(f"made {end}")


@cli.group()
def token() -> None:
    """Tokens with which print servers, proxies and RADIUS servers are let in."""


def in_app(command: Callable[..., Any]) -> Callable[..., Any]:
    """Run a command in the application context of the folder that is its first argument."""

    @wraps(command)
    def run(folder: Path, **options: Any) -> Any:
        with _ready_app(Settings.load(folder)).app_context():
            return command(**options)

    return click.argument("folder", type=Folder)(run)


@cli.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def doctor(arguments: tuple[str, ...]) -> None:
    """On a proxy: look for the usual faults of Squid's set-up (the same as twinpurse-doctor)."""
    sys.exit(edge_doctor.main(arguments))


cli.command("admin")(in_app(admin_command.admin))
cli.command("sync")(in_app(sync_command.sync_people))
cli.add_command(directory_command.directory_commands)


@token.command("create")
@click.option("--name", required=True, help="Which machine it is for.")
@click.option("--scope", required=True, type=click.Choice(SCOPES))
@in_app
def create_token(name: str, scope: str) -> None:
    """Make a token for one machine and print it, once."""
    if ("internet" if scope == "radius" else scope) not in settings_of_app().config.charges:
        raise InvalidInputError(f"This instance does not charge {scope}: such a token would open nothing.")
    click.echo(writing(lambda session: tokens.make_machine_token(session, name=name, scope=scope, now=clock.now())))
    click.echo("It is not shown again: put it into the machine's token file.", err=True)


@token.command("list")
@in_app
def list_tokens() -> None:
    """List the tokens that were made."""
    for row in reading().scalars(select(MachineToken).order_by(MachineToken.id)):
        state = f"revoked {row.revoked_at:%Y-%m-%d}" if row.revoked_at else "good"
        click.echo(f"{row.id}\t{row.scope}\t{row.name}\t{state}")


@token.command("revoke")
@in_app
@click.argument("token_id", type=int)
def revoke_token(token_id: int) -> None:
    """Make a token useless."""
    writing(lambda session: tokens.revoke_machine_token(session, token_id=token_id, now=clock.now()))
    click.echo(f"Token {token_id} is revoked.")


def _app(folder: Path) -> Flask:
    return create_app(Settings.load(folder))


def _ready_app(settings: Settings) -> Flask:
    """Return the instance. Raises WrongStateError while its database is away, or was not upgraded."""
    app = create_app(settings)
    with app.app_context():
        problem = health.database_problem()
    if problem:
        raise WrongStateError(f"{problem}{health.remedy(problem, settings.folder)}")
    return app
