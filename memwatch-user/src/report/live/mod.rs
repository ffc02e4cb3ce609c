//! The live view: a terminal that people would rather look at than read.
//!
//! [`view`] is what the user looks at, [`draw`] turns it and the state into a frame (both pure), `terminal` owns the
//! terminal, and [`Live`] connects them. Its owner's loop selects over records, [`Live::next_key`] and a ticker.

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
};

use crossterm::event::{Event, EventStream};
use tokio_stream::StreamExt;

use super::{
    Sink,
    record::{Own, Record},
    state::State,
    summary,
    time::Time,
};
use terminal::Screen;
use view::{Flow, View};

/// Shortest time between two frames: faster than this nobody reads, and a storm of collections must not become a storm
/// of frames.
const FRAME_MS: u64 = 100;
/// Longest time between two frames: the clocks on the screen show seconds.
const CLOCK_MS: u64 = 1_000;

/// Shows records on the terminal.
pub struct Live {
    /// Until the view is over.
    screen: Option<Screen>,
    keys: EventStream,
    state: State,
    view: View,
    drawn: Option<Time>,
    changed: bool,
    color: bool,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("view", &self.view)
            .field("changed", &self.changed)
            .finish_non_exhaustive()
    }
}

impl Live {
    /// Takes the terminal over; it is given back by [`Sink::finish`], or when this is dropped, or on a panic.
    pub fn start(color: bool) -> io::Result<Self> {
        crossterm::style::force_color_output(color);
        Ok(Self {
            screen: Some(Screen::take()?),
            keys: EventStream::new(),
            state: State::default(),
            view: View::default(),
            drawn: None,
            changed: true,
            color,
        })
    }

    /// It is `now`: draws if something changed, at most every [`FRAME_MS`], so call it at least that often.
    pub fn tick(&mut self, now: Time) -> io::Result<()> {
        self.state.tick(now);
        let since = self.drawn.map_or(u64::MAX, |drawn| now.unix_ms().abs_diff(drawn.unix_ms()));
        if since < FRAME_MS || !self.changed && since < CLOCK_MS {
            return Ok(());
        }
        self.drawn = Some(now);
        self.draw()
    }

    /// What watching cost us so far.
    pub fn own(&mut self, own: Own) {
        self.state.own = Some(own);
    }

    /// Waits for the next key or change of size and acts on it. Cancel safe: a key that was not returned is not lost.
    pub async fn next_key(&mut self) -> io::Result<Flow> {
        let flow = match self.keys.next().await {
            Some(Ok(Event::Key(key))) => self.view.key(key, &self.state),
            Some(Err(error)) => return Err(error),
            // The terminal is gone.
            None => return Ok(Flow::Quit),
            Some(Ok(_)) => Flow::Continue,
        };
        self.draw()?;
        Ok(flow)
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
}
