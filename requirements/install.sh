#!/bin/sh
# Installs one pinned set into the virtual environment of this clone: sh requirements/install.sh demo|dev
# With uv when it is there, else with the venv's own pip. A set that is installed already is left alone.
set -eu
set_name=$1
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Twinpurse needs Python 3.11 or newer; $("$python" --version) is too old. Try: make PYTHON=python3.12" >&2
    exit 1
}
[ -x .venv/bin/python ] || "$python" -m venv .venv || {
    echo "No virtual environment could be made. On Debian: apt-get install python3-venv" >&2
    exit 1
}
sum=$(cat "requirements/$set_name.txt" pyproject.toml | cksum)
stamp=.venv/installed-$set_name
[ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && exit 0
echo "Installing what Twinpurse needs into .venv ..."
if command -v uv >/dev/null 2>&1; then
    export VIRTUAL_ENV=$PWD/.venv
    uv pip install --quiet --require-hashes --requirement "requirements/$set_name.txt"
    uv pip install --quiet --no-deps --no-build-isolation --editable .
else
    pip=".venv/bin/python -m pip --disable-pip-version-check --quiet"
    $pip install --require-hashes --requirement "requirements/$set_name.txt"
    $pip install --no-deps --no-build-isolation --editable .
fi
echo "$sum" >"$stamp"
