"""Vectors of LTE's channel coding, made without daen's code.

Usage: make_vectors.py > vectors.txt      (NumPy, crcmod 1.7, scikit-commpy 0.8.0)

Tail-biting and turbo code words come from scikit-commpy's general encoders, parities from crcmod. Interleaving, rate matching and the
scrambling sequence are written here from the formulas of the standard (TS 36.211 7.2; TS 36.212 5.1.3.2.3, 5.1.4.1 and 5.1.4.2), with
the null elements kept as such in two-dimensional arrays, as the standard draws them.
"""
import random

import crcmod
import numpy as np
from commpy.channelcoding.convcode import Trellis, conv_encode

R = random.Random(36212)
NULL = -1


def bits(count):
    return [R.randint(0, 1) for _ in range(count)]


def text(values):
    return "".join(str(int(v)) for v in values)


def gold(c_init, length):
    total = 1600 + length + 31
    x1, x2 = np.zeros(total, int), np.zeros(total, int)
    x1[0] = 1
    x2[:31] = [c_init >> i & 1 for i in range(31)]
    for n in range(total - 31):
        x1[n + 31] = (x1[n + 3] + x1[n]) % 2
        x2[n + 31] = (x2[n + 3] + x2[n + 2] + x2[n + 1] + x2[n]) % 2
    return (x1 + x2)[1600 : 1600 + length] % 2


def tail_biting(message):
    """d0, d1, d2 by commpy, from the state that the last six bits leave behind: they are sent in front and their output dropped."""
    # Generators 133, 171 and 165 (TS 36.212 figure 5.1.3-1: the highest bit taps the newest input), mirrored: of a feed-forward code
    # commpy takes the lowest bit as the newest.
    trellis = Trellis(np.array([6]), np.array([[0o155, 0o117, 0o127]]))
    coded = conv_encode(np.array(message[-6:] + message), trellis, termination="cont")
    return coded.reshape(-1, 3)[6:].T


def recursive(message):
    """Parity of one constituent encoder by commpy, and its tail."""
    trellis = Trellis(np.array([3]), np.array([[0o13, 0o15]]), feedback=0o13, code_type="rsc")
    state, parity, tail = 0, [], []
    for bit in message:
        parity.append(int(trellis.output_table[state, bit]) & 1)
        state = trellis.next_state_table[state, bit]
    for _ in range(3):
        # The input that leads towards state zero: of the two, the one whose next state has its newest bit clear.
        bit = next(b for b in (0, 1) if newest_is_zero(trellis.next_state_table[state, b]))
        tail += [bit, int(trellis.output_table[state, bit]) & 1]
        state = trellis.next_state_table[state, bit]
    assert state == 0
    return parity, tail


def newest_is_zero(state):
    return state & 4 == 0


def qpp(size, f1, f2):
    return [(f1 * i + f2 * i * i) % size for i in range(size)]


def turbo(message, f1, f2):
    first, tail = recursive(message)
    second, tail2 = recursive([message[i] for i in qpp(len(message), f1, f2)])
    x = list(message)
    # TS 36.212 5.1.3.2.2: x z x z x z of the first encoder, then of the second, dealt to d0, d1, d2.
    t = tail + tail2
    return [x + t[0::3], first + t[1::3], second + t[2::3]]


CONV = [1, 17, 9, 25, 5, 21, 13, 29, 3, 19, 11, 27, 7, 23, 15, 31, 0, 16, 8, 24, 4, 20, 12, 28, 2, 18, 10, 26, 6, 22, 14, 30]
TURBO = [0, 16, 8, 24, 4, 20, 12, 28, 2, 18, 10, 26, 6, 22, 14, 30, 1, 17, 9, 25, 5, 21, 13, 29, 3, 19, 11, 27, 7, 23, 15, 31]


def matrix(stream):
    rows = -(-len(stream) // 32)
    return np.array([NULL] * (32 * rows - len(stream)) + list(stream)).reshape(rows, 32)


def match_conv(streams, length):
    w = np.concatenate([matrix(s)[:, CONV].T.reshape(-1) for s in streams])
    return take(w, 0, length)


def match_turbo(streams, filler, rv, length):
    streams = [list(s) for s in streams]
    for s in streams[:2]:
        s[:filler] = [NULL] * filler
    m = [matrix(s) for s in streams]
    rows, total = m[0].shape[0], m[0].size
    v0, v1 = (y[:, TURBO].T.reshape(-1) for y in m[:2])
    y2 = m[2].reshape(-1)
    v2 = [y2[(TURBO[k // rows] + 32 * (k % rows) + 1) % total] for k in range(total)]
    w = list(v0) + [b for pair in zip(v1, v2) for b in pair]
    k0 = rows * (2 * -(-len(w) // (8 * rows)) * rv + 2)
    return take(w, k0, length)


def take(w, start, length):
    out, j = [], 0
    while len(out) < length:
        b = w[(start + j) % len(w)]
        if b != NULL:
            out.append(b)
        j += 1
    return out


CRC24A = crcmod.mkCrcFun(0x1864CFB, initCrc=0, rev=False)
CRC16 = crcmod.mkCrcFun(0x11021, initCrc=0, rev=False)


def main():
    for c_init in [0, 1, 301, 0x7FFFFFFF, *(R.getrandbits(31) for _ in range(4))]:
        print("gold", c_init, text(gold(c_init, 400)))
    for length, sent in [(40, 1920), (40, 480), (31, 144), (43, 576), (27, 72), (59, 288)]:
        for _ in range(3):
            message = bits(length)
            streams = tail_biting(message)
            print("tail_biting", text(message), text(np.concatenate(streams)), text(match_conv(streams, sent)))
    # Sizes that TS 36.213 gives to system information; f1 and f2 of TS 36.212 table 5.1.3-3.
    for transport, size, f1, f2 in [(16, 40, 3, 10), (144, 168, 101, 84), (208, 232, 85, 58), (256, 280, 103, 210), (600, 624, 41, 234), (1000, 1024, 31, 64), (2216, 2240, 209, 420)]:
        octets = bytes(R.getrandbits(8) for _ in range(transport // 8))
        word = [b >> (7 - i) & 1 for b in octets + CRC24A(octets).to_bytes(3, "big") for i in range(8)]
        filler = size - len(word)
        streams = turbo([0] * filler + word, f1, f2)
        for rv in [0, 2, 3, 1]:
            sent = 4 * R.randint(transport // 4 + 10, transport)
            print("transport", octets.hex(), rv, text(match_turbo(streams, filler, rv, sent)))
    for _ in range(4):
        octets = bytes(R.getrandbits(8) for _ in range(9))
        print("parity", octets.hex(), f"{CRC24A(octets):06x}", f"{CRC16(octets):04x}")


if __name__ == "__main__":
    main()
