//! Codes by how they begin, for whoever has only the first signs of one.
//!
//! A code is its number under a keyed permutation, so no index has them in order. Where the signs leave few
//! codes open, each of these is turned back into its number; where they leave many, the newest reports' codes
//! are made and compared. Either takes a fraction of a second.

use super::{IdKey, ReportNo, Use, crockford_value};

/// Fewer signs begin too many codes.
pub const CODE_SIGNS_MIN: usize = 4;
/// Signs of a code without its city's letters, and those of them that are its number.
const CODE_SIGNS_ALL: usize = 9;
const NUMBER_SIGNS: usize = 8;
/// So many of the newest reports are looked at where more codes begin so; then four signs may miss an older one.
const NEWEST_MAX: u32 = 250_000;

/// The first signs of a code, or all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeStart {
    /// Values of the signs, each below 32.
    signs: Vec<u8>,
    is_named: bool,
    has_digit: bool,
}

impl CodeStart {
    /// Whether it may as well be a word: it has neither the city's letters nor a digit.
    pub fn may_be_word(&self) -> bool {
        !self.is_named && !self.has_digit
    }

    /// Whether the city's letters stand before it.
    pub fn is_named(&self) -> bool {
        self.is_named
    }
}

impl IdKey {
    /// What a text is as the beginning of a code, as people write it; `None` where it can be none, or has fewer
    /// than [`CODE_SIGNS_MIN`] signs. The city's letters may be left out.
    ///
    /// ```
    /// use pantau::model::{IdKey, ReportNo, Secret};
    /// let key = IdKey::new(Secret([7; 32]), "TTE");
    /// let code = key.report_code(ReportNo(9));
    /// let start = key.code_start(&code[..10]).unwrap();
    /// assert_eq!(key.reports_of_code_start(&start, ReportNo(20), 5), [ReportNo(9)]);
    /// ```
    pub fn code_start(&self, text: &str) -> Option<CodeStart> {
        let is_apart = |c: char| c == '-' || c.is_whitespace();
        let plain: String =
            text.chars().filter(|c| !is_apart(*c)).map(|c| c.to_ascii_uppercase()).collect();
        let named = plain.strip_prefix(&self.code_prefix);
        let signs = named.unwrap_or(&plain);
        if !(CODE_SIGNS_MIN..=CODE_SIGNS_ALL).contains(&signs.len()) {
            return None;
        }
        let has_digit = signs.bytes().any(|sign| sign.is_ascii_digit());
        let signs: Option<Vec<u8>> = signs.bytes().map(crockford_value).collect();
        Some(CodeStart { signs: signs?, is_named: named.is_some(), has_digit })
    }

    /// The reports up to `last` whose codes begin so, the newest first, at most `limit`.
    pub fn reports_of_code_start(&self, start: &CodeStart, last: ReportNo, limit: usize) -> Vec<ReportNo> {
        let known = &start.signs[..start.signs.len().min(NUMBER_SIGNS)];
        let open_bits = 5 * (NUMBER_SIGNS - known.len()) as u32;
        let first = known.iter().fold(0_u64, |block, sign| block << 5 | u64::from(*sign)) << open_bits;
        let is_checked =
            |block: u64| start.signs.get(NUMBER_SIGNS).is_none_or(|check| *check == self.check_sign(block));
        let newest = last.0.min(NEWEST_MAX);
        let n_codes = 1_u64 << open_bits;
        let mut found: Vec<ReportNo> = if n_codes <= u64::from(newest) {
            let blocks = (first..first + n_codes).filter(|block| is_checked(*block));
            let numbers = blocks.map(|block| self.unpermute(Use::Code, block, 20));
            let of_reports = numbers.filter(|no| (1..=u64::from(last.0)).contains(no));
            of_reports.filter_map(|no| u32::try_from(no).ok().map(ReportNo)).collect()
        } else {
            let begins_so = |no: &ReportNo| {
                let block = self.permute(Use::Code, u64::from(no.0), 20);
                block >> open_bits == first >> open_bits && is_checked(block)
            };
            (last.0 - newest + 1..=last.0).rev().map(ReportNo).filter(begins_so).take(limit).collect()
        };
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(limit);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    fn key() -> IdKey {
        IdKey::new(Secret([3; 32]), "TTE")
    }

    #[test]
    fn the_beginning_of_a_code_finds_what_reading_all_codes_finds() {
        const LAST: ReportNo = ReportNo(40_000);
        let key = key();
        let codes: Vec<(ReportNo, String)> =
            (1..=LAST.0).map(|no| (ReportNo(no), key.report_code(ReportNo(no)))).collect();
        for (_, code) in codes.iter().step_by(3_571) {
            // "TTE-7K3M-9QXAC": from four signs after the city's letters to all of them.
            for end in [8, 10, 11, 12, 13, 14] {
                let begin = &code[..end];
                let mut expected: Vec<ReportNo> =
                    codes.iter().filter(|(_, code)| code.starts_with(begin)).map(|(no, _)| *no).collect();
                expected.reverse();
                let bare = begin[4..].replace('-', "").to_lowercase();
                for text in [begin.to_owned(), bare.clone(), bare.replace('0', "o").replace('1', "l")] {
                    let start = key.code_start(&text).expect("it begins a code");
                    assert_eq!(key.reports_of_code_start(&start, LAST, 99), expected, "{text}");
                    let one = key.reports_of_code_start(&start, LAST, 1);
                    assert_eq!(one, expected[..1], "{text}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        for text in
            ["", "TTE", "TTE-7K3", "7K3", "TTE-7K3M-9QXAC7", "JKT-7K3M-9QXAC", "UUUU", "jalan!", "sámp"]
        {
            assert_eq!(key().code_start(text), None, "{text}");
        }
        assert!(key().code_start("sampah").is_some_and(|start| start.may_be_word()));
        assert!(key().code_start("tte samp").is_some_and(|start| !start.may_be_word() && start.is_named()));
        let of_nobody = key().code_start("7K3M").expect("a beginning");
        assert_eq!(key().reports_of_code_start(&of_nobody, ReportNo(0), 9), []);
        // The last sign checks the others.
        let code = key().report_code(ReportNo(5));
        let wrong = if code.ends_with('0') { "1" } else { "0" };
        let start = key().code_start(&format!("{}{wrong}", &code[..13])).expect("signs of a code");
        assert_eq!(key().reports_of_code_start(&start, ReportNo(9), 9), []);
    }
}
