"""How the window's parts look: fonts that grow with the desktop's and with Ctrl and +, labels, buttons, fields."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import font as fonts
from typing import Any, Final

from client.colours import Palette
from client.remembered import ZOOM_LEAST, ZOOM_MOST

SIZES: Final = {"body": 1.0, "small": 0.9, "figure": 2.7, "bold": 1.0}
STEP: Final = 1.15
LINE: Final = 300
"""The width of a line of text, in pixels, where the desktop's font has its usual size."""


class Look:
    """Makes the parts of one window in its colours and fonts."""

    def __init__(self, root: tk.Tk, palette: Palette, zoom: float) -> None:
        self.palette, self._zoom = palette, zoom
        self._usual = fonts.nametofont("TkDefaultFont", root)
        self._family: str = self._usual.actual("family")
        self._points = abs(int(self._usual.actual("size"))) or 10
        self._fonts = {name: fonts.Font(root, family=self._family) for name in SIZES}
        self._lines: list[tk.Label] = []
        self.resize(zoom)

    def resize(self, zoom: float) -> float:
        """Let text have `zoom` times the desktop's size; return what it has become."""
        self._zoom = min(max(zoom, ZOOM_LEAST), ZOOM_MOST)
        for name, factor in SIZES.items():
            weight = "bold" if name in ("figure", "bold") else "normal"
            # The type of a weight is a literal, which a conditional expression is not for mypy.
            self._fonts[name].configure(size=max(7, round(self._points * factor * self._zoom)), weight=weight)  # type: ignore[arg-type]
        self._lines = [label for label in self._lines if label.winfo_exists()]  # messages come and go
        for label in self._lines:
            label.configure(wraplength=self.line_width)
        return self._zoom

    def larger(self) -> float:
        """Make text larger by a step; return the size."""
        return self.resize(self._zoom * STEP)

    def smaller(self) -> float:
        """Make text smaller by a step; return the size."""
        return self.resize(self._zoom / STEP)

    @property
    def line_width(self) -> int:
        """How wide a line of text may be, in pixels."""
        return max(LINE, self._fonts["body"].measure("0") * 36)

    def frame(self, parent: tk.Misc, **options: Any) -> tk.Frame:
        """Make a frame in the window's colour."""
        return tk.Frame(parent, background=f"#{self.palette.background}", **options)

    def label(self, parent: tk.Misc, *, font: str = "body", muted: bool = False, text: str = "") -> tk.Label:
        """Make a label whose lines are broken at the window's width."""
        label = tk.Label(
            parent,
            text=text,
            font=self._fonts[font],
            background=f"#{self.palette.background}",
            foreground=f"#{self.palette.muted if muted else self.palette.text}",
            anchor="w",
            justify="left",
            wraplength=self.line_width,
            padx=0,
        )
        self._lines.append(label)
        return label

    def boxed(self, parent: tk.Misc) -> tk.Label:
        """Make a label in a border, for what should be noticed."""
        label = self.label(parent)
        label.configure(highlightthickness=1, highlightbackground=f"#{self.palette.text}", padx=6, pady=2)
        return label

    def button(self, parent: tk.Misc, text: str, command: Callable[[], object]) -> tk.Button:
        """Make a button that Return presses too; its border says whether it has the focus."""
        is_plain = self.palette.muted != self.palette.text
        button = tk.Button(
            parent,
            text=text,
            command=command,
            font=self._fonts["body"],
            background=f"#{self.palette.button}",
            foreground=f"#{self.palette.text}",
            activebackground=f"#{self.palette.text}",
            activeforeground=f"#{self.palette.background}",
            highlightbackground=f"#{self.palette.muted if is_plain else self.palette.text}",
            highlightcolor=f"#{self.palette.text if is_plain else self.palette.accent}",
            highlightthickness=2,
            relief="flat",
            borderwidth=0,
            padx=8,
            pady=3,
        )
        button.bind("<Return>", lambda _event: button.invoke())
        return button

    def field(self, parent: tk.Misc, *, secret: bool = False) -> tk.Entry:
        """Make a field to type in; black on white (or high contrast), with a border that shows the focus."""
        plain = self.palette.background != "000000"
        return tk.Entry(
            parent,
            font=self._fonts["body"],
            show="\N{BULLET}" if secret else "",
            background="#ffffff" if plain else "#000000",
            foreground="#000000" if plain else "#ffffff",
            insertbackground="#000000" if plain else "#ffffff",
            highlightthickness=2,
            highlightbackground=f"#{self.palette.muted}",
            highlightcolor=f"#{self.palette.text}",
            relief="flat",
            width=26,
        )
