"""What all steps share: where files lie, windows, rounding, GeoJSON.

Invariants
- A position is [lng, lat], degrees WGS 84. A window is west, south, east, north.
- What is written has 6 decimals (0.11 m) and is valid after rounding, not only before.
- The same input gives the same bytes: nothing here depends on time, hash order or the machine.
"""

import json
from pathlib import Path
from typing import NamedTuple

import shapely
from shapely import MultiPolygon, Polygon

SCRIPTS = Path(__file__).resolve().parent
GEODATA = SCRIPTS.parent
TERNATE = GEODATA / "ternate"
BLANK = GEODATA / "blank"
NODE_MODULES = SCRIPTS / "node_modules"

DECIMALS = 6
ROUND_DEG = 10.0**-DECIMALS

# One degree of the equator. All of the city lies within 1.5 degrees of it, where a degree of
# longitude and one of latitude differ by less than 0.04 %: here, degrees may be treated as a plane.
M_PER_DEG = 111_195.0


class Window(NamedTuple):
    west: float
    south: float
    east: float
    north: float

    def box(self) -> Polygon:
        return shapely.box(*self)


def polygons_of(geometry) -> list[Polygon]:
    """The polygons in any geometry; points and lines, which clipping leaves behind, are dropped."""
    if geometry.geom_type == "Polygon":
        return [] if geometry.is_empty else [geometry]
    return [polygon for part in getattr(geometry, "geoms", ()) for polygon in polygons_of(part)]


def rounded(geometry):
    """Snaps to the written decimals, keeping the result valid."""
    return shapely.set_precision(geometry, ROUND_DEG)


def area_m2(geometry) -> float:
    """Area near the equator; see M_PER_DEG."""
    return geometry.area * M_PER_DEG**2


def canonical(geometry):
    """One spelling for equal shapes: first vertex, order of parts, and RFC 7946 winding."""
    parts = polygons_of(shapely.normalize(geometry))
    parts = [shapely.orient_polygons(part, exterior_cw=False) for part in parts]
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def to_geojson(geometry) -> dict:
    """Polygon or MultiPolygon with rounded coordinates."""

    def ring(coords) -> list:
        return [[round(x, DECIMALS), round(y, DECIMALS)] for x, y in coords]

    shape = canonical(geometry)
    rings = [[ring(r.coords) for r in (p.exterior, *p.interiors)] for p in polygons_of(shape)]
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}
    return {"type": "MultiPolygon", "coordinates": rings}


def feature(properties: dict, geometry) -> dict:
    return {"type": "Feature", "properties": properties, "geometry": to_geojson(geometry)}


def write_features(path: Path, features: list[dict]) -> None:
    """One feature a line, so that a change of one shows as one changed line."""
    lines = (json.dumps(f, ensure_ascii=False, separators=(",", ":")) for f in features)
    text = '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def read_features(path: Path) -> list[tuple[dict, object]]:
    """(properties, geometry) of each feature."""
    collection = json.loads(path.read_text(encoding="utf-8"))
    return [(f["properties"], shapely.geometry.shape(f["geometry"])) for f in collection["features"]]
