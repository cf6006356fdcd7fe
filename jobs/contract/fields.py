"""How a schema is declared once, with its units, and rendered for whoever needs it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """One column: `type` is a Spark SQL type, `about` gives meaning and unit."""

    name: str
    type: str
    nullable: bool
    about: str


def ddl(fields: tuple[Field, ...]) -> str:
    """Return the fields as a Spark DDL string, in order, with NOT NULL where it holds.

    Examples:
        >>> ddl((Field("id", "string", False, "the song"), Field("plays", "int", True, "of a day")))
        'id string NOT NULL, plays int'
    """
    return ", ".join(f"{f.name} {f.type}{'' if f.nullable else ' NOT NULL'}" for f in fields)


def names(fields: tuple[Field, ...]) -> list[str]:
    """Return the column names, in order."""
    return [f.name for f in fields]
