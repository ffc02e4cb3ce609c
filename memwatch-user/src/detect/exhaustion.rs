//! How long until what grows has used up what it grows in.

use crate::vocabulary::Resource;

/// V8 gives up when mark-compacts free next to nothing, which begins at about 80 % of the limit: three processes run to
/// their end at 120 MB died with 96, 98 and 100 MB live.
const EARLIEST_SHARE: f64 = 0.8;
const SECONDS_PER_HOUR: f64 = 3600.0;
/// See [`Exhaustion::within_a_week`].
const WEEK_S: f64 = 7.0 * 86_400.0;

/// Seconds until a resource is used up, from the last point of the series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exhaustion {
    /// Which.
    pub of: Resource,
    /// At the earliest: at the upper end of the rate; of a heap, and 80 % of the limit.
    pub earliest_s: f64,
    /// At the latest: at the lower end of the rate, and the whole limit. `None` if the lower end is not above zero.
    pub latest_s: Option<f64>,
}

impl Exhaustion {
    /// Whichever of two may come first.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        if other.earliest_s < self.earliest_s { other } else { self }
    }

    /// As far as it can be told: what was watched for minutes or hours says nothing of the week after next.
    #[must_use]
    pub fn within_a_week(self) -> Option<Self> {
        let latest_s = self.latest_s.filter(|latest| *latest <= WEEK_S);
        (self.earliest_s <= WEEK_S).then_some(Self { latest_s, ..self })
    }
}

/// Time to a heap's `limit` bytes from `live` bytes at a rate between the ends of `rate`, bytes an hour.
///
/// `None` unless the upper end is above zero.
#[must_use]
pub(crate) fn exhaustion(live: f64, limit: f64, rate: [f64; 2]) -> Option<Exhaustion> {
    until(Resource::HeapLimit, [EARLIEST_SHARE * limit - live, limit - live], rate)
}

/// Time until `left` of a resource is gone, the least and the most that it can be, at a rate between the ends of
/// `rate`, in the same unit an hour.
///
/// `None` unless the upper end is above zero.
#[must_use]
pub(crate) fn until(of: Resource, left: [f64; 2], rate: [f64; 2]) -> Option<Exhaustion> {
    let seconds = |left: f64, rate: f64| left.max(0.0) / rate * SECONDS_PER_HOUR;
    (rate[1] > 0.0).then(|| Exhaustion {
        of,
        earliest_s: seconds(left[0], rate[1]),
        latest_s: (rate[0] > 0.0).then(|| seconds(left[1], rate[0])),
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

    #[test]
    fn nothing_is_told_of_the_week_after_next() {
        let days = |earliest: f64, latest: f64| {
            let [earliest_s, latest_s] = [earliest, latest].map(|days| days * 86_400.0);
            Exhaustion { of: Resource::Host, earliest_s, latest_s: Some(latest_s) }.within_a_week()
        };
        assert_eq!(days(2.0, 5.0).map(|left| left.latest_s), Some(Some(5.0 * 86_400.0)));
        assert_eq!(days(2.0, 9.0).map(|left| left.latest_s), Some(None));
        assert_eq!(days(8.0, 9.0), None);
    }

    #[test]
    fn the_one_that_may_come_first_is_named() {
        let cgroup = until(Resource::Cgroup, [50.0; 2], [50.0, 100.0]).unwrap();
        let host = until(Resource::Host, [500.0; 2], [50.0, 100.0]).unwrap();
        assert_eq!((cgroup.earliest_s, cgroup.latest_s), (1800.0, Some(3600.0)));
        assert_eq!((host.earlier(cgroup), cgroup.earlier(host)), (cgroup, cgroup));
    }
}
