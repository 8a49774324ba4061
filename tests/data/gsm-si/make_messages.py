"""Prints SYSTEM INFORMATION vectors decoded by pycrate for tests/gsm_si.rs. See README.md beside this file."""

import io
import json
import random
import re
import sys

from pycrate_mobile import TS44018_RR as rr

LEAF = re.compile(r"<(?:\(CSN1Ref\): <)?([\w-]+)(?: \(CSN1\w+\))? ?: (?:<\w+ \(CSN1\w+\): )?(?:\{ ([HL]) |0x([0-9a-f]+)|(\d+))")

# Type: L2 pseudo length, message type, first octet of the rest octets, a name that must occur in half of the vectors.
TYPES = {
    "SI1": (21, 0x19, 22, None),
    "SI2": (22, 0x1A, 23, None),
    "SI2bis": (21, 0x02, 22, None),
    "SI2ter": (18, 0x03, 19, "fdd_arfcn"),
    "SI2quater": (1, 0x07, 3, "fdd_arfcn"),
    "SI2quater E-UTRAN": (1, 0x07, 3, "earfcn"),
    "SI3": (18, 0x1B, 19, "cell_reselect_offset"),
    "SI4": (12, 0x1C, 13, "cell_reselect_offset"),
    "SI13": (0, 0x00, 3, "rac"),
}


def candidate(source, kind):
    length, message_type, rest, _ = TYPES[kind]
    octets = [length << 2 | 1, 0x06, message_type] + [source.randrange(256) for _ in range(20)]
    if kind in ("SI1", "SI2", "SI2bis", "SI2ter"):
        # Frequency lists have vectors of their own: an empty bit map here.
        octets[3:19] = [0] * 16
    if kind in ("SI3", "SI4"):
        lai = 5 if kind == "SI3" else 3
        octets[lai : lai + 3] = [0x25, 0xF0, source.choice([0x10, 0x30, 0x40])]
    # Rest octets of random bits with few ones, after the padding is taken off here and there, reach deeper than even ones.
    ones = source.random()
    padded = source.random() < 0.5
    for i in range(rest, 23):
        octets[i] = sum((source.random() < ones) << b for b in range(8)) ^ (0x2B if padded else 0)
    if kind == "SI2quater E-UTRAN":
        octets[3:] = towards_eutran(source)
    cut = source.randrange(rest, 24)
    octets[cut:] = [0x2B] * (23 - cut)
    return bytes(octets)


def towards_eutran(source):
    """20 rest octets whose flags lead to the E-UTRAN parameters, random behind that and where a field's value is free."""
    bits = []

    def put(count):
        bits.extend(source.randrange(2) for _ in range(count))

    def optional(count):
        bits.append(source.randrange(2))
        put(count * bits[-1])

    def high():
        bits.append(1 - (0x2B >> (7 - len(bits) % 8) & 1))

    put(11)
    optional(3)  # measurement parameters
    bits.extend([0] * 6)  # up to the 3G neighbour cells
    bits.append(0)
    bits.append(1)  # 3G measurement parameters
    put(5)
    optional(10)
    optional(6)
    bits.append(0)  # GPRS 3G measurement parameters
    high()
    optional(7)
    bits.append(0)
    high()
    put(1)
    high()
    optional(6)
    optional(6)
    high()
    bits.append(1)
    optional(15)  # serving cell priority parameters
    bits.append(0)  # 3G priority parameters
    bits.append(1)
    put(3)
    bits.extend([0, 0, 1])  # neighbour cells follow
    for _ in range(source.randrange(1, 3)):
        bits.append(1)
        put(16)
        optional(3)
    bits.append(0)
    optional(3)
    put(5)
    optional(5)
    optional(5)
    bits.extend([0, 0, 0, 0, 0])  # no more cells, no cells that are not allowed, no tracking areas, no closed groups
    octets = [0x2B] * 20
    for i, bit in enumerate(bits[:160]):
        octets[i // 8] = octets[i // 8] & ~(0x80 >> i % 8) | bit << (7 - i % 8)
    return octets


def decode(octets, kind):
    message = getattr(rr, "RRSystemInfo" + kind.split()[0][2:])()
    message.from_bytes(octets)
    if message.get_len() != 23:
        return None
    fields = {}
    shown = message.show()
    if re.search(r"<V ?:", shown[shown.find("RestOctets") :]):
        # Rest octets that pycrate could not decode.
        return None
    for line in shown.splitlines():
        found = LEAF.search(line)
        if found:
            name, mark, hexadecimal, decimal = found.groups()
            value = mark or (int(hexadecimal, 16) if hexadecimal else int(decimal))
            fields.setdefault(name, []).append(value)
    return fields


def main():
    source = random.Random(44018)
    # pycrate prints a line for each element that it cannot decode.
    output, sys.stdout = sys.stdout, io.StringIO()
    vectors = []
    for kind, (_, _, _, wanted) in TYPES.items():
        plain, rich = [], []
        for _ in range(20000):
            octets = candidate(source, kind)
            try:
                fields = decode(octets, kind)
            except Exception:  # pycrate raises many kinds for octets that end inside a field
                continue
            if fields is None:
                continue
            group = rich if wanted in fields else plain
            if len(group) < (10 if group is plain else 15):
                group.append({"type": kind.split()[0], "hex": octets.hex(), "fields": fields})
            if len(plain) >= 10 and (wanted is None or len(rich) >= 15):
                break
        print(kind, len(plain), len(rich), file=sys.stderr)
        vectors += plain + rich
    print("[\n" + ",\n".join(json.dumps(v) for v in vectors) + "\n]", file=output)


main()
