"""The portal's folder: what is wrong with it is said at once and completely."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal import settings
from portal.settings import PortalSettingsError, Settings
from portal.store import Store
from tests.portal.conftest import write_folder
from tests.portal.instance_stub import InstanceStub

STUBS = [InstanceStub("print", port=8001), InstanceStub("net", port=8002)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is in order."""
    return write_folder(tmp_path / "portal", STUBS)


def problems_of(folder: Path) -> list[str]:
    """What Settings says of the folder."""
    with pytest.raises(PortalSettingsError) as caught:
        Settings.load(folder)
    return caught.value.problems


def test_a_folder_in_order_is_read(folder: Path) -> None:
    read = Settings.load(folder)
    assert [(each.id, each.url) for each in read.instances] == [
        ("print", "http://127.0.0.1:8001"),
        ("net", "http://127.0.0.1:8002"),
    ]
    assert read.instances[0].key.startswith("key-of-print-")
    assert read.zone.key == "Europe/Berlin"
    assert not read.is_https


def test_the_shipped_example_lacks_only_its_secrets(tmp_path: Path) -> None:
    example = Path(settings.__file__).with_name("portal.toml").read_text()
    (tmp_path / "portal.toml").write_text(example)
    assert problems_of(tmp_path) == [
        "secrets/secret.key is missing",
        "secrets/instance-print.key is missing",
        "secrets/instance-net.key is missing",
    ]


def test_all_problems_come_at_once(folder: Path) -> None:
    config = folder / "portal.toml"
    text = config.read_text().replace('"Europe/Berlin"', '"Mars"').replace("demo = true", 'demo = "yes"\ncolour = 1')
    config.write_text(text.replace('base_dn = "dc=example,dc=org"', "base_dn = 5"))
    (folder / "secrets" / "secret.key").write_text("short")
    (folder / "secrets" / "secret.key").chmod(0o644)
    found = "\n".join(problems_of(folder))
    for expected in ("time_zone: is not a time zone", "demo: ", "colour: unknown key", "directory.base_dn: "):
        assert expected in found
    assert "secrets/secret.key is shorter than 32 characters" in found
    assert "secrets/secret.key can be read by others" in found


def test_no_two_keys_are_the_same(folder: Path) -> None:
    key = (folder / "secrets" / "secret.key").read_text()
    (folder / "secrets" / "instance-net.key").write_text(key)
    assert problems_of(folder) == [
        "secrets: each key must be its own, but secret.key and instance-net.key are the same"
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('url = "http://127.0.0.1:8001"', 'url = "ftp://127.0.0.1"', "must be an address"),
        ('url = "http://127.0.0.1:8001"', 'url = "http://user@127.0.0.1"', "must be an address"),
        ('url = "http://127.0.0.1:8001"', 'url = "http://127.0.0.1:x"', "is not an address"),
        ('url = "http://127.0.0.1:8001"', 'url = "http://print.example.org"', "a demo uses 127.0.0.1 only"),
        ('id = "net"', 'id = "print"', "two instances have the same id: print"),
        ("127.0.0.1:8002", "127.0.0.1:8001", "two instances have the same url"),
        ('look = "net"', 'look = "green"', "look"),
        ('id = "net"', 'id = "../x"', "id"),
        ('public_url = "http://127.0.0.1:8000"', "", "public_url: missing"),
        ('base_dn = "dc=example,dc=org"', 'base_dn = "dc=example"\nuser_filter = "(uid=x)"', "user_filter"),
        ("[directory]", "[directory", "is not TOML"),
    ],
)
def test_a_wrong_value_is_named(folder: Path, old: str, new: str, said: str) -> None:
    config = folder / "portal.toml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    assert said in "\n".join(problems_of(folder))


def test_a_portal_without_instances_does_not_start(folder: Path) -> None:
    config = folder / "portal.toml"
    config.write_text(config.read_text().partition("[[instance]]")[0])
    assert "instance: missing" in problems_of(folder)


def test_no_folder_at_all(tmp_path: Path) -> None:
    assert "portal.toml is missing" in problems_of(tmp_path / "nowhere")


def test_the_store_does_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "portal.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        Store(tmp_path)
