"""Loading of objects by name, "package.module:name"."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any


def import_entry_module(module: str, entry: str) -> ModuleType:
    """Import the module of a user's entry.

    Raises:
        ValueError: it cannot be imported.
    """
    try:
        if module.startswith(".") or not module:
            raise ImportError("a module has a name like package.module, and no path")
        return import_module(module)
    except ImportError as error:
        where = "start where it lies, or add its folder to PYTHONPATH"
        raise ValueError(f"{entry}: cannot import {module} ({error}): {where}") from None


def load_entry(entry: str) -> Any:
    """Load the object of an entry.

    Raises:
        ValueError: the module or the name does not exist.
    """
    module, _, name = entry.partition(":")
    found = import_entry_module(module, entry)
    if not hasattr(found, name):
        raise ValueError(f"{entry}: {module} has no {name}")
    return getattr(found, name)
