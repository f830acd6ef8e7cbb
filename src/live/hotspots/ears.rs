//! EARS C1, C2 and C3: how far the newest day's count stands above the days before it.
//!
//! The Early Aberration Reporting System of the CDC (Hutwagner et al. 2003), as R's
//! `surveillance::earsC` has it: the baseline is the mean and the standard deviation of seven days.
//!
//! - C1: the seven days just before.
//! - C2: the seven days before these two, so that an outbreak's first days do not raise its own bar.
//! - C3: how far C2 was above 1, summed over the newest three days: slow rises.
//!
//! Counts are those of whole days, oldest first; the last is the day that is assessed.

/// Days of a baseline.
pub const BASELINE_DAYS: usize = 7;
/// Days between the baseline of C2 and the day assessed.
const GAP_DAYS: usize = 2;
/// Days that C3 looks at.
const C3_DAYS: usize = 3;
/// No method looks at more days than this.
pub const DAYS_MAX: usize = BASELINE_DAYS + GAP_DAYS + C3_DAYS;

/// The standard deviation is taken as at least this, lest a place that never reports cry at every
/// report (the `minSigma` of `earsC`). With it, four reports, the fewest that make a hotspot by
/// default, on a day after a week of none are 2.7 sigma: below the 3.09 at which EARS raises an alarm.
pub const SIGMA_FLOOR: f64 = 1.5;

/// From here on EARS raises an alarm: the normal quantile of 99.9 %.
pub const ALARM_SIGMA: f64 = 3.090_232_306_167_813;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    C1,
    C2,
    C3,
}

impl Method {
    pub const ALL: [Method; 3] = [Method::C1, Method::C2, Method::C3];

    /// How many days there must be before the day assessed.
    pub fn days_before(self) -> usize {
        match self {
            Method::C1 => BASELINE_DAYS,
            Method::C2 => BASELINE_DAYS + GAP_DAYS,
            Method::C3 => BASELINE_DAYS + GAP_DAYS + C3_DAYS - 1,
        }
    }
}

/// The statistic of the last day, in sigma. `None` where there are too few days before it. Without a
/// floor it may be infinite or NaN, after seven days that are all the same.
///
/// ```
/// use pantau::live::hotspots::ears::{Method, statistic};
/// let counts = [4, 6, 5, 3, 7, 5, 5, 12];
/// let c1 = statistic(Method::C1, &counts, 0.0).unwrap();
/// assert!((c1 - 7.0 / (10.0_f64 / 6.0).sqrt()).abs() < 1e-12);
/// assert_eq!(statistic(Method::C2, &counts, 0.0), None);
/// ```
pub fn statistic(method: Method, counts: &[u32], sigma_floor: f64) -> Option<f64> {
    let c2 = |ago: usize| deviation(counts, ago, GAP_DAYS, sigma_floor);
    match method {
        Method::C1 => deviation(counts, 0, 0, sigma_floor),
        Method::C2 => c2(0),
        Method::C3 => (0..C3_DAYS).map(|ago| Some(above_one(c2(ago)?))).sum(),
    }
}

/// Above which count of the last day `earsC` raises an alarm at the level `alpha`, given as the normal
/// quantile of `1 - alpha`. Like `earsC`, and unlike the statistic, C3 looks at the two days before
/// the last alone.
pub fn upper_bound(method: Method, counts: &[u32], sigma_floor: f64, z_alpha: f64) -> Option<f64> {
    let gap = if method == Method::C1 { 0 } else { GAP_DAYS };
    let Baseline { mean, sigma } = baseline(counts, 0, gap, sigma_floor)?;
    match method {
        Method::C1 | Method::C2 => Some(mean + z_alpha * sigma),
        Method::C3 => {
            let before = |ago: usize| Some(above_one(deviation(counts, ago, GAP_DAYS, sigma_floor)?));
            let newest = f64::from(*counts.last()?);
            Some(at_least_zero(newest + sigma * (z_alpha - (before(2)? + before(1)?))))
        }
    }
}

struct Baseline {
    mean: f64,
    sigma: f64,
}

/// Of the seven days that end `gap` days before the day `ago` days before the last.
fn baseline(counts: &[u32], ago: usize, gap: usize, sigma_floor: f64) -> Option<Baseline> {
    let end = counts.len().checked_sub(1 + ago + gap)?;
    let days = &counts[end.checked_sub(BASELINE_DAYS)?..end];
    let n = days.len() as f64;
    let mean = days.iter().map(|count| f64::from(*count)).sum::<f64>() / n;
    let squares: f64 = days.iter().map(|count| (f64::from(*count) - mean).powi(2)).sum();
    Some(Baseline { mean, sigma: (squares / (n - 1.0)).sqrt().max(sigma_floor) })
}

/// The distance of one day from its baseline, in sigma.
fn deviation(counts: &[u32], ago: usize, gap: usize, sigma_floor: f64) -> Option<f64> {
    let Baseline { mean, sigma } = baseline(counts, ago, gap, sigma_floor)?;
    let day = f64::from(counts[counts.len() - 1 - ago]);
    Some((day - mean) / sigma)
}

fn above_one(c2: f64) -> f64 {
    at_least_zero(c2 - 1.0)
}

/// Keeps NaN, as R does.
fn at_least_zero(x: f64) -> f64 {
    if x < 0.0 { 0.0 } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_needs_its_days() {
        for method in Method::ALL {
            let needed = method.days_before() + 1;
            let counts: Vec<u32> = (0..20).map(|day| day % 3).collect();
            assert_eq!(statistic(method, &counts[..needed - 1], 0.5), None);
            assert_eq!(upper_bound(method, &counts[..needed - 1], 0.5, 3.0), None);
            // More days before change nothing.
            let short = statistic(method, &counts[20 - needed..], 0.5);
            assert!(short.is_some());
            assert_eq!(short, statistic(method, &counts, 0.5));
        }
        assert_eq!(Method::C3.days_before() + 1, DAYS_MAX);
    }

    #[test]
    fn c3_sums_what_is_above_one_over_three_days() {
        // C2 of the newest three days: 3, 0 and 2 above a baseline of mean 2, sigma floor 1.
        let counts = [2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 2, 5];
        assert_eq!(statistic(Method::C3, &counts, 1.0), Some(2.0 + 0.0 + 1.0));
    }

    #[test]
    fn the_fewest_reports_that_make_a_hotspot_do_not_cry_in_a_quiet_place() {
        let z_alpha = 3.090_232_306_167_813;
        for quiet in [[0; 11], [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]] {
            let day = |count| quiet.into_iter().chain([count]).collect::<Vec<u32>>();
            for method in Method::ALL {
                assert!(statistic(method, &day(4), SIGMA_FLOOR).unwrap() < z_alpha);
            }
            assert!(statistic(Method::C1, &day(8), SIGMA_FLOOR).unwrap() > z_alpha);
        }
    }
}
