"""Regular expressions in a process of their own: one may take for ever on one short line, and nothing inside a process can stop it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Final

from remit.domain.values import canonical
from remit.errors import PlanInvalid

_SECONDS: Final = 10.0
_PROGRAM: Final = """
import json, re, sys
pattern, text = json.load(sys.stdin)
try:
    sys.exit(0 if re.search(pattern, text) else 1)
except re.error as error:
    print(error)
    sys.exit(2)
"""


async def matching(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text. Raises PlanInvalid for a broken pattern, and for one that takes too long."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", _PROGRAM, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        request = canonical([pattern, text]).encode("utf-8", "surrogatepass")
        async with asyncio.timeout(_SECONDS):
            said, _ = await process.communicate(request)
    except TimeoutError:
        raise PlanInvalid(
            f"{pattern!r} takes longer than {_SECONDS:g} s on this text", fix="write a simpler pattern, or use contains"
        ) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode not in {0, 1}:
        why = said.decode("utf-8", "replace").strip()
        raise PlanInvalid(f"{pattern!r} is not a regular expression: {why}", fix="mend the pattern, or use contains")
    return process.returncode == 0
