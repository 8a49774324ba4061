"""Random SIB1 of NR, and those of the recordings, encoded or decoded by pycrate, with the fields that daen should find in them.

Usage: make_messages.py > messages.json      (pycrate 0.8.1)

The generator walks pycrate's own description of TS 38.331; what is expected is taken from the values that were encoded, by the names of
the standard. daen's code is not involved. The messages of the recordings are taken from truth.json where that is given as an argument.
"""
import json
import random
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "lte-rrc"))
import make_messages as walk

from pycrate_asn1dir import RRCNR

M = RRCNR.NR_RRC_Definitions
walk.R = random.Random(38331)


def n(text):
    """The number in the name of an enumerated value; names of spare values hold none that counts."""
    return int(re.search(r"\d+", text).group())


def scs(text):
    return 0 if text.startswith("spare") else n(text)


WORDS = {"one": 1, "two": 2, "four": 4, "eight": 8}
TDD = {"ms0p5": 500, "ms0p625": 625, "ms1": 1000, "ms1p25": 1250, "ms2": 2000, "ms2p5": 2500, "ms5": 5000, "ms10": 10000}


def tidy(out):
    """Leaves out what is None."""
    return {name: value for name, value in out.items() if value is not None}


def network(entry, state):
    plmns = []
    for identity in entry["plmn-IdentityList"]:
        if "mcc" in identity:
            state["mcc"] = "".join(map(str, identity["mcc"]))
        plmns.append(state["mcc"] + "-" + "".join(map(str, identity["mnc"])) if "mcc" in state else None)
    return tidy({
        "plmns": plmns,
        "tac": entry["trackingAreaCode"][0] if "trackingAreaCode" in entry else None,
        "ranac": entry.get("ranac"),
        "nci": entry["cellIdentity"][0],
        "reserved_for_operator_use": entry["cellReservedForOperatorUse"] == "reserved",
    })


def sib(entry):
    name = entry["type"]
    return tidy({
        "sib_type": 0 if name.startswith("spare") or n(name) > 14 else n(name),
        "value_tag": entry.get("valueTag"),
        "area_scope": "areaScope" in entry,
    })


def scheduling(info):
    return tidy({
        "messages": [{
            "broadcasting": m["si-BroadcastStatus"] == "broadcasting",
            "period_frames": n(m["si-Periodicity"]),
            "sibs": [sib(entry) for entry in m["sib-MappingInfo"]],
        } for m in info["schedulingInfoList"]],
        "si_window_slots": n(info["si-WindowLength"]),
        "on_request": "si-RequestConfig" in info,
        "area_id": info["systemInformationAreaID"][0] if "systemInformationAreaID" in info else None,
    })


def bands(entries):
    return [e["freqBandIndicatorNR"] for e in entries if "freqBandIndicatorNR" in e]


def carriers(entries):
    return [{"offset_blocks": e["offsetToCarrier"], "scs_khz": scs(e["subcarrierSpacing"]), "blocks": e["carrierBandwidth"]}
            for e in entries]


def part(v):
    return {"location_and_bandwidth": v["locationAndBandwidth"], "scs_khz": scs(v["subcarrierSpacing"]),
            "extended_cp": "cyclicPrefix" in v}


def set_up(v, name):
    kind, value = v.get(name, ("release", 0))
    return value if kind == "setup" else None


def rach(v):
    g, (kind, root) = v["rach-ConfigGeneric"], v["prach-RootSequenceIndex"]
    return tidy({
        "configuration_index": g["prach-ConfigurationIndex"],
        "msg1_fdm": WORDS[g["msg1-FDM"]],
        "msg1_frequency_start": g["msg1-FrequencyStart"],
        "zero_correlation_zone_config": g["zeroCorrelationZoneConfig"],
        "target_power_dbm": g["preambleReceivedTargetPower"],
        "trans_max": n(g["preambleTransMax"]),
        "ramping_step_db": n(g["powerRampingStep"]),
        "response_window_slots": n(g["ra-ResponseWindow"]),
        "preambles": v.get("totalNumberOfRA-Preambles"),
        "contention_resolution_subframes": n(v["ra-ContentionResolutionTimer"]),
        "rsrp_threshold_ssb": v.get("rsrp-ThresholdSSB"),
        "long_sequence": kind == "l839",
        "root_sequence_index": root,
        "msg1_scs_khz": scs(v["msg1-SubcarrierSpacing"]) if "msg1-SubcarrierSpacing" in v else None,
    })


def uplink(v):
    info, bwp = v["frequencyInfoUL"], v["initialUplinkBWP"]
    r, pusch, pucch = (set_up(bwp, name + "-ConfigCommon") for name in ["rach", "pusch", "pucch"])
    out = tidy({
        "bands": bands(info.get("frequencyBandList", [])) or None,
        "absolute_frequency_point_a": info.get("absoluteFrequencyPointA"),
        "carriers": carriers(info["scs-SpecificCarrierList"]),
        "p_max_dbm": info.get("p-Max"),
        "shifted_7p5_khz": "frequencyShift7p5khz" in info,
        "initial": part(bwp["genericParameters"]),
        "rach": rach(r) if r else None,
        "msg3_delta_preamble": (pusch or {}).get("msg3-DeltaPreamble"),
        "p0_nominal_with_grant_dbm": (pusch or {}).get("p0-NominalWithGrant"),
        "pucch_resource_common": (pucch or {}).get("pucch-ResourceCommon"),
        "hopping_id": (pucch or {}).get("hoppingId"),
        "p0_nominal_pucch_dbm": (pucch or {}).get("p0-nominal"),
    })
    if v["timeAlignmentTimerCommon"] != "infinity":
        out["time_alignment_ms"] = n(v["timeAlignmentTimerCommon"])
    return out


def pattern(v):
    later = v.get("dl-UL-TransmissionPeriodicity-v1530")
    return {
        "period_us": 1000 * n(later) if later else TDD[v["dl-UL-TransmissionPeriodicity"]],
        "downlink_slots": v["nrofDownlinkSlots"],
        "downlink_symbols": v["nrofDownlinkSymbols"],
        "uplink_slots": v["nrofUplinkSlots"],
        "uplink_symbols": v["nrofUplinkSymbols"],
    }


def serving(v):
    d, ssb, tdd = v["downlinkConfigCommon"], v["ssb-PositionsInBurst"], v.get("tdd-UL-DL-ConfigurationCommon")
    info = d["frequencyInfoDL"]
    return tidy({
        "bands": bands(info["frequencyBandList"]),
        "offset_to_point_a": info["offsetToPointA"],
        "carriers": carriers(info["scs-SpecificCarrierList"]),
        "initial_downlink": part(d["initialDownlinkBWP"]["genericParameters"]),
        "modification_period_coeff": n(d["bcch-Config"]["modificationPeriodCoeff"]),
        "paging_cycle_frames": n(d["pcch-Config"]["defaultPagingCycle"]),
        "uplink": uplink(v["uplinkConfigCommon"]) if "uplinkConfigCommon" in v else None,
        "supplementary_uplink": uplink(v["supplementaryUplink"]) if "supplementaryUplink" in v else None,
        "n_timing_advance_offset": n(v["n-TimingAdvanceOffset"]) if "n-TimingAdvanceOffset" in v else None,
        "ssb_in_one_group": ssb["inOneGroup"][0],
        "ssb_group_presence": ssb["groupPresence"][0] if "groupPresence" in ssb else None,
        "ssb_period_ms": n(v["ssb-PeriodicityServingCell"]),
        "tdd": {
            "scs_khz": scs(tdd["referenceSubcarrierSpacing"]),
            "patterns": [pattern(tdd[name]) for name in ["pattern1", "pattern2"] if name in tdd],
        } if tdd else None,
        "ss_pbch_block_power_dbm": v["ss-PBCH-BlockPower"],
    })


def timers(v):
    out = {name + "_ms": n(v[name][2:]) for name in ["t300", "t301", "t310", "t311", "t319"]}
    return {**out, "n310": n(v["n310"][1:]), "n311": n(v["n311"][1:])}


def uac(v):
    return tidy({
        "common": [{"category": e["accessCategory"], "set": e["uac-barringInfoSetIndex"]}
                   for e in v.get("uac-BarringForCommon", [])] or None,
        "networks": len(v.get("uac-BarringPerPLMN-List", [])),
        "sets": [{
            "factor_percent": n(e["uac-BarringFactor"]),
            "time_s": n(e["uac-BarringTime"]),
            "access_identities": e["uac-BarringForAccessIdentity"][0],
        } for e in v["uac-BarringInfoSetList"]],
    })


def selection(v):
    names = {"q_rx_lev_min": "q-RxLevMin", "q_rx_lev_min_offset": "q-RxLevMinOffset", "q_rx_lev_min_sul": "q-RxLevMinSUL",
             "q_qual_min_db": "q-QualMin", "q_qual_min_offset_db": "q-QualMinOffset"}
    return tidy({ours: v.get(theirs) for ours, theirs in names.items()})


def fields(v):
    a, state, control = v["cellAccessRelatedInfo"], {}, v.get("connEstFailureControl")
    return tidy({
        "selection": selection(v["cellSelectionInfo"]) if "cellSelectionInfo" in v else None,
        "networks": [network(entry, state) for entry in a["plmn-IdentityInfoList"]],
        "cell_reserved_for_other_use": "cellReservedForOtherUse" in a,
        "cell_reserved_for_future_use": "cellReservedForFutureUse-r16" in a,
        "non_public": "npn-IdentityInfoList-r16" in a,
        "conn_est_failure": tidy({
            "count": n(control["connEstFailCount"]),
            "validity_s": n(control["connEstFailOffsetValidity"]),
            "offset_db": control.get("connEstFailOffset"),
        }) if control else None,
        "scheduling": scheduling(v["si-SchedulingInfo"]) if "si-SchedulingInfo" in v else None,
        "serving": serving(v["servingCellConfigCommon"]) if "servingCellConfigCommon" in v else None,
        "ims_emergency": "ims-EmergencySupport" in v,
        "ecall_over_ims": "eCallOverIMS-Support" in v,
        "ue_timers": timers(v["ue-TimersAndConstants"]) if "ue-TimersAndConstants" in v else None,
        "uac": uac(v["uac-BarringInfo"]) if "uac-BarringInfo" in v else None,
        "use_full_resume_id": "useFullResumeID" in v,
        "extended": "nonCriticalExtension" in v,
    })


def recorded(path):
    """SIB1 of the recordings: pycrate decodes them."""
    for name, entry in json.loads(Path(path).read_text()).items():
        if name.startswith("nr/") and entry["sib1"]:
            message = M.BCCH_DL_SCH_Message
            message.from_uper(bytes.fromhex(entry["sib1"]["hex"]))
            yield {"from": name, "hex": entry["sib1"]["hex"], "fields": fields(message.get_val()["message"][1][1])}


def made(count):
    message = M.BCCH_DL_SCH_Message
    while count:
        sib1 = walk.generate(M.SIB1)
        if walk.R.random() < 0.7:
            sib1.pop("nonCriticalExtension", None)
        message.set_val({"message": ("c1", ("systemInformationBlockType1", sib1))})
        octets = message.to_uper()
        # The largest transport block of system information has 2976 bits; TS 38.214 clause 5.1.3.
        if len(octets) <= 372:
            count -= 1
            yield {"hex": octets.hex(), "fields": fields(sib1)}


if __name__ == "__main__":
    out = [entry for path in sys.argv[1:] for entry in recorded(path)] + list(made(200))
    print("[\n" + ",\n".join(json.dumps(x, separators=(",", ":")) for x in out) + "\n]")
