"""The window of messages: under the same title and colour as its balance, so that nobody wonders whose they are."""

from __future__ import annotations

import logging
import tkinter as tk
from typing import Final

from client.answers import Message
from client.look import Look

SHOWN_MAX: Final = 4

log = logging.getLogger(__name__)


class Popup:
    """At most one such window at a time. It takes no keyboard focus from what somebody is typing elsewhere."""

    def __init__(self, root: tk.Tk, look: Look) -> None:
        self._root, self._look = root, look
        self._window: tk.Toplevel | None = None
        self._messages: list[Message] = []

    def add(self, message: Message, *, title: str) -> None:
        """Show a message, above those that were not read yet. `title` is the balance window's."""
        self._messages = [message, *self._messages][:SHOWN_MAX]
        self._draw(title)
        log.debug("message under %r: %s: %s", title, message.title, message.text)

    def close(self) -> None:
        """The messages were read."""
        self._messages.clear()
        if self._window is not None:
            self._window.destroy()
            self._window = None

    def _draw(self, title: str) -> None:
        is_new = self._window is None
        window = self._window = self._window or tk.Toplevel(self._root, background=f"#{self._look.palette.background}")
        for part in window.winfo_children():
            part.destroy()
        window.title(f"{title}: {self._messages[0].title}")
        body = self._look.frame(window, padx=14, pady=12)
        body.pack(fill="both", expand=True)
        for message in self._messages:
            self._look.label(body, font="bold", text=message.title).pack(fill="x", anchor="w")
            self._look.label(body, text=message.text).pack(fill="x", anchor="w", pady=(0, 10))
        ok = self._look.button(body, "OK", self.close)
        ok.pack(anchor="e")
        ok.focus_set()
        if is_new:
            window.resizable(False, False)
            window.protocol("WM_DELETE_WINDOW", self.close)
            window.bind("<Escape>", lambda _event: self.close())
            window.attributes("-topmost", True)
            self._place(window)

    def _place(self, window: tk.Toplevel) -> None:
        """Below the balance window, or above it at the bottom of the screen."""
        self._root.update_idletasks()
        root = self._root
        width, height = window.winfo_reqwidth(), window.winfo_reqheight()
        left = root.winfo_rootx() + (root.winfo_width() - width if root.winfo_rootx() > width else 0)
        top = root.winfo_rooty() + root.winfo_height() + 8
        if top + height > root.winfo_screenheight():
            top = root.winfo_rooty() - height - 40
        left = min(max(left, 0), max(root.winfo_screenwidth() - width, 0))
        window.geometry(f"+{left}+{max(top, 0)}")
