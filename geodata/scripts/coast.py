"""The traced coast, sorted into the city's own islands and everything else near them.

A piece of land is the city's when an official island point of the city or a village seed lies on it or
within SNAP_M of it (seeds are rounded to 110 m, island points are as good), or when it is an unnamed rock
within ROCK_M of such an island and nearer to it than to any other land.
"""

import shapely
from shapely import Polygon

import registry
from geo import M_PER_DEG, Window
from landmask import Landmask

# The city with its two far islands in the north-west, Tidore to Makian, and the Halmahera coast opposite.
INNER = Window(126.00, 0.15, 128.20, 1.55)
INNER_GRID_DEG = 0.00018  # 20 m
INNER_SIMPLIFY_DEG = 0.0001  # 11 m

# North Maluku and the tip of Sulawesi: what a screen shows around the city when it zooms out.
MIDDLE = Window(124.20, -1.20, 129.20, 2.80)
MIDDLE_GRID_DEG = 0.0009  # 100 m
MIDDLE_SIMPLIFY_DEG = 0.0004  # 44 m

ISLET_CELLS_MIN = 4  # fewer grid cells than this are a breaker or a boat, not an island
SNAP_M = 400.0
ROCK_M = 500.0


def trace(mask: Landmask) -> tuple[list[Polygon], list[Polygon], list[Polygon]]:
    """(the city's islands, other land in INNER, land in MIDDLE outside INNER)."""
    inner = mask.trace(INNER, INNER_GRID_DEG, INNER_SIMPLIFY_DEG, ISLET_CELLS_MIN * INNER_GRID_DEG**2)
    middle = mask.trace(MIDDLE, MIDDLE_GRID_DEG, MIDDLE_SIMPLIFY_DEG, ISLET_CELLS_MIN * MIDDLE_GRID_DEG**2)
    ring = shapely.difference(middle, INNER.box())
    city, other = split_city(inner)
    return city, other, [p for p in ring if not p.is_empty]


def split_city(land: list[Polygon]) -> tuple[list[Polygon], list[Polygon]]:
    tree = shapely.STRtree(land)
    own: set[int] = set()
    places = [seed.at for seed in registry.seeds()] + [i.at for i in registry.islands() if i.of_city]
    for place in places:
        nearest = int(tree.nearest(place))
        if land[nearest].distance(place) * M_PER_DEG <= SNAP_M:
            own.add(nearest)

    islands = shapely.union_all([land[i] for i in sorted(own)])
    # Rocks go to whoever is nearer, so only land of some size may claim them.
    rivals = shapely.union_all([p for i, p in enumerate(land) if i not in own and p.area > 1e-5])
    for i, piece in enumerate(land):
        gap = piece.distance(islands)
        if i not in own and gap * M_PER_DEG <= ROCK_M and gap < piece.distance(rivals):
            own.add(i)
    return [p for i, p in enumerate(land) if i in own], [p for i, p in enumerate(land) if i not in own]
