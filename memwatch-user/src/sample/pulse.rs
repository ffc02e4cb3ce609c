//! Whether a process has done anything since it was last read: most processes of a host wait most of the time, and reading one
//! whole takes some thirty times as long as this (0.2 ms and 7 µs, measured).

use std::{fs::File, io::Read as _, os::fd::OwnedFd, time::Duration};

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::model::Mono;

/// A process that shows no sign of life is read at least so often: what it may use up changes without it.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// A change of the resident set that is none: the kernel's count is off by what each processor has not handed in yet (32 pages,
/// `percpu_counter_batch`).
const STILL_PAGES: u64 = 64;

/// What a process has done by now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Signs {
    /// CPU time, in the kernel's ticks of 10 ms.
    ticks: u64,
    threads: u64,
    /// 0 before Linux 6.2, which does not count them.
    descriptors: u64,
    resident_pages: u64,
    is_stopped: bool,
}

/// What there is to find in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It has done nothing since it was last read.
    None,
    /// Likewise, but that is a while ago: what it may use up can have changed.
    Long,
    /// It has done something, or that cannot be told.
    Some,
}

/// Watches for signs of life of one process.
#[derive(Debug)]
pub(crate) struct Pulse {
    /// Its directory in /proc: a descriptor stands for one process, whatever its pid is used for later.
    directory: Option<OwnedFd>,
    /// As they were when it was last to be read, and when that was.
    last: Option<(Mono, Signs)>,
}

impl Pulse {
    /// Of the process that has `pid` now.
    pub(crate) fn of(pid: u32) -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty());
        Self { directory: directory.ok(), last: None }
    }

    /// Whether it has used 10 ms of CPU time since it was last to be read, or holds visibly more or less. If there is any reason
    /// to, it is to be read now.
    pub(crate) fn signs(&mut self, now: Mono) -> Life {
        let Some(signs) = self.directory.as_ref().and_then(signs) else { return Life::Some };
        let life = match self.last {
            Some((at, last)) if signs.are_still(last) => {
                if now.since(at) < LONGEST_REST {
                    Life::None
                } else {
                    Life::Long
                }
            }
            _ => Life::Some,
        };
        if life != Life::None {
            self.last = Some((now, signs));
        }
        life
    }
}

impl Signs {
    fn are_still(self, last: Self) -> bool {
        let few = self.resident_pages.abs_diff(last.resident_pages) < STILL_PAGES;
        few && Self { resident_pages: last.resident_pages, ..self } == last
    }

    /// Of `/proc/PID/stat` (proc_pid_stat(5)). The name of the process is in parentheses and may hold any of them.
    fn parse(stat: &str, descriptors: u64) -> Option<Self> {
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // The state is the third field of the file.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            ticks: number(14)?.saturating_add(number(15)?),
            threads: number(20)?,
            descriptors,
            resident_pages: number(24)?,
            is_stopped: matches!(*fields.first()?, "T" | "t"),
        })
    }
}

fn signs(directory: &OwnedFd) -> Option<Signs> {
    let stat = rustix::fs::openat(directory, "stat", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = String::with_capacity(512);
    File::from(stat).read_to_string(&mut text).ok()?;
    let descriptors = rustix::fs::statat(directory, "fd", AtFlags::empty()).ok()?.st_size;
    Signs::parse(&text, u64::try_from(descriptors).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::hint;

    use super::*;
    use crate::host::own;

    const STAT: &str = "7 (a) (b)) S 1 7 7 0 -1 4194560 900 0 0 0 25 5 0 0 20 0 11 0 100 1000000 4000 18446744073709551615 1 1";

    #[test]
    fn the_signs_in_a_file() {
        let signs =
            Signs { ticks: 30, threads: 11, descriptors: 20, resident_pages: 4000, is_stopped: false };
        assert_eq!(Signs::parse(STAT, 20), Some(signs));
        let stopped = STAT.replace(" S ", " T ");
        assert_eq!(Signs::parse(&stopped, 20), Some(Signs { is_stopped: true, ..signs }));
        for cut in ["", "7 (a) S", "7 (a", &STAT[..60]] {
            assert_eq!(Signs::parse(cut, 20), None, "{cut}");
        }
    }

    #[test]
    fn what_counts_as_a_sign_of_life() {
        let before =
            Signs { ticks: 30, threads: 11, descriptors: 20, resident_pages: 4000, is_stopped: false };
        let few = Signs { resident_pages: 4063, ..before };
        assert!(before.are_still(before) && few.are_still(before));
        let moved = [
            Signs { ticks: 31, ..before },
            Signs { threads: 10, ..before },
            Signs { descriptors: 21, ..before },
            Signs { resident_pages: 3936, ..before },
            Signs { is_stopped: true, ..before },
        ];
        assert!(moved.into_iter().all(|now| !now.are_still(before)));
    }

    #[test]
    fn we_move_and_nobody_knows_of_the_dead() {
        let mut pulse = Pulse::of(std::process::id());
        assert_eq!(pulse.signs(Mono(0)), Life::Some);
        let until = own::cpu_seconds() + 0.03;
        while own::cpu_seconds() < until {
            hint::spin_loop();
        }
        assert_eq!(pulse.signs(Mono(1)), Life::Some);
        let mut nobody = Pulse::of(u32::MAX);
        assert_eq!([0, 1].map(|at| nobody.signs(Mono(at))), [Life::Some; 2]);
    }

    #[test]
    fn who_stands_still_is_read_after_a_while() -> Result<(), std::io::Error> {
        let mut sleeper = std::process::Command::new("sleep").arg("60").spawn()?;
        // Until it sleeps: its loader moves.
        let mut pulse = Pulse::of(sleeper.id());
        let settled = (0..1000_u64).find(|n| {
            std::thread::sleep(Duration::from_millis(20));
            pulse.signs(Mono(*n)) == Life::None
        });
        let second = 1_000_000_000;
        let later = [9, 10, 11, 20].map(|seconds| pulse.signs(Mono(seconds * second + 1000)));
        sleeper.kill()?;
        sleeper.wait()?;
        assert!(settled.is_some());
        assert_eq!(later, [Life::None, Life::Long, Life::None, Life::Long]);
        Ok(())
    }
}
