"""Why the directory works or does not: every step of a sign-in, one after the other, with what to change."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from directory.interface import DirectoryConfigError, DirectoryError
from directory.ldap import ANSWER_LIMIT_S, LdapDirectory
from directory.settings import DirectorySettings, ServerAddress
from directory.steps import RoleOf, Step, WalkStoppedError
from directory.walk import Walk
from language import N_, _

PATIENT_S = 120.0
"""For somebody at a terminal, who can stop it: counting everybody in a large directory takes a while."""


class Asked(NamedTuple):
    """Whom the walk looks for; "" for nobody in particular, and for no password."""

    name: str = ""
    password: str = ""


NOBODY = Asked()


def diagnose(
    settings: DirectorySettings,
    bind_password: str,
    asked: Asked = NOBODY,
    *,
    role_of: RoleOf | None = None,
    patient: bool = False,
) -> Iterator[Step]:
    """Yield every step of a sign-in at every server, made with the functions that sign-in itself uses.

    The password is tried at the first server that is asked for it, at no other: a wrong one counts in the directory.
    `role_of`: None where groups give no roles. Each server is given 5.5 s, or two minutes when `patient`. Never raises
    a DirectoryError: what goes wrong is the last step of its server.
    """
    try:
        directory = LdapDirectory(settings, bind_password)
    except DirectoryConfigError as error:
        key = "ca_file" if settings.ca_file in str(error) and settings.ca_file else "bind_dn"
        advice = (
            _("Correct ca_file.")
            if key == "ca_file"
            else _("Set bind_dn, and its password in secrets/directory.password.")
        )
        yield Step("", N_("Settings"), "bad", f"{error}.", advice)
        return
    limit_s = PATIENT_S if patient else ANSWER_LIMIT_S
    for address in settings.addresses:
        for step in _at_one_server(directory, settings, address, asked, role_of, limit_s):
            if step.name == "Password":
                asked = asked._replace(password="")
            yield step


def _at_one_server(
    directory: LdapDirectory,
    settings: DirectorySettings,
    address: ServerAddress,
    asked: Asked,
    role_of: RoleOf | None,
    limit_s: float,
) -> Iterator[Step]:
    """The steps as they are made in a thread of their own, which is left behind when the time is up."""
    deadline = time.monotonic() + limit_s
    walk = Walk(directory, settings, address, deadline=deadline, role_of=role_of)
    made: queue.Queue[Step | None] = queue.Queue()

    def run() -> None:
        try:
            for step in walk.steps(asked.name, asked.password):
                made.put(step)
        except WalkStoppedError as stopped:
            made.put(stopped.step)
        except DirectoryError as error:
            made.put(walk.interrupted(error))
        finally:
            made.put(None)

    spoken = contextvars.copy_context()  # a thread begins without the language that is spoken
    threading.Thread(target=spoken.run, args=(run,), name=f"diagnosis {address.host}", daemon=True).start()
    while True:
        try:
            step = made.get(timeout=max(0.0, deadline + 0.1 - time.monotonic()))
        except queue.Empty:
            yield walk.out_of_time()
            return
        if step is None:
            return
        yield step


def is_well(steps: Sequence[Step]) -> bool:
    """Whether no step failed."""
    return all(step.state != "bad" for step in steps)
