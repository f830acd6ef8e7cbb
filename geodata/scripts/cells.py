"""Approximate village areas: each point of the city's land belongs to the nearest village centre.

The legal boundaries are not public; the city lays in its own file and these go.

Invariants
- Cut island by island: a centre claims land only on the island it lies on or is nearest to; rocks below
  ISLAND_M2_MIN do not count, as no village is one (the centre of Tifure lies on the rock Gurida). A piece
  of land without a centre falls whole to the village whose cell is nearest.
- Exact cover: villages neither overlap nor leave gaps, and neighbours have the same vertices along their
  common border, also after rounding. That holds because the borders of all cells of an island are noded
  together on the rounding grid before they become polygons.
- A district is the union of its villages, the city the union of its districts.
"""

from collections import defaultdict

import shapely
from shapely import MultiPoint, Polygon

import registry
from geo import ROUND_DEG, area_m2, feature, polygons_of
from registry import Seed

CITY, DISTRICT, VILLAGE = "city", "district", "village"

ISLAND_M2_MIN = 0.5e6


def area_features(islands: list[Polygon]) -> list[dict]:
    villages = village_cells(islands, registry.seeds())
    districts = dissolve(villages, lambda code: code.rpartition(".")[0])
    city = dissolve(districts, lambda code: code.rpartition(".")[0])
    features = [
        feature(
            {
                "code": code,
                "name": registry.area_name(code),
                "level": level,
                "parent": code.rpartition(".")[0] if level != CITY else None,
                "approximate": True,
            },
            geometry,
        )
        for level, areas in ((CITY, city), (DISTRICT, districts), (VILLAGE, villages))
        for code, geometry in areas.items()
    ]
    return sorted(features, key=lambda f: f["properties"]["code"])


def village_cells(islands: list[Polygon], seeds: list[Seed]) -> dict:
    """Village code to its land."""
    habitable = [i for i, island in enumerate(islands) if area_m2(island) >= ISLAND_M2_MIN]
    seeds_of = defaultdict(list)
    for seed in seeds:
        seeds_of[min(habitable, key=lambda i: islands[i].distance(seed.at))].append(seed)

    parts = defaultdict(list)
    for i, own_seeds in sorted(seeds_of.items()):
        for code, face in partition(islands[i], own_seeds):
            parts[code].append(face)

    settled = [(code, face) for code, faces in sorted(parts.items()) for face in faces]
    for i, island in enumerate(islands):
        if i not in seeds_of:
            code, _ = min(settled, key=lambda item: (item[1].distance(island), item[0]))
            parts[code].append(island)
    return {code: shapely.coverage_union_all(faces) for code, faces in sorted(parts.items())}


def partition(island: Polygon, seeds: list[Seed]) -> list[tuple[str, Polygon]]:
    """Cuts an island into the faces of its seeds' Voronoi diagram."""
    if len(seeds) == 1:
        return [(seeds[0].code, island)]
    borders = shapely.voronoi_polygons(MultiPoint([s.at for s in seeds]), extend_to=island, only_edges=True)
    borders = shapely.intersection(borders, island.buffer(ROUND_DEG))
    lines = shapely.union(borders, island.boundary, grid_size=ROUND_DEG)
    # Cutting on the rounding grid may move a coast vertex by less than a unit, so a face is asked by an
    # inner point whether it is land (and not a lake, or a sliver at the coast).
    faces = [f for f in polygons_of(shapely.polygonize([lines])) if island.contains(f.representative_point())]
    return [(min(seeds, key=lambda s: (s.at.distance(f.representative_point()), s.code)).code, f) for f in faces]


def dissolve(areas: dict, parent_of) -> dict:
    groups = defaultdict(list)
    for code, geometry in areas.items():
        groups[parent_of(code)].append(geometry)
    return {code: shapely.coverage_union_all(members) for code, members in sorted(groups.items())}
