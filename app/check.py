"""What a folder still needs before it can serve: for `twinpurse check`."""

from __future__ import annotations

from pathlib import Path

from app import health
from app.errors import SettingsError
from app.factory import create_app
from app.mail import smtp
from app.settings import Settings
from directory.interface import DirectoryError
from directory.ldap import LdapDirectory
from portal import settings as portal_settings


def check_folder(folder: Path) -> list[str]:
    """Return a line for everything that an instance's or a portal's folder still needs; empty when it can serve."""
    if (folder / portal_settings.CONFIG_FILE).exists():
        return _check_portal(folder)
    try:
        settings = Settings.load(folder)
    except SettingsError as exc:
        return exc.problems
    app = create_app(settings)
    with app.app_context():
        database = health.database_problem()
        problems = [f"{database}{health.remedy(database, folder)}"] if database else []
        problems += [f"directory: {problem}" for problem in app.extensions["twinpurse.directory"].check()]
        queue = health.queue_problem(app)
    if settings.config.portal_url and not settings.portal_key:
        problems.append(f"secrets/portal.key is missing: twinpurse pair PORTAL_FOLDER {folder} makes it")
    mail = settings.config.mail
    trouble = smtp.problem_of(mail, settings.mail_password) if mail is not None else ""
    return problems + ([queue] if queue else []) + ([f"mail: {trouble}"] if trouble else [])


def _check_portal(folder: Path) -> list[str]:
    try:
        settings = portal_settings.Settings.load(folder)
        problems = LdapDirectory(settings.directory, settings.directory_password).check()
    except portal_settings.PortalSettingsError as exc:
        return [_with_remedy(problem, folder) for problem in exc.problems]
    except DirectoryError as exc:
        problems = [str(exc)]
    return [f"directory: {problem}" for problem in problems]


def _with_remedy(problem: str, folder: Path) -> str:
    if "/instance-" in problem and problem.endswith("is missing"):
        return f"{problem}: twinpurse pair {folder} INSTANCE_FOLDER makes it"
    return f"{problem}: twinpurse init {folder} --portal makes it" if problem.endswith("is missing") else problem
