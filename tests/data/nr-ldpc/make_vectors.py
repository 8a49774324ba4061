"""Vectors of NR's LDPC code and of the downlink shared channel, made without daen's code.

Usage: make_vectors.py > vectors.txt      (neoradium 0.5.3, py3gpp 0.6.0, NumPy)

The code comes from NeoRadium, whose base graphs were typed in by its author; rate matching and parities from py3gpp, because NeoRadium
counts its starting points without the filler bits.
"""
import random

import numpy as np
from neoradium.ldpc import LdpcEncoder, hbg
from py3gpp.nrCRCEncode import nrCRCEncode
from py3gpp.nrLDPCEncode import nrLDPCEncode
from py3gpp.nrRateMatchLDPC import nrRateMatchLDPC
from py3gpp.nrTBS import nrTBS

R = random.Random(38212)


SIZES = sorted({a << j for a in (2, 3, 5, 7, 9, 11, 13, 15) for j in range(8) if a << j <= 384})


def text(bits):
    bits = [int(b) for b in bits]
    return "".join(format(int("".join(map(str, bits[i:i + 4])).ljust(4, "0"), 2), "x") for i in range(0, len(bits), 4))


def encode(graph, z, info):
    encoder = LdpcEncoder(graph)
    encoder.liftingSize = z
    base = np.full((46, 68) if graph == 1 else (42, 52), -1)
    least = next(i for i, a in enumerate((2, 3, 5, 7, 9, 11, 13, 15)) if z in [a << j for j in range(8)])
    for row, entries in enumerate(hbg[graph]):
        for column, shifts in entries:
            base[row, column] = shifts[least] % z
    encoder._baseGraph = base
    return encoder.encode(np.array([info], dtype=np.int8))[0]


def bits(count):
    return [R.getrandbits(1) for _ in range(count)]


def codes():
    largest = [max(z for z in SIZES if z in [a << j for j in range(8)]) for a in (2, 3, 5, 7, 9, 11, 13, 15)]
    for graph, columns in ((1, 22), (2, 10)):
        for z in sorted(set(largest) | {2, 3, 5, 7, 24, 72, 88}):
            info = bits(columns * z)
            coded = encode(graph, z, info)
            if graph == 2 and 10 * z > 640:
                # The other encoder (which takes no more columns than K_b) agrees; its base graph 1 has one shift typed in wrongly (15, 880 for 158, 80 in row 6).
                other = nrLDPCEncode(np.array(info)[:, None], 2)[:, 0]
                assert (other == coded).all(), z
            print("code", graph, z, text(info), text(coded))


def transport(a, rate, g, modulation, version):
    """One transport block by the clauses, with the packages' parts."""
    graph = 2 if a <= 292 or (a <= 3824 and rate <= 0.67) or rate <= 0.25 else 1
    block = bits(a)
    word = nrCRCEncode(np.array(block), "16" if a <= 3824 else "24A")[:, 0].astype(int)
    limit = 8448 if graph == 1 else 3840
    count = 1 if len(word) <= limit else -(-len(word) // (limit - 24))
    parts = [word] if count == 1 else [nrCRCEncode(p, "24B")[:, 0].astype(int) for p in np.split(word, count)]
    filled, b = len(parts[0]), len(word)
    columns = 22 if graph == 1 else 10 if b > 640 else 9 if b > 560 else 8 if b > 192 else 6
    z = next(z for z in SIZES if columns * z >= filled)
    k = (22 if graph == 1 else 10) * z
    coded = []
    for part in parts:
        word = encode(graph, z, list(part) + [0] * (k - filled)).astype(int)
        word[filled - 2 * z:k - 2 * z] = -1
        coded.append(word)
    sent = nrRateMatchLDPC(np.array(coded).T, g, version, modulation, 1)
    print("transport", a, round(1024 * rate), {"QPSK": 2, "16QAM": 4}[modulation], version, text(block), g, text(sent))


def transports():
    for a, rate, g in ((672, 449, 1512), (808, 120, 6900), (848, 193, 4536), (24, 120, 240), (192, 308, 600), (208, 308, 700), (560, 602, 960), (2976, 679, 4600)):
        for version in range(4):
            transport(a, rate / 1024, g, "QPSK", version)
    transport(808, 340 / 1024, 2400, "16QAM", 0)
    transport(808, 340 / 1024, 2400, "16QAM", 2)
    transport(1800, 0.8, 2300, "QPSK", 0)
    transport(3824, 0.9, 4400, "16QAM", 0)
    # Two code blocks of each graph, and shares that differ.
    transport(9480, 0.5, 19004, "16QAM", 0)
    transport(7552, 0.2, 36006, "QPSK", 3)


def sizes():
    table = [120, 157, 193, 251, 308, 379, 449, 526, 602, 679]
    for _ in range(150):
        blocks, elements, rate = R.randint(1, 96), R.choice([72, 84, 96, 108, 120, 126, 132, 144, 156, 162]), R.choice(table)
        print("size", blocks, elements, rate, nrTBS("QPSK", 1, blocks, elements, rate / 1024))


codes()
transports()
sizes()
