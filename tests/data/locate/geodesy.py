"""Makes geodesy.txt with pymap3d 3.2.0: geodetic -> ENU -> ECEF of the same point; degrees and metres."""
import pymap3d

ORIGIN = (13.69, 102.55, 35.0)
POINTS = [(13.69, 102.55, 35.0), (13.70, 102.55, 35.0), (13.69, 102.60, 45.0), (13.6502, 102.4871, 12.5),
          (14.2, 103.4, 620.0), (11.9, 102.9, 3.0), (13.69, 101.0, 0.0)]
print("# origin lat lon h | lat lon h | east north up | x y z")
for p in POINTS:
    enu = pymap3d.geodetic2enu(*p, *ORIGIN)
    ecef = pymap3d.geodetic2ecef(*p)
    numbers = [*ORIGIN, *p, *enu, *ecef]
    print(" ".join(f"{float(n):.9f}" for n in numbers))
