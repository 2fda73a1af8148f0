"""`twinpurse-client`: shows one balance in a window, or as text; signs in and out; installs itself."""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from client import places, remembered
from client.config import FLAGS, NAMES, Config, Server, load, server_of
from client.connection import Connection
from client.lock import Lock
from client.places import Places
from client.tokens import TokenStore
from client.worker import Asker

VERBS: Final = ("show", "sign-in", "sign-out", "install", "uninstall")
USAGE: Final = 2
NAME_MAX: Final = 80
LOG_BYTES_MAX: Final = 1_000_000

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments and arguments[0] in ("install", "uninstall"):
        from client.install import main as install

        return install(arguments)
    options, unknown = _parser().parse_known_args(arguments)
    try:
        mine = places.find(profile=options.profile, config=options.config)
    except ValueError as error:
        print(error, file=sys.stderr)
        return USAGE
    given = {name: value for name in NAMES.values() if (value := getattr(options, name)) is not None}
    config = load(site_file=mine.site_file, user_file=mine.user_file, given=given, required=bool(options.config))
    _log(config, mine)
    for problem in (*config.problems, *(f"{word} is not an option; it is left out" for word in unknown)):
        log.warning("%s", problem)
    try:
        server = server_of(config)
    except ValueError as error:
        return _cannot_start(str(error), mine, config, as_text=options.text or options.verb != "show")
    asker = _asker(config, server, mine)
    if options.verb != "show" or options.text:
        from client.text import run

        return run("text" if options.verb == "show" else options.verb, asker=asker, config=config, state=mine.state)
    return _window(config, mine, asker)


def _window(config: Config, mine: Places, asker: Asker) -> int:
    lock = Lock(mine.state)
    try:
        if not lock.take():
            lock.ask_to_show()
            return 0
    except OSError as error:
        log.warning("%s cannot be written: %s", mine.state, error)
    try:
        import tkinter

        from client.controller import Controller
        from client.window import Window
    except ImportError:
        print("There is no Tk here: install python3-tk, or use --text.", file=sys.stderr)
        return USAGE

    kept = remembered.load(mine.state, server=asker.server_url)
    controller = Controller(
        config=config, asker=asker, remembered=kept, keep=lambda what: remembered.save(mine.state, what)
    )
    try:
        window = Window(config, controller, lock)
    except tkinter.TclError as error:
        print(f"No window can be shown here ({error}); --text prints the balance.", file=sys.stderr)
        return USAGE
    window.run()
    return 0


def _asker(config: Config, server: Server, mine: Places) -> Asker:
    name = f"{socket.gethostname()} ({mine.identity})"
    return Asker(
        connection=Connection(server, ca_file=config.ca_file),
        tokens=TokenStore(mine.state, identity=mine.identity, server=server.url),
        server_url=server.url,
        device_name=name[:NAME_MAX],
        login_name=(config.user or _login_name()) if config.neverrequestidentity else "",
    )


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


def _cannot_start(words: str, mine: Places, config: Config, *, as_text: bool) -> int:
    """Say what is missing: in a window, since who started this by a click sees no terminal."""
    print(f"{words} It was looked for in {mine.site_file} and {mine.user_file}.", file=sys.stderr)
    if as_text or config.silent:
        return USAGE
    from client.message_box import show

    show(config, words, f"Looked for in {mine.site_file} and {mine.user_file}.")
    return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="twinpurse-client",
        description=__doc__,
        epilog="Every key of config.properties is an option too, such as --windowtitle or --server-url.",
        allow_abbrev=False,
    )
    parser.add_argument("verb", nargs="?", choices=VERBS, default="show", help="what to do (default: show)")
    parser.add_argument("--profile", default="", metavar="NAME", help="the copy's name: own config, lock and token")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the config.properties to use")
    parser.add_argument("--text", action="store_true", help="print the balance and end")
    for plain, name in NAMES.items():
        spellings = list(dict.fromkeys((f"--{name.replace('_', '-')}", f"--{plain}")))
        if name in FLAGS:
            parser.add_argument(*spellings, dest=name, nargs="?", const="Y", metavar="Y|N", help=argparse.SUPPRESS)
        else:
            parser.add_argument(*spellings, dest=name, metavar="VALUE", help=argparse.SUPPRESS)
    return parser


def _log(config: Config, mine: Places) -> None:
    """To standard error what is wrong; with `debug` everything to user-client.log in the home folder."""
    handlers: list[logging.Handler] = [logging.StreamHandler()] if sys.stderr is not None else []
    for handler in handlers:
        handler.setLevel(logging.WARNING)
    if config.debug:
        try:
            os.close(os.open(mine.log_file, os.O_WRONLY | os.O_CREAT, 0o600))
            if mine.log_file.stat().st_size > LOG_BYTES_MAX:
                mine.log_file.replace(mine.log_file.with_suffix(".old.log"))
                os.close(os.open(mine.log_file, os.O_WRONLY | os.O_CREAT, 0o600))
            handlers.append(logging.FileHandler(mine.log_file, encoding="utf-8"))
        except OSError as error:
            print(f"{mine.log_file} cannot be written: {error}", file=sys.stderr)
    logging.getLogger("client").setLevel(logging.DEBUG if config.debug else logging.WARNING)
    logging.getLogger("pystray").setLevel(logging.CRITICAL)  # a desktop without a panel is no error
    logging.basicConfig(
        format=f"%(asctime)s.%(msecs)03d {mine.identity} %(levelname)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        handlers=handlers,
    )


if __name__ == "__main__":
    sys.exit(main())
