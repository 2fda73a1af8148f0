"""The people of a real Active Directory (Samba): brought in by a full pass, then followed by their changes."""

from __future__ import annotations

from collections.abc import Callable

import ldap3
import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.db import reading, writing
from app.people import sync, sync_watch, sync_work
from app.people.models import LoginSession, User
from app.people.sync_models import DirectorySync
from directory.roster import LdapRoster
from directory.settings import DirectorySettings
from tests.people.roll import former, known, look_up
from tests.servers.samba import Samba


@pytest.mark.timeout(120)
def test_groups_a_rename_a_recycled_name_and_who_is_disabled_or_leaves(make_instance: Callable[..., Flask]) -> None:
    with Samba() as server, make_instance().app_context():
        settings = DirectorySettings(
            kind="active-directory",
            servers=[server.ldaps_url],
            ca_file=str(server.ca_file),
            bind_dn=server.bind_dn,
            base_dn=server.base_dn,
            admin_groups=["School"],
            helper_groups=["Employees"],
        )
        roster = LdapRoster(settings, server.bind_password)
        assert read_everybody(roster, settings).state == "done"
        before = known()
        assert not {"disabled", "expired", "crowd0001"} & set(before)  # new and disabled: passed over
        assert {"mustchange", "oldpassword", "locked", "night", "josé", "comma"} <= set(before)
        alice, bob, recycled = before["alice"], before["bob"], before["recycled"]
        assert [group.name for group in alice.groups] == ["Choir", "Domain Users", "School", "Students", "Users"]
        assert (alice.role, before["carol"].role, before["max"].role) == ("admin", "helper", "")
        writing(lambda session: session.add(open_session(bob.id)))
        change_some(server)

        assert sync_watch.look(roster=roster, settings=settings)
        after = known()
        assert after["anew"].directory_id == before["renamed"].directory_id
        assert former()["renamed"] == after["anew"].id
        assert (after["bob"].status, after["bob"].id) == ("disabled", bob.id)
        assert reading().scalars(select(LoginSession.ended_at)).one() is not None
        assert after["max"].role == "admin"  # by a group that lies in another
        assert read_everybody(roster, settings).state == "done"
        after = known()
        assert after["recycled"].directory_id != recycled.directory_id
        kept = reading().scalars(select(User).where(User.directory_id == recycled.directory_id)).one()
        assert (kept.id, kept.status, after["victim"].status) == (recycled.id, "gone", "gone")


def change_some(server: Samba) -> None:
    """Rename, disable, promote and delete somebody, and give a deleted person's name to another one."""
    with server.administrator() as admin:
        admin.modify(f"CN=Before Renaming,{server.people_dn}", {"sAMAccountName": [(ldap3.MODIFY_REPLACE, ["anew"])]})
        admin.modify(f"CN=Bob Lindqvist,{server.people_dn}", {"userAccountControl": [(ldap3.MODIFY_REPLACE, ["514"])]})
        member = [(ldap3.MODIFY_ADD, [f"CN=Max One,{server.people_dn}"])]
        admin.modify(f"CN=Students,{server.groups_dn}", {"member": member})
        for name in ("Victim Test", "Second Holder"):
            admin.delete(f"CN={name},{server.people_dn}")
        password = '"demo-recycled"'.encode("utf-16-le")
        attributes = {"sAMAccountName": "recycled", "unicodePwd": password, "userAccountControl": "512"}
        admin.add(f"CN=Third Holder,{server.people_dn}", ["user"], attributes)


def open_session(user_id: int) -> LoginSession:
    now = clock.now()
    return LoginSession(token_hash="0" * 64, user_id=user_id, created_at=now, seen_at=now)


def read_everybody(roster: LdapRoster, settings: DirectorySettings) -> DirectorySync:
    made = writing(lambda session: sync.begin(session, kind="full", asked_by="", now=clock.now()))
    sync_work.work(made.id, roster=roster, settings=settings)
    return look_up(made.id)
