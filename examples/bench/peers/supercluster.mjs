// Times supercluster: node supercluster.mjs MODULE POINTS SCREENS
// POINTS holds doubles, longitude and latitude in turn; SCREENS is JSON, [[zoom, west, south, east, north], …].
// Prints one line of JSON.
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

const [module, pointsFile, screensFile] = process.argv.slice(2);
const { default: Supercluster } = await import(module);
const bytes = readFileSync(pointsFile);
const numbers = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
const points = [];
for (let i = 0; i < numbers.length; i += 2) {
  points.push({ type: 'Feature', properties: {}, geometry: { type: 'Point', coordinates: [numbers[i], numbers[i + 1]] } });
}
const screens = JSON.parse(readFileSync(screensFile, 'utf8'));

const began = performance.now();
const index = new Supercluster({ radius: 64, extent: 512, maxZoom: 16 }).load(points);
const loadMs = performance.now() - began;

for (let zoom = 0; zoom <= 17; zoom += 1) {
  const features = index.getClusters([-180, -90, 180, 90], zoom);
  const sum = features.reduce((sum, feature) => sum + (feature.properties.point_count ?? 1), 0);
  if (sum !== points.length) throw new Error(`supercluster counts ${sum} of ${points.length} at zoom ${zoom}`);
}
const ask = ([zoom, ...bbox]) => {
  const began = performance.now();
  const found = index.getClusters(bbox, zoom);
  return [(performance.now() - began) * 1000, found.length];
};
for (let warm = 0; warm < 3; warm += 1) screens.forEach(ask);
const answers = screens.map(ask);
console.log(JSON.stringify({ load_ms: loadMs, times_us: answers.map(([us]) => us), features: answers.map(([, n]) => n) }));
