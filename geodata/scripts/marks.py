"""Point marks of the base map: what orients a reader who knows the place.

`rank` says how far out a mark may show: 1 from zoom 4, 2 from 8, 3 from 10, 4 from 12.
"""

import shapely
from shapely import Point

import registry
from geo import M_PER_DEG, area_m2
from land import REGION, ROCK_M2_MAX, SNAP_M

ZOOM_MIN_OF_RANK = {1: 4, 2: 8, 3: 10, 4: 12}

# Typed by hand: public facts, placed to about 0.002 degrees (200 m); towns to 0.01 degrees.
# Volcano: Smithsonian Global Volcanism Program, no. 268060, summit 1,715 m.
# Airport: Sultan Babullah, ICAO WAEE, aerodrome reference point 00 49 53 N, 127 22 53 E.
# Harbours: on the coast at the villages whose names they bear or that they lie in:
# Ahmad Yani (Muhajirin), Bastiong (Bastiong Talangame), Dufa-Dufa.
# Towns: the seats of the neighbours' governments and the ports that people cross to.
BY_HAND = [
    ("volcano", "Gunung Gamalama", 2, 127.332, 0.809),
    ("airport", "Bandara Sultan Babullah", 3, 127.3814, 0.8314),
    ("harbour", "Pelabuhan Ahmad Yani", 3, 127.3885, 0.7830),
    ("harbour", "Pelabuhan Bastiong", 3, 127.3765, 0.7650),
    ("harbour", "Pelabuhan Dufa-Dufa", 4, 127.3900, 0.8180),
    ("town", "Ternate", 1, 127.384, 0.790),
    ("town", "Soasio", 2, 127.45, 0.67),
    ("town", "Sofifi", 2, 127.56, 0.73),
    ("town", "Jailolo", 2, 127.47, 1.07),
    ("town", "Sidangoli", 3, 127.50, 0.88),
    ("town", "Tobelo", 2, 128.01, 1.73),
    ("town", "Manado", 1, 124.84, 1.49),
    ("town", "Bitung", 2, 125.19, 1.44),
]

ISLAND_M2_MIN = {2: 10e6, 3: 1e6, 4: 0.0}  # rank by size: Ternate, Tidore; Hiri, Maitara; rocks with a name


def all_marks(land: list) -> list[tuple[dict, Point]]:
    """(attributes, point) of the typed marks and of the named islands in the region."""
    rows = [({"kind": k, "name": n, "rank": r}, Point(lng, lat)) for k, n, r, lng, lat in BY_HAND]
    return rows + island_marks(land)


def island_marks(land: list) -> list[tuple[dict, Point]]:
    """One official island for each piece of land that has any.

    Some official islands are joined to a larger one in the land polygons; the one whose point lies deepest
    inside gives the name. Where the point falls into the sea beside a rock, that rock is meant.
    """
    tree = shapely.STRtree(land)
    best: dict[int, tuple] = {}
    for island in registry.islands():
        if not REGION.box().contains(island.at):
            continue
        on = int(tree.nearest(island.at))
        outside_m = land[on].distance(island.at) * M_PER_DEG
        if outside_m > (SNAP_M if area_m2(land[on]) <= ROCK_M2_MAX else 0.0):
            continue
        depth = land[on].boundary.distance(island.at) if outside_m == 0.0 else -outside_m
        best[on] = max(best.get(on, (depth, island)), (depth, island), key=lambda pair: (pair[0], pair[1].code))
    return [({"kind": "island", "name": island.name, "rank": island_rank(land[on])}, island.at)
            for on, (_, island) in sorted(best.items(), key=lambda item: item[1][1].code)]


def island_rank(piece) -> int:
    return next(rank for rank, m2_min in ISLAND_M2_MIN.items() if area_m2(piece) >= m2_min)
