"""Bodies of the JSON API: strict types, no unknown field, every problem named."""

from __future__ import annotations

from typing import Annotated, TypeVar

from flask import request
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from app.errors import InvalidInputError

T = TypeVar("T", bound="Body")

Text = Annotated[str, AfterValidator(lambda text: text.replace("\0", "\N{REPLACEMENT CHARACTER}"))]
"""Text of foreign origin. PostgreSQL stores no NUL, and a refusal would stop a follower of a log for ever."""


class Body(BaseModel):
    """A JSON object from a machine."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def read_body(kind: type[T]) -> T:
    """Return the request's JSON as `kind`. Raises InvalidInputError with `fields`: place -> what is wrong."""
    try:
        return kind.model_validate_json(request.get_data(cache=False) or b"null")
    except ValidationError as exc:
        fields = {".".join(str(part) for part in error["loc"]) or "body": error["msg"] for error in exc.errors()}
        raise InvalidInputError("The body is not what this address takes.", fields=fields) from None
