//! How long until a heap that grows reaches its limit.

/// V8 gives up when mark-compacts free next to nothing, which begins at about 80 % of the limit: three processes run to
/// their end at 120 MB died with 96, 98 and 100 MB live.
const EARLIEST_SHARE: f64 = 0.8;
const SECONDS_PER_HOUR: f64 = 3600.0;

/// Seconds until the heap's limit is used up, from the last mark-compact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exhaustion {
    /// At the earliest: at the upper end of the rate, and 80 % of the limit.
    pub earliest_s: f64,
    /// At the latest: at the lower end of the rate, and the whole limit. `None` if the lower end is not above zero.
    pub latest_s: Option<f64>,
}

/// Time to `limit` bytes from `live` bytes at a rate between the ends of `rate`, bytes an hour.
///
/// `None` unless the upper end is above zero.
#[must_use]
pub fn exhaustion(live: f64, limit: f64, rate: [f64; 2]) -> Option<Exhaustion> {
    let seconds = |to: f64, rate: f64| (to - live).max(0.0) / rate * SECONDS_PER_HOUR;
    (rate[1] > 0.0).then(|| Exhaustion {
        earliest_s: seconds(EARLIEST_SHARE * limit, rate[1]),
        latest_s: (rate[0] > 0.0).then(|| seconds(limit, rate[0])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_and_the_open_one() {
        let at = |live, rate| exhaustion(live, 1000.0, rate).map(|e| (e.earliest_s, e.latest_s));
        assert_eq!(at(200.0, [100.0, 200.0]), Some((3.0 * 3600.0, Some(8.0 * 3600.0))));
        assert_eq!(at(200.0, [-1.0, 200.0]), Some((3.0 * 3600.0, None)));
        assert_eq!(at(900.0, [100.0, 100.0]), Some((0.0, Some(3600.0))));
        assert_eq!(at(200.0, [-5.0, 0.0]), None);
    }
}
