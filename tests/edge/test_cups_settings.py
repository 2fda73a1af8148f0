"""The edge's config file: what is wrong with it is said all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.settings import SettingsError, load_cups


def write(folder: Path, text: str, content: str = "tpm_abc\n") -> Path:
    token_file = folder / "token"
    token_file.write_text(content)
    token_file.chmod(0o600)
    path = folder / "edge.toml"
    path.write_text(text.replace("TOKEN_FILE", str(token_file)))
    return path


GOOD = """
instance_url = "https://print.example.org/"
token_file = "TOKEN_FILE"
server = "print-1"
[cups]
spool_dir = "/var/spool/twinpurse"
"""


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        load_cups(path)
    return raised.value.problems


def test_a_short_file_is_enough(tmp_path: Path) -> None:
    settings = load_cups(write(tmp_path, GOOD))
    assert settings.instance.instance_url == "https://print.example.org"
    assert settings.instance.token == "tpm_abc"
    assert settings.count_program == ()
    assert "tpm_abc" not in repr(settings)


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    text = """
instance_url = "http://print.example.org"
token_file = "/nowhere/token"
serverr = "print-1"
answer_timeout_s = nan
ca_file = "/nowhere/ca.pem"
[cups]
spool_dir = "spool"
count_program = ["twinpurse-count", 3]
count_memory_mb = "much"
retry_most_s = 1e9
colour = true
"""
    found = problems(write(tmp_path, text))
    assert sorted(problem.split(":")[0] for problem in found) == [
        "answer_timeout_s",
        "ca_file",
        "cups.colour",
        "cups.count_memory_mb",
        "cups.count_program",
        "cups.retry_most_s",
        "cups.spool_dir",
        "instance_url",
        "server",
        "serverr",
        "token_file",
    ]


@pytest.mark.parametrize(
    "url",
    ["ftp://print", "http://", "print.example.org", "https://a:b@print", "https://print:x", "https://print/?q=1", ""],
)
def test_a_strange_url_is_refused(tmp_path: Path, url: str) -> None:
    (problem,) = problems(write(tmp_path, GOOD.replace("https://print.example.org/", url)))
    assert problem.startswith("instance_url:")


def test_plain_http_is_allowed_on_loopback_or_when_asked_for(tmp_path: Path) -> None:
    load_cups(write(tmp_path, GOOD.replace("https://print.example.org/", "http://127.0.0.1:8001")))
    plain = GOOD.replace("https:", "http:")
    assert problems(write(tmp_path, plain))
    load_cups(write(tmp_path, "allow_plain_http = true\n" + plain))


def test_a_token_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    (tmp_path / "token").chmod(0o644)
    assert problems(path) == ("token_file: everybody may read it; chmod it to 0600 or 0640",)


@pytest.mark.parametrize("token", ["", "two words", "a\nb", "ümlaut", "x" * 600])
def test_a_token_that_is_none_is_refused(tmp_path: Path, token: str) -> None:
    assert problems(write(tmp_path, GOOD, token)) == ("token_file: must hold one token on one line",)


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", b"#" * 70_000])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "edge.toml"
    path.write_bytes(content)
    assert len(problems(path)) == 1


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in problems(tmp_path / "edge.toml")[0]


def test_tables_where_keys_should_be(tmp_path: Path) -> None:
    found = problems(write(tmp_path, "cups = 3\n[server]\na = 1\n"))
    assert "cups: must be a table, [cups]" in found
    assert "server: must be a text" in found
