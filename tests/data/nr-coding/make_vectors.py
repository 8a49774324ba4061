"""Vectors of NR's polar code and sequences; see README.md. Without daen's code."""

import contextlib
import io
import os
import sys
import types

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# The ray tracer is of no use here, and large.
sys.modules["sionna.rt"] = types.ModuleType("sionna.rt")
import crcmod
import numpy as np
import py3gpp
import tensorflow as tf
from sionna.fec.polar import Polar5GEncoder

rng = np.random.default_rng(38212)
# gCRC24C; TS 38.212 clause 5.1: D^24 + D^23 + D^21 + D^20 + D^17 + D^15 + D^13 + D^12 + D^8 + D^4 + D^2 + D + 1.
crc24c = crcmod.mkCrcFun(0x1B2B117, initCrc=0, rev=False)


def text(bits):
    return "".join(str(int(bit)) for bit in bits)


def parity(bits):
    """Bit-exact by way of whole octets: zeros in front change nothing where the register begins with zero."""
    padded = [0] * (-len(bits) % 8) + list(bits)
    value = crc24c(np.packbits(np.array(padded, dtype=np.uint8)).tobytes())
    return [value >> (23 - i) & 1 for i in range(24)]


def word(payload, rnti):
    if rnti is None:
        return list(payload) + parity(payload)
    check = parity([1] * 24 + list(payload))
    mask = [rnti >> (15 - i) & 1 for i in range(16)]
    return list(payload) + check[:8] + [a ^ b for a, b in zip(check[8:], mask)]


def by_sionna(bits, payload, sent):
    with contextlib.redirect_stdout(io.StringIO()):
        encoder = Polar5GEncoder(payload, sent, channel_type="downlink")
    # The word comes with its parity, because sionna knows no mask.
    encoder._enc_crc = lambda u: u
    encoder._k_target = len(bits)
    return encoder(tf.constant([bits], tf.float32)).numpy()[0].astype(int)


def by_py3gpp(bits, sent):
    coded = py3gpp.nrPolarEncode(np.array(bits), 0, nmax=9, iil=True)
    return py3gpp.nrRateMatchPolar(coded, 0, sent, ibil=False)


for octets in (b"123456789", bytes(7), bytes(range(40))):
    bits = np.unpackbits(np.frombuffer(octets, dtype=np.uint8))
    print("parity", octets.hex(), text(parity(bits)))

for payload, sent, rnti in [
    (37, 108, 0xFFFF), (39, 108, 0xFFFF), (37, 216, 0xFFFF), (39, 216, 0xFFFF), (41, 216, 0xFFFF),
    (37, 432, 0xFFFF), (39, 432, 0xFFFF), (41, 432, 0xFFFF), (12, 108, 0x1234), (12, 216, None), (12, 432, 0xFFFF),
    (60, 108, 0xABCD), (60, 216, 0xFFFF), (100, 216, 0xFFFF), (100, 432, 0xFFFF), (140, 216, 1), (140, 432, 0xFFFF),
    (39, 144, 0xFFFF), (39, 145, 0xFFFF), (39, 300, 0xFFFF), (39, 576, 0xFFFF), (8, 130, 0xFFFF), (32, 500, None),
]:
    bits = word(rng.integers(0, 2, payload), rnti)
    print("polar", payload, "-" if rnti is None else f"{rnti:04x}", text(bits[:payload]), text(by_sionna(bits, payload, sent)))

# The mother code has 512 bits in all of these.
for payload, sent, rnti in [(32, 864, None), (41, 864, 0xFFFF), (39, 864, 0xFFFF), (39, 1728, 0xFFFF), (41, 1728, 0xFFFF)]:
    bits = word(rng.integers(0, 2, payload), rnti)
    print("polar", payload, "-" if rnti is None else f"{rnti:04x}", text(bits[:payload]), text(by_py3gpp(bits, sent)))

# PBCH of clause 7.1 from the MIB on: MIB, frame number, half frame, L_max, cell, sent bits before the scrambling of TS 38.211.
for number, half, most, cell in [(0, 0, 8, 0), (10, 0, 8, 0), (10, 1, 8, 321), (1023, 1, 4, 1007), (517, 0, 8, 500), (978, 1, 4, 191)]:
    mib = rng.integers(0, 2, 24)
    mib[1:7] = [number >> (9 - i) & 1 for i in range(6)]
    print("bch", text(mib), number, half, most, cell, text(py3gpp.nrBCH(mib, number, half, most, 0, cell)))

for n_id_2 in range(3):
    print("pss", n_id_2, text((1 - py3gpp.nrPSS(n_id_2).real) / 2))
for cell in [0, 1, 2, 191, 335, 336, 500, 671, 672, 1007]:
    print("sss", cell, text((1 - py3gpp.nrSSS(cell).real) / 2))
for cell, index in [(0, 0), (1, 1), (191, 4), (500, 7), (1007, 3)]:
    symbols = py3gpp.nrPBCHDMRS(cell, index) * np.sqrt(2)
    signs = np.stack([symbols.real < 0, symbols.imag < 0], axis=1).reshape(-1)
    print("dmrs", cell, index, text(signs))
for cell, index in [(0, 0), (191, 1), (500, 2), (1007, 3)]:
    print("pbch_scrambling", cell, index, text(py3gpp.nrPBCHPRBS(cell, index, 864)))
