"""The icon beside the clock, where the desktop has one and the package pystray is installed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

SIZE: Final = 64

log = logging.getLogger(__name__)


class Tray:
    """One icon in the window's colour. Its menu's words run in the icon's own thread: they only put something down."""

    def __init__(
        self, *, title: str, background: str, accent: str, show: Callable[[], None], quit_: Callable[[], None]
    ):
        """`show` and `quit_` are called from another thread. Raises Exception where there can be no icon."""
        import pystray
        from PIL import Image, ImageDraw

        image = Image.new("RGB", (SIZE, SIZE), f"#{accent}")
        ImageDraw.Draw(image).rectangle((6, 6, SIZE - 7, SIZE - 7), fill=f"#{background}")
        menu = pystray.Menu(
            pystray.MenuItem("Show", lambda *_: show(), default=True), pystray.MenuItem("Quit", lambda *_: quit_())
        )
        self._icon: Any = pystray.Icon("twinpurse-client", image, title, menu)
        self._icon.run_detached()

    def say(self, title: str) -> None:
        """Let the icon say something when it is pointed at."""
        self._icon.title = title

    def stop(self) -> None:
        """Take the icon away."""
        self._icon.stop()


def make(**options: Any) -> Tray | None:
    """Return an icon, None where there is none to be had."""
    try:
        return Tray(**options)
    except Exception as error:  # a guest again: no pystray, no Pillow, no panel, no bus
        log.info("no tray icon: %s: %s", type(error).__name__, error)
        return None
