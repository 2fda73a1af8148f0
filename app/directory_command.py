"""`twinpurse directory`: why the directory works or does not, step by step, for an instance's or portal's folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import click

from app.people import rules
from app.settings import Settings
from directory.diagnosis import Asked, diagnose, is_well
from directory.settings import DirectorySettings
from directory.steps import RoleOf, Step
from portal import settings as portal_settings

MARKS = {"ok": "ok  ", "warn": "look", "bad": "STOP"}
NAME_WIDTH = 15


@click.group("directory")
def directory_commands() -> None:
    """The network's directory."""


@directory_commands.command("test")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("name", default="")
@click.option("--password", "ask_password", is_flag=True, help="Ask for the person's password and try it, once.")
@click.option("--json", "for_machines", is_flag=True, help="Print JSON.")
def test_directory(folder: Path, name: str, ask_password: bool, for_machines: bool) -> None:
    """Walk through a sign-in as NAME by the settings in FOLDER, and say at the first failing step what to change.

    Without NAME the first person of the directory is looked at. Exit code 1 when a step fails. A wrong password counts
    as a try at the directory.
    """
    if ask_password and not name:
        raise click.UsageError("whose password? give a NAME too")
    settings, bind_password, role_of = _read(folder)
    password = click.prompt(f"Password of {name}", hide_input=True, err=True) if ask_password else ""
    steps = _shown(
        diagnose(settings, bind_password, Asked(name, password), role_of=role_of, patient=True), aloud=not for_machines
    )
    if for_machines:
        click.echo(json.dumps({"ok": is_well(steps), "steps": [step._asdict() for step in steps]}, indent=2))
    elif is_well(steps):
        click.echo("Every step went well.")
    sys.exit(0 if is_well(steps) else 1)


def _read(folder: Path) -> tuple[DirectorySettings, str, RoleOf | None]:
    """Return what a folder says of the directory; the portal gives no roles.

    Raises SettingsError, PortalSettingsError.
    """
    if (folder / portal_settings.CONFIG_FILE).exists():
        portal = portal_settings.Settings.load(folder)
        return portal.directory, portal.directory_password, None
    settings = Settings.load(folder)
    directory = settings.config.directory
    role_of = partial(
        rules.role_of,
        admin_groups=directory.admin_groups,
        helper_groups=directory.helper_groups,
        auditor_groups=directory.auditor_groups,
    )
    return directory, settings.directory_password, role_of


def _shown(steps: Iterable[Step], *, aloud: bool) -> Sequence[Step]:
    """Return the steps, each printed as it is made."""
    made: list[Step] = []
    for step in steps:
        if aloud and (not made or made[-1].server != step.server):
            click.echo(step.server or "config.toml")
        if aloud:
            click.echo(f"  {MARKS[step.state]}  {step.name:<{NAME_WIDTH}}  {step.says}")
        if aloud and step.advice:
            click.echo(f"  {'':4}  {'':<{NAME_WIDTH}}  -> {step.advice}")
        made.append(step)
    return made
