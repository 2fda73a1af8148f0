"""The least that a signed-in page can be with Flask-Login, Flask-SQLAlchemy and Jinja: one SELECT, one figure shown."""

from __future__ import annotations

import os

from flask import Flask, render_template_string
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.wrappers import Response

app = Flask(__name__)
app.config.update(SECRET_KEY="only for the bench", SQLALCHEMY_DATABASE_URI=os.environ["BARE_PAGE_DATABASE"])
db = SQLAlchemy(app)
login_manager = LoginManager(app)

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Balance</title></head>
<body><h1>{{ person.name }}</h1><p>Balance: {{ "%.2f"|format(person.balance / 1000000) }}</p></body></html>
"""


class Person(UserMixin, db.Model):  # type: ignore[name-defined]  # Flask-SQLAlchemy makes the class as it runs
    """Somebody with a balance in millionths, in one row."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    balance: Mapped[int]


@login_manager.user_loader  # type: ignore[untyped-decorator]  # Flask-Login carries no types
def load(number: str) -> Person | None:
    """The one SELECT."""
    return db.session.get(Person, int(number))


@app.get("/enter")
def enter() -> str:
    """Sign in as the first person."""
    login_user(db.session.get(Person, 1))
    return "in"


@app.get("/")
@login_required  # type: ignore[untyped-decorator]  # Flask-Login carries no types
def show() -> str | Response:
    """The page."""
    return render_template_string(PAGE, person=current_user)


with app.app_context():
    db.create_all()
    if db.session.get(Person, 1) is None:
        db.session.add(Person(id=1, name="Alice Archer", balance=47_050_000))
        db.session.commit()
