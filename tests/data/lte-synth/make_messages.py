"""Broadcast messages of a made-up cell for the test transmitter, encoded by pycrate.

Usage: make_messages.py > messages.json      (pycrate 0.8.1)
"""
import json

from pycrate_asn1dir import RRCLTE

M = RRCLTE.EUTRA_RRC_Definitions.BCCH_DL_SCH_Message


def encode(kind, value):
    M.set_val({"message": ("c1", (kind, value))})
    return M.to_uper().hex()


def sib1(tdd=None, window="ms20"):
    value = {
        "cellAccessRelatedInfo": {
            "plmn-IdentityList": [
                {
                    "plmn-Identity": {"mcc": [0, 0, 1], "mnc": [0, 1]},
                    "cellReservedForOperatorUse": "notReserved",
                }
            ],
            "trackingAreaCode": (0x1234, 16),
            "cellIdentity": (0xABCDE01, 28),
            "cellBarred": "notBarred",
            "intraFreqReselection": "allowed",
            "csg-Indication": False,
        },
        "cellSelectionInfo": {"q-RxLevMin": -65},
        "freqBandIndicator": 38 if tdd else 3,
        "schedulingInfoList": [
            {"si-Periodicity": "rf8", "sib-MappingInfo": ["sibType3"]},
            {"si-Periodicity": "rf16", "sib-MappingInfo": ["sibType5", "sibType7"]},
        ],
        "si-WindowLength": window,
        "systemInfoValueTag": 7,
    }
    if tdd:
        value["tdd-Config"] = {"subframeAssignment": "sa%d" % tdd[0], "specialSubframePatterns": "ssp%d" % tdd[1]}
    return encode("systemInformationBlockType1", value)


def information(*blocks):
    return encode("systemInformation", {"criticalExtensions": ("systemInformation-r8", {"sib-TypeAndInfo": list(blocks)})})


SIB3 = (
    "sib3",
    {
        "cellReselectionInfoCommon": {"q-Hyst": "dB4"},
        "cellReselectionServingFreqInfo": {"threshServingLow": 2, "cellReselectionPriority": 3},
        "intraFreqCellReselectionInfo": {
            "q-RxLevMin": -65,
            "presenceAntennaPort1": False,
            "neighCellConfig": (1, 2),
            "t-ReselectionEUTRA": 2,
        },
    },
)
SIB5 = (
    "sib5",
    {
        "interFreqCarrierFreqList": [
            {
                "dl-CarrierFreq": 1300,
                "q-RxLevMin": -64,
                "t-ReselectionEUTRA": 1,
                "threshX-High": 9,
                "threshX-Low": 5,
                "allowedMeasBandwidth": "mbw50",
                "presenceAntennaPort1": True,
                "cellReselectionPriority": 5,
                "neighCellConfig": (1, 2),
            }
        ]
    },
)
SIB7 = (
    "sib7",
    {
        "t-ReselectionGERAN": 1,
        "carrierFreqsInfoList": [
            {
                "carrierFreqs": {
                    "startingARFCN": 62,
                    "bandIndicator": "dcs1800",
                    "followingARFCNs": ("explicitListOfARFCNs", [70, 84]),
                },
                "commonInfo": {
                    "cellReselectionPriority": 1,
                    "ncc-Permitted": (0xFF, 8),
                    "q-RxLevMin": 5,
                    "threshX-High": 6,
                    "threshX-Low": 4,
                },
            }
        ],
    },
)

print(
    json.dumps(
        {
            "fdd": sib1(),
            "fdd_40ms": sib1(window="ms40"),
            "tdd": [[sib1((assignment, special)) for special in range(9)] for assignment in range(7)],
            "si": [information(SIB3), information(SIB5, SIB7)],
        },
        indent=1,
    )
)
