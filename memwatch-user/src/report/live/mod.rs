//! The live view: a terminal that people would rather look at than read.
//!
//! [`view`] is what the user looks at, [`draw`] turns it and the state into a frame (both pure), `terminal` owns the
//! terminal, and [`Live`] connects them: it takes records, reads keys and draws, on one thread.

mod chart;
mod columns;
pub mod draw;
mod footer;
mod header;
mod help;
mod isolates;
mod memory;
mod style;
mod targets;
mod terminal;
mod verdict;
pub mod view;

use std::{
    fmt,
    io::{self, Write},
    time::Duration,
};

use crossterm::event::{self, Event};

use super::{
    record::{Own, Record},
    sink::{Flow, Sink},
    state::State,
    summary,
    time::Time,
};
use terminal::Screen;
use view::View;

pub use terminal::leave_raw_mode;

/// Shortest time between two frames: faster than this nobody reads, and a storm of collections must not become a storm
/// of frames.
const FRAME_MS: u64 = 100;
/// Longest time between two frames: the clocks on the screen show seconds.
const CLOCK_MS: u64 = 1_000;
/// How long a key may wait: nobody notices.
const PERIOD: Duration = Duration::from_millis(40);

/// What the view shows beside records.
pub struct Beside {
    /// Now, on the calendar that records are dated by.
    pub now: Box<dyn Fn() -> Time + Send>,
    /// What watching cost us so far.
    pub own: fn() -> Own,
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").finish_non_exhaustive()
    }
}

/// Shows records on the terminal.
#[derive(Debug)]
pub struct Live {
    /// Until the view is over.
    screen: Option<Screen>,
    beside: Beside,
    state: State,
    view: View,
    drawn: Option<Time>,
    changed: bool,
    color: bool,
}

impl Live {
    /// Takes the terminal over; it is given back by [`Sink::finish`], or when this is dropped, or on a panic.
    pub fn start(color: bool, beside: Beside) -> io::Result<Self> {
        crossterm::style::force_color_output(color);
        Ok(Self {
            screen: Some(Screen::take()?),
            beside,
            state: State::default(),
            view: View::default(),
            drawn: None,
            changed: true,
            color,
        })
    }

    /// Takes in the keys that were pressed, and changes of size.
    fn keys(&mut self) -> io::Result<Flow> {
        while event::poll(Duration::ZERO)? {
            let event = event::read()?;
            self.changed = true;
            self.drawn = None;
            if let Event::Key(key) = event
                && self.view.key(key, &self.state) == Flow::Quit
            {
                return Ok(Flow::Quit);
            }
        }
        Ok(Flow::Continue)
    }

    /// Draws if something changed, at most every [`FRAME_MS`].
    fn show(&mut self) -> io::Result<()> {
        let now = (self.beside.now)();
        self.state.tick(now);
        let since = self.drawn.map_or(u64::MAX, |drawn| now.unix_ms().abs_diff(drawn.unix_ms()));
        if since < FRAME_MS || !self.changed && since < CLOCK_MS {
            return Ok(());
        }
        self.drawn = Some(now);
        self.state.own = Some((self.beside.own)());
        self.draw()
    }

    fn draw(&mut self) -> io::Result<()> {
        self.changed = false;
        let (state, view) = (&self.state, &self.view);
        self.screen.as_mut().map_or(Ok(()), |screen| screen.draw(|frame| draw::draw(frame, state, view)))
    }
}

impl Sink for Live {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        self.state.record(record);
        self.changed = true;
        Ok(())
    }

    /// Gives the terminal back and leaves the summary on it.
    fn finish(&mut self) -> io::Result<()> {
        self.screen = None;
        let mut out = io::stdout().lock();
        out.write_all(summary::summary(&self.state, self.color).as_bytes())?;
        out.flush()
    }

    fn period(&self) -> Option<Duration> {
        Some(PERIOD)
    }

    fn tick(&mut self) -> io::Result<Flow> {
        let flow = self.keys()?;
        self.show()?;
        Ok(flow)
    }
}
