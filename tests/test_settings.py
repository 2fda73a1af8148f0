"""A folder that is not in order stops the start with every problem at once; docs/settings.md names every key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from app.errors import SettingsError
from app.folder import Plan, config_text, make_folder
from app.settings import Config, Settings
from portal.settings import Config as PortalConfig

ROOT = Path(__file__).resolve().parents[1]
SECRET = "s" * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for print, as `twinpurse init` makes it, with a shared portal key."""
    make_folder(tmp_path / "i", Plan(charges=("print",), secrets={"portal.key": SECRET}))
    return tmp_path / "i"


def change(folder: Path, old: str, new: str) -> None:
    """Change the line that begins with `old =` in config.toml."""
    path = folder / "config.toml"
    text, count = re.subn(rf"(?m)^{old} = .*$", lambda _match: new, path.read_text())
    assert count == 1, old
    path.write_text(text)


def problems(folder: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(folder)
    assert str(folder) in str(caught.value)
    return caught.value.problems


def test_a_new_folder_loads(folder: Path) -> None:
    settings = Settings.load(folder)
    assert (settings.config.id, settings.config.charges, settings.enforces) == ("print", ["print"], True)
    assert (settings.charges_print, settings.charges_internet, settings.look) == (True, False, "print")
    assert (settings.config.print.price_per_page, settings.config.low_balance) == (50_000, 1_000_000)
    assert settings.database_url == f"sqlite:///{folder}/twinpurse.db"
    assert len(settings.secret_key) >= 32
    assert settings.portal_key == SECRET


@pytest.mark.parametrize(
    ("key", "line", "named"),
    [
        ("id", 'id = "Print!"', "id"),
        ("mode", 'mode = "lenient"', "mode"),
        ("mode", 'mode = "enforce"\ncolour = "red"', "colour: unknown key"),
        ("charges", 'charges = ["print", "coffee"]', "charges.1"),
        ("charges", 'charges = ["print", "print"]', "charges: names the same thing twice"),
        ("charges", "charges = []", "charges"),
        ("name", "name = 5", "name"),
        ("demo", 'demo = "false"', "demo"),
        ("public_url", 'public_url = "print.example.org"', "public_url"),
        ("public_url", 'public_url = "ftp://print.example.org"', "public_url"),
        ("public_url", 'public_url = "http://print.example.org:99999"', "public_url"),
        ("public_url", 'public_url = "http://[::1"', "public_url"),
        ("public_url", 'public_url = "http://user:word@print.example.org"', "public_url"),
        ("portal_url", 'portal_url = "http://portal.example.org/?a=b"', "portal_url"),
        ("time_zone", 'time_zone = "Mars/Olympus"', "time_zone: is not a time zone"),
        ("low_balance", 'low_balance = "-1"', "low_balance: must not be negative"),
        ("low_balance", "low_balance = 1.0", "low_balance: write the amount between quotes"),
        ("price_per_page", 'price_per_page = "0.0000001"', "print.price_per_page: use at most six figures"),
        ("price_per_page", 'price_per_page = "1000001"', "print.price_per_page: must not be more than"),
        ("decimals", "decimals = 7", "unit.decimals"),
        ("database_url", 'database_url = "mysql://x"', "database_url: must begin with"),
        ("redis_url", 'redis_url = "http://x"', "redis_url: must begin with"),
        ("servers", 'servers = ["ldap://ldap.example.org"]', "directory: ldap://ldap.example.org:389 would send"),
        ("bind_dn", 'bind_dn = "cn=reader"', "directory.bind_dn: its password is missing"),
        ("ca_file", 'ca_file = "/nowhere/ca.pem"', "directory.ca_file: /nowhere/ca.pem cannot be read"),
    ],
)
def test_a_wrong_value_is_named(folder: Path, key: str, line: str, named: str) -> None:
    change(folder, key, line)
    [problem] = problems(folder)
    assert problem.startswith(named)


def test_every_problem_is_listed_at_once(folder: Path) -> None:
    change(folder, "mode", 'mode = "lenient"\ncolour = "red"')
    change(folder, "name", "")
    change(folder, "time_zone", 'time_zone = "Nowhere"')
    change(folder, "public_url", 'public_url = "x"')
    change(folder, "database_url", 'database_url = "mysql://x"')
    change(folder, "redis_url", 'redis_url = "x"')
    change(folder, "charges", 'charges = ["print", "print"]')
    change(folder, "price_per_page", 'price_per_page = "-0.05"')
    (folder / "secrets" / "secret.key").chmod(0o640)
    (folder / "secrets" / "portal.key").write_text("short")
    found = problems(folder)
    for beginning in (
        "mode: ", "colour: unknown key", "name: missing", "time_zone: is not a time zone", "public_url: must be",
        "database_url: ", "redis_url: ", "charges: ", "print.price_per_page: must not be negative",
        "secrets/secret.key can be read by others: chmod 600 ", "secrets/portal.key must be its own",
    ):  # fmt: skip
        assert sum(problem.startswith(beginning) for problem in found) == 1, (beginning, found)
    assert len(found) == 11


def test_what_is_wrong_with_secrets_is_said_and_no_secret_is(folder: Path) -> None:
    vault = folder / "secrets"
    secret, portal = vault / "secret.key", vault / "portal.key"
    own = secret.read_text()
    secret.write_text("tooshort-tooshort")
    assert problems(folder) == ["secrets/secret.key is shorter than 32 characters"]
    secret.write_bytes(b"\xff" * 40)
    assert problems(folder) == ["secrets/secret.key cannot be read: it is not text"]
    secret.unlink()
    assert problems(folder) == [f"secrets/secret.key is missing: twinpurse init {folder} makes it"]
    secret.mkdir(mode=0o700)
    assert problems(folder)[0].startswith("secrets/secret.key cannot be read")
    secret.rmdir()
    secret.write_text(own)
    secret.chmod(0o600)
    portal.write_text(own)
    assert problems(folder) == ["secrets/portal.key must be its own, of at least 32 characters"]
    portal.unlink()
    assert Settings.load(folder).portal_key == ""
    (vault / "directory.password").write_text("word")
    assert problems(folder)[0].startswith("secrets/directory.password can be read by others")


def test_a_file_that_is_not_there_or_not_toml_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "config.toml").write_text("id = [")
    assert problems(folder)[0].startswith("config.toml is not TOML")
    (folder / "config.toml").write_bytes(b'id = "\xff"')
    assert problems(folder)[0].startswith("config.toml is not TOML")
    assert len(problems(tmp_path / "nothing")) == 2


@pytest.mark.parametrize("address", ["http://print.example.org", "http://192.0.2.1:8001", "http://0.0.0.0:8001"])
def test_a_demo_serves_this_machine_only(folder: Path, address: str) -> None:
    change(folder, "demo", "demo = true")
    change(folder, "public_url", f'public_url = "{address}"')
    [problem] = problems(folder)
    assert problem.startswith("demo: a demo serves 127.0.0.1 only")


@pytest.mark.parametrize("address", ["http://127.0.0.1:8001", "http://localhost:8001", "http://127.0.0.5:1"])
def test_a_demo_may_have_any_address_of_this_machine(folder: Path, address: str) -> None:
    change(folder, "demo", "demo = true")
    change(folder, "public_url", f'public_url = "{address}"')
    assert Settings.load(folder).config.demo


@pytest.mark.parametrize(
    ("name", "plan"), [("instance_print", Plan(charges=("print",))), ("instance_net", Plan(charges=("internet",)))]
)
def test_the_two_folders_here_are_what_init_would_make(name: str, plan: Plan, tmp_path: Path) -> None:
    kept = (ROOT / name / "config.toml").read_text("utf-8")
    assert kept == config_text(Path(name), plan)
    make_folder(tmp_path / name, plan)
    (tmp_path / name / "config.toml").write_text(kept)
    assert Settings.load(tmp_path / name).config.charges == list(plan.charges)


def fields(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return every key of a model, with its table's name before it."""
    found = []
    for attribute, field in model.model_fields.items():
        name = field.alias or attribute
        inner = getattr(field.annotation, "__args__", (field.annotation,))[0]
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += fields(inner, f"{name}.")
        else:
            found.append(f"{prefix}{name}")
    return found


@pytest.mark.parametrize(("model", "file"), [(Config, "config.toml"), (PortalConfig, "portal.toml")])
def test_the_manual_names_every_key_with_type_default_unit_and_example(model: type[BaseModel], file: str) -> None:
    manual = (ROOT / "docs" / "settings.md").read_text("utf-8")
    sections = dict(re.findall(r"(?ms)^## `(\S+)`.*?\n(.*?)(?=^## |\Z)", manual))
    directory = sections["[directory]"]
    for key in fields(model):
        text, name = (
            (directory, key.removeprefix("directory.")) if key.startswith("directory.") else (sections[file], key)
        )
        rows = re.findall(rf"(?m)^\| `{re.escape(name)}` \|(.*)\|$", text)
        assert len(rows) == 1, f"{key} of {file} has {len(rows)} rows"
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", rows[0])]
        assert len(cells) == 5, (key, cells)
        assert all(cells), f"{key}: an empty cell"


def test_the_manual_names_no_key_that_is_not_there() -> None:
    manual = (ROOT / "docs" / "settings.md").read_text("utf-8")
    named = re.findall(r"(?m)^\| `([a-z_.]+)` \|", manual)
    known = {*fields(Config), *fields(PortalConfig)}
    known |= {key.removeprefix("directory.") for key in known}
    assert [name for name in named if name not in known and not name.endswith((".key", ".password"))] == []
