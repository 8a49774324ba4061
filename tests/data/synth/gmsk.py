#!/usr/bin/env python3
"""Phase of a GMSK burst straight from the formula of TS 45.004 clauses 2.3 to 2.5, for tests/synth_gsm.rs.

Plain sums and numerical integration of the filtered rectangle; shares nothing with the program's tables.
Prints "t' phase" lines: t' in symbols from the start of BN0, phase in radians relative to t' = 20.
"""
import math
import random

BT = 0.3
DELTA = math.sqrt(math.log(2)) / (2 * math.pi * BT)


def h(t):
    return math.exp(-t * t / (2 * DELTA * DELTA)) / (math.sqrt(2 * math.pi) * DELTA)


def g(t, n=400):
    """h(t) * rect(t): the mean of h over one symbol around t (Simpson)."""
    step = 1.0 / n
    total = h(t - 0.5) + h(t + 0.5)
    for i in range(1, n):
        total += (4 if i % 2 else 2) * h(t - 0.5 + i * step)
    return total * step / 3


GRID = 32  # points a symbol at which phases are given
REACH = 5  # symbols from the centre of a pulse beyond which it is over
INTEGRAL = [0.0]
for i in range(2 * REACH * GRID):
    a = -REACH + i / GRID
    b = a + 1 / GRID
    INTEGRAL.append(INTEGRAL[-1] + (g(a) + 4 * g((a + b) / 2) + g(b)) / 6 / GRID)


def q(i):
    return 0.0 if i <= 0 else 1.0 if i >= len(INTEGRAL) else INTEGRAL[i]


random.seed(45004)
bits = [0] * 3 + [random.getrandbits(1) for _ in range(142)] + [0] * 3
d = [1] * 20 + bits + [1] * 20  # bits outside the burst are ones
alpha = [1 - 2 * (d[i] ^ d[i - 1]) for i in range(1, len(d))]  # alpha[k] belongs to bit k - 19
START = 20


def phase(point):
    return sum(
        a * math.pi / 2 * q(point - (k - START + 1) * GRID + REACH * GRID) for k, a in enumerate(alpha)
    )


print("# bits " + "".join(map(str, bits)))
zero = phase(20 * GRID)
for point in range(-2 * GRID, 152 * GRID, 5):
    print(f"{point / GRID:.5f} {phase(point) - zero:.7f}")
