"""Land for the base maps: one seamless set of polygons, each with its kind.

Three sources, nested: the coast traced at 20 m, around it the coast traced at 100 m, around that Natural
Earth 1:10m. Each is cut out where a better one begins, and all but the city's islands are then united, so
that no line shows where two meet.
"""

import shapely

import coast
import registry
from geo import Window, polygons_of

WORLD = Window(-180.0, -85.0511, 180.0, 85.0511)  # the square of Web Mercator


def city_land(city: list, near: list, middle: list) -> list[tuple[dict, object]]:
    """(attributes, polygon): the city's islands, what is near, what is far."""
    far = [p.difference(coast.MIDDLE.box()) for p in world_land_parts()]
    others = shapely.union_all([*near, *middle, *far], grid_size=1e-6)
    inner = coast.INNER.box()
    rows = [({"kind": "city"}, p) for p in city]
    rows += [({"kind": "near" if p.intersects(inner) else "far"}, p) for p in polygons_of(others)]
    return rows


def blank_land() -> list[tuple[dict, object]]:
    return [({"kind": "far"}, p) for p in world_land_parts()]


def world_land_parts() -> list:
    clipped = (shapely.clip_by_rect(p, *WORLD) for p in registry.world_land())
    return [part for p in clipped for part in polygons_of(p)]
