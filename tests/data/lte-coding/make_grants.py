"""Vectors of downlink grants and of transmit diversity over four ports, made without daen's code.

Usage: make_grants.py > grants.txt      (NumPy)

Distributed blocks: the block interleaver of TS 36.211 6.2.3.2 is filled and read as a matrix with nulls, as the standard describes it in
words, not by its closed formula. Diversity: the matrices of TS 36.211 6.3.4.3 multiplied out.
"""
import math
import random

import numpy as np

R = random.Random(36213)
# TS 36.211 table 6.2.3.2-1: widest downlink of each row, N_gap,1, N_gap,2.
GAPS = [(10, None, None), (11, 4, None), (19, 8, None), (26, 12, None), (44, 18, None), (49, 27, None), (63, 27, 9), (79, 32, 16), (110, 48, 16)]
# TS 36.213 table 7.1.6.1-1.
GROUPS = [(10, 1), (26, 2), (63, 3), (110, 4)]
# TS 36.213 table 7.1.7.2.3-1, as two open programs carry it (sources in README.md).
SIZES_1C = [40, 56, 72, 120, 136, 144, 176, 208, 224, 256, 280, 296, 328, 336, 392, 488]
SIZES_1C += [552, 600, 632, 696, 776, 840, 904, 1000, 1064, 1128, 1224, 1288, 1384, 1480, 1608, 1736]
AMBIGUOUS = {12, 14, 16, 20, 24, 26, 32, 40, 44, 56}
NULL = -1


def row(table, blocks):
    return next(r for r in table if blocks <= r[0])


def gap(blocks, second):
    _, first, other = row(GAPS, blocks)
    return other if second else first if first is not None else math.ceil(blocks / 2)


def count(blocks, second):
    g = gap(blocks, second)
    return blocks // (2 * g) * 2 * g if second else 2 * min(g, blocks - g)


def places(blocks, second):
    """Physical blocks of each virtual one, in even and in odd slots."""
    total, g = count(blocks, second), gap(blocks, second)
    unit = 2 * g if second else total
    p = row(GROUPS, blocks)[1]
    rows = math.ceil(unit / (4 * p)) * p
    nulls = 4 * rows - unit
    even, odd = [], []
    for base in range(0, total, unit):
        matrix = np.full((rows, 4), NULL)
        numbers = iter(range(unit))
        for r in range(rows):
            for c in range(4):
                if c in (1, 3) and r >= rows - nulls // 2:
                    continue
                matrix[r, c] = next(numbers)
        order = [int(v) for v in matrix.T.reshape(-1) if v != NULL]
        for number in range(unit):
            place = order.index(number)
            pair = [place, (place + unit // 2) % unit]
            for out, at in zip((even, odd), pair):
                out.append(base + (at if at < unit // 2 else at + g - unit // 2))
    return even, odd


def field(value, width):
    return format(value, "0%db" % width) if width else ""


def riv(start, length, blocks):
    """TS 36.213 7.1.6.3, by its two cases."""
    if length - 1 <= math.floor(blocks / 2):
        return blocks * (length - 1) + start
    return blocks * (blocks - length + 1) + (blocks - 1 - start)


def width(blocks):
    return math.ceil(math.log2(blocks * (blocks + 1) / 2))


def joined(values):
    return ",".join(str(v) for v in values)


for blocks in (6, 15, 25, 50, 75, 100):
    # TS 36.212 5.3.3.1.3: flags 2, assignment, scheme 5, process 3 or 4, NDI 1, version 2, TPC 2, in TDD an index of 2.
    lengths = [2 + width(blocks) + 5 + 3 + 1 + 2 + 2, 2 + width(blocks) + 5 + 4 + 1 + 2 + 2 + 2]
    lengths = [length + (length in AMBIGUOUS) for length in lengths]
    step = 2 if blocks < 50 else 4
    compact = (1 if blocks >= 50 else 0) + width(count(blocks, False) // step) + 5
    print("length", blocks, *lengths, compact)

for blocks in (6, 15, 25, 50, 75, 100):
    for second in (False, True)[: 2 if blocks >= 50 else 1]:
        step = 2 if blocks < 50 else 4
        steps = count(blocks, second) // step
        even, odd = places(blocks, second)
        for _ in range(6):
            length = R.randint(1, steps)
            start = R.randint(0, steps - length)
            scheme = R.randint(0, 31)
            message = ("1" if second else "0") if blocks >= 50 else ""
            message += field(riv(start, length, steps), width(count(blocks, False) // step)) + field(scheme, 5)
            virtual = range(start * step, (start + length) * step)
            print("compact", blocks, message, SIZES_1C[scheme], joined(sorted(even[v] for v in virtual)), joined(sorted(odd[v] for v in virtual)))

for blocks in range(6, 111):
    for second in (False, True)[: 2 if blocks >= 50 else 1]:
        even, odd = places(blocks, second)
        print("spread", blocks, int(second), joined(even), joined(odd))

# TS 36.211 6.3.4.3: y(4i) to y(4i+3) over four ports from Re x and Im x of four layers.
W = np.zeros((16, 8), complex)
s, j = 1 / math.sqrt(2), 1j / math.sqrt(2)


def put(symbol, port, layer, conjugate, sign):
    W[4 * symbol + port, layer] += sign * s
    W[4 * symbol + port, 4 + layer] += sign * (-j if conjugate else j)


for symbol, port, layer, conjugate, sign in [
    (0, 0, 0, False, 1), (0, 2, 1, True, -1),
    (1, 0, 1, False, 1), (1, 2, 0, True, 1),
    (2, 1, 2, False, 1), (2, 3, 3, True, -1),
    (3, 1, 3, False, 1), (3, 3, 2, True, 1),
]:
    put(symbol, port, layer, conjugate, sign)
for _ in range(4):
    bits = [R.randint(0, 1) for _ in range(8)]
    x = [((1 - 2 * a) + 1j * (1 - 2 * b)) / math.sqrt(2) for a, b in zip(bits[::2], bits[1::2])]
    gains = [complex(R.gauss(0, 1), R.gauss(0, 1)) for _ in range(4)]
    y = W @ np.array([v.real for v in x] + [v.imag for v in x])
    received = [sum(gains[p] * y[4 * symbol + p] for p in range(4)) for symbol in range(4)]
    flat = [part for v in gains + received for part in (v.real, v.imag)]
    print("diversity", "".join(map(str, bits)), ",".join("%.6f" % v for v in flat))
