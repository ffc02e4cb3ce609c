//! Sizes, rates and spans of time as people read them.
//!
//! Sizes are decimal: 1 kB is 1 000 bytes, 1 MB is 1 000 000, as in SI and as in the bytes of the JSON records, so a
//! figure on the screen is one in the record with the point moved. (V8's `--trace-gc` prints 1 048 576 as `1.0 MB`.)

const SIZE_UNITS: [(f64, &str); 5] = [(1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];

/// The unit in which `bytes` has one to three digits before the point, with its size; `None` below 1 kB.
fn size_unit(bytes: f64) -> Option<(f64, &'static str)> {
    // From 999.95 of a unit on, one decimal rounds up to the next.
    SIZE_UNITS.into_iter().find(|(size, _)| bytes.abs() >= size * 0.999_95)
}

fn in_unit(bytes: f64, unit: Option<(f64, &'static str)>) -> String {
    unit.map_or_else(|| format!("{bytes:.0}"), |(size, _)| format!("{:.1}", bytes / size))
}

fn unit_name(unit: Option<(f64, &'static str)>) -> &'static str {
    unit.map_or("B", |(_, name)| name)
}

/// `812 B`, `48.2 MB`.
#[must_use]
pub(crate) fn bytes(bytes: u64) -> String {
    size(bytes as f64)
}

/// [`bytes`] of what need not be whole.
#[must_use]
pub(crate) fn size(bytes: f64) -> String {
    let unit = size_unit(bytes);
    format!("{} {}", in_unit(bytes, unit), unit_name(unit))
}

/// `48.2 → 31.0 MB`: two sizes in the unit of the larger.
#[must_use]
pub(crate) fn change(before: u64, after: u64) -> String {
    let unit = size_unit(before.max(after) as f64);
    format!("{} → {} {}", in_unit(before as f64, unit), in_unit(after as f64, unit), unit_name(unit))
}

/// `(-17.2)`: the difference in the unit that [`change`] names.
#[must_use]
pub(crate) fn difference(before: u64, after: u64) -> String {
    let unit = size_unit(before.max(after) as f64);
    let difference = in_unit(after as f64 - before as f64, unit);
    if difference.starts_with('-') { difference } else { format!("+{difference}") }
}

/// Sizes along an axis: all in the unit of the largest, with as many decimals as `step` between two of them needs.
#[must_use]
pub(crate) fn axis(sizes: &[f64], step: f64) -> Vec<String> {
    let unit = size_unit(sizes.iter().copied().fold(0.0, f64::max));
    let size = unit.map_or(1.0, |(size, _)| size);
    let decimals = if step >= size {
        0
    } else if step * 10.0 >= size {
        1
    } else {
        2
    };
    sizes.iter().map(|value| format!("{:.decimals$} {}", value / size, unit_name(unit))).collect()
}

/// `+11.7 MB/h`, from bytes an hour.
#[must_use]
pub(crate) fn rate(bytes_per_hour: f64) -> String {
    let sign = if bytes_per_hour < 0.0 { "-" } else { "+" };
    format!("{sign}{}/h", size(bytes_per_hour.abs()))
}

/// `312`, `0.4`: a number of things, which as a mean need not be whole.
#[must_use]
pub(crate) fn count(things: f64) -> String {
    let is_whole = things.abs() >= 10.0 || things.fract() == 0.0;
    if is_whole { format!("{things:.0}") } else { format!("{things:.1}") }
}

/// `1 sample`, `120 samples`: a number of things with their name.
#[must_use]
pub(crate) fn things(number: u64, thing: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{s}")
}

/// `+28800/h`, from things an hour.
#[must_use]
pub(crate) fn count_rate(per_hour: f64) -> String {
    let sign = if per_hour < 0.0 { "-" } else { "+" };
    format!("{sign}{}/h", count(per_hour.abs()))
}

/// `28700 … 28900/h`; an open end is said in words; `None` if both ends are.
#[must_use]
pub(crate) fn count_rate_interval(interval: [Option<f64>; 2]) -> Option<String> {
    match interval.map(|end| end.map(count)) {
        [Some(low), Some(high)] => Some(format!("{low} … {high}/h")),
        [Some(low), None] => Some(format!("at least {low}/h")),
        [None, Some(high)] => Some(format!("at most {high}/h")),
        [None, None] => None,
    }
}

/// `10.9 … 12.5 MB/h`; an open end is said in words; `None` if both ends are.
#[must_use]
pub(crate) fn rate_interval(interval: [Option<f64>; 2]) -> Option<String> {
    match interval {
        [Some(low), Some(high)] => {
            let unit = size_unit(low.abs().max(high.abs()));
            Some(format!("{} … {} {}/h", in_unit(low, unit), in_unit(high, unit), unit_name(unit)))
        }
        [Some(low), None] => Some(format!("at least {}/h", size(low))),
        [None, Some(high)] => Some(format!("at most {}/h", size(high))),
        [None, None] => None,
    }
}

const SPANS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];

/// `45 s`, `3m 12s`, `3h 12m`, `5d 4h`: the two largest units; whole seconds.
#[must_use]
pub(crate) fn span(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, which is what is wanted"
    )]
    let seconds = seconds.round() as u64;
    let Some(first) = SPANS.iter().position(|(size, _)| seconds >= *size && *size > 1) else {
        return format!("{seconds} s");
    };
    let ((large, large_name), (small, small_name)) = (SPANS[first], SPANS[first + 1]);
    let rest = seconds % large / small;
    match (seconds / large, rest) {
        // Nobody plans by the hour of a day that is a year off.
        (n @ 100.., _) if large_name == "d" => format!("{n}d"),
        (n, 0) => format!("{n}{large_name}"),
        (n, rest) => format!("{n}{large_name} {rest}{small_name}"),
    }
}

/// `2h 58m … 3h 30m`; an open end is said in words; `None` if both ends are.
#[must_use]
pub(crate) fn span_interval(interval: [Option<f64>; 2]) -> Option<String> {
    match interval {
        [Some(low), Some(high)] if span(low) == span(high) => Some(span(low)),
        [Some(low), Some(high)] => Some(format!("{} … {}", span(low), span(high))),
        [Some(low), None] => Some(format!("at least {}", span(low))),
        [None, Some(high)] => Some(format!("at most {}", span(high))),
        [None, None] => None,
    }
}

/// `850 µs`, `12.3 ms`, `1.24 s`.
#[must_use]
pub(crate) fn pause(us: u64) -> String {
    match us {
        0..=999 => format!("{us} µs"),
        1_000..=999_949 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

/// `0.8 %`, `62 %`: percent of a share between 0 and 1.
#[must_use]
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: Copy + std::fmt::Debug>(format: impl Fn(T) -> String, cases: &[(T, &str)]) {
        for (input, expected) in cases {
            assert_eq!(format(*input), *expected, "{input:?}");
        }
    }

    #[test]
    fn one_thing_or_several() {
        check(|number| things(number, "block"), &[(0, "0 blocks"), (1, "1 block"), (2, "2 blocks")]);
    }

    #[test]
    fn sizes() {
        check(
            bytes,
            &[
                (0, "0 B"),
                (812, "812 B"),
                (1_000, "1.0 kB"),
                (999_940, "999.9 kB"),
                (999_960, "1.0 MB"),
                (48_200_000, "48.2 MB"),
                (4_144_000_000, "4.1 GB"),
                (u64::MAX, "18446.7 PB"),
            ],
        );
        check(|(a, b)| change(a, b), &[((48_200_000, 900_000), "48.2 → 0.9 MB"), ((5, 7), "5 → 7 B")]);
        check(
            |(a, b)| difference(a, b),
            &[
                ((48_200_000, 31_000_000), "-17.2"),
                ((1_000_000, 2_500_000), "+1.5"),
                ((2_000_000, 2_000_000), "+0.0"),
            ],
        );
    }

    #[test]
    fn axes() {
        assert_eq!(axis(&[0.0, 20e6, 40e6], 20e6), ["0 MB", "20 MB", "40 MB"]);
        assert_eq!(axis(&[0.0, 0.5e9, 1e9], 0.5e9), ["0.0 GB", "0.5 GB", "1.0 GB"]);
        assert_eq!(axis(&[31e6, 31.05e6], 5e4), ["31.00 MB", "31.05 MB"]);
    }

    #[test]
    fn rates() {
        check(rate, &[(11_700_000.0, "+11.7 MB/h"), (-950.0, "-950 B/h"), (0.0, "+0 B/h")]);
        let shown = |interval| rate_interval(interval).unwrap_or_default();
        check(
            shown,
            &[
                ([Some(10.9e6), Some(12.5e6)], "10.9 … 12.5 MB/h"),
                ([Some(-0.2e6), Some(1.1e6)], "-0.2 … 1.1 MB/h"),
                ([Some(10.9e6), None], "at least 10.9 MB/h"),
                ([None, Some(10.9e6)], "at most 10.9 MB/h"),
                ([None, None], ""),
            ],
        );
    }

    #[test]
    fn spans() {
        check(
            span,
            &[
                (-1.0, "0 s"),
                (59.4, "59 s"),
                (59.6, "1m"),
                (192.0, "3m 12s"),
                (11_520.0, "3h 12m"),
                (3_600.0, "1h"),
                (446_400.0, "5d 4h"),
                (8_640_000.0 + 3_600.0, "100d"),
                (f64::NAN, "0 s"),
            ],
        );
        let shown = |interval| span_interval(interval).unwrap_or_default();
        check(
            shown,
            &[
                ([Some(10_680.0), Some(12_600.0)], "2h 58m … 3h 30m"),
                ([Some(60.0), Some(60.2)], "1m"),
                ([Some(60.0), None], "at least 1m"),
                ([None, Some(60.0)], "at most 1m"),
                ([None, None], ""),
            ],
        );
        check(pause, &[(850, "850 µs"), (12_345, "12.3 ms"), (999_960, "1.00 s"), (1_240_000, "1.24 s")]);
        check(percent, &[(0.008, "0.8 %"), (0.0996, "10 %"), (0.62, "62 %")]);
    }
}
