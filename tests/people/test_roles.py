"""Roles: the highest that somebody's groups give, renewed whenever they sign in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask

from app.people.rules import role_of
from directory.memory import MemoryDirectory, MemoryPerson
from tests.conftest import person
from tests.web.browsing import signed_in

ROLES = {"admin_groups": ["Administrators"], "helper_groups": ["Helpdesk", "Staff"], "auditor_groups": ["Auditors"]}


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        ((), ""),
        (("Students",), ""),
        (("auditors",), "auditor"),
        (("Auditors", "STAFF "), "helper"),
        (("Helpdesk",), "helper"),
        (("Auditors", "Helpdesk", "administrators"), "admin"),
        (("Administrators2", "Admin"), ""),
        (("",), ""),
    ],
)
def test_the_highest_role_counts_and_names_are_compared_without_case(groups: tuple[str, ...], role: str) -> None:
    assert role_of(groups, **ROLES) == role


def test_without_groups_that_give_roles_nobody_has_one() -> None:
    assert role_of(["Administrators"], admin_groups=[]) == ""


def test_a_role_comes_and_goes_with_the_groups(make_instance: Callable[..., Flask], cast: MemoryDirectory) -> None:
    app = make_instance()
    settings = app.extensions["twinpurse.settings"]
    directory = settings.config.directory.model_copy(update=ROLES)
    settings.config = settings.config.model_copy(update={"directory": directory})
    carol = signed_in(app, "carol")
    assert carol.get("/admin/people").status_code == 200
    assert carol.get("/admin/directory").status_code == 403
    assert "Schedules" in carol.get("/").text
    cast.remove("carol")
    cast.put(MemoryPerson(replace(person("carol", "Carol Clark", ("Students",))), "demo-carol"))
    again = signed_in(app, "carol")
    for browser in (again, carol):
        assert browser.get("/admin/people").status_code == 403, "in every browser that is open"
        assert "Schedules" not in browser.get("/").text
