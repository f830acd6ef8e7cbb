//! How unlikely a count is where so many are usual: the upper tail of a Poisson distribution, and the
//! same in sigma, so that it can stand beside other scores.

/// Fewer than this are never taken as usual, lest a place that never reports cry at every report.
/// With it, four reports where none are usual are 2.9 sigma.
pub const MEAN_FLOOR: f64 = 0.5;

/// No tail is farther out than this; `f64` holds no smaller probability.
const SIGMAS_MAX: f64 = 37.0;

/// The probability of `n` or more where `mean` are expected.
///
/// ```
/// use pantau::live::hotspots::poisson::tail;
/// assert_eq!(tail(0, 9.0), 1.0);
/// assert!((tail(1, 2.0) - (1.0 - (-2.0_f64).exp())).abs() < 1e-15);
/// ```
pub fn tail(n: u32, mean: f64) -> f64 {
    if n == 0 {
        return 1.0;
    }
    if mean <= 0.0 {
        return 0.0;
    }
    let term = |k: u32| (f64::from(k) * mean.ln() - mean - libm::lgamma(f64::from(k) + 1.0)).exp();
    if f64::from(n) > mean {
        // Falling terms from n up.
        let rising = (n..).scan(term(n), |next, k| {
            let this = *next;
            *next *= mean / (f64::from(k) + 1.0);
            Some(this)
        });
        let mut sum = 0.0;
        for term in rising.take_while(|term| *term > 0.0) {
            let before = sum;
            sum += term;
            if sum == before {
                break;
            }
        }
        sum
    } else {
        // Falling terms from n - 1 down, off the whole.
        let mut sum = 0.0;
        let mut next = term(n - 1);
        for k in (0..n).rev() {
            sum += next;
            next *= f64::from(k) / mean;
        }
        1.0 - sum
    }
}

/// How many sigma from the middle a normal distribution has this much of itself beyond.
///
/// ```
/// use pantau::live::hotspots::poisson::sigmas;
/// assert!((sigmas(0.5)).abs() < 1e-12);
/// assert!((sigmas(0.001) - 3.090_232_306_167_813).abs() < 1e-9);
/// ```
pub fn sigmas(tail: f64) -> f64 {
    let beyond = |z: f64| 0.5 * libm::erfc(z / std::f64::consts::SQRT_2);
    let (mut low, mut high) = (-SIGMAS_MAX, SIGMAS_MAX);
    // Halving ends at the distance of two neighbouring numbers.
    for _ in 0..64 {
        let middle = (low + high) / 2.0;
        if beyond(middle) > tail { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_summing_meet_at_the_mean() {
        for mean in [0.5, 3.0, 9.0, 250.0] {
            let whole = |n: u32| (0..n).map(|k| tail(k, mean) - tail(k + 1, mean)).sum::<f64>();
            let far = (mean * 3.0) as u32 + 30;
            assert!((whole(far) - 1.0).abs() < 1e-9, "{mean}");
            let falling: Vec<f64> = (0..far).map(|n| tail(n, mean)).collect();
            assert!(falling.is_sorted_by(|a, b| a >= b), "{mean}");
        }
    }

    #[test]
    fn extremes_are_finite() {
        assert_eq!(tail(4, 0.0), 0.0);
        assert!(sigmas(0.0) > 36.9 && sigmas(1.0) < -8.0);
        assert!(tail(4_000_000, 9.0) == 0.0 && tail(1_000_000, 1_000_000.0) > 0.4);
        assert!(sigmas(tail(62, 9.0)) > 10.0);
        assert!(sigmas(tail(4, MEAN_FLOOR)) < 3.09);
    }
}
