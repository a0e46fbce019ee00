"""TableOptions: the arguments of `load_data` that concern tables."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from fastmlp.errors import DataTypeError
from fastmlp.table.options import ReadOptions


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """How a table becomes a data set; see `fastmlp.load_data`.

    Attributes
    ----------
    target : str, int or None
        Name or position of the target column.
    test : str or None
        File with the test set.
    split : str or None
        How the test set is held out: random, stratified, time:COLUMN or group:COLUMN.
    drop, keep_as_id : tuple of str
        Columns that are left out, and columns that `fastmlp predict` copies to its output.
    kinds : tuple of (str, str)
        Columns and their kinds: number, category, date or date:FORMAT.
    read : ReadOptions
        How a file is read.

    Raises
    ------
    DataTypeError
        If a value has the wrong type.

    Examples
    --------
    >>> list(TableOptions(target="price", drop=["id"]).given())
    ['target', 'drop']
    """

    target: str | int | None = None
    test: str | None = None
    split: str | None = None
    drop: Sequence[str] = ()
    keep_as_id: Sequence[str] = ()
    kinds: Sequence[tuple[str, str]] = ()
    read: ReadOptions = ReadOptions()

    def __post_init__(self) -> None:
        if not isinstance(self.target, str | int | None) or isinstance(self.target, bool):
            raise DataTypeError(f"target: expected the name or the position of a column, got {self.target!r:.200}")
        for name in ("test", "split"):
            if not isinstance(getattr(self, name), str | None):
                raise DataTypeError(f"{name}: expected a string, got {getattr(self, name)!r:.200}")
        for name in ("drop", "keep_as_id"):
            columns = getattr(self, name)
            if isinstance(columns, str) or not all(isinstance(column, str) for column in columns):
                names = [column.strip() for column in columns.split(",")] if isinstance(columns, str) else ["age"]
                example = f"for example {name}={names!r:.200}"
                raise DataTypeError(f"{name}: expected a list of names of columns, got {columns!r:.200}; {example}")
            object.__setattr__(self, name, tuple(columns))
        object.__setattr__(self, "kinds", tuple((str(name), str(kind)) for name, kind in self.kinds))

    def keywords(self) -> dict[str, Any]:
        """The keyword arguments of `load_data`."""
        own = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "read"}
        return own | {"kinds": dict(self.kinds)} | asdict(self.read)

    def given(self) -> Iterator[str]:
        """Names of the options that are not the default."""
        default = TableOptions().keywords()
        yield from (name for name, value in self.keywords().items() if value != default[name])
