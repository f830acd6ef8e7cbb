"""Times scikit-learn's DBSCAN: dbscan.py POINTS EPS_M MIN_SAMPLES LABELS

POINTS holds doubles, longitude and latitude in turn. Writes one 32-bit number a point to LABELS: the
group, or -1; a core point's number has 1,000,000 added. Prints one line of JSON.
"""

import json
import sys
import time

import numpy
import sklearn
from sklearn.cluster import DBSCAN

EARTH_RADIUS_M = 6_371_008.8

points_file, eps_m, min_samples, labels_file = sys.argv[1:]
lng_lat = numpy.fromfile(points_file).reshape(-1, 2)
lat_lng = numpy.radians(lng_lat[:, ::-1])

began = time.perf_counter()
found = DBSCAN(
    eps=float(eps_m) / EARTH_RADIUS_M,
    min_samples=int(min_samples),
    metric="haversine",
    algorithm="ball_tree",
    n_jobs=-1,
).fit(lat_lng)
seconds = time.perf_counter() - began

labels = found.labels_.astype(numpy.int32)
labels[found.core_sample_indices_] += 1_000_000
labels.tofile(labels_file)
print(json.dumps({"seconds": seconds, "version": sklearn.__version__}))
