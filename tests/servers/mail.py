"""A mail server on a free loopback port: aiosmtpd, which speaks SMTP over a real socket, and keeps what it takes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.servers.authority import Certificate
from tests.servers.process import LOOPBACK, free_port

OK = "250 taken"


class MailServer:
    """What came is in `messages`, with `recipients` beside; `at_recipient` and `at_data` say what is answered.

    With `certificate` it offers STARTTLS, or speaks TLS from the beginning where `tls`; `password`: what signs in.
    """

    def __init__(
        self, *, port: int = 0, certificate: Certificate | None = None, tls: bool = False, password: str = ""
    ) -> None:
        self.port = port or free_port()
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.encrypted: list[bool] = []
        self.at_recipient: Callable[[str], str] = lambda address: OK
        self.at_data: Callable[[], str] = lambda: OK
        self._certificate, self._tls, self._password = certificate, tls, password
        self._controller: Controller | None = None

    def start(self) -> MailServer:
        """Begin to listen."""
        options: dict[str, Any] = {}
        if self._certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate.certificate, self._certificate.key)
            options["ssl_context" if self._tls else "tls_context"] = context
            options |= {} if self._tls else {"require_starttls": True}
        if self._password:
            options |= {"authenticator": self._authenticate, "auth_required": True, "auth_require_tls": not self._tls}
        self._controller = Controller(self, hostname=LOOPBACK, port=self.port, **options)
        self._controller.start()
        return self

    def stop(self) -> None:
        """Stop; the port refuses from now on."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd looks for
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        """Take a recipient, or not."""
        answer = self.at_recipient(address)
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd looks for
        self, _server: Any, session: Any, envelope: Any
    ) -> str:
        """Take a message, or not."""

        def take() -> str:
            answer = self.at_data()
            if answer.startswith("2"):
                message = message_from_bytes(envelope.content, policy=policy.default)
                self.messages.append(message)  # type: ignore[arg-type]
                self.recipients.extend(envelope.rcpt_tos)
                self.encrypted.append(self._tls or session.ssl is not None)
            return answer

        # In a thread: what was taken is taken, also when who sent it is gone before it hears so.
        return await asyncio.get_running_loop().run_in_executor(None, take)

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and data.password == self._password.encode()
        return AuthResult(success=good, handled=False)

    def __enter__(self) -> MailServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
