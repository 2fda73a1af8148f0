"""Talking to a mail server (SMTP, RFC 5321): one connection, some e-mails, and the server's own words of refusal."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from types import TracebackType
from typing import Final, Self

from app.mail import rules
from app.settings_tables import MailSection

TIMEOUT_S: Final = 20.0
CLOSING: Final = 421
"""The reply of a server that is about to close the connection (RFC 5321, 4.2.3): it says nothing about the e-mail."""


class ServerTroubleError(Exception):
    """The mail server takes nothing at all at present: away, its certificate is wrong, or it does not let us in."""


class RefusedError(Exception):
    """The mail server does not take this one e-mail. `for_good`: trying again is of no use."""

    def __init__(self, words: str, *, for_good: bool) -> None:
        super().__init__(words)
        self.for_good = for_good


@dataclass(frozen=True)
class Letter:
    """An e-mail as it is sent. `token`: what its Message-ID is made of; `link`: where such e-mails are ended."""

    address: str
    name: str
    language: str
    subject: str
    text: str
    token: str
    at: datetime
    link: str = ""


class Connection:
    """A connection to the mail server, open and signed in within `with`. Raises ServerTroubleError."""

    def __init__(self, mail: MailSection, password: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._mail = mail
        self._password = password
        self._timeout_s = timeout_s
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        try:
            self._smtp = self._open()
            self._sign_in(self._smtp)
        except (OSError, smtplib.SMTPException, ValueError) as exc:
            self._close()
            raise ServerTroubleError(in_words(exc, self._mail)) from exc
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def send(self, letter: Letter) -> None:
        """Hand one e-mail over. Raises RefusedError, or ServerTroubleError when the connection is of no use any more.

        Once the server has said OK the e-mail is its own: an error after that is none.
        """
        assert self._smtp is not None, "use `with`"
        try:
            message = message_of(letter, self._mail)
            recipient = letter.address
        except ValueError as exc:
            raise RefusedError(str(exc), for_good=True) from exc
        try:
            self._smtp.send_message(message, from_addr=self._mail.sender, to_addrs=[recipient])
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException) as exc:
            code, words = _reply(exc)
            if code == CLOSING:
                raise ServerTroubleError(words) from exc
            self._reset()
            raise RefusedError(words, for_good=rules.is_for_good(code)) from exc
        except smtplib.SMTPNotSupportedError as exc:  # SMTPUTF8 for an address that is not ASCII (RFC 6531)
            raise RefusedError(str(exc), for_good=True) from exc
        except (OSError, smtplib.SMTPException) as exc:
            raise ServerTroubleError(in_words(exc, self._mail)) from exc

    def _open(self) -> smtplib.SMTP:
        host, port = self._mail.server, self._mail.port_used
        if self._mail.security == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=self._timeout_s, context=self._tls())
        smtp = smtplib.SMTP(host, port, timeout=self._timeout_s)
        self._smtp = smtp  # so that it is closed when the next steps fail
        if self._mail.security == "starttls":
            smtp.starttls(context=self._tls())
        return smtp

    def _sign_in(self, smtp: smtplib.SMTP) -> None:
        smtp.ehlo_or_helo_if_needed()
        if self._mail.username:
            smtp.login(self._mail.username, self._password)

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._mail.ca_file or None)

    def _reset(self) -> None:
        with suppress(OSError, smtplib.SMTPException):
            assert self._smtp is not None
            self._smtp.rset()

    def _close(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
            smtp.close()


def message_of(letter: Letter, mail: MailSection) -> EmailMessage:
    """Return the message with its headers. Raises ValueError for an address that is none.

    Headers are made by the standard library, which refuses line breaks in them; ours are taken out before.
    """
    message = EmailMessage(policy=SMTP)
    local, domain = rules.split_address(letter.address)
    sender_local, sender_domain = rules.split_address(mail.sender)
    message["From"] = Address(rules.in_one_line(mail.sender_name), sender_local, sender_domain)
    message["To"] = Address(rules.in_one_line(letter.name), local, domain)
    message["Subject"] = rules.in_one_line(letter.subject)
    message["Date"] = letter.at
    message["Message-ID"] = f"<{letter.token}@{sender_domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply, please
    if letter.link:
        message["List-Unsubscribe"] = f"<{letter.link}>"
    message.set_content(letter.text, cte="quoted-printable")
    message["Content-Language"] = letter.language  # after the content, whose making drops headers of this kind
    return message


def problem_of(mail: MailSection, password: str, *, timeout_s: float = 5.0) -> str:
    """Return why the server would take nothing; "" when it lets us in. No e-mail is sent."""
    try:
        with Connection(mail, password, timeout_s=timeout_s):
            return ""
    except ServerTroubleError as exc:
        return str(exc)


def in_words(error: Exception, mail: MailSection) -> str:
    """Return what went wrong, with the server's own words where it said some. Never with the password."""
    place = f"{mail.server}, port {mail.port_used}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"{place} does not accept the password of {mail.username}: {_reply(error)[1]}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{place} answered: {_reply(error)[1]}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{place} shows a certificate that is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return f"{place} does not answer"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return f"{place} closed the connection"
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{place}: {words or type(error).__name__}"


def _reply(error: Exception) -> tuple[int, str]:
    """The code and the words of a server's reply."""
    words: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, words = error.smtp_code, error.smtp_error
    else:
        return 0, str(error)
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    return code, rules.in_one_line(f"{code} {text}")[: rules.REASON_LENGTH_MAX]
