"""The portal before a real instance: what the one says, the other reads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import httpx2
from flask import Flask
from werkzeug.serving import make_server

from directory.memory import MemoryDirectory
from portal.factory import create_app
from tests.conftest import PORTAL_KEY
from tests.portal.conftest import sign_in, text_of, write_folder
from tests.portal.instance_stub import InstanceStub


def test_card_and_way_in_of_a_real_instance(
    tmp_path: Path, make_instance: Callable[..., Flask], cast: MemoryDirectory, known: Callable[..., dict[str, int]]
) -> None:
    listener = make_server("127.0.0.1", 0, lambda _environment, _start: [])
    instance = make_instance(public_url=f"http://127.0.0.1:{listener.port}")
    with instance.app_context():
        known()
    listener.app = instance
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    try:
        folder = write_folder(tmp_path / "portal", [InstanceStub("print", port=listener.port)])
        (folder / "secrets" / "instance-print.key").write_text(PORTAL_KEY)
        client = create_app(folder, directory=cast).test_client()
        assert sign_in(client, "alice", "demo-alice").status_code == 303
        text = text_of(client.get("/"))
        assert "Hello Alice." in text
        assert "$0.00" in text
        assert "Open Print account" in text
        address = client.get("/go/print").location
        assert address.startswith(f"http://127.0.0.1:{listener.port}/enter?code=")
        browser = httpx2.Client(follow_redirects=False, trust_env=False)
        entered = browser.get(address)
        assert (entered.status_code, entered.headers["Location"]) == (302, "/")
        assert browser.get(f"http://127.0.0.1:{listener.port}/").status_code == 200
        again = httpx2.get(address, follow_redirects=False, trust_env=False)
        assert again.headers["Location"] == "/sign-in"
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
