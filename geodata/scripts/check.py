"""Checks what lies in geodata/ternate and geodata/blank, and prints the numbers. Exit code 1 on a fault.

    python check.py
"""

import gzip
import random
import sys
import tomllib
from collections import Counter
from functools import lru_cache

import mapbox_vector_tile
import shapely
from mapbox_vector_tile.Mapbox import vector_tile_pb2
from pmtiles.reader import MmapSource, Reader, all_tiles
from shapely import Point

import days_off
import registry
from geo import BLANK, DECIMALS, GEODATA, M_PER_DEG, NODE_MODULES, TERNATE, area_m2, polygons_of, read_features
from tiles import EXTENT, to_mercator

CATEGORIES = ["garbage", "traffic", "water", "infrastructure", "accident", "disaster", "social"]
HOTSPOT_KEYS = {"eps_m", "min_reports", "min_reporters", "window_h"}
LAND_COLOUR = {"dark": "#14202B", "day": "#F7F5F0"}
CONTRAST_MIN = 3.0
SEED_OFF_M_MAX = 500.0  # how far off its own cell a seed may lie (Tifure's lies on a rock)
SAMPLES = 2000
DECODE_EVERY = 20  # decoding a shape is slow; every tile is parsed, one in so many decoded whole

faults: list[str] = []


def expect(holds: bool, what: str) -> None:
    if not holds:
        faults.append(what)


# Areas


def check_areas() -> None:
    path = TERNATE / "areas.geojson"
    rows = read_features(path)
    codes = [p["code"] for p, _ in rows]
    area = {p["code"]: g for p, g in rows}
    level = {p["code"]: p["level"] for p, _ in rows}
    print("areas:", dict(Counter(level.values())), f"{area_m2(area[registry.CITY_CODE]) / 1e6:.1f} km²,", f"{path.stat().st_size:,} bytes")

    expect(codes == sorted(set(codes)), "codes are unique and sorted")
    for properties, geometry in rows:
        code, parent = properties["code"], properties["parent"]
        expect(set(properties) == {"code", "name", "level", "parent", "approximate"}, f"{code}: properties")
        expect(parent in area if level[code] != "city" else parent is None, f"{code}: parent {parent}")
        expect(geometry.is_valid and not geometry.is_empty, f"{code}: valid")
        expect(all(p.exterior.is_ccw and not any(r.is_ccw for r in p.interiors) for p in polygons_of(geometry)), f"{code}: winding")
        expect(all(round(v, DECIMALS) == v for v in shapely.get_coordinates(geometry).ravel()), f"{code}: decimals")

    for below, above in (("village", "district"), ("district", "city")):
        expect(shapely.coverage_is_valid([area[c] for c in codes if level[c] == below]), f"{below}s neither overlap nor leave gaps")
        for code in (c for c in codes if level[c] == above):
            members = [area[c] for c in codes if level[c] == below and c.startswith(code + ".")]
            off = shapely.union_all(members).symmetric_difference(area[code])
            expect(off.area == 0.0, f"{code} is the union of its {below}s")

    for seed in registry.seeds():
        off_m = area[seed.code].distance(seed.at) * M_PER_DEG if seed.code in area else float("inf")
        expect(off_m <= SEED_OFF_M_MAX, f"{seed.code}: lies {off_m:.0f} m from its seed")
    missing = [f"{c} {registry.area_name(c)}" for c in registry.villages_of_city() if c not in area]
    print("villages without an area:", ", ".join(missing) or "none")


# Settings


def check_pack(pack) -> None:
    city, categories, agencies, holidays = (
        tomllib.loads((pack / f"{name}.toml").read_text(encoding="utf-8")) for name in ("city", "categories", "agencies", "holidays")
    )
    keys = [a["key"] for a in agencies["agency"]]
    dates = [h["date"] for h in holidays["holiday"]]
    years = sorted({d[:4] for d in dates})
    print(f"{city['key']}: {len(categories['category'])} categories, {len(keys)} agencies, {len(dates)} holidays", *years)

    expect(len(set(keys)) == len(keys) == 7, f"{pack.name}: seven agencies")
    expect([c["key"] for c in categories["category"]] == CATEGORIES, f"{pack.name}: categories in order")
    expect(dates == sorted(dates) and all(h["kind"] in ("public", "joint_leave") for h in holidays["holiday"]), f"{pack.name}: holidays")
    expect(set(categories["all"]) == HOTSPOT_KEYS, f"{pack.name}: [all]")
    expect((pack / city["basemap"]).is_file(), f"{pack.name}: base map")
    for category in categories["category"]:
        name = f"{pack.name} {category['key']}"
        expect(category["agency"] in keys, f"{name}: agency")
        expect(set(category["hotspot"]) == HOTSPOT_KEYS, f"{name}: hotspot")
        expect(category["sensitive"] == (category["key"] in ("accident", "social")), f"{name}: sensitive")
        expect(has_icon(category["icon"]), f"{name}: icon {category['icon']}")
        for theme, land in LAND_COLOUR.items():
            ratio = contrast(category["colour"][theme], land)
            expect(ratio >= CONTRAST_MIN, f"{name}: {theme} colour has {ratio:.2f}:1")
    if (pack / "calendar.toml").is_file():
        for difference in days_off.differences():
            expect(False, f"{pack.name}: {difference}")
    if "bounds" in city:
        west, south, east, north = city["bounds"]
        whole = next(g for p, g in read_features(pack / "areas.geojson") if p["level"] == "city")
        expect(shapely.box(west, south, east, north).contains(whole), f"{pack.name}: bounds hold the city")


def has_icon(name: str) -> bool:
    return any((NODE_MODULES / folder / "icons" / f"{name}.svg").is_file() for folder in ("@mapbox/maki", "@rapideditor/temaki"))


def contrast(colour: str, other: str) -> float:
    """WCAG contrast ratio of two #RRGGBB colours."""

    def luminance(hex_colour: str) -> float:
        linear = [(v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4) for v in (int(hex_colour[i : i + 2], 16) / 255 for i in (1, 3, 5))]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(colour), luminance(other)))
    return (high + 0.05) / (low + 0.05)


# Tiles


def check_tiles(pack) -> None:
    path = pack / "base.pmtiles"
    source = MmapSource(open(path, "rb"))
    reader = Reader(source)
    layers, tiles = Counter(), Counter()
    for i, ((zoom, _, _), data) in enumerate(all_tiles(source)):
        tiles[zoom] += 1
        tile = vector_tile_pb2.tile.FromString(gzip.decompress(data))
        layers.update({layer.name: len(layer.features) for layer in tile.layers})
        for layer in tile.layers:
            expect(layer.extent == EXTENT, f"{path.name}: extent")
            if layer.name == "land":
                expect({v.string_value for v in layer.values} <= {"city", "near", "far"}, f"{path.name}: kind of land")
        if i % DECODE_EVERY == 0:
            check_shapes(decode(data), f"{path.name} {zoom}")
    print(f"{pack.name}/base.pmtiles:", f"{path.stat().st_size:,} bytes;", "tiles by zoom", dict(sorted(tiles.items())), "features", dict(layers))
    metadata = reader.metadata()
    expect({"name", "attribution", "vector_layers"} <= set(metadata), f"{path.name}: metadata")
    expect(set(layers) <= {layer["id"] for layer in metadata["vector_layers"]}, f"{path.name}: every layer is declared")


def check_shapes(tile: dict, name: str) -> None:
    for f in tile.get("land", {}).get("features", []):
        shape = shapely.geometry.shape(f["geometry"])
        expect(shape.is_valid and shape.area > 0, f"{name}: valid shapes")
        # The specification of vector tiles: with y downwards, outer rings turn clockwise on the screen.
        expect(all(p.exterior.is_ccw for p in polygons_of(shape)), f"{name}: winding")


@lru_cache(maxsize=1024)
def decode(data: bytes) -> dict:
    return mapbox_vector_tile.decode(gzip.decompress(data), default_options={"y_coord_down": True})


def kind_at(tiles: dict, place: Point, zoom: int) -> str | None:
    """The kind of land that a page draws at a place; None is sea."""
    at = to_mercator(place)
    x, y = int(at.x * (1 << zoom)), int(at.y * (1 << zoom))
    data = tiles.get((zoom, x, y))
    local = Point((at.x * (1 << zoom) - x) * EXTENT, (at.y * (1 << zoom) - y) * EXTENT)
    for f in decode(data).get("land", {}).get("features", []) if data else []:
        if shapely.geometry.shape(f["geometry"]).contains(local):
            return f["properties"]["kind"]
    return None


def check_land_is_drawn() -> None:
    """Random places of the city's box: tiles of zoom 11 to 14 agree with the land they came from."""
    # Read once: asking the reader tile by tile unpacks its directory each time.
    tiles = {zxy: data for zxy, data in all_tiles(MmapSource(open(TERNATE / "base.pmtiles", "rb"))) if zxy[0] >= 11}
    city = tomllib.loads((TERNATE / "city.toml").read_text(encoding="utf-8"))
    west, south, east, north = city["bounds"]
    box = shapely.box(west, south, east, north)
    own = next(g for p, g in read_features(TERNATE / "areas.geojson") if p["level"] == "city")
    land = shapely.union_all([shapely.make_valid(shapely.clip_by_rect(p, *box.bounds)) for p in registry.world_land() if p.intersects(box)])
    chance = random.Random(82_71)
    drawn = Counter()
    places = [Point(chance.uniform(west, east), chance.uniform(south, north)) for _ in range(SAMPLES)]
    for polygon in polygons_of(own):  # the sea is wide: as many again on the islands, in their boxes
        w, s, e, n = polygon.bounds
        places += [Point(chance.uniform(w, e), chance.uniform(s, n)) for _ in range(SAMPLES // 10)]
    for place in places:
        if land.boundary.distance(place) * M_PER_DEG < 100.0 or own.boundary.distance(place) * M_PER_DEG < 100.0:
            continue  # too near the coast to be sure at zoom 11
        is_land = land.contains(place)
        for zoom in range(11, 15):
            kind = kind_at(tiles, place, zoom)
            expect((kind is not None) == is_land, f"zoom {zoom}: land at {place}")
            expect((kind == "city") == own.contains(place), f"zoom {zoom}: the city's land at {place}")
            drawn[kind or "sea"] += 1
    print("places asked of the tiles:", dict(drawn))


def main() -> None:
    check_areas()
    for pack in (TERNATE, BLANK):
        check_pack(pack)
        check_tiles(pack)
    check_land_is_drawn()
    for path in sorted((GEODATA / "mappings").glob("*.toml")):
        mapping = tomllib.loads(path.read_text(encoding="utf-8"))
        expect(set(mapping) <= {"columns", "time", "category", "status", "options"}, f"{path.name}: tables")
        expect("occurred_at" in mapping["columns"], f"{path.name}: time column")
    for fault in faults[:50]:
        print("FAULT", fault)
    sys.exit(f"{len(faults)} faults" if faults else 0)


if __name__ == "__main__":
    main()
