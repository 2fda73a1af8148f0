"""Makes an instance folder: a commented configuration and secrets of its own."""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from app.settings import CONFIG_FILE, SECRETS_DIR
from portal import settings as portal_settings

CONFIG = """\
# One Twinpurse instance. `twinpurse check {folder}` says what is missing; docs/settings.md explains every key.

id = {id}                       # short name: cookies and the portal's tokens carry it; never change it
name = {name}                # what people read in the coloured band
organisation = {organisation}
charges = {charges}               # ["print"], ["internet"], or both: then it is one shared purse
mode = {mode}                 # "enforce", or "monitor": count and show, never refuse
public_url = {public_url}       # the address that browsers use
portal_url = {portal_url}       # the intranet portal, "" for none
time_zone = {time_zone}         # schedules and pages follow this clock
language = {language}                   # or "de": for who has chosen none, and for what machines cause
low_balance = "1.00"              # from here down a purse is called low
database_url = {database_url}   # "": SQLite in this folder; or postgresql+psycopg://user@host/database
redis_url = {redis_url}         # "": queue and worker live inside the instance; or redis://host:6379/0
demo = {demo}

[unit]
kind = "currency"                 # "currency": the symbol stands where the language has it; "other": behind the figure
symbol = "$"
decimals = 2

# The network's directory. The password of bind_dn stands alone in secrets/directory.password (mode 0600).
[directory]
kind = "openldap"                 # or "active-directory", "freeipa": how accounts and groups are read
servers = {servers}
start_tls = {start_tls}
ca_file = {ca_file}             # the CA that signed the servers' certificates, "" for the system's
bind_dn = {bind_dn}
base_dn = {base_dn}
domains = []                      # what may stand around a name: ["SCHOOL", "school.example.org"]
admin_groups = ["Administrators"]   # members of these are administrators here
helper_groups = []                # these may look, and adjust up to helper_daily_limit a day
auditor_groups = []               # these may only look
plaintext_on_loopback = {plaintext}

# Notices by e-mail: docs/notices.md. The password stands alone in secrets/mail.password (mode 0600).
# [mail]
# server = "mail.example.org"
# sender = "purse@example.org"
{prices}"""

PORTAL_CONFIG = Path(portal_settings.__file__).with_name(portal_settings.CONFIG_FILE)

PRINT_PRICE = """
[print]
price_per_page = "0.05"
"""
INTERNET_PRICE = """
[internet]
price_per_mb = "0.01"             # 1 MB is 1,000,000 bytes
"""
DEFAULT_NAMES: dict[tuple[str, ...], tuple[str, str]] = {
    ("print",): ("print", "Print"),
    ("internet",): ("net", "Internet"),
}


@dataclass(frozen=True)
class Plan:
    """What a new folder shall say where it differs from the defaults."""

    charges: tuple[str, ...]
    id: str = ""
    name: str = ""
    organisation: str = ""
    mode: str = "enforce"
    public_url: str = ""
    portal_url: str = ""
    time_zone: str = "Europe/Berlin"
    language: str = "en"
    database_url: str = ""
    redis_url: str = ""
    demo: bool = False
    servers: tuple[str, ...] = ("ldaps://ldap.example.org",)
    start_tls: bool = False
    ca_file: str = ""
    bind_dn: str = ""
    base_dn: str = "dc=example,dc=org"
    plaintext_on_loopback: bool = False
    secrets: dict[str, str] = field(default_factory=dict)


def make_folder(folder: Path, plan: Plan) -> list[str]:
    """Make what is missing in `folder` and return a line for each thing made. What is there is never changed.

    The folder's `secrets/` is 0700 and each file in it 0600. Raises OSError.
    """
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / CONFIG_FILE
    if not config.exists():
        config.write_text(config_text(folder, plan), "utf-8")
        made.append(f"made {config}")
    vault = folder / SECRETS_DIR
    vault.mkdir(mode=0o700, exist_ok=True)
    for name, value in ({"secret.key": secrets.token_urlsafe(48)} | plan.secrets).items():
        if write_secret(vault / name, value):
            made.append(f"made {vault / name}")
    return made


def make_portal_folder(folder: Path, *, organisation: str, public_url: str) -> list[str]:
    """Make what is missing in a portal's folder, and return a line for each thing made. Raises OSError."""
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / portal_settings.CONFIG_FILE
    if not config.exists():
        text = PORTAL_CONFIG.read_text("utf-8")
        for key, value in (("organisation", organisation), ("public_url", public_url)):
            if value:
                text = re.sub(rf'(?m)^{key} = "[^"]*"', f"{key} = {_text(value)}".replace("\\", r"\\"), text, count=1)
        config.write_text(text, "utf-8")
        made.append(f"made {config}")
    vault = folder / SECRETS_DIR
    vault.mkdir(mode=0o700, exist_ok=True)
    if write_secret(vault / "secret.key", secrets.token_urlsafe(48)):
        made.append(f"made {vault / 'secret.key'}")
    return made


def write_secret(path: Path, value: str) -> bool:
    """Write one line that only the owner can read; False, and nothing changed, when the file is there."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w") as file:
        file.write(value + "\n")
    return True


def config_text(folder: Path, plan: Plan) -> str:
    """Return the commented configuration that `plan` asks for."""
    default_id, default_name = DEFAULT_NAMES.get(plan.charges, ("purse", "Purse"))
    port = 8002 if plan.charges == ("internet",) else 8001
    text = CONFIG.format(
        folder=folder,
        id=_text(plan.id or default_id),
        name=_text(plan.name or default_name),
        organisation=_text(plan.organisation),
        charges=_list(plan.charges),
        mode=_text(plan.mode),
        public_url=_text(plan.public_url or f"http://127.0.0.1:{port}"),
        portal_url=_text(plan.portal_url),
        time_zone=_text(plan.time_zone),
        language=_text(plan.language),
        database_url=_text(plan.database_url),
        redis_url=_text(plan.redis_url),
        demo=_bool(plan.demo),
        servers=_list(plan.servers),
        start_tls=_bool(plan.start_tls),
        ca_file=_text(plan.ca_file),
        bind_dn=_text(plan.bind_dn),
        base_dn=_text(plan.base_dn),
        plaintext=_bool(plan.plaintext_on_loopback),
        prices=(PRINT_PRICE if "print" in plan.charges else "")
        + (INTERNET_PRICE if "internet" in plan.charges else ""),
    )
    return _aligned(text)


def _aligned(text: str) -> str:
    """Put the comments behind values into one column."""
    lines = []
    for line in text.splitlines():
        value, mark, comment = line.partition("  # ")
        lines.append(f"{value.rstrip() + '  ':<36}# {comment}" if mark and not line.startswith("#") else line)
    return "\n".join(lines) + "\n"


def _list(values: tuple[str, ...]) -> str:
    return "[" + ", ".join(_text(value) for value in values) + "]"


def _text(value: str) -> str:
    """Return a TOML basic string; JSON's escapes are a subset of TOML's, but TOML wants DEL escaped too.

    A "#" behind two spaces would look like the template's own comments.
    """
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f").replace("  #", "  \\u0023")


def _bool(value: bool) -> str:
    return "true" if value else "false"
