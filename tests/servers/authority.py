"""A certificate authority for one test run, made with openssl: it signs what the real servers show."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import need

OPENSSL = "/usr/bin/openssl"
LOOPBACK_NAMES = ("DNS:localhost", "IP:127.0.0.1", "DNS:127.0.0.1")
"""For clients of every kind: some look for an address only among the DNS names."""

_EXTENSIONS = """basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


@dataclass(frozen=True)
class Certificate:
    """A server's certificate and its private key (PEM)."""

    certificate: Path
    key: Path


class Authority:
    """An authority of our own, in a folder of its own; `ca_file` is what a client must trust."""

    def __init__(self, folder: Path, name: str = "Twinpurse test authority", *, days: int = 7) -> None:
        """Make the authority's key and certificate, valid for a week; what it signs is valid for `days`, from now on.

        With -1 that ended yesterday.
        """
        need(OPENSSL, "openssl")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._days = str(days)
        self._key = folder / "ca.key"
        self.ca_file = folder / "ca.pem"
        _make_key(self._key)
        _openssl(
            *("req", "-x509", "-new", "-sha256", "-days", "7", "-key", self._key, "-out", self.ca_file),
            *("-subj", f"/CN={name}"),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )

    def sign(self, label: str, names: Sequence[str] = LOOPBACK_NAMES) -> Certificate:
        """Return a server certificate for these names, each written as openssl wants it ("DNS:localhost")."""
        key, request, certificate = (self._folder / f"{label}.{suffix}" for suffix in ("key", "csr", "pem"))
        extensions = self._folder / f"{label}.ext"
        extensions.write_text(_EXTENSIONS.format(names=",".join(names)), encoding="ascii")
        _make_key(key)
        _openssl("req", "-new", "-key", key, "-subj", f"/CN={label}", "-out", request)
        _openssl(
            *("x509", "-req", "-sha256", "-days", self._days, "-in", request, "-out", certificate),
            *("-CA", self.ca_file, "-CAkey", self._key, "-CAcreateserial", "-extfile", extensions),
        )
        return Certificate(certificate, key)


def _make_key(path: Path) -> None:
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run([OPENSSL, *map(str, arguments)], check=True, capture_output=True)
