"""Makes the golden vectors of envelopes and acknowledgements with programs that share no code with daen.

    python3 -m venv venv && venv/bin/pip install pycose==1.1.0 cbor2==6.2.1 cryptography==50.0.2
    venv/bin/python make_vectors.py

cbor2 encodes the payloads (canonical form), pycose builds and signs the COSE_Sign1 messages, cryptography verifies what pycose signed.
The values are made up; the octets of SI3 are those of no real cell.
"""

import pathlib

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pycose.algorithms import EdDSA
from pycose.headers import KID, Algorithm
from pycose.keys import OKPKey
from pycose.keys.curves import Ed25519
from pycose.messages import Sign1Message

HERE = pathlib.Path(__file__).parent
NODE_SEED = bytes(range(1, 33))
HUB_SEED = bytes(range(33, 65))
BOOT = bytes.fromhex("000102030405060708090a0b0c0d0e0f")


def sign(name: str, seed: bytes, payload: dict) -> bytes:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes_raw()
    message = Sign1Message(
        phdr={Algorithm: EdDSA, KID: name.encode()},
        payload=cbor2.dumps(payload, canonical=True),
    )
    message.key = OKPKey(crv=Ed25519, d=seed, x=public)
    octets = message.encode()
    # Once more without pycose: the signed structure of RFC 9052 clause 4.4, and the signature over it.
    tag = cbor2.loads(octets)
    protected, _, body, signature = tag.value
    assert tag.tag == 18
    signed = cbor2.dumps(["Signature1", protected, b"", body])
    private.public_key().verify(signature, signed)
    return octets


OBSERVATION = {
    "at_ns": 1_767_225_600_123_456_789,
    "first_ns": 1_767_225_598_000_000_000,
    "clock": {"source": "gnss_pps", "sigma_ns": 50, "locked": True, "since_ns": 1_767_225_000_000_000_000},
    "position": {"lat_deg": 13.69, "lon_deg": 102.5, "height_m": 42.0},
    "cell": {"rat": "gsm", "center_hz": 947_000_000, "id": 48},
    "identity": {"plmns": ["520-03"], "area": 318, "cell_id": 11225},
    "level": {"dbfs": -41.5, "dbm": -71.25, "sigma_db": 1.5},
    "snr_db": 22.1,
    "carrier": {"hz": -118.0, "ppb": -124.6, "sigma_ppb": 3.0},
    "timing": {
        "at_ns": 1_767_225_600_120_000_001,
        "at_frac_ns": 0.375,
        "sigma_ns": 65.5,
        "frame": {"fn": 1_234_567},
        "rate_ppb": -124.0,
        "rate_sigma_ppb": 4.5,
    },
    "broadcast": [
        {"name": "SI3", "octets": bytes.fromhex("49061b2bd925f030013e68010a9d0f65fcc000002b2b2b"), "count": 3},
    ],
    "fields": {
        "gsm": {
            "si_types": ["3"],
            "schedule": [None, None, "3", None, None, None, "3", None],
            "selection": {
                "cell_reselect_hysteresis": 3,
                "ms_txpwr_max_cch": 5,
                "acs": False,
                "neci": True,
                "rxlev_access_min": 5,
            },
        },
    },
    "content_sha256": bytes(range(32)),
    "receiver": {"stream": "rec/0", "clipped_ppm": 12, "lost_samples": 0},
}

FINDING = {
    "rule": "ID-05",
    "version": 1,
    "tier": "B",
    "evidence": [{"what": "cell identity", "value": "520-03 318 11225", "expected": "a row of the register"}],
    "innocent": ["a new cell that the register does not hold yet"],
    "observation": {key: value for key, value in OBSERVATION.items() if key not in ("position", "timing", "fields")},
}

HEALTH = {
    "at_ns": 1_767_225_601_000_000_000,
    "version": "0.1.0",
    "started_ns": 1_767_225_000_000_000_000,
    "cpu_percent": 12.5,
    "memory_octets": 50_000_000,
    "disk_free_octets": 10_000_000_000,
    "spool_envelopes": 3,
    "spool_octets": 4096,
    "spool_evicted": 0,
    "samples": 2_000_000_000,
    "lost_samples": 0,
    "cells": 7,
    "last_decode_ns": 1_767_225_600_000_000_000,
    "warnings": ["the receiver is overdriven; lower its gain"],
}


def envelope(seq: int, prev: bytes, sent_ns: int, items: list) -> bytes:
    payload = {"schema": 1, "node": "pole-1", "boot": BOOT, "seq": seq, "prev": prev, "sent_ns": sent_ns, "items": items}
    return sign("pole-1", NODE_SEED, payload)


def sha256(octets: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(octets).digest()


first = envelope(1, bytes(32), 1_767_225_601_000_000_000, [{"observation": OBSERVATION}, {"finding": FINDING}])
second = envelope(2, sha256(first), 1_767_225_602_000_000_000, [{"health": HEALTH}])
# What stands for the second one after it was evicted: the same number and predecessor, the hash of what is lost.
tombstone = envelope(
    2, sha256(first), 1_767_225_700_000_000_000, [{"tombstone": {"seq": 2, "sha256": sha256(second), "items": 1}}]
)
# What a node with a direction finder tells besides.
bearing = envelope(
    3,
    sha256(second),
    1_767_225_603_000_000_000,
    [{"observation": {**OBSERVATION, "bearing": {"deg": 271.5, "sigma_deg": 4.0}}}],
)
ack = sign("hub", HUB_SEED, {"schema": 1, "node": "pole-1", "boot": BOOT, "upto": 2})
ack_beyond = sign(
    "hub", HUB_SEED, {"schema": 1, "node": "pole-1", "boot": BOOT, "upto": 2, "beyond": [[4, 4], [6, 300]]}
)
newer = sign("pole-1", NODE_SEED, {"schema": 2, "node": "pole-1", "of": "another shape"})

for name, octets in {
    "observation-and-finding": first,
    "health": second,
    "tombstone": tombstone,
    "bearing": bearing,
    "ack": ack,
    "ack-beyond": ack_beyond,
    "newer-schema": newer,
}.items():
    text = octets.hex()
    lines = [text[i : i + 120] for i in range(0, len(text), 120)]
    (HERE / f"{name}.hex").write_text("\n".join(lines) + "\n")
