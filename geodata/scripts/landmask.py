"""Coastlines traced from the OpenStreetMap land polygons inside `roaring-landmask`.

The package answers "is this place land?" and nothing else, so the coast is found by asking on a grid
and following the line between yes and no. The line is right to about half a grid step.
"""

import numpy as np
import shapely
from roaring_landmask import LandmaskProvider, RoaringLandmask
from shapely import Polygon
from skimage.measure import find_contours

from geo import Window, polygons_of, rounded

ROWS_PER_STRIP = 256  # bounds the memory for the coordinates that are asked at once


class Landmask:
    def __init__(self) -> None:
        self._mask = RoaringLandmask.new_with_provider(LandmaskProvider.Osm)

    def trace(self, window: Window, grid_deg: float, simplify_deg: float, islet_deg2_min: float) -> list[Polygon]:
        """Land in `window`; polygons that reach its edge end exactly there. Smaller islets are left out."""
        lng = np.arange(window.west, window.east + grid_deg, grid_deg)
        lat = np.arange(window.south, window.north + grid_deg, grid_deg)
        # A frame of sea closes every contour; it lies outside the window and is cut off again below.
        is_land = np.zeros((len(lat) + 2, len(lng) + 2), dtype=np.float32)
        for row in range(0, len(lat), ROWS_PER_STRIP):
            x, y = np.meshgrid(lng, lat[row : row + ROWS_PER_STRIP])
            land = self._mask.contains_many(x.ravel(), y.ravel()).reshape(x.shape)
            is_land[1 + row : 1 + row + len(land), 1:-1] = land

        rings = []
        for contour in find_contours(is_land, 0.5):
            rows, cols = contour[:, 0] - 1, contour[:, 1] - 1
            rings.append(shapely.linearrings(np.column_stack((window.west + cols * grid_deg, window.south + rows * grid_deg))))
        # Even-odd: a ring in a ring is a lake, a ring in that an island.
        land = polygons_of(shapely.build_area(shapely.multilinestrings(rings)))
        land = [p for p in land if p.area >= islet_deg2_min]
        land = shapely.simplify(land, simplify_deg, preserve_topology=True)
        inside = shapely.intersection(shapely.union_all(land, grid_size=1e-6), window.box())
        return sorted(polygons_of(rounded(inside)), key=lambda p: p.bounds)
