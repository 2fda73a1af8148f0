"""A page used with the keyboard alone: where the focus is, whether it can be seen, and where Tab leads."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Page

STOPS_MAX = 400

LOOK_AT_FOCUS = """() => {
  const e = document.activeElement;
  if (!e || e === document.body || e === document.documentElement) return null;
  const box = e.getBoundingClientRect(), style = getComputedStyle(e);
  const label = e.labels && e.labels.length ? e.labels[0].innerText : "";
  const name = e.getAttribute("aria-label") || label || e.innerText || e.value || e.name || e.tagName;
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  const x = Math.min(Math.max(box.left + box.width / 2, 0), innerWidth - 1);
  const isMine = y => {
    const top = document.elementFromPoint(x, y);
    return y < 0 || y >= innerHeight || (top && (e.contains(top) || top.contains(e)));
  };
  const isSeen = box.bottom > 0 && box.top < innerHeight;
  const covered = !isSeen || ![box.top + 2, box.top + box.height / 2, box.bottom - 2].some(isMine);
  const place = [...document.querySelectorAll("*")].indexOf(e);
  return {name: name.trim().replace(/\\s+/g, " "), tag: e.tagName.toLowerCase(), ring, covered, place};
}"""

CAN_BE_FOCUSED = """() => {
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")];
  const isOther = e => e.type === "radio" && !e.checked  // of a group of circles one is a stop
    && document.querySelector(`input[type=radio][name="${e.name}"]:checked`);
  const isThere = e => !e.disabled && e.type !== "hidden" && e.tabIndex >= 0;
  return all.filter(e => isThere(e) && !isOther(e) && e.checkVisibility({visibilityProperty: true})).length;
}"""


@dataclass(frozen=True)
class Stop:
    """Where the focus is: what a person calls it, what it is, whether it can be seen, its place in the document."""

    name: str
    tag: str
    ring: bool
    covered: bool
    place: int


def focus(page: Page) -> Stop | None:
    """Return where the focus is; None when nothing has it."""
    found = page.evaluate(LOOK_AT_FOCUS)
    return None if found is None else Stop(**found)


def tab_to(page: Page, name: str, *, back: bool = False) -> Stop:
    """Press Tab until something of that name has the focus, which must be seen at every stop."""
    for _ in range(STOPS_MAX):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        stop = focus(page)
        if stop is not None:
            must_be_seen(page, stop)
            if stop.name == name:
                return stop
    raise AssertionError(f"{page.url}: Tab never comes to “{name}”")


def must_be_seen(page: Page, stop: Stop) -> None:
    """Assert that who looks sees where the focus is (WCAG 2.4.7, 2.4.11)."""
    assert stop.ring, f"{page.url}: no ring around “{stop.name}”"
    assert not stop.covered, f"{page.url}: “{stop.name}” is hidden while it has the focus"


def stops(page: Page) -> list[Stop]:
    """Return every stop from the top of the page to its end, in the order of the document and each seen; no trap."""
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    page.evaluate("() => { getSelection().removeAllRanges(); document.body.tabIndex = -1; document.body.focus(); }")
    page.evaluate("() => document.body.removeAttribute('tabindex')")
    expected = page.evaluate(CAN_BE_FOCUSED)
    found: list[Stop] = []
    for _ in range(STOPS_MAX):
        page.keyboard.press("Tab")
        stop = focus(page)
        if stop is None or (found and stop.place == found[0].place):
            break
        must_be_seen(page, stop)
        if not found or found[-1].place != stop.place:  # a field for a date has several stops
            found.append(stop)
    names = [stop.name for stop in found]
    assert len(found) == expected, f"{page.url}: {len(found)} stops of {expected}: {names}"
    assert [stop.place for stop in found] == sorted(stop.place for stop in found), f"{page.url}: out of order: {names}"
    return found
