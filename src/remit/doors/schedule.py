"""When something is due: cron with time zones. What a clock change leaves out is made up for, and what it doubles is done once."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from remit.errors import BadInput

_MOST = 1000
"""Times that are made up for, at most."""


def check(cron: str, zone: str, where: str) -> None:
    """Raises BadInput for what is no time or no zone."""
    try:
        CronSim(cron, datetime.now(ZoneInfo(zone)))
    except CronSimError as error:
        raise BadInput(f"{where}: {cron!r} is no schedule: {error}", fix='five fields: "0 9 * * MON" is Mondays at nine') from None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"{where}: there is no time zone {zone!r}", fix="e.g. Europe/Berlin") from None


def due(cron: str, zone: str, *, after: datetime, until: datetime, missed: str, grace: float) -> list[datetime]:
    """The times that are to be run now: after one moment, until another (which is now). In UTC, oldest first.

    Those older than `grace` seconds were missed. With `once` only the last of all is run, with `all` all, with `skip` those not missed.
    """
    here = ZoneInfo(zone)
    found = []
    for at in islice(CronSim(cron, after.astimezone(here)), _MOST):
        if at.astimezone(UTC) > until:
            break
        found.append(at.astimezone(UTC))
    if missed == "skip":
        return [at for at in found if (until - at).total_seconds() <= grace]
    return found[-1:] if missed == "once" else found


def following(cron: str, zone: str, *, after: datetime) -> datetime:
    """The next time, in UTC."""
    return next(CronSim(cron, after.astimezone(ZoneInfo(zone)))).astimezone(UTC)
