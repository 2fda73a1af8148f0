"""The house rules that a machine can check: sizes, docstrings, who may do what, and what must not lie in the tree."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "app" / "web" / "static"
ROOMS = ("app", "directory", "edge", "counting", "client", "language", "portal", "demo")
LINES_MAX = 350
UNESCAPED = {
    "app/web/templates/parts/pill.html": 1,  # shapes out of a table in the same file
    "app/web/templates/parts/icons.html": 1,  # paths out of a table in the same file
}
MAY_COMMIT = {"app/db.py"}
MAY_SIGN_IN = {"app/people/sessions.py", "portal/signin.py"}
FOREIGN = ("app/web/static/vendor/", "app/web/static/fonts/", "docs/images/", "tests/samples/")
REGISTRIES = re.compile(
    r"pypi\.|pythonhosted\.org|artifactory|registry\.npmjs|conda\.anaconda|proxy\.golang|devpi", re.I
)
MACHINE_PATH = re.compile(r"(?<![\w.<>{}$/-])/(?:work|root|home|Users|mnt)/[\w.-]+")


def tree(*patterns: str) -> list[Path]:
    """Return the files that are tracked, or would be: what git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(path for name in set(names.split("\0")) if name and (path := ROOT / name).is_file())


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def in_rooms(*suffixes: str) -> list[Path]:
    return [path for path in tree() if name_of(path).split("/")[0] in ROOMS and path.suffix in suffixes]


def lines_with(paths: list[Path], pattern: str) -> dict[str, int]:
    """Return file -> number of lines that match."""
    found = {name_of(path): len(re.findall(pattern, path.read_text("utf-8"))) for path in paths}
    return {name: count for name, count in found.items() if count}


def test_the_tree_is_seen() -> None:
    names = {name_of(path) for path in tree("*.py")}
    assert {"wsgi.py", "app/db.py", "edge/client.py", "tests/test_tidy.py"} <= names


def test_no_module_is_too_long() -> None:
    long = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in tree("*.py")}
    assert {name: lines for name, lines in long.items() if lines > LINES_MAX} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [name_of(path) for path in tree("*.py") if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert silent == []


def calls(paths: list[Path], name: str) -> set[str]:
    """Return the files that call a function or method of that name."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and name in (
                getattr(node.func, "attr", None),
                getattr(node.func, "id", None),
            ):
                found.add(name_of(path))
    return found


def test_only_one_place_commits() -> None:
    assert calls(tree("app/*.py"), "commit") == MAY_COMMIT


def test_people_are_signed_in_in_one_place_of_each_program() -> None:
    assert calls(in_rooms(".py"), "login_user") == MAY_SIGN_IN


def test_nothing_is_shown_unescaped_but_what_is_listed() -> None:
    assert lines_with(in_rooms(".html"), r"\|\s*safe\b|\bMarkup\(|autoescape\s+false") == UNESCAPED
    assert lines_with(in_rooms(".py"), r"\bMarkup\(|render_template_string|autoescape\s*=\s*False") == {}


def test_the_edge_imports_nothing_but_the_standard_library_and_itself() -> None:
    foreign = set()
    for path in tree("edge/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not (isinstance(node, ast.ImportFrom) and node.level), name_of(path)
            foreign |= {(name_of(path), module) for module in modules if not is_at_hand(module)}
    assert foreign == set()


def is_at_hand(module: str) -> bool:
    return module.split(".")[0] in sys.stdlib_module_names | {"edge"}


def test_no_address_of_a_registry_and_no_path_of_one_machine_lies_in_the_tree() -> None:
    found = []
    for path in tree():
        name = name_of(path)
        if name.startswith(FOREIGN) or name == "tests/test_tidy.py":
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{name}: {match.group()}" for match in (*REGISTRIES.finditer(text), *MACHINE_PATH.finditer(text))]
    assert found == []


def test_requirements_are_pinned_by_hash_and_name_no_index() -> None:
    pinned = tree("requirements/*.txt")
    assert {path.stem for path in pinned} == {"run", "demo", "dev", "client"}
    for path in pinned:
        text = path.read_text("utf-8")
        entries = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
        assert len(entries) > 5
        loose = [entry.split()[0] for entry in entries if "==" not in entry.split()[0] or "--hash=sha256:" not in entry]
        assert loose == [], path
    for path in tree("requirements/*"):
        options = re.findall(r"(?m)^\s*(--(?:extra-)?index-url|--find-links|--trusted-host|-i |-f )", path.read_text())
        assert options == [], path


def test_the_two_dark_palettes_are_equal() -> None:
    text = re.sub(r"/\*.*?\*/", "", (STATIC / "css" / "tokens.css").read_text("utf-8"), flags=re.S)
    system = re.search(r"prefers-color-scheme: dark\)\s*\{\s*:root[^{]*\{([^}]*)\}", text)
    chosen = re.search(r':root\[data-theme="dark"\]\s*\{([^}]*)\}', text)
    assert system
    assert chosen
    first, second = ([line.strip() for line in block[1].split(";") if line.strip()] for block in (system, chosen))
    assert first == second
    assert len(first) > 20


def test_what_others_made_lies_here_unchanged_and_is_listed() -> None:
    manifest = tomllib.loads((STATIC / "vendor" / "MANIFEST.toml").read_text("utf-8"))
    listed = {name: digest for part in manifest["part"] for name, digest in part["sha256"].items()}
    assert {name: hashlib.sha256((STATIC / name).read_bytes()).hexdigest() for name in listed} == listed
    lying = {
        path.relative_to(STATIC).as_posix()
        for path in tree("app/web/static/vendor", "app/web/static/fonts")
        if path.name != "MANIFEST.toml"
    }
    assert lying == set(listed)
    assert all(part["licence"] and part["licence_file"] in listed for part in manifest["part"])


def test_the_map_of_the_house_names_every_module_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", text)) | {
        f"{n}__init__.py" for n in re.findall(r"`((?:\w+/)+)`", text)
    }
    modules = {name_of(path) for path in [*in_rooms(".py"), ROOT / "wsgi.py"]}
    assert sorted(modules - named) == []
    gone = {
        name for name in named if name.split("/")[0] in ROOMS and name.endswith(".py") and not (ROOT / name).exists()
    }
    assert sorted(name for name in gone if not (ROOT / name).parent.is_dir()) == []
    assert sorted(name for name in gone if not name.endswith("__init__.py")) == []
