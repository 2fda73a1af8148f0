"""`twinpurse-cups`: put the charging backend before a queue, take it away again, and say which queues are charged."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from edge.cups_job import SCHEME, device_uri
from edge.cups_launcher import write_launcher
from edge.cups_queues import PRINTERS_CONF, CupsError, Queue, read_queues, set_device, without_password
from edge.settings import SettingsError, load_cups

CONFIG: Final = Path("/etc/twinpurse/print.toml")
BACKEND_FOLDERS: Final = (Path("/usr/lib/cups/backend"), Path("/usr/libexec/cups/backend"))
RUN_BY_ALL: Final = stat.S_IXOTH | stat.S_IROTH


class RefusedError(Exception):
    """What was asked for cannot be done; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, or 1 when something could not be done, with the reason on stderr."""
    options = _parser().parse_args(arguments)
    try:
        queues = {queue.name: queue for queue in read_queues(options.printers_conf)}
        if options.verb == "list":
            _list(list(queues.values()))
            return 0
        names = sorted(queues) if options.all else options.queue
        if not names:
            raise RefusedError("name a queue, or give --all")
        for name in names:
            if name not in queues:
                raise RefusedError(f"there is no queue {name} here; there are: {', '.join(sorted(queues)) or 'none'}")
        return _each([queues[name] for name in names], options)
    except (RefusedError, CupsError, SettingsError) as problem:
        print(f"twinpurse-cups: {problem}", file=sys.stderr)
        return 1


def _each(queues: Sequence[Queue], options: argparse.Namespace) -> int:
    """Do the verb to each queue; one that cannot be done stops no other."""
    code = 0
    if options.verb == "install" and not options.dry_run:
        _prepare(options.config, options.backend_dir)
    for queue in queues:
        try:
            wanted = _charging_uri(queue, options) if options.verb == "install" else queue.device
            if wanted == queue.uri:
                print(f"{queue.name}: {'is charged already' if queue.charged else 'is not charged; nothing to undo'}")
                continue
            if not wanted:
                raise RefusedError(f"its URI {queue.uri} does not name the printer: set it with lpadmin -p … -v …")
            if not options.dry_run:
                set_device(queue.name, wanted)
            would = "would be " if options.dry_run else ""
            print(f"{queue.name}: {would}{'charged' if options.verb == 'install' else 'as before'}: {wanted}")
        except (RefusedError, CupsError) as problem:
            print(f"twinpurse-cups: {queue.name}: {problem}", file=sys.stderr)
            code = 1
    return code


def _charging_uri(queue: Queue, options: argparse.Namespace) -> str:
    """The URI with our backend before the printer. Raises RefusedError where that would not work."""
    device = queue.device
    if without_password(device) != device:
        raise RefusedError(
            "its device URI holds a password, which everybody could read in the new one. Let the printer believe this "
            "server by its address, or set the queue up with auth-info-required"
        )
    scheme = urlsplit(device).scheme
    backend = options.backend_dir / scheme
    if scheme != "file" and not backend.exists():
        raise RefusedError(f"CUPS has no backend {scheme} in {options.backend_dir}")
    if scheme != "file" and backend.stat().st_mode & RUN_BY_ALL != RUN_BY_ALL:
        raise RefusedError(
            f"{backend} may be run by root only, but charged jobs are printed as user lp. If lp may use the device "
            f"(USB printers belong to group lp): dpkg-statoverride --update --add root root 0755 {backend}"
        )
    return device_uri(options.config, device)


def _prepare(config: Path, folder: Path) -> None:
    """Make sure that the backend stands where CUPS looks for it, and that its config can be used."""
    if os.geteuid() != 0:
        raise RefusedError("installing needs root: the backend must belong to root")
    load_cups(config)
    backend = folder / SCHEME
    if not backend.exists():
        if not folder.is_dir():
            raise RefusedError(f"{folder} is not there: name CUPS' backend folder with --backend-dir")
        write_launcher(backend)
        print(f"{backend}: installed")
    found = backend.stat()
    if found.st_uid != 0 or stat.S_IMODE(found.st_mode) != 0o755:
        os.chown(backend, 0, 0)
        backend.chmod(0o755)


def _list(queues: Sequence[Queue]) -> None:
    charged = {queue.device for queue in queues if queue.charged}
    for queue in queues:
        if queue.charged:
            words = "charged"
        else:
            words = "NOT CHARGED, same printer as a charged queue" if queue.uri in charged else "not charged"
        print(f"{queue.name}\t{words}\t{without_password(queue.device)}")
    if not queues:
        print("There are no queues here.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twinpurse-cups", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    there = next((folder for folder in BACKEND_FOLDERS if folder.is_dir()), BACKEND_FOLDERS[0])
    for verb, words in (
        ("install", "charge the jobs of a queue: put the backend before its printer"),
        ("uninstall", "print without charging again: give a queue its printer back"),
        ("list", "say which queues are charged"),
    ):
        one = verbs.add_parser(verb, help=words, description=words)
        one.add_argument("--printers-conf", type=Path, default=PRINTERS_CONF, help="(default: %(default)s)")
        if verb == "list":
            continue
        one.add_argument("queue", nargs="*", help="the queue's name, or several")
        one.add_argument("--all", action="store_true", help="every queue of this print server")
        one.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        one.add_argument("--config", type=Path, default=CONFIG, help="the edge's config file (default: %(default)s)")
        one.add_argument("--backend-dir", type=Path, default=there, help="CUPS' backends (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
