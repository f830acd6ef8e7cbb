#!/usr/bin/env python3
"""What scikit-learn's DBSCAN says of the point sets that our own is tested on.

    python3 -m venv /tmp/oracle && /tmp/oracle/bin/pip install scikit-learn
    /tmp/oracle/bin/python tests/oracle/dbscan.py            # writes tests/fixtures/hotspots/*.json
    /tmp/oracle/bin/python tests/oracle/dbscan.py --check    # fails where the frozen results differ

A fixture holds parameters and one label a point: a group's number for a core point, -1 for noise,
-2 for a border point (whose group scikit-learn leaves to the order of visits; ours goes to the
nearest core). The made sets hold their points too; of the real ones there are only these results,
by row of the file, and they are skipped with a word where `../shared/data` is not there.
"""

import csv
import json
import random
import sys
from pathlib import Path

import numpy as np
from sklearn.cluster import DBSCAN
from sklearn.neighbors import BallTree

EARTH_RADIUS_M = 6_371_008.8
ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "hotspots"
DATA = ROOT.parent / "shared" / "data"
if "--data" in sys.argv:
    DATA = Path(sys.argv[sys.argv.index("--data") + 1])


def labels(points_e7, eps_m, min_reports):
    """Labels of points given as whole 1e-7 degrees, longitude first."""
    lng_lat = np.array(points_e7, dtype=np.int64) / 1e7
    radians = np.radians(lng_lat[:, ::-1])
    eps = eps_m / EARTH_RADIUS_M
    # No pair may lie so close to the radius that rounding would decide it.
    tree = BallTree(radians, metric="haversine")
    near, far = (tree.query_radius(radians, eps * f, count_only=True) for f in (1 - 1e-8, 1 + 1e-8))
    assert (near == far).all(), "a pair lies at the radius; take another seed"
    found = DBSCAN(eps=eps, min_samples=min_reports, metric="haversine", algorithm="ball_tree").fit(radians)
    core = np.zeros(len(points_e7), dtype=bool)
    core[found.core_sample_indices_] = True
    return [int(label) if is_core else (-1 if label < 0 else -2) for label, is_core in zip(found.labels_, core)]


def e7(degrees):
    return round(float(degrees) * 1e7)


def wrapped(lng):
    return (lng + 180.0) % 360.0 - 180.0


def city_shaped(seed, n, centre, spread_deg, hub_deg):
    """Hubs of uneven density, streets of evenly spaced points, a thin scatter, many doubles."""
    chance = random.Random(seed)
    stretch = 1.0 / max(np.cos(np.radians(centre[1])), 0.001)
    hubs = [(chance.gauss(0, spread_deg), chance.gauss(0, spread_deg), chance.uniform(0.2, 1.0)) for _ in range(25)]
    points = []
    while len(points) < n:
        kind = chance.random()
        if kind < 0.55:
            x, y, size = chance.choice(hubs)
            at = [(chance.gauss(x, size * hub_deg), chance.gauss(y, size * hub_deg))]
        elif kind < 0.6:
            x, y, _ = chance.choice(hubs)
            dx, dy = chance.gauss(0, hub_deg * 0.4), chance.gauss(0, hub_deg * 0.4)
            at = [(x + i * dx, y + i * dy) for i in range(12)]
        elif kind < 0.85 and points:
            points.append(chance.choice(points))
            continue
        else:
            at = [(chance.gauss(0, 3 * spread_deg), chance.gauss(0, 3 * spread_deg))]
        for x, y in at:
            lat = min(max(centre[1] + y, -90.0), 90.0)
            points.append([e7(wrapped(centre[0] + x * stretch)), e7(lat)])
    return points[:n]


MADE = {
    "city": (city_shaped(1, 2500, (127.38, 0.79), 0.02, 0.003), 200.0, 4),
    "antimeridian": (city_shaped(2, 900, (180.0, -16.5), 0.02, 0.003), 200.0, 4),
    "north_pole": (city_shaped(3, 900, (20.0, 89.99), 0.02, 0.003), 200.0, 4),
    "wide": (city_shaped(4, 1500, (-70.0, -45.0), 2.0, 0.3), 20_000.0, 5),
}


def petabencana():
    features = json.loads((DATA / "petabencana_jakarta_2017-02.geojson").read_text())["features"]
    return [[e7(c) for c in feature["geometry"]["coordinates"][:2]] for feature in features]


def bmkg():
    with open(DATA / "bmkg_north_maluku_2008_2015.csv", newline="") as file:
        return [[e7(row["lon"]), e7(row["lat"])] for row in csv.DictReader(file)]


REAL = {
    "petabencana_200": ("petabencana_jakarta_2017-02.geojson", petabencana, 200.0, 4),
    "petabencana_500": ("petabencana_jakarta_2017-02.geojson", petabencana, 500.0, 4),
    "bmkg_10000": ("bmkg_north_maluku_2008_2015.csv", bmkg, 10_000.0, 4),
}


def fixtures():
    for name, (points, eps_m, min_reports) in MADE.items():
        yield name, {"eps_m": eps_m, "min_reports": min_reports, "labels": labels(points, eps_m, min_reports),
                     "points_e7": points}
    for name, (file, read, eps_m, min_reports) in REAL.items():
        if not (DATA / file).exists():
            print(f"skipped {name}: {DATA / file} is not there")
            continue
        yield name, {"eps_m": eps_m, "min_reports": min_reports, "labels": labels(read(), eps_m, min_reports),
                     "file": file}


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    differ = False
    for name, fixture in fixtures():
        path = FIXTURES / f"{name}.json"
        found = fixture["labels"]
        groups, noise = len({label for label in found if label >= 0}), found.count(-1)
        print(f"{name}: {len(found)} points, {groups} groups, {noise} noise")
        text = json.dumps(fixture, separators=(",", ":")) + "\n"
        if "--check" not in sys.argv:
            path.write_text(text)
        elif json.loads(path.read_text()) != fixture:
            print(f"{name}: scikit-learn differs from {path}")
            differ = True
    sys.exit(differ)


main()
