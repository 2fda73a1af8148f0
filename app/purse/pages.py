"""The user's pages: balance and statement."""

from __future__ import annotations

from flask import Blueprint

from app.api.access import signed_in

blueprint = Blueprint("purse", __name__)


@blueprint.get("/")
@signed_in
def show_balance() -> str:
    """Show how much is left."""
    return ""
