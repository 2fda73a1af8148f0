"""A form's hidden id: it makes sending the form twice the same as once."""

from __future__ import annotations

import re
import secrets

from wtforms import Field, Form
from wtforms.validators import ValidationError

from language import _


def new_form_id() -> str:
    """Return an id that nobody can guess or choose again."""
    return secrets.token_urlsafe(18)


def is_form_id(sent: str) -> bool:
    """Whether that may be an id of ours: what else was sent comes from no form of these pages."""
    return bool(re.fullmatch(r"[A-Za-z0-9_-]{16,64}", sent, re.ASCII))


def check_form_id(_form: Form, field: Field) -> None:
    """A validator of WTForms: the id must have been sent with the form."""
    sent = field.raw_data[0] if field.raw_data else ""  # `data` would be a new id where none was sent
    if not is_form_id(sent):
        raise ValidationError(_("The form was not complete. Nothing was changed; send it again"))
