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

SIGN_IN_FIRST: Final = "The server may show it only to who has signed in: set bind_dn and its password."
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
                    yield self._step("ok", f"Port {self._address.port} of {self._address.host} takes connections.")
                self._at = why.step
                raise self._stop(why.says, why.advice) from None
            yield self._step("ok", f"Answered in {(time.monotonic() - began) * 1000:.0f} ms.")
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
        advice = "Look at the server's log. receive_timeout_s says how long each of its answers may take."
        if isinstance(error, DirectoryConfigError):
            advice = "Correct that in [directory]."
        elif "LimitExceeded" in says:
            advice = "The server gives bind_dn too few entries: raise its limits there, and allow paged results."
        elif "the server answered" in says and not self._settings.bind_dn:
            advice = "The server may answer only who has signed in: set bind_dn and its password."
        return self._step("bad", f"{says[0].upper()}{says[1:]}.", advice)

    def out_of_time(self) -> Step:
        """Return what to say when the time for this server was up in the midst of a step."""
        advice = "The server hangs, or answers too slowly: look at it, or take it out of servers."
        return self._step("bad", "No answer in time.", advice)

    # -- before anybody is looked for

    def _tls(self, connection: LdapConnection) -> Step:
        self._at = "TLS"
        if not (self._address.tls or self._settings.start_tls):
            return self._step("ok", "Without TLS, on this machine alone (plaintext_on_loopback).")
        shown = read_certificate(connection.certificate())
        days = shown.days_left(datetime.now(UTC))
        says = f"The certificate is for {', '.join(shown.names) or 'no name'}, signed by “{shown.issuer}”"
        says = f"{says}, good until {shown.ends:%Y-%m-%d} ({days} {'day' if days == 1 else 'days'})."
        if days < RENEW_DAYS:
            return self._step("warn", says, "Renew it on the server before that day: afterwards nobody can sign in.")
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
        self._at = "Service account"
        bind_dn = self._settings.bind_dn
        try:
            self._directory.become_service(connection)
        except DirectoryConfigError as error:
            if "encrypted" in str(error):
                advice = "Write ldaps:// in servers, or set start_tls = true."
                raise self._stop("The server takes no password without TLS.", advice) from None
            advice = "Correct bind_dn (the whole DN, as the server writes it), or its password in"
            if self._settings.is_active_directory:
                advice = "Correct bind_dn (its DN, or name@realm), or its password in"
            says = f"The server refuses {bind_dn} with its password."
            raise self._stop(says, f"{advice} secrets/directory.password.") from None
        if not bind_dn:
            return self._step("ok", "bind_dn is empty: people are looked for without signing in.")
        return self._step("ok", f"{bind_dn} is signed in.")

    def _root(self, connection: LdapConnection) -> Entry | None:
        """What the server says of itself; None where it tells nobody."""
        try:
            attributes = ["namingContexts", "supportedCapabilities", "vendorName"]
            found = connection.search("", ANY_ENTRY, attributes, only_base=True, size_limit=1)
        except DirectoryError:
            return None
        return found[0] if found else None

    def _kind(self, connection: LdapConnection) -> Iterator[Step]:
        self._at = "Kind"
        root, kind = self._root(connection), self._settings.kind
        if root is None:
            return
        if _ACTIVE_DIRECTORY in root.texts("supportedCapabilities"):
            if kind != "active-directory":
                says = f'This is an Active Directory, but kind is "{kind}".'
                yield self._step("warn", says, 'Set kind = "active-directory".')
        elif kind == "active-directory":
            advice = 'Set kind = "openldap", or "freeipa", unless you know better.'
            yield self._step("warn", 'This is no Active Directory, but kind is "active-directory".', advice)

    def _base(self, connection: LdapConnection) -> Step:
        self._at = "Base"
        settings = self._settings
        for key, base in (("base_dn", settings.base_dn), ("group_base_dn", settings.group_base_dn)):
            try:
                if base:
                    connection.search(base, ANY_ENTRY, [], only_base=True, size_limit=1)
            except DirectoryError as error:
                if not isinstance(error, DirectoryConfigError) and "referral" not in str(error):
                    raise
                advice = self._other_base(connection, key, base)
                raise self._stop(f"There is no {base} here, or it may not be read.", advice) from None
        return self._step("ok", f"{settings.base_dn} is there.")

    def _other_base(self, connection: LdapConnection, key: str, base: str) -> str:
        root = self._root(connection)
        has = root.texts("namingContexts") if root else []
        if any(same_dn(context, base) for context in has):
            return "The server has it: let bind_dn read it." if self._settings.bind_dn else SIGN_IN_FIRST
        advice = f"Correct {key}." + (f" The server has: {', '.join(has)}." if has else "")
        return advice if self._settings.bind_dn else f"{advice} {SIGN_IN_FIRST}"

    # -- everybody

    def _lockout(self, connection: LdapConnection) -> Iterator[Step]:
        self._at = "Lock-out"
        for problem in lockout.problems(connection, self._settings):
            says, _, advice = problem.partition(": ")
            yield self._step("warn", f"{says[0].upper()}{says[1:]}.", f"{advice[:1].upper()}{advice[1:]}.")

    def _everybody(self, connection: LdapConnection) -> Step:
        """Count who can be read, page by page, for as long as there is time."""
        self._at = "Everybody"
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
            raise self._stop(f"Nobody below {settings.base_dn} can be read.", self._why_nobody_at_all())
        says = f"{people:,} people can be read" if is_all else f"At least {people:,} people can be read"
        if is_all:
            search = group_search(settings)
            found = connection.pages(search.base, search.filter, [settings.group_name_attribute])
            says = f"{says}, and {sum(len(page) for page in found):,} groups"
        if reader.skipped:
            says = f"{says}. {reader.skipped:,} of them are left out, for they have no single readable id or no name."
            return self._step("warn", says, "Set id_attribute and username_attribute to what everybody has.")
        return self._step("ok", f"{says}{'.' if is_all else '; there was no time to count the others.'}")
