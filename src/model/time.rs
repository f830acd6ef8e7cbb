//! Moments in time, in milliseconds.

use std::fmt;

pub const SECOND_MS: i64 = 1_000;
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// A moment: milliseconds since 1970-01-01T00:00:00Z. Displays as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeMs(pub i64);

impl TimeMs {
    pub const MIN: TimeMs = TimeMs(i64::MIN);
    pub const MAX: TimeMs = TimeMs(i64::MAX);

    /// The moment `ms` later (earlier where negative); stops at the ends of the range.
    pub fn plus_ms(self, ms: i64) -> TimeMs {
        TimeMs(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`; negative where `self` is the earlier one.
    pub fn since(self, earlier: TimeMs) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads an RFC 3339 time with its offset.
    ///
    /// ```
    /// use pantau::model::TimeMs;
    /// assert_eq!(TimeMs::parse_rfc3339("1970-01-01T09:00:01+09:00"), Some(TimeMs(1_000)));
    /// assert_eq!(TimeMs::parse_rfc3339("1970-01-01"), None);
    /// ```
    pub fn parse_rfc3339(text: &str) -> Option<TimeMs> {
        let at: jiff::Timestamp = text.parse().ok()?;
        Some(TimeMs(at.as_millisecond()))
    }

    /// The same moment for calendar arithmetic, held within the years that a calendar knows.
    pub fn timestamp(self) -> jiff::Timestamp {
        let first_ms = jiff::Timestamp::MIN.as_millisecond() + 1;
        jiff::Timestamp::from_millisecond(self.0.clamp(first_ms, calendar_last_ms()))
            .expect("clamped into the range of a timestamp")
    }

    /// RFC 3339 in UTC with as many fractions as there are.
    pub fn to_rfc3339(self) -> String {
        self.to_string()
    }

    /// The same, written into a buffer; `None` before the year 0 and where the calendar ends, where it is
    /// written otherwise.
    ///
    /// The day of the year by Howard Hinnant's `civil_from_days`: years begin in March there, so that a leap
    /// day is the last of its year.
    fn write_rfc3339(self, buffer: &mut [u8; TEXT_BYTES_MAX]) -> Option<&str> {
        if self.0 > calendar_last_ms() {
            return None;
        }
        let (days, ms) = (self.0.div_euclid(DAY_MS), self.0.rem_euclid(DAY_MS) as u32);
        let from_march_0 = days + 719_468;
        let (era, of_era) = (from_march_0.div_euclid(146_097), from_march_0.rem_euclid(146_097) as u32);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = i64::from(year_of_era) + era * 400 + i64::from(month <= 2);
        let year = u32::try_from(year).ok()?;

        *buffer = *b"0000-00-00T00:00:00.000Z";
        let mut put = |at: usize, n_digits: usize, value: u32| {
            let mut rest = value;
            for digit in buffer[at..at + n_digits].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        };
        let parts = [(0, 4, year), (5, 2, month), (8, 2, day), (11, 2, ms / 3_600_000)];
        parts.into_iter().for_each(|(at, n_digits, value)| put(at, n_digits, value));
        put(14, 2, ms / 60_000 % 60);
        put(17, 2, ms / 1_000 % 60);
        put(20, 3, ms % 1_000);
        let fraction_ends = if ms % 1_000 == 0 {
            19
        } else {
            20 + buffer[20..23].iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1)
        };
        buffer[fraction_ends] = b'Z';
        std::str::from_utf8(&buffer[..=fraction_ends]).ok()
    }
}

/// The last moment that the calendar takes in milliseconds: in its last second it takes no fraction.
fn calendar_last_ms() -> i64 {
    jiff::Timestamp::MAX.as_second() * SECOND_MS
}

/// What a moment takes as text in the years of four digits.
const TEXT_BYTES_MAX: usize = 24;

/// As RFC 3339 in UTC.
impl serde::Serialize for TimeMs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.write_rfc3339(&mut [0; TEXT_BYTES_MAX]) {
            Some(text) => serializer.serialize_str(text),
            None => serializer.collect_str(&self.timestamp()),
        }
    }
}

impl fmt::Display for TimeMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.write_rfc3339(&mut [0; TEXT_BYTES_MAX]) {
            Some(text) => f.write_str(text),
            None => self.timestamp().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::chance::Chance;

    #[test]
    fn a_moment_is_written_as_the_calendar_writes_it() {
        let of_calendar = |at: TimeMs| {
            let calendar = at.timestamp().to_string();
            assert_eq!(at.to_rfc3339(), calendar, "{}", at.0);
            assert_eq!(serde_json::to_string(&at).unwrap(), format!("\"{calendar}\""), "{}", at.0);
        };
        let first = jiff::Timestamp::MIN.as_millisecond() + 1;
        let last = calendar_last_ms();
        // Around each end of what four digits can say, of days, leap days and seconds.
        for around in
            ["0000-01-01T00:00:00Z", "9999-12-30T22:00:00Z", "1970-01-01T00:00:00Z"].into_iter().chain([
                "2000-02-29T00:00:00Z",
                "1900-03-01T00:00:00Z",
                "2024-12-31T23:59:59Z",
                "0004-02-29T00:00:00Z",
            ])
        {
            let around = TimeMs::parse_rfc3339(around).unwrap();
            for ms in [-DAY_MS, -1_001, -1_000, -100, -10, -1, 0, 1, 10, 100, 500, 999, 1_000, DAY_MS] {
                of_calendar(TimeMs((around.0 + ms).clamp(first, last)));
            }
        }
        let mut chance = Chance::new(2);
        for _ in 0..20_000 {
            let at = chance.between(first as f64, last as f64) as i64;
            let round = [1, 10, 100, 1_000, DAY_MS][chance.below(5)];
            of_calendar(TimeMs((at / round * round).clamp(first, last)));
        }
        for beyond in [TimeMs::MIN, TimeMs::MAX] {
            of_calendar(beyond);
        }
    }
}
