"""What is handed to users: the wheel alone, and the program of one file on a machine without Python."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.client.building import build, installed
from tests.client.instance_stub import InstanceStub
from tests.servers.authority import Authority
from tests.servers.display import Display
from tests.servers.process import Child

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
PROGRAM_BYTES_MAX = 25_000_000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("client"))


def test_the_wheel_needs_nothing_else(built: tuple[Path, Path], tmp_path: Path) -> None:
    command = installed(built[0], tmp_path)
    with InstanceStub() as stub:
        done = subprocess.run(
            [str(command), "--text", "--server-url", stub.url],
            env={"HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout.splitlines()[0]) == (3, "Sign in to see your balance")


def test_the_program_of_one_file_starts_without_python_with_the_config_beside_it(
    built: tuple[Path, Path], tmp_path: Path, display: Display
) -> None:
    assert built[1].stat().st_size < PROGRAM_BYTES_MAX
    authority = Authority(tmp_path / "ca")
    folder = tmp_path / "somewhere"
    folder.mkdir()
    program = folder / "twinpurse-client"
    program.write_bytes(built[1].read_bytes())
    program.chmod(0o755)
    with InstanceStub(authority.sign("server")) as stub:
        lines = [f"server-url={stub.url}", "windowtitle=Print Balance", "ca-file=ca.pem", "background-color=F5E6FF"]
        (folder / "config.properties").write_text("\r\n".join([*lines, "windowposition=top-left", "debug=Y"]))
        (folder / "ca.pem").write_bytes(authority.ca_file.read_bytes())
        environment = {"HOME": str(tmp_path)} | display.environment  # not even a PATH
        with Child([str(program)], env=environment, cwd=tmp_path, log=tmp_path / "out") as child:
            window = display.wait_window("Print Balance", child=child)
            display.type(window, "alice")
            display.key(window, "Tab")
            display.type(window, "secret")
            display.key(window, "Return")
            log, deadline = tmp_path / "user-client.log", time.monotonic() + 20
            while "$3.40" not in log.read_text():
                assert time.monotonic() < deadline, log.read_text() + child.log_tail()
                time.sleep(0.1)
            used = loaded(child.pid)
    assert any("/_MEI" in name for name in used)
    assert {name for name in used if "python" in name and "/_MEI" not in name} == set()


def loaded(pid: int) -> set[str]:
    """The libraries of a program and of its child: the program of one file unpacks itself and starts a second time."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = [line for one in (pid, *children) for line in Path(f"/proc/{one}/maps").read_text().splitlines()]
    return {line.split(maxsplit=5)[5] for line in lines if ".so" in line}
