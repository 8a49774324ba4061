//! SYSTEM INFORMATION of a GSM cell from its parameters, as 23 octets a message, and their schedule on the BCCH.
//!
//! Limits: types 1, 2, 2ter, 2quater (E-UTRAN neighbours), 3, 4 and 13; frequency lists as bit map 0 or variable bit
//! map. The octets were compared with an independent decoder (tests/data/synth/README.md).
//!
//! ## References
//! - 3GPP TS 44.018 Release 17: RR protocol, clauses 9.1.31 to 9.1.43a and 10.5.2
//! - 3GPP TS 45.002 Release 17, clause 6.3.1.3: mapping of BCCH data

mod bits;
pub mod preset;

use super::gsm::broadcast::{Block, Schedule};
use crate::cell::Plmn;
use crate::observation::gsm::{
    CellOptions, CellSelection, ControlChannel, Gprs, GprsIndicator, RachControl, ReselectionParameters,
};
use bits::BitWriter;

/// What a GSM cell broadcasts about itself. Codes are those of the air interface.
#[derive(Clone, Debug, PartialEq)]
pub struct CellParameters {
    /// Its network.
    pub plmn: Plmn,
    /// Location area code.
    pub lac: u16,
    /// Cell identity.
    pub ci: u16,
    /// Cell allocation of SI1; `None`: SI1 is not sent.
    pub cell_allocation: Option<Vec<u16>>,
    /// BA list of SI2.
    pub neighbours: Vec<u16>,
    /// Further neighbours, of another band, in SI2ter; empty: SI2ter is not sent.
    pub neighbours_si2ter: Vec<u16>,
    /// E-UTRAN neighbours in SI2quater, EARFCN and priority, at most three; empty: SI2quater is not sent.
    pub eutran: Vec<(u16, u8)>,
    /// NCC permitted.
    pub ncc_permitted: u8,
    /// Control channel description.
    pub control: ControlChannel,
    /// Cell options.
    pub options: CellOptions,
    /// Cell selection parameters.
    pub selection: CellSelection,
    /// RACH control parameters.
    pub rach: RachControl,
    /// Parameters of C2, in the rest octets of SI3 and SI4.
    pub reselection: Option<ReselectionParameters>,
    /// Early classmark sending and 3G early classmark sending, in SI3.
    pub early_classmark: (bool, bool),
    /// GPRS as in SI13, with the routeing area colour of SI3 and SI4; `None`: neither indicator nor SI13 are sent.
    pub gprs: Option<(GprsIndicator, Gprs)>,
}

/// Why parameters cannot be coded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SiError {
    /// Channels that no supported format can list together.
    #[error(
        "{field}: no supported format lists {arfcns:?}: give ARFCNs of 1 to 124, or such as lie within 111 of one another"
    )]
    Channels {
        /// Which list.
        field: &'static str,
        /// As given.
        arfcns: Vec<u16>,
    },
    /// A code that its field cannot hold.
    #[error("{field} is {value}; its field of {bits} bits holds at most {}", (1u32 << .bits) - 1)]
    TooLarge {
        /// Which field.
        field: &'static str,
        /// As given.
        value: u32,
        /// Its width.
        bits: u32,
    },
    /// More neighbours than the message has room for.
    #[error("{field} has {given} entries; the message has room for {room}")]
    TooMany {
        /// Which list.
        field: &'static str,
        /// As given.
        given: usize,
        /// As many as fit.
        room: usize,
    },
}

/// Most E-UTRAN neighbours in the one instance of SI2quater that is made: 83 bits and 31 for each, of 184.
const MAX_EUTRAN: usize = 3;

/// The octets of one message: pseudo length, protocol discriminator RR, type, content and rest octets of padding.
fn message(
    length: u8,
    message_type: u8,
    write: impl FnOnce(&mut BitWriter) -> Result<(), SiError>,
) -> Result<Block, SiError> {
    let mut writer = BitWriter::new();
    writer.put("L2 pseudo length", u32::from(length) << 2 | 1, 8)?;
    writer.put("protocol discriminator", 6, 8)?;
    writer.put("message type", u32::from(message_type), 8)?;
    write(&mut writer)?;
    Ok(writer.finish())
}

impl CellParameters {
    /// SYSTEM INFORMATION TYPE 1; TS 44.018 clause 9.1.31. `None` without a cell allocation.
    ///
    /// # Errors
    /// [`SiError`] naming the field that cannot be coded; likewise below.
    pub fn si1(&self) -> Result<Option<Block>, SiError> {
        let Some(allocation) = &self.cell_allocation else { return Ok(None) };
        message(21, 0x19, |w| {
            w.frequency_list("cell allocation", allocation)?;
            self.put_rach(w)
        })
        .map(Some)
    }

    /// SYSTEM INFORMATION TYPE 2; TS 44.018 clause 9.1.32.
    pub fn si2(&self) -> Result<Block, SiError> {
        message(22, 0x1a, |w| {
            w.frequency_list("neighbours", &self.neighbours)?;
            w.put("NCC permitted", u32::from(self.ncc_permitted), 8)?;
            self.put_rach(w)
        })
    }

    /// SYSTEM INFORMATION TYPE 2ter; TS 44.018 clause 9.1.34. `None` without its neighbours.
    pub fn si2ter(&self) -> Result<Option<Block>, SiError> {
        if self.neighbours_si2ter.is_empty() {
            return Ok(None);
        }
        message(18, 0x03, |w| w.frequency_list("neighbours of SI2ter", &self.neighbours_si2ter)).map(Some)
    }

    /// SYSTEM INFORMATION TYPE 2quater, one instance; TS 44.018 clauses 9.1.34a and 10.5.2.33b. `None` without E-UTRAN.
    pub fn si2quater(&self) -> Result<Option<Block>, SiError> {
        if self.eutran.is_empty() {
            return Ok(None);
        }
        if self.eutran.len() > MAX_EUTRAN {
            return Err(SiError::TooMany { field: "E-UTRAN neighbours", given: self.eutran.len(), room: MAX_EUTRAN });
        }
        message(1, 0x07, |w| {
            // BA_IND, 3G_BA_IND, MP_CHANGE_MARK, index and count; then ten optional parts, none of them there.
            w.put("SI2quater header", 0, 3 + 4 + 4)?;
            w.put("SI2quater parts", 0, 10)?;
            // Additions of Release 5 (two optional parts), of Release 6 (3G_CCN_ACTIVE), of Release 7 (two), of Release 8.
            w.flag(true);
            w.put("Release 5", 0, 2)?;
            w.flag(true);
            w.put("Release 6", 0, 1)?;
            w.flag(true);
            w.put("Release 7", 0, 2)?;
            w.flag(true);
            // Priority and E-UTRAN parameters: serving cell priority, no 3G priority, E-UTRAN.
            w.put("priority parameters", 1, 1)?;
            w.put("serving cell priority", 1, 1)?;
            w.put("GERAN_PRIORITY", 1, 3)?;
            w.put("THRESH_Priority_Search", 15, 4)?;
            w.put("THRESH_GSM_low", 2, 4)?;
            w.put("H_PRIO", 1, 2)?;
            w.put("T_Reselection", 0, 2)?;
            w.put("3G priority", 0, 1)?;
            w.put("E-UTRAN parameters", 1, 1)?;
            // E-UTRAN_CCN_ACTIVE, _Start, _Stop; no measurement parameters of either kind.
            w.put("E-UTRAN start and stop", 0b011, 3)?;
            w.put("E-UTRAN measurement parameters", 0, 2)?;
            for &(earfcn, priority) in &self.eutran {
                w.put("neighbour", 1, 1)?;
                w.put("EARFCN follows", 1, 1)?;
                w.put("EARFCN", u32::from(earfcn), 16)?;
                w.put("measurement bandwidth and end of EARFCNs", 0, 2)?;
                w.put("priority follows", 1, 1)?;
                w.put("E-UTRAN_PRIORITY", u32::from(priority), 3)?;
                w.put("THRESH_E-UTRAN_high", 8, 5)?;
                w.put("THRESH_E-UTRAN_low, QRXLEVMIN", 0, 2)?;
            }
            // End of neighbours, of not allowed cells, of PCID to TA mappings; no CSG of 3G or E-UTRAN.
            w.put("ends", 0, 5)
        })
        .map(Some)
    }

    /// SYSTEM INFORMATION TYPE 3; TS 44.018 clauses 9.1.35 and 10.5.2.34.
    pub fn si3(&self) -> Result<Block, SiError> {
        message(18, 0x1b, |w| {
            w.put("cell identity", u32::from(self.ci), 16)?;
            self.put_lai(w)?;
            let control = &self.control;
            w.put("MSCR", control.mscr.into(), 1)?;
            w.put("ATT", control.att.into(), 1)?;
            w.put("BS_AG_BLKS_RES", control.bs_ag_blks_res.into(), 3)?;
            w.put("CCCH_CONF", control.ccch_conf.into(), 3)?;
            w.put("SI22IND", 0, 1)?;
            w.put("CBQ3", control.cbq3.into(), 2)?;
            w.put("spare", 0, 2)?;
            w.put("BS_PA_MFRMS", control.bs_pa_mfrms.into(), 3)?;
            w.put("T3212", control.t3212.into(), 8)?;
            w.put("DN-IND", self.options.dn_ind.into(), 1)?;
            w.put("PWRC", self.options.pwrc.into(), 1)?;
            w.put("DTX", self.options.dtx.into(), 2)?;
            w.put("RADIO_LINK_TIMEOUT", self.options.radio_link_timeout.into(), 4)?;
            self.put_selection(w)?;
            self.put_rach(w)?;
            // Rest octets: selection parameters, no power offset, SI2ter, early classmark, no SI9, GPRS, 3G, SI2quater.
            self.put_reselection(w)?;
            w.flag(false);
            w.flag(!self.neighbours_si2ter.is_empty());
            w.flag(self.early_classmark.0);
            w.flag(false);
            self.put_gprs_indicator(w)?;
            w.flag(self.early_classmark.1);
            w.flag(!self.eutran.is_empty());
            if !self.eutran.is_empty() {
                w.put("SI2quater_POSITION", 0, 1)?;
            }
            Ok(())
        })
    }

    /// SYSTEM INFORMATION TYPE 4, without CBCH; TS 44.018 clauses 9.1.36 and 10.5.2.35.
    pub fn si4(&self) -> Result<Block, SiError> {
        message(12, 0x1c, |w| {
            self.put_lai(w)?;
            self.put_selection(w)?;
            self.put_rach(w)?;
            self.put_reselection(w)?;
            w.flag(false);
            self.put_gprs_indicator(w)
        })
    }

    /// SYSTEM INFORMATION TYPE 13; TS 44.018 clauses 9.1.43a and 10.5.2.37b. `None` without GPRS.
    pub fn si13(&self) -> Result<Option<Block>, SiError> {
        let Some((_, gprs)) = &self.gprs else { return Ok(None) };
        message(0, 0x00, |w| {
            w.flag(true);
            w.put("BCCH_CHANGE_MARK", gprs.bcch_change_mark.into(), 3)?;
            w.put("SI_CHANGE_FIELD", 0, 4)?;
            // No GPRS mobile allocation, no PBCCH.
            w.put("mobile allocation, PBCCH", 0, 2)?;
            w.put("RAC", gprs.rac.unwrap_or(0).into(), 8)?;
            w.put("SPGC_CCCH_SUP", gprs.spgc_ccch_sup.unwrap_or(false).into(), 1)?;
            w.put("PRIORITY_ACCESS_THR", gprs.priority_access_thr.unwrap_or(0).into(), 3)?;
            w.put("NETWORK_CONTROL_ORDER", gprs.network_control_order.unwrap_or(0).into(), 2)?;
            w.put("NMO", gprs.nmo.unwrap_or(0).into(), 2)?;
            w.put("T3168", gprs.t3168.unwrap_or(0).into(), 3)?;
            w.put("T3192", gprs.t3192.unwrap_or(0).into(), 3)?;
            w.put("DRX_TIMER_MAX", 3, 3)?;
            w.put("ACCESS_BURST_TYPE, CONTROL_ACK_TYPE", 0b01, 2)?;
            w.put("BS_CV_MAX", 9, 4)?;
            w.put("PAN, extension", 0, 2)?;
            w.put("ALPHA", 0, 4)?;
            w.put("T_AVG_W", 16, 5)?;
            w.put("T_AVG_T", 16, 5)?;
            w.put("PC_MEAS_CHAN", 0, 1)?;
            w.put("N_AVG_I", 8, 4)
        })
        .map(Some)
    }

    /// All messages at their places. TC 4 and 5 repeat SI3 and SI2 where nothing else claims them, as stations do.
    pub fn schedule(&self) -> Result<Schedule, SiError> {
        let (si2, si3, si4) = (self.si2()?, self.si3()?, self.si4()?);
        let (si2ter, si2quater, si13) = (self.si2ter()?, self.si2quater()?, self.si13()?);
        let or = |mut messages: Vec<Block>, otherwise| {
            if messages.is_empty() {
                messages.push(otherwise);
            }
            messages
        };
        // TS 45.002 clause 6.3.1.3: SI2ter at TC 5; SI2quater at TC 5, or at TC 4 where SI2ter is sent; SI13 at TC 4.
        let (quater_at_5, quater_at_4) = if si2ter.is_none() { (si2quater, None) } else { (None, si2quater) };
        let norm = [
            or(self.si1()?.into_iter().collect(), si3),
            vec![si2],
            vec![si3],
            vec![si4],
            or(si13.into_iter().chain(quater_at_4).collect(), si3),
            or(si2ter.into_iter().chain(quater_at_5).collect(), si2),
            vec![si3],
            vec![si4],
        ];
        Ok(Schedule {
            norm,
            ext: Default::default(),
            combined: self.control.ccch_conf == 1,
            bs_ag_blks_res: self.control.bs_ag_blks_res,
        })
    }

    /// Location area identification; TS 24.008 clause 10.5.1.3.
    fn put_lai(&self, w: &mut BitWriter) -> Result<(), SiError> {
        for octet in self.plmn.to_bcd() {
            w.put("PLMN", octet.into(), 8)?;
        }
        w.put("LAC", self.lac.into(), 16)
    }

    /// Cell selection parameters; TS 44.018 clause 10.5.2.4.
    fn put_selection(&self, w: &mut BitWriter) -> Result<(), SiError> {
        let selection = &self.selection;
        w.put("CELL_RESELECT_HYSTERESIS", selection.cell_reselect_hysteresis.into(), 3)?;
        w.put("MS_TXPWR_MAX_CCH", selection.ms_txpwr_max_cch.into(), 5)?;
        w.put("ACS", selection.acs.into(), 1)?;
        w.put("NECI", selection.neci.into(), 1)?;
        w.put("RXLEV_ACCESS_MIN", selection.rxlev_access_min.into(), 6)
    }

    /// RACH control parameters; TS 44.018 clause 10.5.2.29.
    fn put_rach(&self, w: &mut BitWriter) -> Result<(), SiError> {
        let rach = &self.rach;
        w.put("max retrans", rach.max_retrans.into(), 2)?;
        w.put("Tx-integer", rach.tx_integer.into(), 4)?;
        w.put("CELL_BAR_ACCESS", rach.cell_barred.into(), 1)?;
        w.put("RE", rach.re.into(), 1)?;
        w.put("AC CN", rach.access_classes_barred.into(), 16)
    }

    fn put_reselection(&self, w: &mut BitWriter) -> Result<(), SiError> {
        w.flag(self.reselection.is_some());
        let Some(parameters) = &self.reselection else { return Ok(()) };
        w.put("CBQ", parameters.cell_bar_qualify.into(), 1)?;
        w.put("CELL_RESELECT_OFFSET", parameters.cell_reselect_offset.into(), 6)?;
        w.put("TEMPORARY_OFFSET", parameters.temporary_offset.into(), 3)?;
        w.put("PENALTY_TIME", parameters.penalty_time.into(), 5)
    }

    fn put_gprs_indicator(&self, w: &mut BitWriter) -> Result<(), SiError> {
        w.flag(self.gprs.is_some());
        let Some((indicator, _)) = &self.gprs else { return Ok(()) };
        w.put("RA COLOUR", indicator.ra_colour.into(), 3)?;
        w.put("SI13_POSITION", indicator.si13_on_ext.into(), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// Octets that were decoded field by field with pycrate; tests/data/synth/README.md.
    const CHECKED: &str = include_str!("../../../tests/data/synth/si.txt");

    fn plmn(text: &str) -> Plmn {
        text.parse().unwrap()
    }

    fn stations() -> Vec<(&'static str, CellParameters)> {
        let mut licensed =
            preset::licensed(plmn("520-03"), 4660, 22136, 42, 5, &[38, 46, 124, 1], &[(1450, 6), (3650, 5)]);
        licensed.neighbours_si2ter = vec![600, 711];
        vec![
            ("openbts", preset::openbts().cell),
            ("yatebts", preset::yatebts(60).cell),
            ("osmo-bsc", preset::osmo_bsc().cell),
            ("licensed", licensed),
            ("blaster", preset::blaster(plmn("520-03"), 64000, 1, 44)),
        ]
    }

    fn octets(cell: &CellParameters) -> Vec<(&'static str, Block)> {
        let optional = |name, block: Option<Block>| block.map(|block| (name, block));
        [
            optional("SI1", cell.si1().unwrap()),
            Some(("SI2", cell.si2().unwrap())),
            optional("SI2ter", cell.si2ter().unwrap()),
            optional("SI2quater", cell.si2quater().unwrap()),
            Some(("SI3", cell.si3().unwrap())),
            Some(("SI4", cell.si4().unwrap())),
            optional("SI13", cell.si13().unwrap()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    #[test]
    fn the_octets_are_those_that_an_independent_decoder_read_back() {
        let mut text = String::new();
        for (station, cell) in stations() {
            for (name, block) in octets(&cell) {
                writeln!(text, "{station} {name} {}", hex::encode(block)).unwrap();
            }
        }
        assert_eq!(text, CHECKED);
    }

    #[test]
    fn what_a_field_cannot_hold_is_refused_by_name() {
        let mut cell = preset::openbts().cell;
        cell.selection.rxlev_access_min = 64;
        let error = cell.schedule().unwrap_err();
        assert_eq!(error.to_string(), "RXLEV_ACCESS_MIN is 64; its field of 6 bits holds at most 63");
        let mut cell = preset::openbts().cell;
        cell.neighbours = vec![51, 700];
        assert!(matches!(cell.si2(), Err(SiError::Channels { field: "neighbours", .. })));
        let mut cell = preset::openbts().cell;
        cell.eutran = vec![(1450, 1); 4];
        assert!(matches!(cell.si2quater(), Err(SiError::TooMany { given: 4, room: 3, .. })));
    }

    #[test]
    fn messages_come_at_the_tc_that_the_standard_gives_them() {
        let names = |cell: &CellParameters| -> Vec<String> {
            let known = octets(cell);
            let name = |block: &Block| known.iter().find(|(_, b)| b == block).unwrap().0;
            let schedule = cell.schedule().unwrap();
            schedule.norm.iter().map(|blocks| blocks.iter().map(name).collect::<Vec<_>>().join("+")).collect()
        };
        let stations = stations();
        assert_eq!(names(&stations[0].1), ["SI1", "SI2", "SI3", "SI4", "SI3", "SI2", "SI3", "SI4"]);
        assert_eq!(names(&stations[1].1), ["SI1", "SI2", "SI3", "SI4", "SI13", "SI2", "SI3", "SI4"]);
        assert_eq!(names(&stations[3].1), ["SI1", "SI2", "SI3", "SI4", "SI13+SI2quater", "SI2ter", "SI3", "SI4"]);
    }
}
