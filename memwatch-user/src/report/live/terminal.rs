//! The terminal: taken over, and given back as it was on every way out, a panic included.

use std::{
    io::{self, BufWriter, Stdout},
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::{
    cursor, execute, queue,
    terminal::{
        self, BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    },
};
use ratatui::{Frame, Terminal, backend::CrosstermBackend};

/// Whether the terminal is ours: the panic hook and [`Screen`] give it back once between them.
static OURS: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours.
#[derive(Debug)]
pub(super) struct Screen {
    /// Buffered: a frame is one write, so that the terminal never shows half of it.
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Takes the terminal over: raw mode, alternate screen, no cursor.
    pub(super) fn take() -> io::Result<Self> {
        give_back_on_panic();
        OURS.store(true, Ordering::SeqCst);
        take().inspect_err(|_| give_back())?;
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout()));
        Ok(Self { terminal: Terminal::new(backend).inspect_err(|_| give_back())? })
    }

    /// Draws one frame; what did not change since the last one is not sent.
    ///
    /// The synchronized update (`CSI ? 2026 h`) has terminals that know it show the frame at once; others ignore it.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(render)?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)
}

/// Gives the terminal back if it is ours. Errors have nowhere to go: the terminal is what they would be shown on.
fn give_back() {
    if OURS.swap(false, Ordering::SeqCst) {
        let _gone = execute!(io::stdout(), EndSynchronizedUpdate, LeaveAlternateScreen, cursor::Show);
        let _gone = terminal::disable_raw_mode();
    }
}

/// Lets the terminal edit lines again, where it takes no output (Ctrl-S) so that nothing more can be done.
pub fn leave_raw_mode() {
    // The terminal is where an error would be shown.
    let _gone = terminal::disable_raw_mode();
}

/// The message of a panic would be lost with the alternate screen.
fn give_back_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            next(panic);
        }));
    });
}
