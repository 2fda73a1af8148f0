"""Finds text that no catalogue translates: in a demo that puts every translated text into brackets, what has none.

`python -m tests.web.untranslated` prints what stands on which page first; it starts such a demo.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page

from demo import browsing, people, printing
from tests.servers.demo import Demo
from tests.web.auditing import Chromium
from tests.web.walking import name_of, sign_in, walk

PSEUDO = Path(__file__).with_name("pseudo")
OUTSIDE = """() => {
  const skipped = "script, style, code, pre, kbd, samp, textarea, .mono, [translate=no]";
  const found = [];
  const look = (text, where) => {
    if (/\\p{L}{2}/u.test(text)) found.push(`${where}: ${text.trim().replace(/\\s+/g, " ")}`);
  };
  const outside = (text, from) => {
    let rest = "", inside = from;
    for (const sign of text) {
      if (sign === "⟦") inside++;
      else if (sign === "⟧") inside--;
      else if (!inside) rest += sign;
    }
    return [rest, inside];
  };
  const where = e => e.tagName.toLowerCase() + (e.className ? "." + [...e.classList].join(".") : "");
  look(outside(document.title, 0)[0], "title");
  const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let depth = 0;
  while (nodes.nextNode()) {
    const node = nodes.currentNode, parent = node.parentElement;
    if (parent.closest(skipped)) continue;
    const [rest, inside] = outside(node.data, depth);
    depth = inside;
    look(rest, where(parent));
  }
  for (const name of ["aria-label", "title", "placeholder", "alt", "data-label", "label"])
    for (const e of document.querySelectorAll(`[${name}]`))
      if (!e.closest(skipped)) look(outside(e.getAttribute(name), 0)[0], `${where(e)} ${name}`);
  if (depth) found.push(`brackets do not close: ${depth}`);
  return found;
}"""
EMPTY_FORMS = """() => [...document.forms].map((form, place) => [form, place])
  .filter(([form]) => form.method === "post" && !/sign-out|sessions|stay/.test(form.getAttribute("action") || ""))
  .map(([form, place]) => place)"""
SEND_EMPTY = """place => {
  const form = document.forms[place];
  for (const e of form.elements)
    if (e.matches("textarea, input:not([type=hidden], [type=radio], [type=checkbox], [type=submit])")) e.value = "";
  form.noValidate = true;
  const button = [...form.querySelectorAll("button, input[type=submit]")].pop();
  form.requestSubmit(button || undefined);
}"""

DATA = (
    *(name for person in people.PEOPLE for name in (person.full_name, person.username, person.group, person.surname)),
    *(people.GUEST.full_name, people.GUEST.username, people.BASE_DN, people.SERVICE_DN),
    *(name for terms in printing.PRINTERS.values() for name in (terms.title, terms.group_name) if name),
    *printing.PRINTERS,
    *printing.TITLES,
    *(name for name, *_ in browsing.SITE_LISTS),
    *(site for *_, sites in browsing.SITE_LISTS for site in sites),
    *(hours.name for hours in browsing.HOURS),
    *("Weekly print money", "Monthly Internet money", "Art department", "School kiosk, autumn", "Start of term"),
    *("Poster for the autumn fair.pdf", "Seating plan.cdr", "The whole textbook.pdf", "Visitors' programme.pdf"),
    *("The printer jammed, half of it is blank", "I printed the wrong file", "What was printed stays charged."),
    *("Colour is dearer, staff pay half", "No more than 40 pages at once", "Alice's laptop", "n.grant", "Welcome"),
    *("Twinpurse", "Northfield College", "Timetable", "Lessons, rooms and changes"),
    *("The printer in the hall gets a new drum on Friday",),
    *("Until then its pages may have grey stripes. Ask for a refund of what you cannot use.",),
    *("printserver1", "proxy1", "wifi-controller", "America/New_York", "EST", "EDT", "English", "Deutsch"),
    *("Print", "Internet", "Chrome", "Linux", "Alice", "CSV", "JSON", "MB", "GB", "KB", "kB", "A4", "A3", "AM", "AW"),
    *("Letter", "Legal", "Tabloid", "Executive"),
)
"""What is data of the demo, names of things, or a unit: it is the same in every language."""

ENGLISH = re.compile(
    r"(?<!\w)(the|and|of|this|that|with|from|your|you|are|has|have|been|not|page|pages|balance|credit|charge|charged|purse"
    r"|nothing|print|printed|printer|today|yesterday|people|show|save|change|delete|back)(?!\w)",
    re.I,
)
"""Words that English has and German has not."""

_DATA = re.compile("|".join(rf"(?<!\w){re.escape(data)}(?!\w)" for data in sorted(set(DATA), key=len, reverse=True)))
_TECHNICAL = re.compile(
    r"\S+@\S+|[a-z]+://\S+|[\w.-]+\.(example|org|com|toml|csv|log|conf)\b|[a-z]+(/[\w.<>:-]+)+|#\w+"
)
_WORD = re.compile(r"[^\W\d_]{2}")


def bracketed_demo() -> Demo:
    """Return a demo, not started, whose every translated text stands in brackets."""
    return Demo(more={"PYTHONPATH": str(PSEUDO)})


def on_page(page: Page) -> list[str]:
    """Return what stands on a page outside brackets and is no data, with the element that holds it."""
    found = []
    for line in page.evaluate(OUTSIDE):
        if line.startswith("brackets"):
            found.append(line)
        where, _, text = line.partition(": ")
        if _WORD.search(_DATA.sub("", _TECHNICAL.sub("", text))):
            found.append(f"{where}: {text}")
    return found


def english_on_page(page: Page) -> list[str]:
    """Return what stands on a German page and is English: also what was put into a translated sentence."""
    lines = page.evaluate(OUTSIDE)  # here nothing has brackets
    return [line for line in lines if ENGLISH.search(_DATA.sub("", _TECHNICAL.sub("", line.partition(": ")[2])))]


def on_site(browser: Browser, address: str, person: str) -> Iterator[tuple[str, str]]:
    """Yield (page, what stands there untranslated) for every page that a person comes to; each text once.

    Then every form is sent with empty fields, for the words of its errors. That changes the demo, and may empty it.
    """
    page = browser.new_page(locale="en-GB")
    page.set_default_timeout(20_000)
    page.goto(f"{address}/sign-in")
    found = [("sign-in", each) for each in on_page(page)]
    sign_in(page, address, person)
    broken: list[str] = []
    forms: list[tuple[str, int]] = []
    for path in walk(page, address, broken=broken):
        found += [(name_of(path), each) for each in on_page(page)]
        forms += [(path, place) for place in page.evaluate(EMPTY_FORMS)]
    for path, place in forms:
        response = page.goto(address + path)
        if response is not None and response.ok and place in page.evaluate(EMPTY_FORMS):
            with page.expect_navigation():
                page.evaluate(SEND_EMPTY, place)
            found += [(f"{name_of(path)}, form {place} sent", each) for each in on_page(page)]
    found += [("broken link", each) for each in broken]
    page.close()
    said: set[str] = set()
    for name, each in found:
        if each not in said:
            said.add(each)
            yield name, each


def main() -> int:
    """Print what is untranslated, page by page; 1 when there is something."""
    count = 0
    with bracketed_demo() as demo, Chromium() as browser:
        for site, person in (("portal", "alice"), *((s, p) for s in ("print", "net") for p in ("alice", "admin"))):
            for name, found in on_site(browser, demo.sites[site], person):
                print(f"{site} {person} {name}: {found}", flush=True)
                count += 1
    print(f"{count} texts")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
