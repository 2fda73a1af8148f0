"""The administrators' page that makes config files and login scripts: what it makes works, and nothing runs in it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from flask import Flask

from client.config import load, server_of
from tests.web.browsing import Browser, signed_in

BOTH = {"print": "https://print.example.org", "net": "https://net.example.org:8443"}


def unpacked(browser: Browser, folder: Path, **asked: str) -> dict[str, bytes]:
    response = browser.get("/admin/client/files?" + urlencode(asked))
    assert response.status_code == 200
    assert response.mimetype == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        archive.extractall(folder)
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_archive_has_a_config_for_each_copy_and_the_scripts(print_app: Flask, tmp_path: Path) -> None:
    browser = signed_in(print_app, "admin")
    files = unpacked(browser, tmp_path, **BOTH, windows_folder=r"\\files\balance$", unix_folder="/opt/balance/")
    scripts = {"balance-windows.bat", "balance-windows.sh"}
    assert files.keys() == {"print/config.properties", "net/config.properties"} | scripts
    for profile, address in BOTH.items():
        config = load(site_file=tmp_path / profile / "config.properties", user_file=tmp_path / "none")
        assert (config.problems, server_of(config).url) == ((), address)
    assert rb'start "" \\files\balance$\twinpurse-client.exe --profile net --silent' in files["balance-windows.bat"]
    assert b"\n/opt/balance/twinpurse-client --profile print --silent &\n" in files["balance-windows.sh"]


def test_an_instance_names_itself_and_a_shared_purse_has_one_copy(
    make_instance: Callable[..., Flask], tmp_path: Path
) -> None:
    for number, (charges, profile) in enumerate(
        ((("print",), "print"), (("internet",), "net"), (("print", "internet"), "print"))
    ):
        app = make_instance(charges=charges)
        files = unpacked(signed_in(app, "admin"), tmp_path / str(number))
        assert {name.split("/")[0] for name in files if name.endswith("properties")} == {profile}
        here = app.extensions["twinpurse.settings"].config.public_url
        assert f"server-url={here}" in files[f"{profile}/config.properties"].decode()


@pytest.mark.parametrize(
    "asked",
    [
        *({"print": "print.example.org"}, {"net": "http://net.example.org"}, {"print": "javascript:alert(1)"}),
        *(
            {"print": "https://x/\nsilent=Y"},
            {"print": "https://a b/"},
            {"print": "https://"},
            {"print": "https://x:y/"},
        ),
        *({"windows_folder": 'C:\\x" & calc & "'}, {"windows_folder": "%TEMP%"}, {"unix_folder": "/x; rm -rf ~"}),
        *({"unix_folder": "$(id)"}, {"unix_folder": "`id`"}, {"windows_folder": "x^|y"}, {"unix_folder": "/x\n/y;id"}),
    ],
)
def test_what_a_script_or_a_file_could_read_otherwise_is_not_made(print_app: Flask, asked: dict[str, str]) -> None:
    browser = signed_in(print_app, "admin")
    query = urlencode(BOTH | asked)
    page = browser.get(f"/admin/client?{query}")
    assert page.status_code == 200
    if "Something to correct" not in page.text:  # what cannot be typed was left out
        assert "\n" in "".join(asked.values())
        assert "rm -rf" not in page.text
        assert ";id" not in page.text
        return
    assert "Download all" not in page.text
    assert browser.get(f"/admin/client/files?{query}").status_code == 404


def test_the_page_is_for_those_who_may_look(print_app: Flask) -> None:
    assert signed_in(print_app, "alice").get("/admin/client").status_code == 403
    assert Browser(print_app).get("/admin/client/files").status_code == 302
