"""`twinpurse-radius-disconnect`: tells Wi-Fi controllers and captive portals to end sessions, until they have.

It asks the instance which sessions those are, sends each NAS a Disconnect-Request, and reports what it answered. It
holds nothing that matters: after a restart the instance names the same sessions again.
"""

from __future__ import annotations

import argparse
import logging
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edge import radius_packet as packets
from edge.client import InstanceAwayError, InstanceClient, InstanceRefusedError
from edge.radius_settings import ANY, Nas, RadiusSettings, load_radius
from edge.settings import SettingsError

AT_ONCE: Final = 16
AWAY_MOST_S: Final = 30.0
NOTHING_HEARD: Final = "no answer"
NOT_CONFIGURED: Final = "this NAS is not in radius.nas of the config file"

log = logging.getLogger("twinpurse-radius-disconnect")


@dataclass
class Pause:
    """When a session is tried again: each time after a longer while. Seconds by the monotonic clock."""

    due: float
    wait_s: float


@dataclass
class Disconnector:
    """Ends sessions, many at a time; each by packets that are repeated until an answer comes."""

    settings: RadiusSettings
    client: InstanceClient
    stop: threading.Event = field(default_factory=threading.Event)
    pauses: dict[int, Pause] = field(default_factory=dict)

    def run(self) -> None:
        """Go round until `stop` is set; while the instance is away, more and more slowly."""
        wait_s = self.settings.every_s
        said = ""
        while not self.stop.is_set():
            try:
                self.once()
                wait_s, problem = self.settings.every_s, ""
            except (InstanceAwayError, InstanceRefusedError) as error:
                wait_s, problem = min(wait_s * 2, AWAY_MOST_S), str(error)
            if problem != said:
                log.warning("the instance: %s", problem or "answers again")
                said = problem
            self.stop.wait(wait_s)

    def once(self) -> int:
        """One round: ask, end what is due, report. Return how many sessions ended. Raises InstanceAwayError."""
        sessions = self.client.get("/radius/disconnects").body.get("sessions", [])
        now = time.monotonic()
        wanted = {int(session["id"]): session for session in sessions}
        self.pauses = {number: pause for number, pause in self.pauses.items() if number in wanted}
        due = [wanted[number] for number in wanted if number not in self.pauses or self.pauses[number].due <= now]
        if not due:
            return 0
        with ThreadPoolExecutor(min(AT_ONCE, len(due)), thread_name_prefix="nas") as pool:
            return sum(pool.map(self._end, due))

    def _end(self, session: Mapping[str, Any]) -> bool:
        number = int(session["id"])
        nas = nas_of(session, self.settings.nas)
        if nas is None:
            ended, note = False, NOT_CONFIGURED
        else:
            ended, note = self._ask(nas, session)
        if not ended:
            before = self.pauses.get(number)
            wait_s = min(before.wait_s * 2, self.settings.again_most_s) if before else self.settings.again_after_s
            self.pauses[number] = Pause(time.monotonic() + wait_s, wait_s)
            log.warning("session %s of %s at %s goes on: %s", session["session_id"], session["username"], nas, note)
        else:
            self.pauses.pop(number, None)
            log.info("session %s of %s at %s is ended", session["session_id"], session["username"], nas)
        try:
            self.client.post(f"/radius/disconnects/{number}", {"ended": ended, "note": note})
        except InstanceRefusedError as error:
            log.warning("session %s: %s", number, error)
        return ended

    def _ask(self, nas: Nas, session: Mapping[str, Any]) -> tuple[bool, str]:
        """Send one request, repeated until it is answered; return whether the session is over, and why not.

        The same packet again is the same request to the NAS (RFC 5080, 2.2.2): a lost answer is sent once more.
        """
        number = random.randrange(256)  # noqa: S311 - tells answers apart, and keeps no secret
        request = packets.make_request(attributes_of(session), number=number, secret=nas.secret, now=int(time.time()))
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(nas.host, nas.port, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind, protocol) as door:
                door.connect(where)  # answers from elsewhere are not looked at
                for turn in range(self.settings.tries):
                    reply = self._exchange(door, request, nas, self.settings.answer_s * 2**turn)
                    if reply is not None:
                        return reply.ended, "" if reply.ended else reply.in_words
                    if self.stop.is_set():
                        break
        except OSError as error:
            return False, error.strerror or str(error)
        return False, NOTHING_HEARD

    def _exchange(self, door: socket.socket, request: packets.Request, nas: Nas, wait_s: float) -> packets.Reply | None:
        """Send the packet once and wait for its answer; None when none came in time."""
        deadline = time.monotonic() + wait_s
        try:
            door.send(request.data)
            while (left := deadline - time.monotonic()) > 0:
                door.settimeout(left)
                try:
                    return packets.read_reply(door.recv(packets.LONGEST_PACKET + 1), request=request, secret=nas.secret)
                except packets.BadPacketError as error:
                    log.warning("%r sent what is no answer: %s", nas, error)
        except TimeoutError:
            return None
        except ConnectionRefusedError:  # nobody listens there now: an ICMP message said so
            self.stop.wait(max(0.0, deadline - time.monotonic()))
        return None


def nas_of(session: Mapping[str, Any], known: Mapping[str, Nas]) -> Nas | None:
    """Return where a session's NAS takes requests: by its identifier, else its address, else as every other."""
    named = (session["nas_identifier"], session["nas_address"], ANY)
    nas = next((known[name] for name in named if name and name in known), None)
    if nas is None or nas.host:
        return nas
    return nas._replace(host=session["nas_address"]) if session["nas_address"] else None


def attributes_of(session: Mapping[str, Any]) -> list[tuple[int, bytes]]:
    """Return what names the session to its NAS (RFC 5176, 3): all that its own packets said of it."""
    found = [(packets.USER_NAME, packets.text(session["username"]))] if session["username"] else []
    where = packets.address(session["nas_address"])
    found += [where] if where else []
    if session["nas_identifier"]:
        found.append((packets.NAS_IDENTIFIER, packets.text(session["nas_identifier"])))
    found.append((packets.ACCT_SESSION_ID, packets.text(session["session_id"])))
    if session["station"]:
        found.append((packets.CALLING_STATION_ID, packets.text(session["station"])))
    device = packets.address(session["address"])
    if device and device[0] == packets.NAS_IP_ADDRESS:
        found.append((packets.FRAMED_IP_ADDRESS, device[1]))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; exit 2 when the config file cannot be used."""
    parser = argparse.ArgumentParser(prog="twinpurse-radius-disconnect", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("/etc/twinpurse/edge.toml"))
    parser.add_argument("--once", action="store_true", help="one round, then end; exit 1 when the instance is away")
    chosen = parser.parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s: %(levelname)s: %(message)s"
    )
    try:
        settings = load_radius(chosen.config)
    except SettingsError as error:
        for problem in error.problems:
            print(f"{error.path}: {problem}", file=sys.stderr)
        return 2
    worker = Disconnector(settings, InstanceClient(settings.instance))
    if chosen.once:
        try:
            worker.once()
        except (InstanceAwayError, InstanceRefusedError) as error:
            log.error("the instance: %s", error)
            return 1
        return 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop.set())
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
