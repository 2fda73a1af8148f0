"""What a browser says of itself (User-Agent) in plain words, "Firefox on Windows": a guess, to know one's own by."""

from __future__ import annotations

from typing import Final

from language import N_, _

# The first that is found counts: each browser names those it wants to be taken for, too.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Vivaldi", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", N_("an iPhone")),
    ("iPad", N_("an iPad")),
    ("Android", "Android"),
    ("CrOS", N_("a Chromebook")),
    ("Windows", "Windows"),
    ("Mac OS X", N_("a Mac")),
    ("Linux", "Linux"),
)


def browser_in_words(agent: str) -> str:
    """Return which browser on which system it seems to be; "An unknown browser" where nothing is known."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    if browser and system:
        return _("%(browser)s on %(system)s", browser=browser, system=_(system))
    return browser or (_("A browser on %(system)s", system=_(system)) if system else _("An unknown browser"))
