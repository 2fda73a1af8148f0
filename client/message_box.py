"""A small window that says why there is no balance window."""

from __future__ import annotations

import tkinter as tk

from client.colours import palette
from client.config import Config
from client.look import Look


def show(config: Config, words: str, more: str) -> None:
    """Show it until it is closed; without a desktop, nothing happens: it was said on standard error too."""
    try:
        root = tk.Tk(className="Twinpurse-client")
    except tk.TclError:
        return
    look = Look(root, palette(config.background_color, high_contrast=config.high_contrast), 1)
    root.title(config.title_for(config.user, "Balance"))
    body = look.frame(root, padx=16, pady=12)
    body.pack()
    look.label(body, font="bold", text=words).pack(anchor="w")
    look.label(body, font="small", text=more).pack(anchor="w", pady=8)
    button = look.button(body, "Close", root.destroy)
    button.pack(anchor="e")
    button.focus_set()
    root.bind("<Escape>", lambda _event: root.destroy())
    root.mainloop()
