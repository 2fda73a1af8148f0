"""The calculator, for oneself or for anybody: its fields stand in the address, so that an answer can be sent on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import flask
from flask import Blueprint, request
from flask_login import current_user

from app.api.access import auditor, signed_in
from app.db import reading
from app.people import aliases
from app.people import service as people
from app.people.models import User
from app.printing import calculator, documents, price_words, printers
from app.printing.documents import PAPERS
from app.printing.models import Printer
from app.settings import settings_of_app
from app.web.addresses import read_number, read_text
from language import _, numbers

blueprint = Blueprint("print_cost", __name__)

LENGTH_MAX: Final = 256


@dataclass
class Fields:
    """What the address says, and what is wrong with it, by field."""

    user: str = ""
    printer: str = ""
    pages: str = ""
    colour: str = ""
    copies: str = "1"
    paper: str = "a4"
    duplex: bool = False
    wrong: dict[str, str] = field(default_factory=dict)

    def number(self, name: str, least: int, most: int) -> int:
        """Return a number that was typed; what is none stands in `wrong`."""
        text = str(getattr(self, name)).strip() or ("0" if name == "colour" else "")
        if not re.fullmatch("[0-9]{1,7}", text, re.ASCII) or not least <= int(text) <= most:
            self.wrong[name] = _(
                "Write a number from %(least)s to %(most)s", least=numbers.count(least), most=numbers.count(most)
            )
            return least
        return int(text)


@blueprint.get("/print-cost")
@signed_in
def show_own() -> str:
    """Show what a job would cost whoever asks."""
    return _page(for_others=False)


@blueprint.get("/admin/print-cost")
@auditor
def show_for_anybody() -> str:
    """Show what a job would cost anybody."""
    return _page(for_others=True)


def _page(*, for_others: bool) -> str:
    session, settings, fields = reading(), settings_of_app(), _fields()
    me = people.get_user(session, user_id=current_user.id)
    user: User | None = me
    if for_others and fields.user:
        found = aliases.find_many(session, typed=[fields.user], domains=settings.config.directory.domains)
        user = next((one.user for one in found.values()), None)
        if user is None:
            fields.wrong["user"] = _("Nobody here has this name")
    offered = printers.list_printers(session) if for_others else calculator.printers_for(session, user_id=me.id)
    chosen = _chosen(fields, offered)
    answer = None
    if fields.pages and user is not None:
        pages = fields.number("pages", 1, calculator.PAGES_MAX)
        job = calculator.document(
            pages=pages,
            colour=fields.number("colour", 0, pages),
            copies=fields.number("copies", 1, calculator.COPIES_MAX),
            paper=documents.paper_key(fields.paper),
            duplex=fields.duplex,
        )
        if not fields.wrong:
            answer = calculator.reckon(session, job=job, printer=chosen, user=user, settings=settings)
    return flask.render_template(
        "printing/calculator.html",
        fields=fields,
        answer=answer,
        for_others=for_others,
        user=user,
        printers=[(str(each.id), f"{each.title or each.name} ({each.server})") for each in offered],
        chosen=chosen,
        papers=[*PAPERS.items(), ("", _("Another paper"))],
        price=price_words.list_in_words(
            calculator.prices_of(session, printer=chosen, settings=settings), settings.unit
        ),
    )


def _fields() -> Fields:
    return Fields(
        user=read_text(request.args, "user", LENGTH_MAX).strip(),
        printer=read_text(request.args, "printer", 20),
        pages=read_text(request.args, "pages", 10),
        colour=read_text(request.args, "colour", 10),
        copies=read_text(request.args, "copies", 10) or "1",
        paper=read_text(request.args, "paper", 40) if "paper" in request.args else "a4",
        duplex="duplex" in request.args,
    )


def _chosen(fields: Fields, offered: list[Printer]) -> Printer | None:
    """The printer that the address names; None: one that follows the prices for all printers."""
    number = read_number(fields.printer)
    return next((printer for printer in offered if printer.id == number), None)
