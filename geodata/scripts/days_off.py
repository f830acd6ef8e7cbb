"""A second opinion on the days off of a pack: what PyPI `holidays` says beside lokal-id, of which they are made.

    python days_off.py    compares geodata/ternate; exit code 1 where the two differ
"""

import datetime
import sys
import tomllib

import holidays

from geo import TERNATE


def of_package(years: range) -> dict[str, str]:
    """Kind by date: the package calls joint leave the government's."""
    kinds = {"public": "public", "government": "joint_leave"}
    return {
        date.isoformat(): kind
        for category, kind in kinds.items()
        for date in holidays.ID(years=years, categories=(category,))
    }


def differences() -> list[str]:
    """Between the pack and the package, in the years that the pack's calendar covers."""
    first, last = tomllib.loads((TERNATE / "calendar.toml").read_text(encoding="utf-8"))["years"]
    rows = tomllib.loads((TERNATE / "holidays.toml").read_text(encoding="utf-8"))["holiday"]
    ours = {row["date"]: row["kind"] for row in rows}
    outside = [f"{date} lies outside the years of calendar.toml" for date in ours if not first <= datetime.date.fromisoformat(date).year <= last]
    theirs = of_package(range(first, last + 1))
    return outside + [f"{date}: {ours.get(date, 'a day like others')} here, {theirs.get(date, 'a day like others')} in holidays" for date in sorted(ours.keys() | theirs.keys()) if ours.get(date) != theirs.get(date)]


if __name__ == "__main__":
    found = differences()
    print("\n".join(found) or "the days off are those of the package holidays")
    sys.exit(1 if found else 0)
