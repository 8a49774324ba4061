"""Makes border-sample.geojson from world-atlas 2.0.2 countries-10m.json (TopoJSON of Natural Earth 4.1.0, public domain).

Usage: python3 make_border.py countries-10m.json > border-sample.geojson

Polygons are clipped to a box round the Thai-Cambodian border (Sutherland and Hodgman, one side after the other).
"""
import json
import sys

WEST, SOUTH, EAST, NORTH = 101.0, 11.0, 106.0, 15.5
CODES = {"764": ("TH", "Thailand"), "116": ("KH", "Cambodia"), "418": ("LA", "Laos"), "704": ("VN", "Viet Nam")}

topology = json.load(open(sys.argv[1]))
sx, sy = topology["transform"]["scale"]
tx, ty = topology["transform"]["translate"]


def arc(i):
    x = y = 0
    points = []
    for dx, dy in topology["arcs"][i if i >= 0 else ~i]:
        x, y = x + dx, y + dy
        points.append((x * sx + tx, y * sy + ty))
    return points if i >= 0 else points[::-1]


def ring(arcs):
    points = []
    for i in arcs:
        points += arc(i)[1 if points else 0:]
    return points


def clip(points, inside, cross):
    out = []
    for a, b in zip(points, points[1:] + points[:1]):
        if inside(a):
            out.append(a)
        if inside(a) != inside(b):
            out.append(cross(a, b))
    return out


def at_x(x):
    return lambda a, b: (x, a[1] + (b[1] - a[1]) * (x - a[0]) / (b[0] - a[0]))


def at_y(y):
    return lambda a, b: (a[0] + (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]), y)


def boxed(points):
    points = points[:-1]
    points = clip(points, lambda p: p[0] >= WEST, at_x(WEST))
    points = clip(points, lambda p: p[0] <= EAST, at_x(EAST))
    points = clip(points, lambda p: p[1] >= SOUTH, at_y(SOUTH))
    points = clip(points, lambda p: p[1] <= NORTH, at_y(NORTH))
    rounded = []
    for x, y in points:
        p = [round(x, 4), round(y, 4)]
        if not rounded or rounded[-1] != p:
            rounded.append(p)
    return rounded + rounded[:1] if len(rounded) >= 3 else None


features = []
for geometry in topology["objects"]["countries"]["geometries"]:
    if geometry.get("id") not in CODES:
        continue
    code, name = CODES[geometry["id"]]
    polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    clipped = [[r for r in (boxed(ring(a)) for a in polygon) if r] for polygon in polygons]
    coordinates = [polygon for polygon in clipped if polygon]
    features.append({"type": "Feature", "properties": {"code": code, "name": name},
                     "geometry": {"type": "MultiPolygon", "coordinates": coordinates}})
features.sort(key=lambda f: f["properties"]["code"])
print('{"type":"FeatureCollection",')
print('"source":"Natural Earth 1:10m countries, version 4.1.0, by way of world-atlas 2.0.2; clipped to 101-106 E, 11-15.5 N",')
print('"date":"2018-05","accuracy_m":1000,')
print('"note":"A small-scale cartographic line for tests and demonstration. Several stretches of this border are disputed; this line decides nothing.",')
print('"features":[')
print(",\n".join(json.dumps(f, separators=(",", ":")) for f in features))
print("]}")
