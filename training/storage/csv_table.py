"""Tables of runs, sweeps and ablations as CSV, most of them written row by row as figures come."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from training.storage.files import write_bytes

Row = dict[str, Any]


def append_row(table: Path, columns: tuple[str, ...], row: Row) -> None:
    """Add a row to a table, with its head if it is the first: a full disk may have left a table without a byte."""
    with table.open("a", newline="") as out:
        writer = csv.DictWriter(out, columns, extrasaction="ignore")
        if out.tell() == 0:
            writer.writeheader()
        writer.writerow(row)


def drop_half_row(table: Path) -> None:
    """Forget the row that was being written when the process was killed."""
    if table.exists():
        whole, newline, half = table.read_bytes().rpartition(b"\n")
        if half:
            write_bytes(table, whole + newline)


def rows_of(table: Path) -> list[Row]:
    """Rows of a table that may not have begun."""
    if not table.exists():
        return []
    with table.open() as source:
        return list(csv.DictReader(source))


def rounds_of(table: Path) -> list[Row]:
    """Rows of a sweep's table; of a round that was trained again after a crash, the last one."""
    return list({(row["trial"], row["round"]): row for row in rows_of(table)}.values())


def write_table(table: Path, columns: tuple[str, ...], rows: list[Row]) -> None:
    """Write a table, and show it on the terminal."""
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
