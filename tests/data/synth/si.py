#!/usr/bin/env python3
"""Decodes si.txt with pycrate and prints every field, for the eye: pip install pycrate."""
import sys
import pycrate_mobile.TS44018_RR as rr

for line in open(sys.argv[1]):
    station, name, octets = line.split()
    message = getattr(rr, "RRSystemInfo" + name[2:])()
    message.from_bytes(bytes.fromhex(octets))
    same = message.to_bytes().hex() == octets
    print(f"=== {station} {name}; encodes back to the same octets: {same}")
    print(message.show())
