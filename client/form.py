"""The part of the window in which one signs in, once."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable

from client.look import Look


class SignInForm:
    """Name, password and a button. What is typed as a password is not kept."""

    def __init__(self, parent: tk.Misc, look: Look, *, username: str, send: Callable[[str, str], object]) -> None:
        """`send(username, password)` is called when the form is sent."""
        self._send = send
        self.frame = look.frame(parent)
        self.username = look.field(self.frame)
        self.username.insert(0, username)
        self.password = look.field(self.frame, secret=True)
        self.button = look.button(self.frame, "Sign in", self._sent)
        for row, (text, field) in enumerate((("Network name", self.username), ("Password", self.password))):
            look.label(self.frame, text=text).grid(row=2 * row, column=0, sticky="w", pady=(6, 0))
            field.grid(row=2 * row + 1, column=0, sticky="ew")
            field.bind("<Return>", lambda _event: self._sent())
        self.button.grid(row=4, column=0, sticky="w", pady=(10, 0))
        self.frame.columnconfigure(0, weight=1)

    def focus(self) -> None:
        """Put the cursor where something is still to be typed."""
        (self.password if self.username.get() else self.username).focus_set()

    def _sent(self) -> None:
        password = self.password.get()
        self.password.delete(0, "end")
        self._send(self.username.get().strip(), password)
