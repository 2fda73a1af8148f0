"""What every application of the tests would make anew, made once: each test has an application of its own.

Werkzeug compiles two functions for each address, Jinja each template. Both depend on nothing but their text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule

_compile_builder: Callable[..., Any] = Rule._compile_builder
_builders: dict[tuple[str, str, str, bool], Any] = {}


def _builder(rule: Rule, append_unknown: bool = True) -> Any:
    """The function that builds an address; it gets its rule, and so the converters, when it is called."""
    if rule.defaults:
        return _compile_builder(rule, append_unknown)
    key = (rule.rule, rule.subdomain or "", rule.host or "", append_unknown)
    if key not in _builders:
        _builders[key] = _compile_builder(rule, append_unknown)
    return _builders[key]


class Templates(BytecodeCache):
    """Compiled templates, by name, file and source."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give a bucket what was compiled before."""
        found = self._kept.get((bucket.key, bucket.checksum))
        if found is not None:
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._kept[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


def keep() -> None:
    """Have all applications of this process share them."""
    Rule._compile_builder = _builder  # type: ignore[method-assign,assignment]  # the same, but remembered
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": Templates()}
