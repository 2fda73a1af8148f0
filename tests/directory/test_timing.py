"""An unknown name and a wrong password take equally long: nobody learns from the clock who has an account."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from statistics import median

import pytest

from directory.interface import BadCredentialsError
from directory.ldap import LdapDirectory
from tests.directory import policies
from tests.servers.samba import Samba
from tests.servers.slapd import Slapd

Ask = Callable[..., LdapDirectory]
TRIES = 200
MAY_DIFFER = 0.15

# "demo-free" by crypt(3): SHA-512 with 20,000 rounds, some ten milliseconds.
SLOW_HASH = (
    "$6$rounds=20000$saltsaltsalt$c"
    "x2BeiUkhK3IMjKHuvL3cqI8gTSaDN5h.SAUlxAbctyDUInbSj1JNzGhpr8RQRiDaAOjZ4/AcqQIsz4A1jlTq0"
)


def medians(directory: LdapDirectory, known: list[str], unknown: list[str]) -> tuple[float, float]:
    """The medians of wrong passwords and of unknown names, in seconds. They take turns, on the same busy machine."""
    took: dict[bool, list[float]] = {True: [], False: []}
    for number in range(TRIES):
        for is_known, names in ((True, known), (False, unknown)):
            began = time.perf_counter()
            with suppress(BadCredentialsError):
                directory.authenticate(names[number % len(names)], "wrong")
            took[is_known].append(time.perf_counter() - began)
    return median(took[True]), median(took[False])


def compare(directory: LdapDirectory, known: list[str], unknown: list[str]) -> None:
    """Fail when the medians differ by more than a seventh; a busy machine is asked once more."""
    for _ in range(2):
        wrong, nobody = medians(directory, known, unknown)
        if abs(wrong - nobody) <= MAY_DIFFER * wrong:
            return
    pytest.fail(f"a wrong password takes {wrong * 1000:.2f} ms, an unknown name {nobody * 1000:.2f} ms")


@pytest.fixture(scope="module")
def slow_slapd() -> Iterator[Slapd]:
    """OpenLDAP that writes each wrong password down and computes a slow hash, as a real one does."""
    hashed = policies.LDIF.replace("userPassword: demo-free", f"userPassword: {{CRYPT}}{SLOW_HASH}")
    assert hashed != policies.LDIF
    with Slapd(more_ldif=hashed, overlays=policies.OVERLAYS) as server:
        yield server


def test_at_openldap(slapd: Slapd, ask: Ask) -> None:
    compare(ask(slapd, servers=[f"ldap://127.0.0.1:{slapd.port}"], plaintext_on_loopback=True), ["alice"], ["nobody"])


@pytest.mark.long
def test_at_openldap_with_a_slow_hash(slow_slapd: Slapd, ask: Ask) -> None:
    directory = ask(
        slow_slapd, servers=[f"ldap://127.0.0.1:{slow_slapd.port}"], plaintext_on_loopback=True, lockout_after=0
    )
    compare(directory, ["free"], ["nobody"])


@pytest.mark.long
def test_at_active_directory(samba: Samba, ask_samba: Ask) -> None:
    crowd = [f"crowd{number:04}" for number in range(TRIES)]
    compare(ask_samba(samba), crowd, [f"nobody{number:04}" for number in range(TRIES)])
