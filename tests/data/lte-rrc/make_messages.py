"""Random LTE broadcast messages, encoded and named by pycrate, with the fields that daen should find in them.

Usage: make_messages.py > messages.json      (pycrate 0.8.1)

The generator walks pycrate's own description of TS 36.331; what is expected is taken from the values that were encoded, by the names of
the standard. daen's code is not involved.
"""
import json
import random
import re

from pycrate_asn1dir import RRCLTE

M = RRCLTE.EUTRA_RRC_Definitions
R = random.Random(36331)
PRESENT, ADDED, MOST = 0.5, 0.12, 4


def generate(o, depth=0):
    """A random value of pycrate type `o`."""
    t = o.TYPE
    if t == "SEQUENCE":
        value = {}
        for name in o._root:
            c = o._cont[name]
            if (not c._opt and c._def is None) or (R.random() < PRESENT and depth < 14):
                value[name] = generate(c, depth + 1)
        for entry in o._ext or []:
            if R.random() < ADDED and depth < 6:
                for name in entry if isinstance(entry, (list, tuple)) else [entry]:
                    value[name] = generate(o._cont[name], depth + 1)
        return value
    if t == "CHOICE":
        names = list(o._root)
        if o._name == "_item_" and "sib2" in names:
            names += ["sib12-v920", "sib13-v920", "sib14-v1130", "sib15-v1130", "sib16-v1130", "sib17-v1250", "sib20-v1310"]
        name = R.choice(names)
        return (name, generate(o._cont[name], depth + 1))
    if t == "SEQUENCE OF":
        low, high = bounds(o._const_sz)
        return [generate(o._cont, depth + 1) for _ in range(R.randint(low, min(high, max(low, MOST))))]
    if t == "ENUMERATED":
        return R.choice(list(o._root) + (list(o._ext or []) if R.random() < 0.2 else []))
    if t == "INTEGER":
        low, high = bounds(o._const_val)
        return R.choice([low, high, R.randint(low, high)])
    if t == "BOOLEAN":
        return R.random() < 0.5
    if t == "NULL":
        return 0
    if t == "BIT STRING":
        low, high = bounds(o._const_sz) if o._const_sz else (0, 16)
        size = R.randint(low, high)
        return (R.getrandbits(size) if size else 0, size)
    if t == "OCTET STRING":
        if o._const_cont is not None:
            return (o._const_cont._typeref.called[1], generate(o._const_cont, depth + 1))
        low, high = bounds(o._const_sz) if o._const_sz else (0, 20)
        return bytes(R.getrandbits(8) for _ in range(R.randint(low, high)))
    raise ValueError(t)


def bounds(c):
    return c.lb, c.ub


def n(text):
    """The number in the name of an enumerated value: dB-6, ms200, oDot25 as 25 percent."""
    special = {"oDot25": 25, "oDot5": 50, "oDot75": 75, "lDot0": 100}
    return special[text] if text in special else int(re.search(r"-?\d+", text).group())


def put(out, name, value):
    """Leaves out what daen leaves out: None and empty lists."""
    if value is not None and value != []:
        out[name] = value


def get(v, name, convert=lambda x: x):
    return convert(v[name]) if name in v else None


def factors(v):
    return {"medium_percent": n(v["sf-Medium"]), "high_percent": n(v["sf-High"])}


def plmn(digits, mcc):
    return "".join(map(str, mcc)) + "-" + "".join(map(str, digits)) if mcc else None


TYPES = {"sibType26a-v1610": 26}


def sib1(v):
    a = v["cellAccessRelatedInfo"]
    plmns, mcc = [], None
    for e in a["plmn-IdentityList"]:
        mcc = e["plmn-Identity"].get("mcc", mcc)
        entry = {}
        entry["plmn"] = plmn(e["plmn-Identity"]["mnc"], mcc)
        if entry["plmn"] is None:
            del entry["plmn"]
        entry["reserved_for_operator_use"] = e["cellReservedForOperatorUse"] == "reserved"
        plmns.append(entry)
    s = v["cellSelectionInfo"]
    out = {
        "plmns": plmns,
        "tac": a["trackingAreaCode"][0],
        "eci": a["cellIdentity"][0],
        "cell_barred": a["cellBarred"] == "barred",
        "intra_freq_reselection_allowed": a["intraFreqReselection"] == "allowed",
        "csg_indication": a["csg-Indication"],
        "q_rx_lev_min": s["q-RxLevMin"],
    }
    put(out, "csg_identity", get(a, "csg-Identity", lambda x: x[0]))
    put(out, "q_rx_lev_min_offset", get(s, "q-RxLevMinOffset"))
    put(out, "p_max_dbm", get(v, "p-Max"))
    bands = [v["freqBandIndicator"]]
    out["scheduling"] = []
    for e in v["schedulingInfoList"]:
        entry = {"period_frames": n(e["si-Periodicity"])}
        put(entry, "sib_types", [TYPES.get(x) or n(x) for x in e["sib-MappingInfo"]])
        out["scheduling"].append(entry)
    if "tdd-Config" in v:
        t = v["tdd-Config"]
        out["tdd"] = {
            "subframe_assignment": n(t["subframeAssignment"]),
            "special_subframe_patterns": n(t["specialSubframePatterns"]),
        }
    out["si_window_ms"] = n(v["si-WindowLength"])
    out["value_tag"] = v["systemInfoValueTag"]
    depth, reduced, emergency = 0, False, False
    e = v
    for level in range(1, 6):
        if "nonCriticalExtension" not in e:
            break
        e = e["nonCriticalExtension"]
        depth = level
        if level == 1 and "lateNonCriticalExtension" in e:
            late = e["lateNonCriticalExtension"][1]
            bands += late.get("multiBandInfoList", [])
            late = late.get("nonCriticalExtension", {})
            more = late.get("multiBandInfoList-v9e0", [])
            bands[0] = late.get("freqBandIndicator-v9e0", bands[0])
            for i, m in enumerate(more[: len(bands) - 1]):
                bands[1 + i] = m.get("freqBandIndicator-v9e0", bands[1 + i])
        if level == 2:
            emergency = "ims-EmergencySupport-r9" in e
            if "cellSelectionInfo-v920" in e:
                out["q_qual_min_db"] = e["cellSelectionInfo-v920"]["q-QualMin-r9"]
        if level == 5:
            reduced = "bandwidthReducedAccessRelatedInfo-r13" in e
    out["bands"] = bands
    out["ims_emergency"] = emergency
    out["bandwidth_reduced"] = reduced
    out["extensions"] = depth
    return out


def late(v):
    """The v9e0 part of lateNonCriticalExtension, where there is one."""
    return v["lateNonCriticalExtension"][1].get("nonCriticalExtension", {}) if "lateNonCriticalExtension" in v else {}


def barring(v):
    return {
        "factor_percent": int(v["ac-BarringFactor"][1:]),
        "time_s": n(v["ac-BarringTime"]),
        "special_classes": v["ac-BarringForSpecialAC"][0],
    }


NB = {
    "fourT": 128, "twoT": 64, "oneT": 32, "halfT": 16, "quarterT": 8, "oneEighthT": 4, "oneSixteenthT": 2, "oneThirtySecondT": 1,
}
ALPHA = {"al0": 0, "al04": 4, "al05": 5, "al06": 6, "al07": 7, "al08": 8, "al09": 9, "al1": 10}


def sib2(v):
    out = {}
    if "ac-BarringInfo" in v:
        b = v["ac-BarringInfo"]
        out["ac_barring"] = {"emergency": b["ac-BarringForEmergency"]}
        put(out["ac_barring"], "mo_signalling", get(b, "ac-BarringForMO-Signalling", barring))
        put(out["ac_barring"], "mo_data", get(b, "ac-BarringForMO-Data", barring))
    c = v["radioResourceConfigCommon"]
    r = c["rach-ConfigCommon"]
    out["rach"] = {
        "preambles": n(r["preambleInfo"]["numberOfRA-Preambles"]),
        "power_ramping_step_db": n(r["powerRampingParameters"]["powerRampingStep"]),
        "target_power_dbm": n(r["powerRampingParameters"]["preambleInitialReceivedTargetPower"]),
        "preamble_trans_max": n(r["ra-SupervisionInfo"]["preambleTransMax"]),
        "response_window_subframes": n(r["ra-SupervisionInfo"]["ra-ResponseWindowSize"]),
        "contention_resolution_subframes": n(r["ra-SupervisionInfo"]["mac-ContentionResolutionTimer"]),
        "max_harq_msg3_tx": r["maxHARQ-Msg3Tx"],
    }
    if "preamblesGroupAConfig" in r["preambleInfo"]:
        g = r["preambleInfo"]["preamblesGroupAConfig"]
        group = {"preambles": n(g["sizeOfRA-PreamblesGroupA"]), "message_bits": n(g["messageSizeGroupA"])}
        if g["messagePowerOffsetGroupB"] != "minusinfinity":
            group["power_offset_db"] = n(g["messagePowerOffsetGroupB"])
        out["rach"]["group_a"] = group
    out["modification_period_coeff"] = n(c["bcch-Config"]["modificationPeriodCoeff"])
    out["default_paging_cycle_frames"] = n(c["pcch-Config"]["defaultPagingCycle"])
    out["nb_32nds"] = NB[c["pcch-Config"]["nB"]]
    p = c["prach-Config"]
    i = p["prach-ConfigInfo"]
    out["prach"] = {
        "root_sequence_index": p["rootSequenceIndex"],
        "config_index": i["prach-ConfigIndex"],
        "high_speed": i["highSpeedFlag"],
        "zero_correlation_zone": i["zeroCorrelationZoneConfig"],
        "freq_offset": i["prach-FreqOffset"],
    }
    out["reference_signal_power_dbm"] = c["pdsch-ConfigCommon"]["referenceSignalPower"]
    out["p_b"] = c["pdsch-ConfigCommon"]["p-b"]
    b, u = c["pusch-ConfigCommon"]["pusch-ConfigBasic"], c["pusch-ConfigCommon"]["ul-ReferenceSignalsPUSCH"]
    out["pusch"] = {
        "n_sb": b["n-SB"],
        "hopping_intra_subframe": b["hoppingMode"] == "intraAndInterSubFrame",
        "hopping_offset": b["pusch-HoppingOffset"],
        "enable_64qam": b["enable64QAM"],
        "group_hopping": u["groupHoppingEnabled"],
        "group_assignment": u["groupAssignmentPUSCH"],
        "sequence_hopping": u["sequenceHoppingEnabled"],
        "cyclic_shift": u["cyclicShift"],
    }
    u = c["pucch-ConfigCommon"]
    out["pucch"] = {
        "delta_shift": n(u["deltaPUCCH-Shift"]),
        "n_rb_cqi": u["nRB-CQI"],
        "n_cs_an": u["nCS-AN"],
        "n1_pucch_an": u["n1PUCCH-AN"],
    }
    name, s = c["soundingRS-UL-ConfigCommon"]
    if name == "setup":
        out["srs"] = {
            "bandwidth_config": n(s["srs-BandwidthConfig"]),
            "subframe_config": n(s["srs-SubframeConfig"]),
            "ack_nack_simultaneous": s["ackNackSRS-SimultaneousTransmission"],
            "max_up_pts": "srs-MaxUpPts" in s,
        }
    p = c["uplinkPowerControlCommon"]
    d = p["deltaFList-PUCCH"]
    out["uplink_power"] = {
        "p0_nominal_pusch_dbm": p["p0-NominalPUSCH"],
        "alpha_tenths": ALPHA[p["alpha"]],
        "p0_nominal_pucch_dbm": p["p0-NominalPUCCH"],
        "delta_f_pucch_db": [n(d["deltaF-PUCCH-Format" + f][6:]) for f in ("1", "1b", "2", "2a", "2b")],
        "delta_preamble_msg3": p["deltaPreambleMsg3"],
    }
    out["ul_extended_cp"] = c["ul-CyclicPrefixLength"] == "len2"
    t = v["ue-TimersAndConstants"]
    out["ue_timers"] = {
        "t300_ms": n(t["t300"]), "t301_ms": n(t["t301"]), "t310_ms": n(t["t310"]),
        "n310": n(t["n310"]), "t311_ms": n(t["t311"]), "n311": n(t["n311"]),
    }
    f = v["freqInfo"]
    high = late(v).get("ul-CarrierFreq-v9e0")
    put(out, "ul_earfcn", get(f, "ul-CarrierFreq") if high is None else high)
    put(out, "ul_prb", get(f, "ul-Bandwidth", n))
    out["additional_spectrum_emission"] = f["additionalSpectrumEmission"]
    mbsfn = []
    for m in v.get("mbsfn-SubframeConfigList", []):
        name, a = m["subframeAllocation"]
        mbsfn.append({
            "period_frames": n(m["radioframeAllocationPeriod"]),
            "offset": m["radioframeAllocationOffset"],
            "frames": 1 if name == "oneFrame" else 4,
            "allocation": a[0],
        })
    put(out, "mbsfn_subframes", mbsfn)
    if v["timeAlignmentTimerCommon"] != "infinity":
        out["time_alignment_timer_subframes"] = n(v["timeAlignmentTimerCommon"])
    return out


def pair(v, p, q):
    return {"p": v[p], "q": v[q]}


def sib3(v):
    c, s, i = v["cellReselectionInfoCommon"], v["cellReselectionServingFreqInfo"], v["intraFreqCellReselectionInfo"]
    out = {"q_hyst_db": n(c["q-Hyst"])}
    if "speedStateReselectionPars" in c:
        m, h = c["speedStateReselectionPars"]["mobilityStateParameters"], c["speedStateReselectionPars"]["q-HystSF"]
        state = {
            "n_cell_change_medium": m["n-CellChangeMedium"],
            "n_cell_change_high": m["n-CellChangeHigh"],
            "q_hyst_medium_db": n(h["sf-Medium"]),
            "q_hyst_high_db": n(h["sf-High"]),
        }
        for ours, theirs in (("t_evaluation_s", "t-Evaluation"), ("t_hyst_normal_s", "t-HystNormal")):
            if not m[theirs].startswith("spare"):
                state[ours] = n(m[theirs])
        out["speed_state"] = state
    put(out, "s_non_intra_search", get(s, "s-NonIntraSearch"))
    out["thresh_serving_low"] = s["threshServingLow"]
    out["priority"] = s["cellReselectionPriority"]
    out["q_rx_lev_min"] = i["q-RxLevMin"]
    put(out, "p_max_dbm", get(i, "p-Max"))
    put(out, "s_intra_search", get(i, "s-IntraSearch"))
    put(out, "allowed_meas_prb", get(i, "allowedMeasBandwidth", n))
    out["presence_antenna_port1"] = i["presenceAntennaPort1"]
    out["neigh_cell_config"] = i["neighCellConfig"][0]
    out["t_reselection_s"] = i["t-ReselectionEUTRA"]
    put(out, "t_reselection_sf", get(i, "t-ReselectionEUTRA-SF", factors))
    put(out, "s_intra_search_v920", get(v, "s-IntraSearch-v920", lambda x: pair(x, "s-IntraSearchP-r9", "s-IntraSearchQ-r9")))
    put(out, "s_non_intra_search_v920",
        get(v, "s-NonIntraSearch-v920", lambda x: pair(x, "s-NonIntraSearchP-r9", "s-NonIntraSearchQ-r9")))
    put(out, "q_qual_min_db", get(v, "q-QualMin-r9"))
    put(out, "thresh_serving_low_q_db", get(v, "threshServingLowQ-r9"))
    out["coverage_enhancement"] = "cellSelectionInfoCE-r13" in v or "t-ReselectionEUTRA-CE-r13" in v
    return out


def neighbour(v):
    return {"pci": v["physCellId"], "q_offset_db": n(v["q-OffsetCell"])}


def pci_range(v):
    r = v.get("range")
    return {"start": v["start"], "count": 1 if r is None else 0 if r.startswith("spare") else n(r)}


def sib4(v):
    out = {}
    put(out, "neighbours", [neighbour(x) for x in v.get("intraFreqNeighCellList", [])])
    put(out, "excluded", [pci_range(x) for x in v.get("intraFreqExcludedCellList", [])])
    put(out, "csg", get(v, "csg-PhysCellIdRange", pci_range))
    return out


def sib5(v):
    layers = []
    added = late(v).get("interFreqCarrierFreqList-v9e0", [])
    for i, x in enumerate(v["interFreqCarrierFreqList"]):
        h = added[i] if i < len(added) else {}
        out = {
            "earfcn": h.get("dl-CarrierFreq-v9e0", x["dl-CarrierFreq"]),
            "q_rx_lev_min": x["q-RxLevMin"],
            "t_reselection_s": x["t-ReselectionEUTRA"],
            "thresh_x_high": x["threshX-High"],
            "thresh_x_low": x["threshX-Low"],
            "allowed_meas_prb": n(x["allowedMeasBandwidth"]),
            "presence_antenna_port1": x["presenceAntennaPort1"],
            "neigh_cell_config": x["neighCellConfig"][0],
            "q_offset_freq_db": n(x.get("q-OffsetFreq", "dB0")),
        }
        put(out, "p_max_dbm", get(x, "p-Max"))
        put(out, "t_reselection_sf", get(x, "t-ReselectionEUTRA-SF", factors))
        put(out, "priority", get(x, "cellReselectionPriority"))
        put(out, "neighbours", [neighbour(y) for y in x.get("interFreqNeighCellList", [])])
        put(out, "excluded", [pci_range(y) for y in x.get("interFreqExcludedCellList", [])])
        put(out, "q_qual_min_db", get(x, "q-QualMin-r9"))
        layers.append(out)
    return layers


def sib6(v):
    def layer(x):
        out = {
            "uarfcn": x["carrierFreq"],
            "thresh_x_high": x["threshX-High"],
            "thresh_x_low": x["threshX-Low"],
            "q_rx_lev_min": x["q-RxLevMin"],
            "p_max_dbm": x["p-MaxUTRA"],
        }
        put(out, "priority", get(x, "cellReselectionPriority"))
        put(out, "q_qual_min_db", get(x, "q-QualMin"))
        return out

    out = {"t_reselection_s": v["t-ReselectionUTRA"]}
    put(out, "fdd", [layer(x) for x in v.get("carrierFreqListUTRA-FDD", [])])
    put(out, "tdd", [layer(x) for x in v.get("carrierFreqListUTRA-TDD", [])])
    put(out, "t_reselection_sf", get(v, "t-ReselectionUTRA-SF", factors))
    return out


def sib7(v):
    layers = []
    for x in v.get("carrierFreqsInfoList", []):
        f, c = x["carrierFreqs"], x["commonInfo"]
        first = f["startingARFCN"]
        name, more = f["followingARFCNs"]
        if name == "explicitListOfARFCNs":
            following = more
        elif name == "equallySpacedARFCNs":
            following = [(first + k * more["arfcn-Spacing"]) % 1024 for k in range(1, more["numberOfFollowingARFCNs"] + 1)]
        else:
            bits = "".join(f"{o:08b}" for o in more)
            following = [(first + 1 + k) % 1024 for k, b in enumerate(bits) if b == "1"]
        out = {
            "arfcns": [first] + following,
            "pcs1900": f["bandIndicator"] == "pcs1900",
            "ncc_permitted": c["ncc-Permitted"][0],
            "q_rx_lev_min": c["q-RxLevMin"],
            "thresh_x_high": c["threshX-High"],
            "thresh_x_low": c["threshX-Low"],
        }
        put(out, "priority", get(c, "cellReselectionPriority"))
        put(out, "p_max_dbm", get(c, "p-MaxGERAN"))
        layers.append(out)
    out = {"t_reselection_s": v["t-ReselectionGERAN"]}
    put(out, "layers", layers)
    put(out, "t_reselection_sf", get(v, "t-ReselectionGERAN-SF", factors))
    return out


def band_class(text):
    return {f"spare{k}": 32 - k for k in range(1, 11)}.get(text) or int(re.match(r"bc(\d+)", text).group(1)) if text != "bc0" else 0


def cdma(v):
    bands, carriers = [], []
    for x in v["bandClassList"]:
        out = {"band_class": band_class(x["bandClass"]), "thresh_x_high": x["threshX-High"], "thresh_x_low": x["threshX-Low"]}
        put(out, "priority", get(x, "cellReselectionPriority"))
        bands.append(out)
    for x in v["neighCellList"]:
        for y in x["neighCellsPerFreqList"]:
            carriers.append({"band_class": band_class(x["bandClass"]), "arfcn": y["arfcn"], "cells": y["physCellIdList"]})
    return {"bands": bands, "carriers": carriers}


def sib8(v):
    out = {}
    put(out, "search_window_size", get(v, "searchWindowSize"))
    for ours, theirs, inner in (
        ("hrpd", "parametersHRPD", "cellReselectionParametersHRPD"),
        ("one_x", "parameters1XRTT", "cellReselectionParameters1XRTT"),
    ):
        if theirs in v:
            out[ours] = cdma(v[theirs][inner]) if inner in v[theirs] else {}
    return out


def sib13(v):
    areas = []
    for x in v["mbsfn-AreaInfoList-r9"]:
        m = x["mcch-Config-r9"]
        areas.append({
            "area_id": x["mbsfn-AreaId-r9"],
            "non_mbsfn_region_symbols": n(x["non-MBSFNregionLength"]),
            "notification_indicator": x["notificationIndicator-r9"],
            "mcch_period_frames": n(m["mcch-RepetitionPeriod-r9"]),
            "mcch_offset": m["mcch-Offset-r9"],
            "mcch_modification_period_frames": n(m["mcch-ModificationPeriod-r9"]),
            "subframe_allocation": m["sf-AllocInfo-r9"][0],
            "signalling_mcs": n(m["signallingMCS-r9"]),
        })
    c = v["notificationConfig-r9"]
    return {
        "areas": areas,
        "notification_repetition_coeff": n(c["notificationRepetitionCoeff-r9"]),
        "notification_offset": c["notificationOffset-r9"],
        "notification_subframe_index": c["notificationSF-Index-r9"],
    }


def sib16(v):
    t = v["timeInfo-r11"]
    # 10 ms units since 1900-01-01; 25567 days to 1970-01-01.
    out = {"utc_ns": t["timeInfoUTC-r11"] * 10**7 - 25567 * 86400 * 10**9}
    put(out, "daylight_saving", get(t, "dayLightSavingTime-r11", lambda x: x[0]))
    put(out, "leap_seconds", get(t, "leapSeconds-r11"))
    put(out, "local_time_offset_quarters", get(t, "localTimeOffset-r11"))
    return out


def etws(v):
    return {
        "message_identifier": v["messageIdentifier"][0],
        "serial_number": v["serialNumber"][0],
        "warning_type": int.from_bytes(v["warningType"], "big"),
    }


DIRECT = {"sib2": sib2, "sib3": sib3, "sib4": sib4, "sib5": sib5, "sib6": sib6, "sib7": sib7, "sib8": sib8, "sib10": etws}


def fields(value):
    """What daen's fold should hold after this one message, warnings left out."""
    _, (name, v) = "c1", value["message"][1]
    if name == "systemInformationBlockType1":
        return {"sib1": sib1(v)}
    out, types = {}, set()
    for sib, x in v["criticalExtensions"][1]["sib-TypeAndInfo"]:
        number = n(sib)
        types.add(number)
        if sib in DIRECT:
            out["etws_primary" if sib == "sib10" else sib] = DIRECT[sib](x)
        elif number == 13:
            out["sib13"] = sib13(x)
        elif number == 16:
            out.pop("sib16", None)
            if "timeInfo-r11" in x:
                out["sib16"] = sib16(x)
        elif number == 9:
            out.pop("hnb_name", None)
            if "hnb-Name" in x:
                out["hnb_name"] = x["hnb-Name"].decode("ascii")
    out["sib_types"] = sorted(types)
    return out


def ascii_names(value):
    for sib, x in value["message"][1][1]["criticalExtensions"][1]["sib-TypeAndInfo"]:
        if sib == "sib9" and "hnb-Name" in x:
            x["hnb-Name"] = bytes(65 + b % 26 for b in x["hnb-Name"])


def high(message, name):
    """A message with one block whose carriers have numbers above 65535, as TS 36.331 has them sent: 65535 in the root."""
    block = generate({"sib2": M.SystemInformationBlockType2, "sib5": M.SystemInformationBlockType5}[name])
    number = lambda: R.choice([65536, 262143, R.randint(65536, 262143)])
    if name == "sib2":
        v8h0, v9e0 = "SystemInformationBlockType2-v8h0-IEs", {"ul-CarrierFreq-v9e0": number()}
        block["freqInfo"]["ul-CarrierFreq"] = 65535
        begin = {"multiBandInfoList": [R.randint(1, 32)]} if R.random() < 0.5 else {}
    else:
        v8h0, added = "SystemInformationBlockType5-v8h0-IEs", []
        for x in block["interFreqCarrierFreqList"]:
            if R.random() < 0.7:
                x["dl-CarrierFreq"] = 65535
                added.append({"dl-CarrierFreq-v9e0": number()})
            else:
                added.append({})
        v9e0 = {"interFreqCarrierFreqList-v9e0": added}
        begin = {"interFreqCarrierFreqList-v8h0": [{"multiBandInfoList": [R.randint(1, 64)]}]} if R.random() < 0.5 else {}
    block["lateNonCriticalExtension"] = (v8h0, {**begin, "nonCriticalExtension": v9e0})
    value = {"message": ("c1", ("systemInformation", {
        "criticalExtensions": ("systemInformation-r8", {"sib-TypeAndInfo": [(name, block)]})}))}
    message.set_val(value)
    return {"hex": message.to_uper().hex(), "fields": fields(value)}


def main():
    message = M.BCCH_DL_SCH_Message
    info = M.SystemInformation_r8_IEs
    out = []
    for i in range(300):
        if i % 3 == 0:
            value = {"message": ("c1", ("systemInformationBlockType1", generate(M.SystemInformationBlockType1)))}
        else:
            ies = {"sib-TypeAndInfo": generate(info._cont["sib-TypeAndInfo"])}
            if R.random() < 0.3:
                ies["nonCriticalExtension"] = {"lateNonCriticalExtension": b"later"}
            value = {"message": ("c1", ("systemInformation", {"criticalExtensions": ("systemInformation-r8", ies)}))}
            ascii_names(value)
        message.set_val(value)
        octets = message.to_uper()
        out.append({"hex": octets.hex(), "fields": fields(value)})
    for name in ["sib2", "sib5"] * 10:
        out.append(high(message, name))
    print("[\n" + ",\n".join(json.dumps(x, separators=(",", ":")) for x in out) + "\n]")


if __name__ == "__main__":
    main()
