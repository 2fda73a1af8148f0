"""One row by one SELECT, straight from the driver: for doors that everybody knocks at every minute.

A session costs ten times what such a question itself does: it opens a transaction, makes objects, and ends both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from app.db import db
from app.errors import UnavailableError

Processor = Callable[[Any], Any] | None
Compiled = tuple[str, dict[str, Any], list[str] | None, list[Processor]]
"""The text, its constants by name, in which order a driver without names wants them, and how columns are read."""


class QuickRow:
    """A SELECT with named parameters (`bindparam`), compiled once for each kind of database.

    The parameters must be numbers or text: they go to the driver as they are. What comes back has the columns' types.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        self._compiled: dict[str, Compiled] = {}

    def read(self, **values: int | str) -> tuple[Any, ...] | None:
        """Return the first row, None when there is none. Raises UnavailableError when the database does not answer."""
        engine = db.engine
        sql, constants, positions, processors = self._for(engine.dialect)
        named: Any = {**constants, **values}
        given = named if positions is None else tuple(named[name] for name in positions)
        driver: Any = engine.dialect.dbapi
        connection = engine.raw_connection()  # raises OperationalError, which the frame explains
        try:
            cursor = connection.cursor()
            cursor.execute(sql, given)
            row = cursor.fetchone()
            cursor.close()
        except driver.Error as error:
            connection.invalidate()
            raise UnavailableError("The books cannot be read at the moment; try again soon.") from error
        finally:
            connection.close()  # the pool ends the transaction
        return row and tuple(
            value if process is None else process(value) for value, process in zip(row, processors, strict=True)
        )

    def _for(self, dialect: Dialect) -> Compiled:
        known = self._compiled.get(dialect.name)
        if known is None:
            compiled = self._statement.compile(dialect=dialect)
            assert isinstance(compiled, SQLCompiler)
            processors = [_processor(column.type, dialect) for column in self._statement.selected_columns]
            known = (str(compiled), dict(compiled.params), compiled.positiontup, processors)
            self._compiled[dialect.name] = known
        return known


def _processor(kind: TypeEngine[Any], dialect: Dialect) -> Processor:
    processor: Processor = kind.dialect_impl(dialect).result_processor(dialect, None)
    return processor
