#!/usr/bin/env python3
"""What PySAL's esda says of Gi*, and scipy of the false discovery rate and of Poisson tails.

    python3 -m venv /tmp/oracle && /tmp/oracle/bin/pip install esda h3
    /tmp/oracle/bin/python tests/oracle/gi_star.py            # writes tests/fixtures/hotspots/{gi_star,poisson}.json
    /tmp/oracle/bin/python tests/oracle/gi_star.py --check    # fails where the frozen results differ

Everything is made from seeds and from the areas of `geodata/ternate`. Of each set of cells the fixture
holds the counts and, in the same order, z, p on both sides, and the highest of 90, 95 and 99 % at
which Benjamini and Hochberg call the cell a find (0 for none). Cells and neighbours are those of the
reference implementation of H3, not of the one that the server uses.
"""

import json
import random
import sys
import warnings
from pathlib import Path

import h3
import numpy as np
from esda.getisord import G_Local
from libpysal.weights import W
from scipy import stats

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "hotspots"

warnings.filterwarnings("ignore", message="The weights matrix is not fully connected")


def gi_star(cells, counts):
    """z, p and confidence by cell."""
    among = set(cells)
    neighbours = {cell: [near for near in h3.grid_disk(cell, 1) if near in among and near != cell] for cell in cells}
    weights = W(neighbours, id_order=cells, silence_warnings=True)
    found = G_Local(np.array(counts, dtype=float), weights, transform="B", star=True, permutations=0)
    p = 2 * found.p_norm
    adjusted = stats.false_discovery_control(p, method="bh")
    # No cell may lie so close to a level that rounding would decide it.
    for alpha in (0.10, 0.05, 0.01):
        assert (np.abs(adjusted - alpha) > 1e-9).all(), "a cell lies at a level; take another seed"
    sure = [max([percent for percent in (90, 95, 99) if a <= 1 - percent / 100], default=0) for a in adjusted]
    return {"z": [float(z) for z in found.Zs], "p": [float(x) for x in p], "confidence": sure}


def scattered(seed, cells, hubs, background):
    """Few hubs with many reports, a thin scatter elsewhere, most cells empty."""
    chance = random.Random(seed)
    counts = [chance.choice([0] * background + [1, 2]) for _ in cells]
    position = {cell: i for i, cell in enumerate(cells)}
    for hub in chance.sample(cells, hubs):
        size = chance.randint(3, 60)
        for near in h3.grid_disk(hub, 1):
            if near in position:
                counts[position[near]] += chance.randint(0, size)
    return counts


def island(seed, middle, k, bites):
    """A disk of cells with pieces bitten off, and so with cells of few neighbours or none."""
    chance = random.Random(seed)
    cells = set(h3.grid_disk(middle, k))
    for bite in chance.sample(sorted(cells), bites):
        cells -= set(h3.grid_disk(bite, 1)) - set(chance.sample(sorted(cells), 5))
    return sorted(cells)


def land(res):
    """The cells that the finest areas of the pack touch."""
    features = json.loads((ROOT / "geodata" / "ternate" / "areas.geojson").read_text())["features"]
    parents = {feature["properties"].get("parent") for feature in features}
    cells = set()
    for feature in features:
        if feature["properties"]["code"] not in parents:
            shape = h3.geo_to_h3shape(feature["geometry"])
            cells |= set(h3.h3shape_to_cells_experimental(shape, res, contain="overlap"))
    return sorted(cells)


def sets():
    ternate = h3.latlng_to_cell(0.79, 127.38, 9)
    pentagon = next(cell for cell in h3.get_pentagons(7))
    antimeridian = h3.latlng_to_cell(-16.5, 180.0, 8)
    yield "island", island(1, ternate, 12, 25), 6, 8
    yield "pentagon", island(2, pentagon, 6, 4), 3, 4
    yield "antimeridian", island(3, antimeridian, 8, 6), 4, 6
    yield "flat", island(4, ternate, 8, 3), 0, 2
    yield "ternate", land(9), 12, 30


def poisson():
    chance = random.Random(5)
    cases = [(n, mean) for mean in (0.5, 1.0, 9.0, 40.0) for n in (0, 1, 2, 4, 9, 20, 62)]
    cases += [(chance.randint(0, 300), chance.uniform(0.5, 200.0)) for _ in range(60)]
    rows = []
    for n, mean in cases:
        tail = float(stats.poisson.sf(n - 1, mean))
        # Beyond these a quantile is infinite, or rounding alone.
        sigmas = float(stats.norm.isf(tail)) if 1e-290 < tail < 1 - 1e-9 else None
        rows.append({"n": n, "mean": mean, "tail": tail, "sigmas": sigmas})
    return rows


def fixtures():
    areas = {}
    for name, cells, hubs, background in sets():
        counts = scattered(len(cells), cells, hubs, background)
        scored = gi_star(cells, counts)
        print(f"{name}: {len(cells)} cells, {sum(counts)} reports, {sum(c > 0 for c in scored['confidence'])} finds")
        # The land follows from the city pack, and the test tells it from there.
        kept = {} if name == "ternate" else {"cells": cells}
        areas[name] = {**kept, "counts": counts, **scored}
    yield "gi_star", areas
    yield "poisson", poisson()


def equal(a, b):
    """Alike to a few bits: another version may sum in another order."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-11 * max(1.0, abs(a))
    return a == b


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    differ = False
    for name, fixture in fixtures():
        path = FIXTURES / f"{name}.json"
        if "--check" not in sys.argv:
            path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
        elif not equal(json.loads(path.read_text()), fixture):
            print(f"{name}: the oracle differs from {path}")
            differ = True
    sys.exit(differ)


main()
