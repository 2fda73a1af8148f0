"""A real Redis server that keeps nothing on disk."""

from __future__ import annotations

import shutil
from types import TracebackType

from tests.servers.process import LOOPBACK, Child, free_port, make_dir, need, wait_port

PROGRAM = "/usr/bin/redis-server"


class RedisServer:
    """redis-server on a free loopback port."""

    def __init__(self) -> None:
        need(PROGRAM, "redis-server")
        self.folder = make_dir("twinpurse-redis-")
        self.port = free_port()
        argv = [PROGRAM, "--port", str(self.port), "--bind", LOOPBACK, "--save", "", "--appendonly", "no"]
        self.child = Child([*argv, "--dir", str(self.folder), "--daemonize", "no"], log=self.folder / "log")

    @property
    def url(self) -> str:
        """The address as `redis_url` wants it."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> RedisServer:
        """Start and wait until it answers."""
        self.child.start()
        wait_port(self.port, self.child)
        return self

    def stop(self) -> None:
        """Stop it and remove its folder."""
        self.child.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> RedisServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
