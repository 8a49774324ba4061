//! The text of a cell broadcast message: pages, then characters.
//!
//! ## References
//! - 3GPP TS 23.041 Release 17: clauses 9.4.2.2.5 (CB data) and 9.4.1.2.3 (coding scheme)
//! - 3GPP TS 23.038 Release 17: clauses 5 (coding scheme), 6.1.2.2 (packing), 6.2.1 (default alphabet)

/// Octets of a page without its length; TS 23.041 clause 9.4.2.2.5.
const PAGE_OCTETS: usize = 82;

/// Pages at most; TS 23.041 clause 9.4.2.2.5.
const MAX_PAGES: usize = 15;

/// The GSM 7 bit default alphabet; TS 23.038 clause 6.2.1. The escape, 1B, stands as a space as the standard asks of one who does not
/// know what follows it.
const DEFAULT_ALPHABET: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The extension table behind the escape; TS 23.038 clause 6.2.1.1.
const EXTENSION: [(u8, char); 10] = [
    (0x0a, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2f, '\\'),
    (0x3c, '['),
    (0x3d, '~'),
    (0x3e, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// How the characters of a message are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    /// GSM 7 bit; so many characters in front name the language.
    Gsm7 { language: usize },
    /// UCS2; so many octets in front name the language.
    Ucs2 { language: usize },
}

/// What a coding scheme says; `None` for data, compressed text and reserved values.
fn coding(scheme: u8) -> Option<Coding> {
    let by_alphabet = |alphabet: u8| match alphabet {
        0 => Some(Coding::Gsm7 { language: 0 }),
        2 => Some(Coding::Ucs2 { language: 0 }),
        _ => None,
    };
    match scheme {
        // Language by number, and those reserved for more of them: the default alphabet is assumed.
        0x00..=0x0f | 0x20..=0x3f => Some(Coding::Gsm7 { language: 0 }),
        // The language's two letters, then a carriage return.
        0x10 => Some(Coding::Gsm7 { language: 3 }),
        // The language's two letters packed into two octets.
        0x11 => Some(Coding::Ucs2 { language: 2 }),
        // General data coding, not compressed.
        0x40..=0x5f => by_alphabet(scheme >> 2 & 3),
        0xf0..=0xff if scheme & 4 == 0 => Some(Coding::Gsm7 { language: 0 }),
        _ => None,
    }
}

/// The text of CB data (its number of pages, then each page and its length) in coding scheme `scheme`.
///
/// `None` where the scheme is not one of text. What is cut short gives the text up to there; what is no character gives the
/// replacement character.
pub fn text(data: &[u8], scheme: u8) -> Option<String> {
    let coding = coding(scheme)?;
    let (&pages, rest) = data.split_first()?;
    let mut text = String::new();
    for page in rest.chunks(PAGE_OCTETS + 1).take(usize::from(pages).min(MAX_PAGES)) {
        let length = page.get(PAGE_OCTETS).map_or(page.len(), |&length| usize::from(length));
        let page = &page[..length.min(PAGE_OCTETS).min(page.len())];
        match coding {
            Coding::Gsm7 { language } => text.extend(gsm7(page).skip(language)),
            Coding::Ucs2 { language } => {
                let octets = page.get(language..).unwrap_or(&[]);
                let units = octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                text.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
            }
        }
        // Carriage returns fill up a page.
        text.truncate(text.trim_end_matches('\r').len());
    }
    Some(text)
}

/// Languages by the low four bits of a scheme of group 0000, then of group 0010; TS 23.038 clause 5. Codes of ISO 639-1.
const LANGUAGES: [&str; 15] =
    ["de", "en", "it", "fr", "es", "nl", "sv", "da", "pt", "fi", "no", "el", "tr", "hu", "pl"];
const MORE_LANGUAGES: [&str; 5] = ["cs", "he", "ar", "ru", "is"];

/// The language of CB data in coding scheme `scheme`, as ISO 639-1 names it; `None` where neither the scheme nor the data names one.
pub fn language(data: &[u8], scheme: u8) -> Option<String> {
    let by_number = |languages: &[&str]| languages.get(usize::from(scheme & 0x0f)).map(|&name| name.to_owned());
    match scheme {
        0x00..=0x0f => by_number(&LANGUAGES),
        0x20..=0x2f => by_number(&MORE_LANGUAGES),
        // Two letters of the default alphabet at the head of the first page, behind the number of pages.
        0x10 | 0x11 => {
            let letters: String = gsm7(data.get(1..3)?).collect();
            (letters.len() == 2 && letters.bytes().all(|letter| letter.is_ascii_lowercase())).then_some(letters)
        }
        _ => None,
    }
}

/// Characters of packed septets, the first in the lowest bits of the first octet.
fn gsm7(octets: &[u8]) -> impl Iterator<Item = char> + '_ {
    let septet = |i: usize| {
        let (octet, shift) = (7 * i / 8, 7 * i % 8);
        let next = octets.get(octet + 1).copied().unwrap_or(0);
        (u16::from_le_bytes([octets[octet], next]) >> shift & 0x7f) as u8
    };
    let mut escaped = false;
    (0..8 * octets.len() / 7).map(septet).filter_map(move |septet| {
        if std::mem::take(&mut escaped)
            && let Some(&(_, character)) = EXTENSION.iter().find(|row| row.0 == septet)
        {
            return Some(character);
        }
        escaped = septet == 0x1b;
        if escaped { None } else { DEFAULT_ALPHABET.chars().nth(usize::from(septet)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs characters of the default alphabet as TS 23.038 clause 6.1.2.2 says, into one page.
    fn page(septets: &[u8]) -> Vec<u8> {
        let mut data = vec![0; 1 + PAGE_OCTETS + 1];
        data[0] = 1;
        for (i, septet) in septets.iter().enumerate() {
            for bit in 0..7 {
                let place = 7 * i + bit;
                data[1 + place / 8] |= (septet >> bit & 1) << (place % 8);
            }
        }
        data[1 + PAGE_OCTETS] = (7 * septets.len()).div_ceil(8) as u8;
        data
    }

    #[test]
    fn the_default_alphabet_has_128_places() {
        assert_eq!(DEFAULT_ALPHABET.chars().count(), 128);
        for (place, character) in
            [(0, '@'), (0x10, 'Δ'), (0x24, '¤'), (0x41, 'A'), (0x5b, 'Ä'), (0x60, '¿'), (0x7f, 'à')]
        {
            assert_eq!(DEFAULT_ALPHABET.chars().nth(place), Some(character));
        }
    }

    #[test]
    fn escapes_choose_the_extension_and_padding_is_left_out() {
        let data = page(&[0x41, 0x1b, 0x65, 0x42, 0x1b, 0x41, 0x0d, 0x0d]);
        assert_eq!(text(&data, 0x0f).as_deref(), Some("A€BA"));
        assert_eq!(text(&page(&[0x65, 0x6e, 0x0d, 0x41]), 0x10).as_deref(), Some("A"));
    }

    #[test]
    fn languages_are_named_by_number_or_by_letters() {
        assert_eq!(language(&[], 0x01).as_deref(), Some("en"));
        assert_eq!(language(&[], 0x0f), None);
        assert_eq!(language(&[], 0x23).as_deref(), Some("ru"));
        // "th" and a carriage return.
        assert_eq!(language(&page(&[0x74, 0x68, 0x0d, 0x41]), 0x10).as_deref(), Some("th"));
        assert_eq!(text(&page(&[0x74, 0x68, 0x0d, 0x41]), 0x10).as_deref(), Some("A"));
        assert_eq!(language(&page(&[0x01, 0x02, 0x0d]), 0x10), None);
        assert_eq!(language(&[1], 0x11), None);
        assert_eq!(language(&[], 0x48), None);
    }

    #[test]
    fn thai_comes_as_ucs2() {
        let mut data = vec![0; 84];
        data[0] = 1;
        let octets: Vec<u8> = "ทดสอบ".encode_utf16().flat_map(u16::to_be_bytes).collect();
        data[1..=octets.len()].copy_from_slice(&octets);
        data[83] = octets.len() as u8;
        assert_eq!(text(&data, 0x48).as_deref(), Some("ทดสอบ"));
        data[3..3 + octets.len()].copy_from_slice(&octets);
        data[83] += 2;
        assert_eq!(text(&data, 0x11).as_deref(), Some("ทดสอบ"));
    }

    #[test]
    fn data_and_reserved_schemes_are_no_text() {
        for scheme in [0x44, 0x12, 0x60, 0x80, 0xf4] {
            assert_eq!(text(&page(&[0x41]), scheme), None, "{scheme:#x}");
        }
    }
}
