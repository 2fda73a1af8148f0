"""The device's token: in the system's key store where there is one, else in a file that only its owner may read."""

from __future__ import annotations

import json
import logging
import os
import stat
from pathlib import Path
from typing import Any, Final

from client.remembered import write_private

SERVICE: Final = "twinpurse-client"
FILE: Final = "token"

log = logging.getLogger(__name__)


class TokenStore:
    """The token of one copy for one server. A token is never handed out for another server than it was made at.

    May block on the key store (a locked one asks for its password): it is for a thread that may wait.
    """

    def __init__(self, folder: Path, *, identity: str, server: str) -> None:
        self._file = folder / FILE
        self._account = f"{identity} {server}"
        self._server = server

    def get(self) -> str:
        """Return the token, "" when there is none."""
        ring = _key_ring()
        if ring is not None:
            try:
                if token := ring.get_password(SERVICE, self._account):
                    return str(token)
            except Exception as error:  # every back end has its own
                log.warning("the key store does not answer: %s", type(error).__name__)
        return self._from_file()

    def put(self, token: str) -> None:
        """Keep a token. Raises OSError when it can be kept nowhere."""
        ring = _key_ring()
        if ring is not None:
            try:
                ring.set_password(SERVICE, self._account, token)
            except Exception as error:
                log.warning("the key store does not take the token: %s", type(error).__name__)
            else:
                self._file.unlink(missing_ok=True)
                return
        write_private(self._file, json.dumps({"server": self._server, "token": token}))

    def drop(self) -> None:
        """Forget the token. Raises OSError."""
        ring = _key_ring()
        if ring is not None:
            try:
                ring.delete_password(SERVICE, self._account)
            except Exception as error:  # also: it holds none
                log.debug("the key store dropped nothing: %s", type(error).__name__)
        self._file.unlink(missing_ok=True)

    def _from_file(self) -> str:
        try:
            mode = stat.S_IMODE(self._file.stat().st_mode)
            kept = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return ""
        if mode & 0o077 and os.name == "posix":
            log.warning("%s could be read by others; now it cannot", self._file)
            self._file.chmod(0o600)
        if not isinstance(kept, dict) or kept.get("server") != self._server:
            return ""
        token = kept.get("token")
        return token if isinstance(token, str) and token.isascii() and token.isprintable() else ""


def _key_ring() -> Any:
    """Return the module keyring when it is installed and has a real store behind it, else None."""
    try:
        import keyring

        priority = getattr(keyring.get_keyring(), "priority", 0)
    except Exception:  # it is a guest here: whatever it stumbles over, the file does
        return None
    return keyring if priority and priority > 0 else None
