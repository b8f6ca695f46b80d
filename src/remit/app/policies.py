"""Where a person's configuration is, and the policies that hold: the shipped one, the organisation's, the user's and the projects'."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remit.errors import PolicyInvalid

if TYPE_CHECKING:
    from remit.policy.judge import Origin, PolicySource

_ORGANISATION: Final = Path("/etc/remit/policy.cedar")
_LARGEST: Final = 1_000_000
"""Bytes of one file."""


def settings() -> Path:
    """The folder of the person's own policy and `remit.toml`."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "remit"


def policy_files(roots: Sequence[Path]) -> list[tuple[Origin, Path]]:
    """Where policies may be: the organisation's, the user's and the projects'."""
    usual: list[tuple[Origin, Path]] = [("organisation", _ORGANISATION), ("user", settings() / "policy.cedar")]
    return usual + [("project", root / ".remit" / "policy.cedar") for root in roots]


def policy_sources(roots: Sequence[Path], more: Sequence[Path], origin: Origin) -> list[PolicySource]:
    """The shipped default, those of `policy_files` that there are, and `more`, which have to be there. Raises PolicyInvalid."""
    from importlib import resources

    from remit.policy.judge import PolicySource

    default = resources.files("remit.policy").joinpath("default.cedar").read_text(encoding="utf-8")
    found = [PolicySource(origin="default", name="default.cedar", text=default)]
    for who, path in (*policy_files(roots), *((origin, path) for path in more)):
        try:
            found.append(PolicySource(origin=who, name=str(path), text=_text(path)))
        except FileNotFoundError:
            if path in more or path.is_symlink():
                raise PolicyInvalid(f"there is no file {path}", fix="give the path of a .cedar file; a link must lead to one") from None
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyInvalid(
                f"{path} cannot be read: {error}", fix="mend or remove it; nothing runs past an unreadable policy"
            ) from None
    return found


def _text(path: Path) -> str:
    """Raises OSError for what is no plain file of a sane size: a cloned project must not hang or fill us."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
        raise OSError("it is not a plain file of at most 1 MB")
    return path.read_text(encoding="utf-8")
