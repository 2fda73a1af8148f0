"""A bare Flask application, for granian: what the server and the framework cost before anything is done."""

from __future__ import annotations

from flask import Flask

app = Flask(__name__)


@app.get("/hello")
def hello() -> str:
    """Say hello."""
    return "hello"
