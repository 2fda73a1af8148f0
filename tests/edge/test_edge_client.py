"""The edge's client: an answer that is none counts as away, and a refusal says what was wrong."""

from __future__ import annotations

import pytest

from edge.client import InstanceAwayError, InstanceRefusedError, _judge

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "content", [b'{"a":' * 200_000, b"[" * 200_000, b"\xff", b"[1]", b"", b'{"a": ' + b"9" * 9000 + b"}"]
)
def test_what_is_not_understood_is_away(content: bytes) -> None:
    with pytest.raises(InstanceAwayError):
        _judge(200, JSON, content)


def test_a_refusal_says_which_parts_are_wrong() -> None:
    content = b'{"error": "invalid_input", "message": "No.", "fields": {"slots.0.0": "should be less than 5"}}'
    with pytest.raises(InstanceRefusedError) as raised:
        _judge(422, JSON, content)
    assert str(raised.value) == "422 invalid_input: No. (slots.0.0: should be less than 5)"
    assert raised.value.message == "No."
