"""CSV tables of runs, sweeps and ablations, most of them appended row by row."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from training.storage.files import write_bytes

Row = dict[str, Any]


def append_row(table: Path, columns: tuple[str, ...], row: Row) -> None:
    """Append a row, with a header if the table is empty (also after a failed write to a full disk)."""
    with table.open("a", newline="") as out:
        writer = csv.DictWriter(out, columns, extrasaction="ignore")
        if out.tell() == 0:
            writer.writeheader()
        writer.writerow(row)


def drop_half_row(table: Path) -> None:
    """Remove an incomplete last row, left by a killed process."""
    if table.exists():
        whole, newline, half = table.read_bytes().rpartition(b"\n")
        if half:
            write_bytes(table, whole + newline)


def rows_of(table: Path) -> list[Row]:
    """Return the rows of a table; none if it does not exist."""
    if not table.exists():
        return []
    with table.open() as source:
        return list(csv.DictReader(source))


def rounds_of(table: Path) -> list[Row]:
    """Return the rows of a sweep's table; for a round repeated after a crash, the last one."""
    return list({(row["trial"], row["round"]): row for row in rows_of(table)}.values())


def write_table(table: Path, columns: tuple[str, ...], rows: list[Row]) -> None:
    """Write a table and print it."""
    with table.open("w", newline="") as out:
        writer = csv.DictWriter(out, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    shown = [columns, *([_short(row[name]) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for line in shown:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _short(value: Any) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return str(value)
