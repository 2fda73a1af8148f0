"""The window: one balance, drawn with Tk. It decides nothing; what it shows comes from the controller."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import tkinter as tk
from collections.abc import Callable
from typing import Any, Final

from client import tray
from client.colours import palette
from client.config import Config
from client.controller import Controller
from client.form import SignInForm
from client.lock import Lock
from client.look import Look
from client.popup import Popup
from client.state import View

TICK_MS: Final = 400
WAITING_TICK_MS: Final = 60
LINES_MAX: Final = 4

log = logging.getLogger(__name__)


class Window:
    """One copy's window. `run` returns when it was closed for good."""

    def __init__(self, config: Config, controller: Controller, lock: Lock) -> None:
        self._config, self._controller, self._lock = config, controller, lock
        self.root = tk.Tk(className="Twinpurse-client")
        self.root.withdraw()
        self.root.report_callback_exception = self._broke
        self._look = Look(self.root, palette(config.background_color, high_contrast=config.high_contrast), 1)
        self._look.resize(controller.zoom)
        self._popup = Popup(self.root, self._look)
        self._from_tray: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._tray: tray.Tray | None = None
        self._drawn: tuple[View, str] | None = None
        self._is_shown = False
        self._make_parts()
        self._bind()
        self.root.configure(background=f"#{self._look.palette.background}")
        self.root.resizable(False, False)
        if config.geometry:
            self.root.geometry(config.geometry)

    def run(self) -> None:
        """Show the window and serve it until it is closed."""
        self._draw()
        if not (self._config.minimized or self._config.silent):
            self.show()
        self.root.after(1, self._begin)
        self.root.mainloop()
        self._controller.keep()
        if self._tray is not None:
            self._tray.stop()

    def show(self) -> None:
        """Bring the window to the front."""
        self._is_shown = True
        self.root.deiconify()
        self.root.lift()
        self._controller.looked_at()

    def close(self) -> None:
        """Put the window away; without an icon to bring it back, end the program, unless that is not allowed."""
        if self._tray is None and not self._config.noquit:
            self.root.quit()
        else:
            self._put_away()

    def _begin(self) -> None:
        """What need not be done before the window can be seen."""
        if not self._config.disabletasktrayicon and sys.platform != "darwin":  # there it wants our only thread
            colours = self._look.palette
            self._tray = tray.make(
                title=self._controller.title,
                background=colours.background,
                accent=colours.accent,
                show=lambda: self._from_tray.put(self.show),
                quit_=lambda: self._from_tray.put(self.close if self._config.noquit else self.root.quit),
            )
        if self._config.minimized:
            self._is_shown = True
            self._put_away()
        self._tick()

    def _put_away(self) -> None:
        """On Linux into the list of windows in any case: nobody tells us whether a panel shows the icon."""
        if self._tray is not None and sys.platform == "win32":
            self.root.withdraw()
        else:
            self.root.iconify()

    def _tick(self) -> None:
        try:
            self._controller.tick()
            self._draw()
            for message in self._controller.take_messages():
                self._popup.add(message, title=self._controller.title)
            while not self._from_tray.empty():
                self._from_tray.get()()
            if self._lock.is_asked_to_show():
                self.show()
        finally:
            self.root.after(WAITING_TICK_MS if self._controller.is_waiting else TICK_MS, self._tick)

    def _make_parts(self) -> None:
        look = self._look
        tk.Frame(self.root, background=f"#{look.palette.accent}", height=5).grid(row=0, sticky="ew")
        body = look.frame(self.root, padx=16, pady=10)
        body.grid(row=1, sticky="nsew")
        self.root.columnconfigure(0, weight=1)
        body.columnconfigure(0, weight=1, minsize=280)
        head = look.frame(body)
        self._caption = look.label(head, muted=True)
        self._caption.pack(side="left")
        self._mark = look.boxed(head)
        self._figure = look.label(body, font="figure")
        self._lines = [look.label(body) for _ in range(LINES_MAX)]
        self._as_of = look.label(body, font="small", muted=True)
        self._notice = look.boxed(body)
        self._form = SignInForm(body, look, username=self._config.user, send=self._sign_in)
        self._buttons = look.frame(body)
        self._details = look.button(self._buttons, "Details", self._open_details)
        self._refresh = look.button(self._buttons, "Refresh", self._ask_now)
        self._more = look.button(self._buttons, "More…", self._open_menu)
        for button in (self._details, self._refresh, self._more):
            button.pack(side="left", padx=(0, 6))
        self._problems = look.label(body, font="small", text=_told(self._config))
        self._rows: list[tk.Widget] = [head, self._figure, *self._lines, self._as_of, self._notice, self._form.frame]
        self._rows += [self._buttons, self._problems]
        apart = (self._as_of, self._notice, self._form.frame, self._buttons, self._problems)
        for row, part in enumerate(self._rows):
            part.grid(row=row, column=0, sticky="ew", pady=(8, 0) if part in apart else 0)
        if not self._problems["text"]:
            self._problems.grid_remove()

    def _bind(self) -> None:
        self.root.protocol("WM_DELETE_WINDOW", self.close)
        keys: dict[str, Callable[[], object]] = {
            "<F5>": self._ask_now,
            "<Control-r>": self._ask_now,
            "<Control-d>": self._open_details,
            "<Control-q>": self.close,
            "<Control-plus>": lambda: self._zoom(self._look.larger()),
            "<Control-equal>": lambda: self._zoom(self._look.larger()),
            "<Control-minus>": lambda: self._zoom(self._look.smaller()),
            "<Control-Key-0>": lambda: self._zoom(self._look.resize(1)),
        }
        for key, action in keys.items():
            # The key is bound to the action of this turn of the loop; mypy cannot tell the type of such a default.
            self.root.bind(key, lambda _event, action=action: action())  # type: ignore[misc]
        self.root.bind("<FocusIn>", lambda _event: self._controller.looked_at())
        self._menu = tk.Menu(self.root, tearoff=False)
        self._menu.add_command(label="Larger text", accelerator="Ctrl +", command=keys["<Control-plus>"])
        self._menu.add_command(label="Smaller text", accelerator="Ctrl −", command=keys["<Control-minus>"])
        self._menu.add_separator()
        self._menu.add_command(label="Sign out", command=self._sign_out)
        self._menu.add_command(label="Close", accelerator="Ctrl Q", command=self.close)

    def _draw(self) -> None:
        """Make the window look as the controller says. Nothing is touched while nothing changes."""
        view, title = self._controller.view, self._controller.title
        if (view, title) == self._drawn:
            return
        had_form = self._drawn is not None and self._drawn[0].has_form
        self._drawn = (view, title)
        self.root.title(title)
        self.root.iconname(title)
        self._caption["text"] = view.caption
        _show(self._mark, view.mark, lambda: self._mark.pack(side="right", padx=(10, 0)), self._mark.pack_forget)
        lines = (view.figure, *view.lines, *[""] * (LINES_MAX - len(view.lines)), view.as_of, view.notice)
        for label, text in zip((self._figure, *self._lines, self._as_of, self._notice), lines, strict=True):
            _show(label, text, label.grid, label.grid_remove)
        (self._form.frame.grid if view.has_form else self._form.frame.grid_remove)()
        (self._buttons.grid_remove if view.has_form else self._buttons.grid)()
        self._details["state"] = "normal" if view.link else "disabled"
        self._refresh["text"] = "Asking…" if view.is_asking else "Refresh"
        if view.has_form and not had_form:
            self._form.focus()
        if self._config.silent and not self._is_shown and not self._config.minimized and (view.figure or view.has_form):
            self.show()
        log.debug("shown under %r: %s", title, view.spoken.replace("\n", " | "))

    def _ask_now(self) -> None:
        log.debug("asked to refresh")
        self._controller.refresh()
        self._draw()

    def _sign_in(self, username: str, password: str) -> None:
        self._controller.sign_in(username, password)
        self._draw()

    def _sign_out(self) -> None:
        self._controller.sign_out()
        self._popup.close()
        self._draw()

    def _open_details(self) -> None:
        """In a thread: finding a browser may take a while."""
        if link := self._controller.view.link:
            threading.Thread(target=_open_browser, args=(link,), name="browser", daemon=True).start()

    def _open_menu(self) -> None:
        self._menu.tk_popup(self._more.winfo_rootx(), self._more.winfo_rooty() + self._more.winfo_height())

    def _zoom(self, factor: float) -> None:
        self._controller.zoom = factor

    def _broke(self, *what: Any) -> None:
        log.error("a click broke off", exc_info=what)


def _open_browser(link: str) -> None:
    import webbrowser  # here, so that the window need not wait for it

    webbrowser.open(link)


def _show(label: tk.Label, text: str, put: Callable[[], object], take_away: Callable[[], object]) -> None:
    label["text"] = text
    (put if text else take_away)()


def _told(config: Config) -> str:
    """What is wrong with the settings, for the window; nothing where it shall be silent."""
    if config.silent or not config.problems:
        return ""
    more = f" ({len(config.problems) - 1} more in the log)" if len(config.problems) > 1 else ""
    return f"Settings: {config.problems[0]}.{more}"
