"""The command `twinpurse`: what it makes, says and refuses, and the exit codes that scripts rely on."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app import cli, clock
from app.api import tokens
from app.db import db, reading, writing
from app.errors import NotSignedInError
from app.folder import Plan, config_text, make_folder
from app.ledger import accounts
from app.ledger import service as ledger
from app.money import MICRO
from tests.servers.process import LOOPBACK, free_port

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Ended:
    """How the command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def twinpurse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run the command in this process, through the same main() as the installed one."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["twinpurse", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 1
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A print instance whose directory is a port of this machine where nobody listens."""
    plan = Plan(charges=("print",), servers=(f"ldap://{LOOPBACK}:{free_port()}",), plaintext_on_loopback=True)
    make_folder(tmp_path / "i", plan)
    return tmp_path / "i"


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return each file's mode and content."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


def test_init_makes_a_private_folder_that_loads(twinpurse: Callable[..., Ended], tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "net"
    before = os.umask(0o000)
    try:
        ended = twinpurse("init", folder, "--charges", "internet", "--organisation", "Northfield", "--name", "Net")
    finally:
        os.umask(before)
    assert (ended.code, ended.err) == (0, "")
    assert [line.split()[0] for line in ended.out.splitlines()] == ["made", "made", "Next:"]
    modes = {name: stat.S_IMODE(mode) for name, (mode, _) in snapshot(folder).items()}
    assert (modes["secrets"], modes["secrets/secret.key"]) == (0o700, 0o600)
    config = tomllib.loads((folder / "config.toml").read_text())
    assert (config["id"], config["charges"], config["name"]) == ("net", ["internet"], "Net")
    assert "print" not in config
    assert config["organisation"] == "Northfield"


def test_init_again_changes_nothing(twinpurse: Callable[..., Ended], folder: Path) -> None:
    (folder / "config.toml").write_text((folder / "config.toml").read_text() + "# mine\n")
    before = snapshot(folder)
    for more in ((), ("--charges", "internet", "--name", "Other")):
        ended = twinpurse("init", folder, *more)
        assert (ended.code, "made" in ended.out) == (0, False)
    assert snapshot(folder) == before


def test_two_folders_never_share_a_secret(tmp_path: Path) -> None:
    keys = set()
    for name in "abc":
        make_folder(tmp_path / name, Plan(charges=("print",)))
        keys.add((tmp_path / name / "secrets" / "secret.key").read_text())
    assert len(keys) == 3


def test_init_wants_to_know_what_it_charges(twinpurse: Callable[..., Ended], tmp_path: Path) -> None:
    ended = twinpurse("init", tmp_path / "new")
    assert (ended.code, "--charges" in ended.err) == (2, True)
    assert not (tmp_path / "new").exists()
    assert twinpurse("init", tmp_path / "new", "--charges", "coffee").code == 2
    (tmp_path / "file").write_text("")
    ended = twinpurse("init", tmp_path / "file" / "new", "--charges", "print")
    assert (ended.code, ended.err.startswith("twinpurse: ")) == (1, True)


@pytest.mark.parametrize("name", ['a "b" \\ c', "caf\u00e9", "A  # B", "tab\there", "del\x7f", "\U0001f5a8"])
def test_any_text_survives_the_configuration(name: str, tmp_path: Path) -> None:
    config = tomllib.loads(config_text(tmp_path, Plan(charges=("print", "internet"), name=name, organisation=name)))
    assert (config["name"], config["organisation"]) == (name, name)
    assert {"print", "internet"} < set(config)
    assert (config["id"], config["charges"]) == ("purse", ["print", "internet"])


def test_check_says_what_is_missing_and_makes_nothing(twinpurse: Callable[..., Ended], folder: Path) -> None:
    before = snapshot(folder)
    ended = twinpurse("check", folder)
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[0] == f"the database has no tables yet: twinpurse upgrade {folder}"
    assert lines[1].startswith("directory: ")
    assert len(lines) == 2
    assert snapshot(folder) == before
    config = folder / "config.toml"
    config.write_text(
        config.read_text()
        .replace('redis_url = ""', f'redis_url = "redis://{LOOPBACK}:{free_port()}/0"')
        .replace('database_url = ""', f'database_url = "postgresql+psycopg://x@{LOOPBACK}:{free_port()}/x"')
    )
    lines = twinpurse("check", folder).out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "the database does not answer (OperationalError)",
        "directory",
        "redis_url",
    ]
    config.write_text(config.read_text().replace('id = "print"', 'id = "?"'))
    (folder / "secrets" / "secret.key").unlink()
    ended = twinpurse("check", folder)
    assert (ended.code, len(ended.out.splitlines())) == (1, 2)


def test_settings_that_are_wrong_end_every_command_with_2(twinpurse: Callable[..., Ended], folder: Path) -> None:
    (folder / "config.toml").write_text('id = "?"\ncolour = "red"\n')
    for command in ("upgrade", "serve", "worker", "verify"):
        ended = twinpurse(command, folder)
        assert (ended.code, ended.out) == (2, "")
        assert f"{folder}: colour: unknown key" in ended.err.splitlines()
        assert f"{folder}: charges: missing" in ended.err.splitlines()


def test_what_needs_the_database_refuses_one_that_was_not_upgraded(
    twinpurse: Callable[..., Ended], folder: Path
) -> None:
    for command in (("serve", folder), ("verify", folder), ("token", "list", folder)):
        ended = twinpurse(*command)
        assert (ended.code, ended.out) == (7, ""), command
        assert ended.err == f"twinpurse: the database has no tables yet: twinpurse upgrade {folder}\n"


def test_upgrade_may_be_run_again(twinpurse: Callable[..., Ended], folder: Path) -> None:
    for _twice in range(2):
        ended = twinpurse("upgrade", folder)
        assert (ended.code, ended.out) == (0, f"The database of {folder} is up to date.\n")
    assert twinpurse("check", folder).out.startswith("directory: ")


def test_serve_refuses_to_show_a_demo_to_others(twinpurse: Callable[..., Ended], folder: Path) -> None:
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("demo = false", "demo = true"))
    twinpurse("upgrade", folder)
    for host in ("0.0.0.0", "192.0.2.1", "::"):  # noqa: S104 - that is the case
        ended = twinpurse("serve", folder, "--host", host)
        assert (ended.code, "A demo is served on 127.0.0.1 only" in ended.err) == (2, True)


def test_serve_puts_granian_in_its_place(
    twinpurse: Callable[..., Ended], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twinpurse("upgrade", folder)
    seen: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda _path, argv, environment: seen.append((argv, environment)))
    assert twinpurse("serve", folder, "--port", 9999).code == 0
    [(argv, environment)] = seen
    assert argv[-1] == "wsgi:app"
    assert argv[argv.index("--port") + 1] == "9999"
    assert argv[argv.index("--host") + 1] == LOOPBACK
    assert environment["TWINPURSE_INSTANCE"] == str(folder)


def test_a_worker_without_redis_has_nothing_to_do(twinpurse: Callable[..., Ended], folder: Path) -> None:
    twinpurse("upgrade", folder)
    ended = twinpurse("worker", folder)
    assert (ended.code, "nothing to do here" in ended.err) == (1, True)


def test_verify_ends_with_0_when_the_books_agree_and_1_when_they_do_not(
    twinpurse: Callable[..., Ended], make_instance: Callable[..., Flask], database_url: str, known: Callable[..., dict]
) -> None:
    app = make_instance(database_url=database_url)
    folder = app.extensions["twinpurse.settings"].folder
    with app.app_context():
        account = accounts.get_account(reading(), user_id=known()["alice"])
        writing(
            lambda session: ledger.post(
                session,
                account_id=account.id,
                amount=5 * MICRO,
                source="adjustment",
                key="k",
                now=clock.now(),
                title="t",
            )
        )
        reading().rollback()
    good = twinpurse("verify", folder, "--progress")
    lines = good.out.splitlines()
    assert good.code == 0
    assert lines[:2] == [
        "4 accounts, 1 entry, 0 open holds; all balances together $5.00",
        "  source adjustment: \N{MINUS SIGN}$5.00",
    ]
    assert lines[2].startswith("History: nothing kept before; kept up to entry 1, seal ")
    assert lines[3:] == ["No difference."]
    assert "places and balances" in good.err
    with app.app_context():
        damage = text("UPDATE accounts SET balance = balance + 1 WHERE id = :id").bindparams(id=account.id)
        writing(lambda session: session.execute(damage))
    bad = twinpurse("verify", folder)
    assert (bad.code, bad.err) == (1, "")
    named = f"DIFFERENCE account {account.id}, entry 1: balance of the account (by its last entry): "
    assert named + "expected $5.00, found $5.000001" in bad.out.splitlines()
    assert bad.out.splitlines()[-1] == "1 difference."
    for_machines = twinpurse("verify", folder, "--json")
    read = json.loads(for_machines.out)
    assert (for_machines.code, read["difference_count"], read["sources"]) == (1, 1, {"adjustment": -5 * MICRO})
    assert (read["differences"][0]["account_id"], read["differences"][0]["found"]) == (account.id, 5 * MICRO + 1)
    assert read["history"]["compared_until"] == 1
    with app.app_context(), db.engine.connect() as connection:
        kept = connection.execute(text("SELECT difference_count FROM verifications ORDER BY id")).scalars().all()
    assert kept == [0, 1, 1]


def test_tokens_are_made_listed_and_revoked(twinpurse: Callable[..., Ended], folder: Path) -> None:
    twinpurse("upgrade", folder)
    made = twinpurse("token", "create", folder, "--name", "cups1", "--scope", "print")
    assert (made.code, made.out.startswith("tpm_")) == (0, True)
    listed = twinpurse("token", "list", folder)
    assert listed.out == "1\tprint\tcups1\tgood\n"
    assert made.out.strip() not in listed.out
    assert twinpurse("token", "revoke", folder, 1).out == "Token 1 is revoked.\n"
    assert "\trevoked 2" in twinpurse("token", "list", folder).out
    missing = twinpurse("token", "revoke", folder, 99)
    assert (missing.code, missing.err) == (4, "twinpurse: There is no such token.\n")
    assert twinpurse("token", "create", folder, "--name", "x", "--scope", "admin").code == 2
    with cli._app(folder).app_context(), pytest.raises(NotSignedInError):
        tokens.find_machine_token(reading(), token=made.out.strip())


def test_pair_gives_both_ends_one_key_once(twinpurse: Callable[..., Ended], folder: Path, tmp_path: Path) -> None:
    portal = tmp_path / "portal"
    ended = twinpurse("pair", portal, folder)
    assert (ended.code, "portal.toml" in ended.err) == (1, True)
    portal.mkdir()
    (portal / "portal.toml").write_text("")
    assert twinpurse("pair", portal, folder).code == 0
    ends = [portal / "secrets" / "instance-print.key", folder / "secrets" / "portal.key"]
    keys = [end.read_text() for end in ends]
    assert keys[0] == keys[1]
    assert len(keys[0]) >= 64
    assert [stat.S_IMODE(end.stat().st_mode) for end in ends] == [0o600, 0o600]
    assert stat.S_IMODE((portal / "secrets").stat().st_mode) == 0o700
    again = twinpurse("pair", portal, folder)
    assert (again.code, "exists: remove it on both sides" in again.err) == (1, True)
    assert [end.read_text() for end in ends] == keys


def test_the_command_runs_as_a_program() -> None:
    command = [sys.executable, "-c", "from app.cli import main; main()"]
    helped = subprocess.run([*command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in ("init", "check", "upgrade", "serve", "worker", "verify", "pair", "token"):
        assert f"  {name} " in helped.stdout
    wrong = subprocess.run([*command, "nonsense"], cwd=ROOT, capture_output=True, text=True)
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)


def test_serve_refuses_a_port_that_is_taken(twinpurse: Callable[..., Ended], folder: Path) -> None:
    """granian would share the port, and people would land in one instance or the other by chance."""
    twinpurse("upgrade", folder)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = twinpurse("serve", folder, "--port", port)
    assert ended.code == 7
    assert f"127.0.0.1:{port} is in use" in ended.err


def test_a_portal_has_nothing_to_upgrade(twinpurse: Callable[..., Ended], tmp_path: Path) -> None:
    twinpurse("init", tmp_path / "p", "--portal")
    assert twinpurse("upgrade", tmp_path / "p").code == 0
    assert "nothing to upgrade" in twinpurse("upgrade", tmp_path / "p").out


def test_upgrade_says_in_a_line_that_the_database_is_away(twinpurse: Callable[..., Ended], folder: Path) -> None:
    config = folder / "config.toml"
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    config.write_text(config.read_text().replace('database_url = ""', f'database_url = "{url}"'))
    ended = twinpurse("upgrade", folder)
    assert (ended.code, ended.err.count("\n")) == (8, 1)
    assert ended.err.startswith("twinpurse: The database does not answer:")


def test_a_token_for_what_is_not_charged_is_refused(twinpurse: Callable[..., Ended], folder: Path) -> None:
    twinpurse("upgrade", folder)
    ended = twinpurse("token", "create", folder, "--name", "x", "--scope", "internet")
    assert (ended.code, ended.out) == (2, "")
