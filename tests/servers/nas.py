"""A NAS for tests, as pyrad reads and writes RADIUS: it ends sessions when it is told to, or loses, delays, refuses."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from io import StringIO
from types import TracebackType

from pyrad.dictionary import Dictionary
from pyrad.packet import CoAPacket, DisconnectNAK, DisconnectRequest

from tests.servers.process import LOOPBACK

NOT_FOUND = 503
ATTRIBUTES = """\
ATTRIBUTE User-Name 1 string
ATTRIBUTE NAS-IP-Address 4 ipaddr
ATTRIBUTE Framed-IP-Address 8 ipaddr
ATTRIBUTE Reply-Message 18 string
ATTRIBUTE Calling-Station-Id 31 string
ATTRIBUTE NAS-Identifier 32 string
ATTRIBUTE Acct-Session-Id 44 string
ATTRIBUTE Event-Timestamp 55 date
ATTRIBUTE Message-Authenticator 80 octets
ATTRIBUTE NAS-IPv6-Address 95 ipv6addr
ATTRIBUTE Error-Cause 101 integer
"""


@dataclass
class Faults:
    """What goes wrong: so many requests and answers are lost, answers come late, or every request is refused."""

    lose_requests: int = 0
    lose_answers: int = 0
    late_s: float = 0.0
    refuse: int = 0
    sign: bool = True
    garbage: bool = False


@dataclass
class Nas:
    """One NAS on a free UDP port, in a `with` block, with the sessions (Acct-Session-Id) that run at it."""

    secret: bytes = b"secret-of-the-nas"
    sessions: set[str] = field(default_factory=set)
    faults: Faults = field(default_factory=Faults)
    seen: list[dict[str, object]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    packets: int = 0

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self._socket.settimeout(0.05)
        self.port: int = self._socket.getsockname()[1]
        self._dictionary = Dictionary(StringIO(ATTRIBUTES))
        self._answered: dict[bytes, bytes] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="nas", daemon=True)

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                data, where = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            self.packets += 1
            if self.faults.lose_requests:
                self.faults.lose_requests -= 1
                continue
            answer = self._answered.get(data) or self._answer(data)
            if answer is None:
                continue
            self._answered[data] = answer  # RFC 5080, 2.2.2: the same packet again gets the same answer
            if self.faults.lose_answers:
                self.faults.lose_answers -= 1
                continue
            time.sleep(self.faults.late_s)
            if self.faults.garbage:
                self._socket.sendto(answer[:4] + bytes(16) + answer[20:], where)
            self._socket.sendto(answer, where)

    def _answer(self, data: bytes) -> bytes | None:
        packet = CoAPacket(packet=data, secret=self.secret, dict=self._dictionary)
        if packet.code != DisconnectRequest or not packet.VerifyCoARequest():
            self.problems.append("not a Disconnect-Request that is signed with the secret")
            return None
        if not packet.message_authenticator or not packet.verify_message_authenticator():
            self.problems.append("its Message-Authenticator is missing or wrong")
            return None
        found = {name: packet[name][0] for name in packet.keys()}  # noqa: SIM118 - pyrad's own kind of dictionary
        found.pop("Message-Authenticator", None)
        stamp = found.pop("Event-Timestamp", 0)
        if abs(int(stamp) - time.time()) > 300:
            self.problems.append(f"its Event-Timestamp is {stamp}")
            return None
        self.seen.append(found)
        reply = packet.CreateReply()
        cause = self.faults.refuse or (0 if found["Acct-Session-Id"] in self.sessions else NOT_FOUND)
        if cause:
            reply.code = DisconnectNAK
            reply["Error-Cause"] = cause
        else:
            self.sessions.discard(str(found["Acct-Session-Id"]))
        if self.faults.sign:
            reply.add_message_authenticator()
        answer: bytes = reply.ReplyPacket()
        return answer

    def __enter__(self) -> Nas:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(5)
        self._socket.close()
