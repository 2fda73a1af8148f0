"""The steps of a sign-in at one server, each with what was found in words, and what to change where it fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Final

from directory import lockout
from directory.connection import Entry, LdapConnection
from directory.interface import DirectoryConfigError, DirectoryError, DirectoryUnavailableError
from directory.names import same_dn
from directory.probing import explain, read_certificate, what_answers
from directory.roster_groups import group_search
from directory.roster_people import PeopleReader
from directory.steps import Step
from directory.walk_person import ANY_ENTRY, PersonSteps
from language import N_, _, _n, numbers

SIGN_IN_FIRST: Final = N_("The server may show it only to who has signed in: set bind_dn and its password.")
RENEW_DAYS: Final = 30
"""A certificate that is good for fewer days is named."""

_ACTIVE_DIRECTORY: Final = "1.2.840.113556.1.4.800"  # supportedCapabilities: MS-ADTS section 3.1.1.3.4.3
LAST_WORDS_S: Final = 0.7
"""Counting ends so long before the deadline: what was counted until then is worth saying."""


class Walk(PersonSteps):
    """One walk through one server."""

    def steps(self, name: str, password: str) -> Iterator[Step]:
        """Make the steps one by one.

        Raises WalkStoppedError where one fails, DirectoryError where the server drops out in the midst of one.
        """
        began = time.monotonic()
        connection = self._directory.connection_to(self._address, deadline=self._deadline)
        with ExitStack() as stack:
            try:
                stack.enter_context(connection)
            except DirectoryError:
                why = explain(self._address, self._settings, connection.certificate_refusal, deadline=self._deadline)
                if why.step == "TLS":
                    yield self._step(
                        "ok",
                        _(
                            "Port %(port)s of %(host)s takes connections.",
                            port=self._address.port,
                            host=self._address.host,
                        ),
                    )
                self._at = why.step
                raise self._stop(why.says, why.advice) from None
            took_ms = f"{(time.monotonic() - began) * 1000:.0f}"
            yield self._step("ok", _("Answered in %(time)s ms.", time=took_ms))
            yield self._tls(connection)
            yield self._first_answer(connection)
            yield from self._kind(connection)
            yield self._base(connection)
            yield from self.person(connection, name, password) if name else self.anybody(connection)
            yield from self._lockout(connection)
            yield self._everybody(connection)

    def interrupted(self, error: DirectoryError) -> Step:
        """Return what to say when the server dropped out in the midst of a step."""
        says = str(error).removeprefix(f"{self._address.url}: ")
        advice = _("Look at the server's log. receive_timeout_s says how long each of its answers may take.")
        if isinstance(error, DirectoryConfigError):
            advice = _("Correct that in [directory].")
        elif "LimitExceeded" in says:
            advice = _("The server gives bind_dn too few entries: raise its limits there, and allow paged results.")
        elif "the server answered" in says and not self._settings.bind_dn:
            advice = _("The server may answer only who has signed in: set bind_dn and its password.")
        return self._step("bad", f"{says[0].upper()}{says[1:]}.", advice)

    def out_of_time(self) -> Step:
        """Return what to say when the time for this server was up in the midst of a step."""
        advice = _("The server hangs, or answers too slowly: look at it, or take it out of servers.")
        return self._step("bad", _("No answer in time."), advice)

    # -- before anybody is looked for

    def _tls(self, connection: LdapConnection) -> Step:
        self._at = N_("TLS")
        if not (self._address.tls or self._settings.start_tls):
            return self._step("ok", _("Without TLS, on this machine alone (plaintext_on_loopback)."))
        shown = read_certificate(connection.certificate())
        days = shown.days_left(datetime.now(UTC))
        says = _n(
            "The certificate is for %(names)s, signed by “%(issuer)s”, good until %(end)s (%(num)s day).",
            "The certificate is for %(names)s, signed by “%(issuer)s”, good until %(end)s (%(num)s days).",
            days,
            names=", ".join(shown.names) or _("no name"),
            issuer=shown.issuer,
            end=f"{shown.ends:%Y-%m-%d}",
        )
        if days < RENEW_DAYS:
            advice = _("Renew it on the server before that day: afterwards nobody can sign in.")
            return self._step("warn", says, advice)
        return self._step("ok", says)

    def _first_answer(self, connection: LdapConnection) -> Step:
        """Sign the service account in. Without TLS it is the first question: what answers may be no directory."""
        try:
            return self._service_account(connection)
        except DirectoryUnavailableError:
            if self._address.tls or self._settings.start_tls:
                raise
            if what_answers(self._address, deadline=self._deadline) == "ldap":
                raise
            why = explain(self._address, self._settings, 0, deadline=self._deadline)
            self._at = why.step
            raise self._stop(why.says, why.advice) from None

    def _service_account(self, connection: LdapConnection) -> Step:
        self._at = N_("Service account")
        bind_dn = self._settings.bind_dn
        try:
            self._directory.become_service(connection)
        except DirectoryConfigError as error:
            if "encrypted" in str(error):
                advice = _("Write ldaps:// in servers, or set start_tls = true.")
                raise self._stop(_("The server takes no password without TLS."), advice) from None
            if self._settings.is_active_directory:
                advice = _("Correct bind_dn (its DN, or name@realm), or its password in secrets/directory.password.")
            else:
                advice = _(
                    "Correct bind_dn (the whole DN, as the server writes it), "
                    "or its password in secrets/directory.password."
                )
            raise self._stop(_("The server refuses %(name)s with its password.", name=bind_dn), advice) from None
        if not bind_dn:
            return self._step("ok", _("bind_dn is empty: people are looked for without signing in."))
        return self._step("ok", _("%(name)s is signed in.", name=bind_dn))

    def _root(self, connection: LdapConnection) -> Entry | None:
        """What the server says of itself; None where it tells nobody."""
        try:
            attributes = ["namingContexts", "supportedCapabilities", "vendorName"]
            found = connection.search("", ANY_ENTRY, attributes, only_base=True, size_limit=1)
        except DirectoryError:
            return None
        return found[0] if found else None

    def _kind(self, connection: LdapConnection) -> Iterator[Step]:
        self._at = N_("Kind")
        root, kind = self._root(connection), self._settings.kind
        if root is None:
            return
        if _ACTIVE_DIRECTORY in root.texts("supportedCapabilities"):
            if kind != "active-directory":
                says = _('This is an Active Directory, but kind is "%(kind)s".', kind=kind)
                yield self._step("warn", says, _('Set kind = "active-directory".'))
        elif kind == "active-directory":
            advice = _('Set kind = "openldap", or "freeipa", unless you know better.')
            yield self._step("warn", _('This is no Active Directory, but kind is "active-directory".'), advice)

    def _base(self, connection: LdapConnection) -> Step:
        self._at = N_("Base")
        settings = self._settings
        for key, base in (("base_dn", settings.base_dn), ("group_base_dn", settings.group_base_dn)):
            try:
                if base:
                    connection.search(base, ANY_ENTRY, [], only_base=True, size_limit=1)
            except DirectoryError as error:
                if not isinstance(error, DirectoryConfigError) and "referral" not in str(error):
                    raise
                advice = self._other_base(connection, key, base)
                raise self._stop(_("There is no %(base)s here, or it may not be read.", base=base), advice) from None
        return self._step("ok", _("%(base)s is there.", base=settings.base_dn))

    def _other_base(self, connection: LdapConnection, key: str, base: str) -> str:
        root = self._root(connection)
        has = root.texts("namingContexts") if root else []
        if any(same_dn(context, base) for context in has):
            return _("The server has it: let bind_dn read it.") if self._settings.bind_dn else _(SIGN_IN_FIRST)
        advice = _("Correct %(key)s.", key=key)
        if has:
            advice = _("Correct %(key)s. The server has: %(bases)s.", key=key, bases=", ".join(has))
        return advice if self._settings.bind_dn else f"{advice} {_(SIGN_IN_FIRST)}"

    # -- everybody

    def _lockout(self, connection: LdapConnection) -> Iterator[Step]:
        self._at = N_("Lock-out")
        number = lockout.locks_sooner_after(connection, self._settings)
        if number:
            says = _n(
                "The directory locks accounts after %(num)s wrong password.",
                "The directory locks accounts after %(num)s wrong passwords.",
                number,
            )
            yield self._step("warn", says, _("Set lockout_after = %(number)s.", number=number))

    def _everybody(self, connection: LdapConnection) -> Step:
        """Count who can be read, page by page, for as long as there is time."""
        self._at = N_("Everybody")
        settings = self._settings
        reader, people, is_all = PeopleReader(settings), 0, True
        for page in connection.pages(settings.base_dn, settings.everybody_filter, reader.attributes):
            people += len(page)
            for entry in page:
                reader.listed(entry, lambda _entry, _name: ())
            if self._deadline - time.monotonic() < LAST_WORDS_S:
                is_all = False  # the connection is of no use now: the rest of the answer is on its way
                break
        if not people:
            raise self._stop(_("Nobody below %(base)s can be read.", base=settings.base_dn), self._why_nobody_at_all())
        if is_all:
            search = group_search(settings)
            found = connection.pages(search.base, search.filter, [settings.group_name_attribute])
            groups = numbers.count(sum(len(page) for page in found))
            says = _(
                "%(people)s people can be read, and %(groups)s groups.", people=numbers.count(people), groups=groups
            )
        elif reader.skipped:
            says = _("At least %(people)s people can be read.", people=numbers.count(people))
        else:
            says = _(
                "At least %(people)s people can be read; there was no time to count the others.",
                people=numbers.count(people),
            )
        if not reader.skipped:
            return self._step("ok", says)
        left_out = _n(
            "%(num)s of them is left out, for they have no single readable id or no name.",
            "%(num)s of them are left out, for they have no single readable id or no name.",
            reader.skipped,
        )
        advice = _("Set id_attribute and username_attribute to what everybody has.")
        return self._step("warn", f"{says} {left_out}", advice)
