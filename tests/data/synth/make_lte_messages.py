"""Broadcast messages of the border scene's LTE cells, encoded by pycrate.

Usage: make_lte_messages.py      (pycrate 0.8.1); prints for each cell the octets that src/synth/scene/border.rs holds.
"""
from pycrate_asn1dir import RRCLTE

M = RRCLTE.EUTRA_RRC_Definitions.BCCH_DL_SCH_Message


def encode(kind, value):
    M.set_val({"message": ("c1", (kind, value))})
    return M.to_uper().hex()


def sib1(mcc, mnc, tac, eci):
    return encode(
        "systemInformationBlockType1",
        {
            "cellAccessRelatedInfo": {
                "plmn-IdentityList": [
                    {"plmn-Identity": {"mcc": mcc, "mnc": mnc}, "cellReservedForOperatorUse": "notReserved"}
                ],
                "trackingAreaCode": (tac, 16),
                "cellIdentity": (eci, 28),
                "cellBarred": "notBarred",
                "intraFreqReselection": "allowed",
                "csg-Indication": False,
            },
            "cellSelectionInfo": {"q-RxLevMin": -62},
            "p-Max": 23,
            "freqBandIndicator": 8,
            "schedulingInfoList": [
                {"si-Periodicity": "rf16", "sib-MappingInfo": ["sibType3"]},
                {"si-Periodicity": "rf32", "sib-MappingInfo": ["sibType7"]},
            ],
            "si-WindowLength": "ms20",
            "systemInfoValueTag": 5,
        },
    )


def information(*blocks):
    return encode(
        "systemInformation", {"criticalExtensions": ("systemInformation-r8", {"sib-TypeAndInfo": list(blocks)})}
    )


SIB2 = (
    "sib2",
    {
        "radioResourceConfigCommon": {
            "rach-ConfigCommon": {
                "preambleInfo": {"numberOfRA-Preambles": "n52"},
                "powerRampingParameters": {
                    "powerRampingStep": "dB2",
                    "preambleInitialReceivedTargetPower": "dBm-104",
                },
                "ra-SupervisionInfo": {
                    "preambleTransMax": "n10",
                    "ra-ResponseWindowSize": "sf10",
                    "mac-ContentionResolutionTimer": "sf48",
                },
                "maxHARQ-Msg3Tx": 4,
            },
            "bcch-Config": {"modificationPeriodCoeff": "n2"},
            "pcch-Config": {"defaultPagingCycle": "rf128", "nB": "oneT"},
            "prach-Config": {
                "rootSequenceIndex": 204,
                "prach-ConfigInfo": {
                    "prach-ConfigIndex": 3,
                    "highSpeedFlag": False,
                    "zeroCorrelationZoneConfig": 12,
                    "prach-FreqOffset": 0,
                },
            },
            "pdsch-ConfigCommon": {"referenceSignalPower": 18, "p-b": 0},
            "pusch-ConfigCommon": {
                "pusch-ConfigBasic": {
                    "n-SB": 1,
                    "hoppingMode": "interSubFrame",
                    "pusch-HoppingOffset": 0,
                    "enable64QAM": False,
                },
                "ul-ReferenceSignalsPUSCH": {
                    "groupHoppingEnabled": False,
                    "groupAssignmentPUSCH": 0,
                    "sequenceHoppingEnabled": False,
                    "cyclicShift": 0,
                },
            },
            "pucch-ConfigCommon": {"deltaPUCCH-Shift": "ds1", "nRB-CQI": 1, "nCS-AN": 0, "n1PUCCH-AN": 12},
            "soundingRS-UL-ConfigCommon": ("release", 0),
            "uplinkPowerControlCommon": {
                "p0-NominalPUSCH": -85,
                "alpha": "al08",
                "p0-NominalPUCCH": -105,
                "deltaFList-PUCCH": {
                    "deltaF-PUCCH-Format1": "deltaF0",
                    "deltaF-PUCCH-Format1b": "deltaF1",
                    "deltaF-PUCCH-Format2": "deltaF0",
                    "deltaF-PUCCH-Format2a": "deltaF0",
                    "deltaF-PUCCH-Format2b": "deltaF0",
                },
                "deltaPreambleMsg3": 2,
            },
            "ul-CyclicPrefixLength": "len1",
        },
        "ue-TimersAndConstants": {
            "t300": "ms1000",
            "t301": "ms1000",
            "t310": "ms1000",
            "n310": "n10",
            "t311": "ms10000",
            "n311": "n1",
        },
        "freqInfo": {"additionalSpectrumEmission": 1},
        "timeAlignmentTimerCommon": "sf10240",
    },
)


def sib3(priority):
    return (
        "sib3",
        {
            "cellReselectionInfoCommon": {"q-Hyst": "dB4"},
            "cellReselectionServingFreqInfo": {
                "s-NonIntraSearch": 7,
                "threshServingLow": 3,
                "cellReselectionPriority": priority,
            },
            "intraFreqCellReselectionInfo": {
                "q-RxLevMin": -62,
                "p-Max": 23,
                "s-IntraSearch": 29,
                "presenceAntennaPort1": False,
                "neighCellConfig": (1, 2),
                "t-ReselectionEUTRA": 1,
            },
        },
    )


def sib7(arfcns, priority):
    return (
        "sib7",
        {
            "t-ReselectionGERAN": 1,
            "carrierFreqsInfoList": [
                {
                    "carrierFreqs": {
                        "startingARFCN": arfcns[0],
                        "bandIndicator": "dcs1800",
                        "followingARFCNs": ("explicitListOfARFCNs", arfcns[1:]),
                    },
                    "commonInfo": {
                        "cellReselectionPriority": priority,
                        "ncc-Permitted": (0xFF, 8),
                        "q-RxLevMin": 0,
                        "threshX-High": 2,
                        "threshX-Low": 0,
                    },
                }
            ],
        },
    )


CELLS = [
    ("AIS Aranyaprathet LTE", [5, 2, 0], [0, 3], 5021, 171 << 8 | 1, 6, [71, 63, 67], 2),
    ("Metfone Poipet LTE", [4, 5, 6], [0, 8], 4121, 875 << 8 | 2, 6, [75, 58, 61], 2),
    ("lure", [5, 2, 0], [0, 3], 61000, 0x7A5A01, 4, [73], 7),
]
for name, mcc, mnc, tac, eci, priority, arfcns, geran in CELLS:
    print(name)
    print(" ", sib1(mcc, mnc, tac, eci))
    print(" ", information(SIB2, sib3(priority)))
    print(" ", information(sib7(arfcns, geran)))
