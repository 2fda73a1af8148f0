"""What every e-mail has around its text, and the one e-mail without a subject of its own: the test."""

from __future__ import annotations

from dataclasses import dataclass

from app.settings import Settings
from language import _


@dataclass(frozen=True)
class Words:
    """The subject and the text of an e-mail."""

    subject: str
    text: str


def kinds() -> dict[str, str]:
    """Return the kinds of e-mail, as people call them in the language spoken now."""
    return {"low": _("Purse is low"), "empty": _("Purse is empty"), "test": _("Test")}


def compose(settings: Settings, *, subject: str, paragraphs: list[str]) -> Words:
    """Return an e-mail, signed with the instance's name (RFC 3676, 4.3: a line "-- " begins the signature)."""
    signature = ", ".join(part for part in (settings.config.name, settings.config.organisation) if part)
    return Words(subject, "\n\n".join([*paragraphs, f"-- \n{signature}"]) + "\n")


def test(settings: Settings, *, name: str) -> Words:
    """Return the e-mail by which an administrator sees that e-mails arrive."""
    return compose(
        settings,
        subject=_("Test e-mail of %(site)s", site=settings.config.name),
        paragraphs=[
            _("Hello %(name)s,", name=name),
            _("this is the test e-mail that you asked for. So e-mails of this instance arrive."),
        ],
    )
