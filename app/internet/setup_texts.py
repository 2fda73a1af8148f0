"""The files that a proxy or a RADIUS server needs, with this instance's addresses and a server's name filled in.

The set-up page shows them, docs/internet.md explains them, and the tests start real servers with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from app.internet import setup_freeradius
from directory.settings import DirectorySettings
from language import LANGUAGES

FOLDER: Final = Path(__file__).with_name("setup")
SERVER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
SIGN_IN: Final = re.compile(r"(?m)^auth_param basic program .*$")
REFUSAL: Final = "ERR_TWINPURSE_EMPTY"
REFUSAL_TEXTS: Final = {"en": REFUSAL, "de": f"{REFUSAL}_DE"}
WHY: Final = re.compile(r'(?<=<p class="why">).*(?=</p>)')
SLOW: Final = re.compile(r"(?m)^#(?=acl twinpurse_slow |delay_)")
PLAIN: Final = (
    "allow_plain_http = true     # the address is not https: its answers and the token can be read on the way\n"
)


@dataclass(frozen=True)
class Site:
    """What is filled in. `server`: the machine's name in the books. `slow`: who has nothing left is slowed. `language`:
    the instance's own."""

    public_url: str
    portal_url: str
    directory: DirectorySettings
    server: str
    slow: bool = False
    let_in_while_away: bool = False
    language: str = "en"


@dataclass(frozen=True)
class SetupFile:
    """A file to be written on the other machine. `mode`: owner and mode where they matter."""

    name: str
    place: str
    text: str
    mode: str = ""


def squid_files(site: Site, *, token: str = "") -> list[SetupFile]:
    """Return what a proxy needs, in the order in which it is written. `token` only right after it was made."""
    return [
        SetupFile("token", "/etc/twinpurse/token", f"{token or setup_freeradius.TOKEN_HERE}\n", "root:proxy 0640"),
        SetupFile("edge.toml", "/etc/twinpurse/edge.toml", _edge_toml(site, "token") + LIVE, "root:proxy 0640"),
        SetupFile("free-sites.txt", "/etc/twinpurse/free-sites.txt", free_sites(site)),
        SetupFile("squid.conf", "/etc/squid/conf.d/00-twinpurse.conf", squid_conf(site)),
        *refusal_pages(site),
        _unit("twinpurse-squid-log.service"),
        _unit("twinpurse-squid-end.service"),
    ]


def radius_files(site: Site, *, token: str = "") -> list[SetupFile]:
    """Return what a RADIUS server needs, in the order in which it is written. `token` only right after it was made."""
    folder, policy = "/etc/freeradius/3.0", setup_freeradius.policy(
        token=token or setup_freeradius.TOKEN_HERE, let_in_while_away=site.let_in_while_away
    )  # fmt: skip
    module = setup_freeradius.module(address=site.public_url)
    return [
        SetupFile("rest-module", f"{folder}/mods-enabled/twinpurse", module, "root:freerad 0640"),
        SetupFile("policy", f"{folder}/policy.d/twinpurse", policy, "root:freerad 0640"),
        SetupFile("site", f"{folder}/sites-enabled/default", setup_freeradius.SITE),
        SetupFile("radius-token", "/etc/twinpurse/radius-token", f"{token or setup_freeradius.TOKEN_HERE}\n",
                  "root:freerad 0640"),
        SetupFile("radius.toml", "/etc/twinpurse/radius.toml", _edge_toml(site, "radius-token") + RADIUS,
                  "root:freerad 0640"),
        _unit("twinpurse-radius-disconnect.service"),
    ]  # fmt: skip


LIVE: Final = """
[live]                                 # long downloads and tunnels are charged while they run
manager = "http://127.0.0.1:3128"
end_socket = "/run/twinpurse/end"      # twinpurse-squid-end listens there; "": connections are left to end
"""

RADIUS: Final = """
[radius]
# "NAME HOST[:PORT] SECRET_FILE" each: NAME is what the controller's packets say, its NAS-Identifier or NAS-IP-Address.
# "* - FILE" is every other one, at the address that its packets name. The port is 3799 unless it is said.
nas = ["* - /etc/twinpurse/nas.secret"]
"""


def squid_conf(site: Site) -> str:
    """Return the lines for squid.conf."""
    text = SIGN_IN.sub(lambda _: f"auth_param basic program {_ldap_helper(site.directory)}", _read("squid.conf"))
    if site.language != "en":
        text = _changed(text, {"Accept-Language -i ^de": "Accept-Language -i ^en", f"{REFUSAL}_DE": f"{REFUSAL}_EN"})
    return SLOW.sub("", text) if site.slow else text


def refusal_pages(site: Site) -> list[SetupFile]:
    """Return the page that Squid shows to who has nothing left, in the instance's language, then in the others.

    Why it is refused stands in the first as Squid hands on the helper's message (%o), in the others as its notes.
    """
    found = []
    for code in sorted(LANGUAGES, key=lambda code: code != site.language):
        name = REFUSAL if code == site.language else f"{REFUSAL}_{code.upper()}"
        text = _changed(_read(REFUSAL_TEXTS[code]), {"http://net.example.org/": f"{site.public_url}/"})
        why = "%o" if code == site.language else f"@Squid{{%'{{text_{code}_}}note}}"
        text = WHY.sub(why, text)
        found.append(SetupFile(name, f"/etc/twinpurse/squid-pages/{name}", text))
    return found


def free_sites(site: Site) -> str:
    """Return the hosts that stay open to everybody: the instance and the portal."""
    hosts = (urlsplit(address).hostname for address in (site.portal_url, site.public_url) if address)
    head = "# Hosts that stay open with an empty purse, without signing in, and are never charged. One a line.\n"
    return head + "".join(f"{host}\n" for host in dict.fromkeys(hosts) if host)


def _ldap_helper(directory: DirectorySettings) -> str:
    """The program that asks the same directory as this instance about passwords (squid-ldap: basic_ldap_auth(8))."""
    words = ["/usr/lib/squid/basic_ldap_auth", "-v", "3"]
    words += ["-R"] if directory.is_active_directory else []
    words += ["-Z"] if directory.start_tls else []
    words += ["-H", directory.servers[0], "-b", directory.base_dn]
    words += ["-D", directory.bind_dn, "-W", "/etc/twinpurse/directory.password"] if directory.bind_dn else []
    words += ["-f", f"({directory.username_attribute}=%s)"]
    return " ".join(_word(word) for word in words)


def _word(word: str) -> str:
    """A word of squid.conf; one with a space stands between quotes."""
    plain = CONTROL.sub(" ", word)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"' if re.search(r'[\s"#]', plain) else plain


def _edge_toml(site: Site, token_file: str) -> str:
    plain = "" if site.public_url.startswith("https://") else PLAIN
    return (
        f'instance_url = "{site.public_url}"\n'
        f'token_file = "/etc/twinpurse/{token_file}"\n'
        f'server = "{site.server}"               # its name in the books: never change it, never share it\n{plain}'
    )


def _unit(name: str) -> SetupFile:
    return SetupFile(name, f"/etc/systemd/system/{name}", _read(name))


def _read(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text("utf-8")


def _changed(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        if old not in text:
            raise ValueError(f"the text has no {old}")
        text = text.replace(old, new)
    return text
