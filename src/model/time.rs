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
        let (min, max) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
        // Of its last second the calendar takes the beginning alone.
        let ms = self.0.clamp(min.as_millisecond() + 1, max.as_second() * SECOND_MS);
        jiff::Timestamp::from_millisecond(ms).expect("clamped into the range of a timestamp")
    }

    /// RFC 3339 in UTC with as many fractions as there are.
    pub fn to_rfc3339(self) -> String {
        self.timestamp().to_string()
    }
}

/// As RFC 3339 in UTC.
impl serde::Serialize for TimeMs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for TimeMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.timestamp().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_beyond_the_calendar_is_its_first_or_last() {
        assert_eq!(TimeMs::MAX.to_rfc3339(), "9999-12-30T22:00:00Z");
        assert!(TimeMs::MIN.to_rfc3339().starts_with("-009999-01-02T"), "{}", TimeMs::MIN);
        assert_eq!(TimeMs(1_764_000_000_120).to_rfc3339(), "2025-11-24T16:00:00.12Z");
    }
}
