//! Copying pages, by several threads, within a time.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    mappings::{self, Mapping},
    remote::{self, Piece},
};

/// Bytes of one system call: a millisecond of copying, in which a pause cannot be ended.
const CALL: usize = 4 << 20;
/// Threads that copy: two are 1.4 times as fast as one (measured on two cores), and the process stands still.
const COPIERS: usize = 2;
/// Bytes that are copied beforehand, to know how fast that is here and now.
const TRIAL: usize = 16 << 20;

const HOUR: Duration = Duration::from_secs(3600);

/// Rooms for pages, with their addresses.
pub(super) type Rooms<'to> = Vec<(u64, &'to mut [u8])>;

/// How much time there is, and how much has gone by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    /// `None`: as much as it takes.
    time: Option<Duration>,
}

impl Clock {
    /// So much time from now on.
    pub(super) fn new(time: Duration) -> Self {
        Self { start: Instant::now(), time: Some(time) }
    }

    /// As much time as it takes.
    pub(super) fn endless() -> Self {
        Self { start: Instant::now(), time: None }
    }

    /// What has gone by.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// When it is over; at the latest in an hour.
    pub(super) fn end(&self) -> Instant {
        self.start + self.time.unwrap_or(HOUR).min(HOUR)
    }

    /// Whether it has run out.
    pub(super) fn is_over(&self) -> bool {
        self.time.is_some_and(|time| self.elapsed() >= time)
    }
}

/// Copies what can be read of pages to `rooms`; `false` if the time was over before.
pub(super) fn copy(pid: u32, rooms: Rooms<'_>, mappings: &[Mapping], clock: &Clock) -> bool {
    let mut pieces = pieces(rooms, mappings);
    copy_pieces(pid, &mut pieces, clock)
}

fn copy_pieces(pid: u32, pieces: &mut [Piece<'_>], clock: &Clock) -> bool {
    let (first, second) = halves(pieces);
    let one = |pieces| remote::read(pid, pieces, CALL, || clock.is_over());
    thread::scope(|scope| {
        let other = scope.spawn(|| one(second));
        let is_done = one(first);
        other.join().unwrap_or(false) && is_done
    })
}

/// Seconds that copying a byte takes.
pub(super) fn trial(pid: u32, rooms: Rooms<'_>, mappings: &[Mapping]) -> f64 {
    let mut pieces = pieces(rooms, mappings);
    let mut bytes = 0;
    let is_enough = |piece: &Piece<'_>| {
        bytes += piece.to.len();
        bytes >= TRIAL
    };
    let count = pieces.iter().position(is_enough).map_or(pieces.len(), |at| at + 1);
    let clock = Clock::endless();
    copy_pieces(pid, &mut pieces[..count], &clock);
    clock.elapsed().as_secs_f64() / bytes.max(1) as f64
}

/// The parts of `rooms` whose pages can be read.
fn pieces<'to>(rooms: Rooms<'to>, mappings: &[Mapping]) -> Vec<Piece<'to>> {
    let mut pieces = Vec::with_capacity(rooms.len());
    for (address, mut room) in rooms {
        let mut at = address;
        for part in mappings::readable(mappings, address..address + room.len() as u64) {
            let cut = |from: u64, to: u64| usize::try_from(to - from).unwrap_or(usize::MAX);
            let (_, from_part) = std::mem::take(&mut room).split_at_mut(cut(at, part.start));
            let (piece, rest) = from_part.split_at_mut(cut(part.start, part.end));
            pieces.push(Piece::new(part.start, piece));
            (room, at) = (rest, part.end);
        }
    }
    pieces
}

/// Two parts with about as many bytes each.
fn halves<'all, 'to>(pieces: &'all mut [Piece<'to>]) -> (&'all mut [Piece<'to>], &'all mut [Piece<'to>]) {
    let all: usize = pieces.iter().map(|piece| piece.to.len()).sum();
    let mut sum = 0;
    let is_half = |piece: &Piece<'_>| {
        sum += piece.to.len();
        sum >= all / COPIERS
    };
    let middle = pieces.iter().position(is_half).map_or(0, |at| at + 1);
    pieces.split_at_mut(middle)
}
