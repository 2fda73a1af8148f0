"""TLS to a directory: the server's certificate and name are verified by Python itself, within the time that is left."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import ldap3

from directory.interface import DirectoryConfigError


def make_tls_context(ca_file: str) -> ssl.SSLContext:
    """Return a context that verifies the server's certificate and host name, TLS 1.2 or newer.

    `ca_file` (PEM) holds the only trusted authorities; empty: those of the operating system. Raises
    DirectoryConfigError when the file cannot be used.
    """
    try:
        return ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or "it holds no certificate"
        raise DirectoryConfigError(f"ca_file {ca_file}: {reason}") from None


class VerifyingTls(ldap3.Tls):
    """ldap3's TLS with the certificate and the host name checked by Python's ssl module itself.

    ldap3 2.9.1 verifies nothing by default, and checks names with a function that left Python in 3.12; its own copy
    of it does not know the IP addresses of a certificate.
    """

    def __init__(self, context: ssl.SSLContext, time_for_answer: Callable[[], float]) -> None:
        """`time_for_answer` gives the seconds that the handshake may take, or raises DirectoryUnavailableError.

        After a failure `problem` says in words what was wrong.
        """
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._time_for_answer = time_for_answer
        self.problem = ""
        self.refusal = 0

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = False) -> None:
        """Shake hands within the time that is left; the name that must be in the certificate is the configured one."""
        try:
            connection.socket.settimeout(self._time_for_answer())
            connection.socket = self._context.wrap_socket(connection.socket, server_hostname=connection.server.host)
        except ssl.SSLCertVerificationError as error:
            self.problem = f"TLS: the server's certificate is not accepted: {error.verify_message}"
            self.refusal = error.verify_code
            raise
        except TimeoutError:
            self.problem = "TLS: no answer in time"
            raise
        except (OSError, ValueError):
            self.problem = "TLS: the handshake failed"
            raise
