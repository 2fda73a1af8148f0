"""Chooses the language of a request, and gives templates and forms theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from flask import Flask, request
from flask_babel import Babel, get_locale
from jinja2 import pass_context
from werkzeug.wrappers import Response

from language import dates, numbers
from language.speech import ENGLISH, LANGUAGES, _n, choose, current, language_of, speaking

COOKIE: Final = "language"
KEPT_S: Final = 31_536_000


def init_app(app: Flask, *, default: str = ENGLISH.code) -> None:
    """Have `app` speak what somebody has chosen (a cookie), else what their browser asks for, else `default`.

    The API (/api/) goes by Accept-Language alone: a machine that says nothing is told in the default language.
    Flask-Babel keeps the choice, and translates the messages of form fields by it.
    """

    def select() -> str:
        chosen = "" if request.path.startswith("/api/") else request.cookies.get(COOKIE, "")
        if chosen in LANGUAGES:
            return chosen
        return (request.accept_languages and request.accept_languages.best_match(list(LANGUAGES))) or default

    def speak() -> None:
        locale = get_locale()
        choose(language_of(locale.language if locale else default))

    def fall_silent(_error: BaseException | None) -> None:
        choose(ENGLISH)

    Babel(app, locale_selector=select, default_locale=default, configure_jinja=False)
    app.before_request(speak)
    app.after_request(_go_on_speaking)
    app.teardown_request(fall_silent)
    init_templates(app.jinja_env)


def remember(response: Response, code: str | None) -> Response:
    """Keep the choice of a language in a cookie of `response`; of an unknown one nothing is kept."""
    if code in LANGUAGES:
        response.set_cookie(COOKIE, code, max_age=KEPT_S, httponly=True, samesite="Lax")
    response.headers.add("Vary", "Cookie")
    return response


def init_templates(env: Any) -> None:
    """Give a Jinja environment `_`, `_n`, `trans` blocks and the filters of figures and days."""
    env.add_extension("jinja2.ext.i18n")
    env.policies["ext.i18n.trimmed"] = True
    env.install_gettext_callables(
        lambda text: current().texts.gettext(text),
        lambda one, many, number: current().texts.ngettext(one, many, number),
        newstyle=True,
    )
    env.globals.update(_n=_n, language=current, languages=tuple(LANGUAGES.values()))
    env.filters.update(
        figures=at_each_use(numbers.count),
        percent=at_each_use(numbers.percent),
        weekday_and_day=at_each_use(dates.weekday_and_day),
        day_and_month=at_each_use(dates.day),
        day_and_year=at_each_use(lambda at: dates.day(at, year=True)),
    )


def at_each_use(function: Callable[..., str]) -> Callable[..., str]:
    """Return a template's filter that is asked each time: Jinja works out `{{ 0|money }}` once, for every language."""
    return pass_context(lambda _context, *values: function(*values))


def _go_on_speaking(response: Response) -> Response:
    """A response that is made while it is sent goes on in the language of its request, which is over by then."""
    response.headers.setdefault("Content-Language", current().code)
    if response.is_streamed and not response.direct_passthrough:
        chunks: Any = response.response
        response.response = _spoken(chunks, current().code)
    return response


def _spoken(chunks: Iterable[Any], code: str) -> Iterator[Any]:
    following = iter(chunks)
    try:
        while True:
            with speaking(code):
                try:
                    chunk = next(following)
                except StopIteration:
                    return
            yield chunk
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
