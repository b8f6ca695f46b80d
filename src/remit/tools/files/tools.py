"""The tools for files, wired together."""

from __future__ import annotations

from remit.ports import Store, Tool
from remit.tools.changes.roots import Roots
from remit.tools.files.move import FilesCopy, FilesDelete, FilesMove
from remit.tools.files.read import FilesList, FilesRead
from remit.tools.files.restore import FilesRestore
from remit.tools.files.search import FilesSearch
from remit.tools.files.write import FilesEdit, FilesMkdir, FilesWrite


def file_tools(roots: Roots, store: Store) -> list[Tool]:
    """Every tool that works on files inside `roots`, keeping pre-images in `store`."""
    return [
        FilesList(roots),
        FilesRead(roots),
        FilesSearch(roots),
        FilesWrite(roots, store),
        FilesEdit(roots, store),
        FilesMkdir(roots, store),
        FilesMove(roots, store),
        FilesCopy(roots, store),
        FilesDelete(roots, store),
        FilesRestore(roots, store),
    ]
