"""Vector tiles in one PMTiles file.

Invariants
- Every tile inside the window of its zoom that holds land is there, also where land fills it; a tile that
  is not there is sea.
- Shapes are simplified once a zoom, and cut into tiles afterwards: neighbours meet exactly.
- Polygons reach BUFFER units over the edge of their tile, so no outline shows along it.
"""

import gzip
from functools import lru_cache
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

import mapbox_vector_tile
import numpy as np
import shapely
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from geo import Window, polygons_of

EXTENT = 4096
BUFFER = 128
SIMPLIFY_UNITS = 6.0  # three quarters of a pixel of a 512-pixel tile
SIMPLIFY_UNITS_DEEPEST = 4.0  # pages enlarge the last zoom, so it is a little finer
SPECK_UNITS2_MIN = 24.0**2  # 3 by 3 pixels; the city's own islands stay however small

Row = tuple[dict, object]


class Layer(NamedTuple):
    name: str
    fields: dict[str, str]
    rows: list[Row]
    zoom_min_of: Callable[[dict], int] = lambda attributes: 0


def write_pmtiles(path: Path, layers: list[Layer], windows: dict[int, Window], centre: tuple, metadata: dict) -> None:
    """`windows` says for each zoom where there are tiles at all."""
    layers = [layer._replace(rows=[(a, to_mercator(g)) for a, g in layer.rows]) for layer in layers]
    tiles = {}
    for zoom, window in sorted(windows.items()):
        simplify_units = SIMPLIFY_UNITS_DEEPEST if zoom == max(windows) else SIMPLIFY_UNITS
        for (x, y), content in tiles_of_zoom(layers, zoom, window, simplify_units):
            tiles[zxy_to_tileid(zoom, x, y)] = content

    with open(path, "wb") as file:
        writer = Writer(file)
        for tile_id, content in sorted(tiles.items()):
            writer.write_tile(tile_id, content)
        writer.finalize(header(windows, centre), {**metadata, "vector_layers": vector_layers(layers, windows)})


def header(windows: dict[int, Window], centre: tuple) -> dict:
    lng, lat, zoom = centre
    widest = windows[min(windows)]
    e7 = lambda degrees: round(degrees * 1e7)  # noqa: E731
    return {
        "tile_type": TileType.MVT,
        "tile_compression": Compression.GZIP,
        "min_zoom": min(windows),
        "max_zoom": max(windows),
        "min_lon_e7": e7(widest.west),
        "min_lat_e7": e7(widest.south),
        "max_lon_e7": e7(widest.east),
        "max_lat_e7": e7(widest.north),
        "center_zoom": zoom,
        "center_lon_e7": e7(lng),
        "center_lat_e7": e7(lat),
    }


def vector_layers(layers: list[Layer], windows: dict) -> list[dict]:
    return [
        {"id": layer.name, "fields": layer.fields, "minzoom": min(windows), "maxzoom": max(windows)} for layer in layers
    ]


def to_mercator(geometry):
    """Degrees to the unit square of Web Mercator, y downwards."""

    def project(lng_lat: np.ndarray) -> np.ndarray:
        x = (lng_lat[:, 0] + 180.0) / 360.0
        y = 0.5 - np.arcsinh(np.tan(np.radians(lng_lat[:, 1]))) / (2.0 * np.pi)
        return np.column_stack((x, np.clip(y, 0.0, 1.0)))

    return shapely.transform(geometry, project)


def tiles_of_zoom(layers: list[Layer], zoom: int, window: Window, simplify_units: float) -> Iterator:
    """((x, y), gzipped tile) of each tile that shows anything."""
    unit = 1.0 / (EXTENT << zoom)
    area = to_mercator(window.box())
    shapes = [prepared(layer, zoom, unit, area, simplify_units * unit) for layer in layers]
    for (x, y), content in split(shapes, 0, 0, 0, zoom, unit, area):
        encoded = encode(layers, content, x, y, zoom)
        if encoded:
            yield (x, y), encoded


def prepared(layer: Layer, zoom: int, unit: float, area, tolerance: float) -> list[Row]:
    """What a layer shows at this zoom, cut to a little more than the window and simplified."""
    rows = [row for row in layer.rows if zoom >= layer.zoom_min_of(row[0])]
    speck = SPECK_UNITS2_MIN * unit * unit
    rows = [(a, g) for a, g in rows if g.geom_type == "Point" or a.get("kind") == "city" or g.area >= speck]
    margin = EXTENT * unit
    west, north, east, south = area.bounds
    rows = rows_within(rows, (west - margin, north - margin, east + margin, south + margin))
    return [(a, shapely.simplify(g, tolerance, preserve_topology=True)) for a, g in rows]


def split(shapes: list[list[Row]], z: int, x: int, y: int, zoom: int, unit: float, area) -> Iterator:
    """Walks down the quadtree, cutting what is left to each quarter, to the tiles of `zoom`."""
    size = 1.0 / (1 << z)
    west, north = x * size, y * size
    if not shapely.box(west, north, west + size, north + size).intersects(area):
        return
    margin = BUFFER * unit
    bounds = (west - margin, north - margin, west + size + margin, north + size + margin)
    shapes = [list(rows_within(rows, bounds)) for rows in shapes]
    if not any(shapes):
        return
    if z == zoom:
        yield (x, y), shapes
        return
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        yield from split(shapes, z + 1, 2 * x + dx, 2 * y + dy, zoom, unit, area)


def rows_within(rows: list[Row], bounds: tuple) -> Iterator[Row]:
    west, north, east, south = bounds
    for attributes, geometry in rows:
        left, top, right, bottom = geometry.bounds
        if left > east or right < west or top > south or bottom < north:
            continue
        if left >= west and right <= east and top >= north and bottom <= south:
            yield attributes, geometry
            continue
        for part in polygons_of(shapely.clip_by_rect(geometry, *bounds)):
            yield attributes, part


def encode(layers: list[Layer], content: list[list[Row]], x: int, y: int, zoom: int) -> bytes | None:
    """One gzipped tile; None where nothing is left after rounding to tile units."""
    scale = float(EXTENT << zoom)
    encoded = []
    for layer, rows in zip(layers, content):
        features = []
        for attributes, geometry in rows:
            local = shapely.transform(geometry, lambda xy: np.round(xy * scale - (x * EXTENT, y * EXTENT), 6))
            features += [(part.wkb, tuple(attributes.items())) for part in on_tile_grid(local)]
        if features:
            encoded.append((layer.name, tuple(features)))
    return encode_layers(tuple(encoded)) if encoded else None


def on_tile_grid(local) -> list:
    """Whole tile units, valid; a point only in the one tile that owns it."""
    if local.geom_type == "Point":
        return [local] if 0 <= local.x < EXTENT and 0 <= local.y < EXTENT else []
    if not local.is_valid:
        local = shapely.make_valid(local)
    return [shapely.normalize(p) for p in polygons_of(shapely.set_precision(local, 1.0))]


@lru_cache(maxsize=4096)  # most tiles are all land, and alike
def encode_layers(layers: tuple) -> bytes:
    tile = mapbox_vector_tile.encode(
        [
            {
                "name": name,
                "features": [{"geometry": shapely.from_wkb(wkb), "properties": dict(props)} for wkb, props in features],
            }
            for name, features in layers
        ],
        default_options={"extents": EXTENT, "y_coord_down": True},
    )
    return gzip.compress(tile, compresslevel=9, mtime=0)
