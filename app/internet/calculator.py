"""What some use of the Internet would cost somebody, with every step of the sum in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.internet import rate_words as words
from app.internet import rates
from app.internet.rate_models import SiteList
from app.internet.rate_rules import FULL, MB, Plan, Use, hours_at, local_time, period_start
from app.internet.rate_sites import host_name, list_of
from app.money import Unit
from app.settings import Settings
from language import _, numbers


@dataclass(frozen=True)
class Question:
    """What is asked: bytes received and sent, answered from the proxy's store or not, when, how long, from where."""

    download: int = 0
    upload: int = 0
    from_cache: bool = False
    at: datetime | None = None
    minutes: int = 0
    site: str = ""


@dataclass(frozen=True)
class Answer:
    """What it costs, in millionths of a millionth and in words, and why."""

    price: int
    text: str
    steps: tuple[str, ...]
    hours: str
    site_list: str
    percent: int


def reckon(
    session: Session, *, question: Question, user_id: int | None, name: str, settings: Settings, now: datetime
) -> Answer:
    """Return what the use in `question` would cost by the rates of now. `name`: whose they are; "": of who asks."""
    plan = rates.load(session, settings)
    percent = rates.percents(session, user_ids=[user_id], plan=plan)[user_id] if user_id is not None else FULL
    lists = session.scalars(select(SiteList).order_by(SiteList.id)).all() if question.site else []
    by_domain = {domain: each.id for each in lists for domain in each.domains.split("\n") if domain}
    list_id = list_of(question.site, by_domain) if question.site else 0
    found = next((each for each in lists if each.id == list_id), None)
    if question.site and f"{host_name(question.site)}:443" in rates.own_hosts(settings):
        return Answer(0, _("nothing"), (_("Pages of this site itself never cost anything."),), "", "", percent)
    now_plan = Plan(plan.terms, plan.zone)  # asked is what it would cost now, also for a day that is over
    at = int((question.at or now).timestamp())
    use = Use(
        at,
        list_id,
        question.download,
        question.upload,
        question.download if question.from_cache else 0,
        _periods(at, question.minutes, plan.period_s) if found is None or found.percent else (),
    )
    price = now_plan.price(use, percent)
    return Answer(
        price,
        settings.unit.price(price // MB) if price else _("nothing"),
        tuple(_steps(now_plan, use, found, percent, name, settings.unit)),
        words.hours_in_words(hours) if (hours := hours_at(plan.terms.hours, local_time(at, plan.zone))) else "",
        found.name if found else "",
        percent,
    )


def _periods(at: int, minutes: int, period_s: int) -> tuple[int, ...]:
    """The periods that use from `at` on touches; at least one, where time costs anything."""
    if not period_s:
        return ()
    last = period_start(at + max(0, minutes * 60 - 1), period_s)
    return tuple(range(period_start(at, period_s), last + 1, period_s))


def _steps(plan: Plan, use: Use, found: SiteList | None, percent: int, name: str, unit: Unit) -> list[str]:
    terms, said = plan.terms, []
    if use.download and use.cached and terms.cached_free:
        said.append(_("%(size)s from the proxy’s own store: free", size=_mb(use.download)))
    elif use.download:
        figures = _figures(use.download, terms.down, unit)
        said.append(_("%(size)s received at %(price)s a MB: %(cost)s", **figures))
    if use.upload:
        said.append(_("%(size)s sent at %(price)s a MB: %(cost)s", **_figures(use.upload, terms.up, unit)))
    data = bool(said) and bool(terms.down or terms.up)
    if data and found is not None and found.percent != FULL:
        price = words.percent_in_words(found.percent)
        said.append(_("Sites of the list “%(name)s”: %(price)s", name=found.name, price=price))
    hours = hours_at(terms.hours, local_time(use.slot_start, plan.zone))
    if data and hours is not None and hours.percent != FULL:
        said.append(words.hours_in_words(hours))
    if plan.period_s:
        count = len(use.periods)
        if count:
            times = unit.price(sum(plan.price_of_period(start) for start in use.periods) // MB)
            each = words.period_in_words(plan.period_s)
            said.append(_("Time: %(number)s × %(period)s, %(price)s", number=count, period=each, price=times))
        else:
            said.append(_("Time: nothing, since these sites are free"))
    if percent != FULL:
        said.append(words.pays_in_words(percent, name))
    return said


def _figures(size: int, price: int, unit: Unit) -> dict[str, str]:
    return {"size": _mb(size), "price": unit.price(price), "cost": unit.price(size * price // MB)}


def _mb(size: int) -> str:
    whole, rest = divmod(size, MB)
    figure = f"{whole:,}" + (f".{rest:06d}".rstrip("0") if rest else "")
    return numbers.figure(figure) + "\N{NO-BREAK SPACE}MB"
