"""The administrators' page that makes what desktops need: a config.properties for each copy, and login scripts."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import flask
from flask import Blueprint, request
from werkzeug.wrappers import Response

from app.api.access import auditor
from app.errors import NotFoundError
from app.settings import settings_of_app
from app.web.addresses import read_text
from client import entries
from client.config import Config, server_of
from language import _

ADDRESS_MAX: Final = 200
FOLDER_MAX: Final = 120
FOLDER: Final = re.compile(r"[\w .:/\\$-]+")
"""What a folder in a script may be written with: nothing that a shell reads as more than a name."""

WINDOWS_FOLDER: Final = r"\\server\balance"
UNIX_FOLDER: Final = "/opt/twinpurse-client"
ARCHIVE: Final = "twinpurse-client-config.zip"

blueprint = Blueprint("client_files", __name__, url_prefix="/admin/client")


@dataclass(frozen=True)
class Asked:
    """What the form says: the address of each copy's instance (profile -> address), and where the program lies."""

    servers: Mapping[str, str]
    windows_folder: str
    unix_folder: str

    @property
    def problems(self) -> dict[str, str]:
        """Field -> what is wrong with it."""
        found = {}
        for profile, address in self.servers.items():
            if not _is_good(address):
                found[profile] = _("Write an address such as https://print.example.org; http is for this machine only.")
        for name in ("windows_folder", "unix_folder"):
            if not FOLDER.fullmatch(getattr(self, name)):
                found[name] = _("Use letters, digits, spaces and . : / \\ $ - _ only.")
        return found


def _is_good(address: str) -> bool:
    """Whether the desktop client would take an address."""
    try:
        server_of(Config(server_url=address))
    except ValueError:
        return False
    return re.fullmatch(r"https?://[!-~]+", address) is not None


@blueprint.get("")
@auditor
def show() -> str:
    """Show the form, and what it makes."""
    asked = _asked()
    files = {} if asked.problems else _files(asked)
    query = urlencode({**asked.servers, "windows_folder": asked.windows_folder, "unix_folder": asked.unix_folder})
    return flask.render_template(
        "client/files.html", asked=asked, problems=asked.problems, files=files, query=query, copies=entries.COPIES
    )


@blueprint.get("/files")
@auditor
def download() -> Response:
    """Hand out everything as one archive, as it is to lie beside the program."""
    asked = _asked()
    if asked.problems:
        raise NotFoundError(_("These files cannot be made: %(problems)s", problems=" ".join(asked.problems.values())))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _files(asked).items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o755 if name.endswith(".sh") else 0o644) << 16
            archive.writestr(entry, text)
    response = flask.Response(packed.getvalue(), mimetype="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{ARCHIVE}"'
    return response


def _asked() -> Asked:
    """What the address says; where it says nothing, what this instance knows of itself."""
    settings, here = settings_of_app(), settings_of_app().config.public_url
    own = {"print": here if settings.charges_print else "", "net": "" if settings.charges_print else here}
    given = {
        profile: read_text(request.args, profile, ADDRESS_MAX).strip() if profile in request.args else address
        for profile, address in own.items()
    }
    return Asked(
        servers={profile: address for profile, address in given.items() if address},
        windows_folder=read_text(request.args, "windows_folder", FOLDER_MAX).strip() or WINDOWS_FOLDER,
        unix_folder=read_text(request.args, "unix_folder", FOLDER_MAX).strip() or UNIX_FOLDER,
    )


def _files(asked: Asked) -> dict[str, str]:
    copies = [copy for copy in entries.COPIES if copy.profile in asked.servers]
    made = {
        f"{copy.profile}/config.properties": entries.config_properties(copy, server_url=asked.servers[copy.profile])
        for copy in copies
    }
    windows, unix = asked.windows_folder.rstrip("\\/"), asked.unix_folder.rstrip("/")
    made["balance-windows.bat"] = entries.login_script_bat([f"{windows}\\{entries.PROGRAM}.exe"], copies)
    made["balance-windows.sh"] = entries.login_script_sh([f"{unix}/{entries.PROGRAM}"], copies)
    return made
