"""The parts about somebody as a person: who they are, where they are signed in, what they are told."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Select, select

from app.mail.models import Mail
from app.notices.models import NoticeChoice, NoticeTold
from app.own_data.parts import Owner, Part
from app.people.models import (
    Device,
    EnterCode,
    Group,
    LocalPassword,
    LoginSession,
    Membership,
    SignInFailure,
    User,
    UserName,
)

Query = Select[*tuple[Any, ...]]


def _person(owner: Owner) -> Query:
    return select(
        User.username,
        User.display_name,
        User.email,
        User.role,
        User.status,
        User.status_since,
        User.origin,
        User.directory_id,
        User.created_at.label("known_since"),
        User.refreshed_at.label("looked_up_at"),
    ).where(User.id == owner.user_id)


def _names(owner: Owner) -> Query:
    mine = select(UserName.name_key.label("name"), UserName.kind, UserName.created_at.label("since"))
    return mine.where(UserName.user_id == owner.user_id).order_by(UserName.name_key)


def _groups(owner: Owner) -> Query:
    mine = select(Group.name.label("name")).join(Membership, Membership.group_id == Group.id)
    return mine.where(Membership.user_id == owner.user_id).order_by(Group.name_key)


def _local_password(owner: Owner) -> Query:
    mine = select(LocalPassword.created_at.label("made_at"), LocalPassword.expires_at.label("ends_at"))
    return mine.where(LocalPassword.user_id == owner.user_id)


def _sign_ins(owner: Owner) -> Query:
    return (
        select(
            LoginSession.address,
            LoginSession.agent.label("browser"),
            LoginSession.way,
            LoginSession.created_at.label("began_at"),
            LoginSession.seen_at.label("last_used_at"),
            LoginSession.ended_at,
        )
        .where(LoginSession.user_id == owner.user_id)
        .order_by(LoginSession.id)
    )


def _from_portal(owner: Owner) -> Query:
    mine = select(EnterCode.expires_at, EnterCode.used_at).where(EnterCode.user_id == owner.user_id)
    return mine.order_by(EnterCode.expires_at)


def _tries(owner: Owner) -> Query:
    return (
        select(
            SignInFailure.address,
            SignInFailure.failures.label("wrong_passwords"),
            SignInFailure.first_at,
            SignInFailure.last_at,
        )
        .where(SignInFailure.name_key == owner.name_key)
        .order_by(SignInFailure.first_at)
    )


def _devices(owner: Owner) -> Query:
    return (
        select(
            Device.name,
            Device.created_at.label("added_at"),
            Device.seen_at.label("last_used_at"),
            Device.revoked_at.label("signed_out_at"),
        )
        .where(Device.user_id == owner.user_id)
        .order_by(Device.id)
    )


def _notices(owner: Owner) -> Query:
    return select(
        NoticeChoice.threshold.label("low_from"),
        NoticeChoice.by_email,
        NoticeChoice.language,
        NoticeChoice.changed_at,
    ).where(NoticeChoice.user_id == owner.user_id)


def _told(owner: Owner) -> Query:
    return select(NoticeTold.state, NoticeTold.at).where(NoticeTold.user_id == owner.user_id)


def _mails(owner: Owner) -> Query:
    return (
        select(
            Mail.kind,
            Mail.address,
            Mail.language,
            Mail.subject,
            Mail.state,
            Mail.tries,
            Mail.created_at,
            Mail.ended_at,
            Mail.reason,
        )
        .where(Mail.user_id == owner.user_id)
        .order_by(Mail.id)
    )


PARTS: Final = (
    Part("person", _person, single=True),
    Part("other_names", _names),
    Part("groups", _groups),
    Part("local_password", _local_password, single=True),
    Part("sign_ins", _sign_ins),
    Part("sign_ins_from_portal", _from_portal),
    Part("wrong_passwords", _tries),
    Part("desktop_clients", _devices),
    Part("notices", _notices, amounts=frozenset({"low_from"}), single=True),
    Part("told", _told, single=True),
    Part("emails", _mails),
)
