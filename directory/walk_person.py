"""The steps for one person: found, read, in groups, with a role, and signed in; each with what to change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from ldap3.utils.conv import escape_filter_chars

from directory.accounts import account_name, composed
from directory.connection import Entry, LdapConnection
from directory.groups import effective_groups, filled
from directory.interface import (
    BadCredentialsError,
    DirectoryConfigError,
    DirectoryNearLockoutError,
    is_plausible_username,
)
from directory.ldap import lasting_id
from directory.names import own_name
from directory.settings import IN_CHAIN
from directory.states import why_unusable
from directory.steps import Step, Steps
from language import N_, _, _n

ANY_ENTRY: Final = "(objectClass=*)"
_IDS: Final = ("objectGUID", "entryUUID", "ipaUniqueID", "nsUniqueId")
_ROLE_KEYS: Final = {"admin": "admin_groups", "helper": "helper_groups", "auditor": "auditor_groups"}
_ROLE_WORDS: Final = {
    "": N_("Would have no role here."),
    "admin": N_("Would be an administrator here."),
    "helper": N_("Would be a helper here."),
    "auditor": N_("Would be an auditor here."),
}
_GROUPS_SHOWN: Final = 20

REASONS: Final = {
    "password_expired": N_("The password is right, but it has expired."),
    "must_change": N_("The password is right, but it must be changed first."),
    "disabled": N_("The password is right, but the account is disabled."),
    "account_expired": N_("The password is right, but the account has expired."),
    "not_now": N_("The password is right, but the account may not sign in at this hour."),
    "not_here": N_("The password is right, but the account may not sign in from this machine."),
}


class PersonSteps(Steps):
    """The steps for one person, on a connection that is the service account's."""

    def person(self, connection: LdapConnection, name: str, password: str) -> Iterator[Step]:
        """Yield the steps for the person who is called `name`; the password is tried where one is given."""
        self._at = N_("Person")
        entry = self._find(connection, name)
        mapped = account_name(name, self._settings.domains)
        if mapped != composed(name):
            says = _("“%(name)s” is %(dn)s, looked for as “%(mapped)s”.", name=name, dn=entry.dn, mapped=mapped)
        else:
            says = _("“%(name)s” is %(dn)s.", name=name, dn=entry.dn)
        yield self._step("ok", says)
        yield self._attributes(connection, entry)
        groups, words = self._groups(connection, entry)
        yield words
        if self._role_of is not None:
            yield self._role(connection, groups)
        if password:
            yield self._password(connection, name, password)

    def anybody(self, connection: LdapConnection) -> Iterator[Step]:
        """Yield the steps for the first person that the server gives: there is one, and it can be read."""
        self._at = N_("Person")
        settings = self._settings
        wanted = [settings.username_attribute, settings.name_attribute, settings.email_attribute, settings.id_attribute]
        found = connection.search(settings.base_dn, settings.everybody_filter, wanted, size_limit=1)
        if not found:
            raise self._stop(_("Nobody is found below %(base)s.", base=settings.base_dn), self._why_nobody_at_all())
        yield self._step("ok", _("People are found; %(dn)s is one.", dn=found[0].dn))
        yield self._attributes(connection, found[0])

    def _find(self, connection: LdapConnection, name: str) -> Entry:
        if not is_plausible_username(name):
            raise self._stop(
                _("Nobody can have such a name."), _("Leave out control characters; 256 characters are the most.")
            )
        entries = self._directory.entries_of(connection, name)
        if len(entries) == 1:
            return entries[0]
        if entries:
            dns = "; ".join(entry.dn for entry in entries[:3])
            advice = _("Nobody is signed in by a guess. Narrow base_dn or user_filter, so that one entry is left.")
            raise self._stop(_("Several entries have the name “%(name)s”: %(dns)s.", name=name, dns=dns), advice)
        says = _("Nobody below %(base)s has the name “%(name)s”.", base=self._settings.base_dn, name=name)
        raise self._stop(says, self._why_nobody(connection, name))

    def _why_nobody(self, connection: LdapConnection, name: str) -> str:
        settings = self._settings
        if not connection.search(settings.base_dn, settings.everybody_filter, [], size_limit=1):
            return _("Nobody else is found either. %(why)s", why=self._why_nobody_at_all())
        mapped = account_name(name, settings.domains)
        for mark, part in (("\\", mapped.partition("\\")[0]), ("@", mapped.rpartition("@")[2])):
            if mark in mapped and part:
                return _(
                    "If “%(domain)s” is this directory's own domain, add it to domains. Else look at the spelling.",
                    domain=part,
                )
        attributes = list(dict.fromkeys(attribute for attribute, _value in settings.name_comparisons))
        compared = attributes[-1]
        if len(attributes) > 1:
            compared = _("%(several)s and %(last)s", several=", ".join(attributes[:-1]), last=compared)
        return _(
            "Others are found. Look at the spelling; user_filter compares %(attributes)s, below base_dn.",
            attributes=compared,
        )

    def _attributes(self, connection: LdapConnection, entry: Entry) -> Step:
        self._at = N_("Attributes")
        settings = self._settings
        username = own_name(entry.dn, entry.texts(settings.username_attribute))
        if not username:
            advice = _("Set username_attribute to one that everybody has (or correct kind).")
            says = _("The entry has no readable %(attribute)s.", attribute=settings.username_attribute)
            raise self._stop(says, advice)
        try:
            identifier = lasting_id(entry, settings.id_attribute)
        except DirectoryConfigError:
            says = _(
                "The entry has no single readable %(attribute)s, by which people are known for years.",
                attribute=settings.id_attribute,
            )
            raise self._stop(says, self._other_id(connection, entry)) from None
        names, mail = entry.texts(settings.name_attribute), entry.texts(settings.email_attribute)
        says = ", ".join(
            (
                _("Account %(name)s", name=username),
                _("id %(identifier)s", identifier=identifier),
                _("called %(name)s", name=names[0])
                if names
                else _("no %(attribute)s", attribute=settings.name_attribute),
                _("mail %(address)s", address=mail[0])
                if mail
                else _("no %(attribute)s", attribute=settings.email_attribute),
            )
        )
        says = f"{says}."
        unusable = why_unusable(entry, settings, datetime.now(UTC))
        if unusable:
            state = _("The account is disabled.") if unusable == "disabled" else _("The account has expired.")
            advice = _("Enable the account in the directory if this person shall sign in.")
            return self._step("warn", f"{says} {state}", advice)
        if not names:
            return self._step("warn", says, _("Set name_attribute to one that holds people's names."))
        return self._step("ok", says)

    def _other_id(self, connection: LdapConnection, entry: Entry) -> str:
        found = connection.search(entry.dn, ANY_ENTRY, list(_IDS), only_base=True, size_limit=1)
        has = [attribute for attribute in _IDS if found and found[0].values.get(attribute.lower())]
        if "objectGUID" in has:
            return _('It has objectGUID, so this is an Active Directory: set kind = "active-directory".')
        if has:
            return _('It has %(attribute)s: set id_attribute = "%(attribute)s" (or correct kind).', attribute=has[0])
        return _("Set id_attribute to one that never changes, and let bind_dn read it.")

    def _groups(self, connection: LdapConnection, entry: Entry) -> tuple[tuple[str, ...], Step]:
        self._at = N_("Groups")
        settings = self._settings
        account = own_name(entry.dn, entry.texts(settings.username_attribute))
        every = effective_groups(connection, settings, entry, account)
        if not every:
            advice = _("If that is wrong, correct group_base_dn or group_filter, or let bind_dn read groups.")
            return every, self._step("warn", _("In no group."), advice)
        direct = self._direct(connection, entry, account)
        shown = [
            name if name in direct else _("%(name)s (through another)", name=name) for name in every[:_GROUPS_SHOWN]
        ]
        named = ", ".join(shown)
        if len(every) > _GROUPS_SHOWN:
            named = _("%(names)s, and %(more)s more", names=named, more=len(every) - _GROUPS_SHOWN)
        return every, self._step(
            "ok", _n("%(num)s group: %(names)s.", "%(num)s groups: %(names)s.", len(every), names=named)
        )

    def _direct(self, connection: LdapConnection, entry: Entry, account: str) -> set[str]:
        """The groups of which the entry itself is a member."""
        template = self._settings.group_filter.replace(IN_CHAIN, "")
        attribute = self._settings.group_name_attribute
        found = connection.search(
            self._settings.groups_below, filled(template, username=account, dn=entry.dn), [attribute]
        )
        return {own_name(group.dn, group.texts(attribute)) for group in found}

    def _role(self, connection: LdapConnection, groups: Sequence[str]) -> Step:
        self._at = N_("Role")
        role = self._role_of(groups) if self._role_of else ""
        missing = self._missing_groups(connection)
        says = _(_ROLE_WORDS[role])
        if missing:
            named = ", ".join(f"“{name}” ({key})" for key, name in missing)
            keys = "; ".join(dict.fromkeys(key for key, _name in missing))
            advice = _("Write it as the directory does: %(keys)s.", keys=keys)
            return self._step("warn", f"{says} {_('The directory has no group %(names)s.', names=named)}", advice)
        if not role and not any(getattr(self._settings, key) for key in _ROLE_KEYS.values()):
            return self._step("warn", says, _("No group gives a role: name one in admin_groups."))
        return self._step("ok", says)

    def _missing_groups(self, connection: LdapConnection) -> list[tuple[str, str]]:
        settings, missing = self._settings, []
        for key in _ROLE_KEYS.values():
            for name in getattr(settings, key):
                wanted = f"({settings.group_name_attribute}={escape_filter_chars(name)})"
                if not connection.search(settings.groups_below, wanted, [], size_limit=1):
                    missing.append((key, name))
        return missing

    def _password(self, connection: LdapConnection, name: str, password: str) -> Step:
        """Sign in as a person does. Afterwards the connection is the service account's again."""
        self._at = N_("Password")
        try:
            self._directory.sign_in(connection, name, password)
        except DirectoryNearLockoutError:
            says = _("Not tried: the directory has counted so many wrong passwords that one more may lock the account.")
            advice = _("Wait until it has forgotten them. lockout_after says when it locks.")
            raise self._stop(says, advice) from None
        except BadCredentialsError as error:
            if error.reason:
                raise self._stop(_(REASONS[error.reason]), _("Mend the account in the directory.")) from None
            advice = _("The directory counts this try. Its log may say more, such as a locked account.")
            raise self._stop(_("The password is refused."), advice) from None
        return self._step("ok", _("The password is accepted."))
