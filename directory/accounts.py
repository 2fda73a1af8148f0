"""What people type and machines write instead of an account name, and whether it really is a name of an entry."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from directory.connection import Entry
from directory.settings import DirectorySettings

Comparisons = list[tuple[str, str]]
_PRINCIPAL_NAME = "userprincipalname"


def account_name(typed: str, domains: Sequence[str]) -> str:
    """Return the account name in `typed`: without "DOMAIN\\" or "@realm" where that is one of `domains`.

    Composed (NFC), without outer spaces, otherwise as it was typed. Domains are compared without case. What belongs to
    another domain is left as it is: it is a name of nobody here, unless an entry has it as a whole (an address for
    mail, a userPrincipalName). Only one domain is taken off: `a@x@y` is never `a`.
    """
    name = composed(typed)
    if "\\" not in name and "@" not in name:
        return name
    known = {name_key(domain) for domain in domains}
    domain, backslash, account = name.partition("\\")
    if backslash and account.strip() and name_key(domain) in known:
        return account.strip()
    account, at, domain = name.rpartition("@")
    if at and account.strip() and name_key(domain) in known:
        return account.strip()
    return name


def composed(typed: str) -> str:
    """Return a name in composed form (NFC) and without outer spaces: two ways to write "é" are one."""
    return (typed if typed.isascii() else unicodedata.normalize("NFC", typed)).strip()


def name_key(name: str) -> str:
    """Return the form in which names are compared: composed, casefolded, without outer spaces; nothing else is alike.

    Directories compare more loosely (RFC 4518: full-width letters, runs of spaces; Active Directory also drops
    accents), which is right for a search and wrong for saying who somebody is.
    """
    return composed(composed(name).casefold())


def entries_named(entries: Sequence[Entry], typed: str, settings: DirectorySettings) -> list[Entry]:
    """Return those of the entries found with user_filter that really have the name `typed`: one, none, or several.

    An account name counts before a userPrincipalName, that before an account name without its domain, and that before
    an address for mail: what people may write into their own entry never takes a name away from somebody else.
    """
    whole, account = composed(typed), account_name(typed, settings.domains)
    own, principal, others = Comparisons(), Comparisons(), Comparisons()
    kinds = {_PRINCIPAL_NAME: principal, settings.username_attribute.lower(): own}
    for attribute, template in settings.name_comparisons:
        kinds.get(attribute.lower(), others).append((attribute, template))
    for comparisons, name in ((own, whole), (principal, whole), (own, account), (others, whole), (others, account)):
        having = [entry for entry in entries if any(_has(entry, one, name) for one in comparisons)]
        if having:
            return having
    return []


def _has(entry: Entry, comparison: tuple[str, str], name: str) -> bool:
    attribute, template = comparison
    wanted = name_key(template.replace("{username}", name))
    return any(name_key(text) == wanted for text in entry.texts(attribute))
