"""Land, sorted: the city's own islands, what is near, what is far.

A piece of land is the city's when an official island point of the city or a village seed lies on it or
within SNAP_M of it (seeds are rounded to 110 m, island points are no better), or when it is an unnamed rock
within ROCK_M of such an island and nearer to it than to any other land.
"""

from typing import NamedTuple

import shapely
from shapely import Polygon

import registry
from geo import M_PER_DEG, Window, area_m2, polygons_of, rounded

WORLD = Window(-180.0, -85.0511, 180.0, 85.0511)  # the square of Web Mercator

# All that can be seen from the city: its far islands in the north-west, Tidore to Makian, Halmahera opposite.
REGION = Window(126.00, 0.15, 128.20, 1.55)

SNAP_M = 400.0
ROCK_M = 500.0
ROCK_M2_MAX = 0.1e6


class Land(NamedTuple):
    city: list[Polygon]
    near: list[Polygon]  # reaches into REGION; whole, so Halmahera and all of it
    far: list[Polygon]


def all_land() -> Land:
    pieces = registry.world_land()
    tree = shapely.STRtree(pieces)
    here = [int(i) for i in sorted(tree.query(REGION.box(), predicate="intersects"))]
    own = city_islands([pieces[i] for i in here])
    city = {here[i] for i in own}
    near = set(here) - city
    return Land(
        city=[p for i in sorted(city) for p in polygons_of(rounded(pieces[i]))],
        near=[pieces[i] for i in sorted(near)],
        far=[p for i, p in enumerate(pieces) if i not in city and i not in near],
    )


def city_islands(land: list[Polygon]) -> set[int]:
    """Which of these are the city's."""
    tree = shapely.STRtree(land)
    own: set[int] = set()
    places = [seed.at for seed in registry.seeds()] + [island.at for island in registry.islands() if island.of_city]
    for place in places:
        nearest = int(tree.nearest(place))
        if land[nearest].distance(place) * M_PER_DEG <= SNAP_M:
            own.add(nearest)

    islands = shapely.union_all([land[i] for i in sorted(own)])
    rivals = shapely.union_all([p for i, p in enumerate(land) if i not in own and area_m2(p) > ROCK_M2_MAX])
    rocks = [i for i, p in enumerate(land) if i not in own and area_m2(p) <= ROCK_M2_MAX]
    own |= {
        i for i in rocks
        if land[i].distance(islands) * M_PER_DEG <= ROCK_M and land[i].distance(islands) < land[i].distance(rivals)
    }
    return own
