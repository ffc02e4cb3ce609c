//! The live view on a real (pseudo-)terminal: it draws, and it gives the terminal back on every way out.
//!
//! The test runs itself again as the process behind the terminal. To look at the view, do the same by hand:
//! `MEMWATCH_LIVE_CHILD=look cargo test -p memwatch-user --test report live_on -- --nocapture`.

use std::{
    env,
    io::Read,
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use memwatch_user::report::{
    Sink,
    live::{Beside, Live},
    record::Own,
    sink::Flow,
    time::Time,
};
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize},
};

use crate::stream;

const CHILD: &str = "MEMWATCH_LIVE_CHILD";
/// So much is read at a time.
const PART: usize = 64 << 10;
/// Part of the chart's title.
const DRAWN: &str = "of isolate 1";

#[test]
fn live_on_a_terminal() {
    if let Ok(way_out) = env::var(CHILD) {
        return watch(&way_out);
    }
    for (way_out, key) in [("q", "q"), ("escape", "\x1b"), ("ctrl-c", "\x03"), ("error", ""), ("panic", "")] {
        check(way_out, key);
    }
}

/// The process behind the terminal: replays a stream and leaves by a key, by an error or by a panic.
fn watch(way_out: &str) {
    // Time for a frame passes whenever it is asked for.
    let clock = AtomicI64::new(stream("leak.jsonl").last().unwrap().ts.unix_ms());
    let now = move || Time::from_unix_ms(clock.fetch_add(100, Ordering::Relaxed));
    let own = || Own { cpu_s: 0.02, rss: Some(16_900_000) };
    let mut live = Live::start(true, Beside { now: Box::new(now), own }).unwrap();
    let quit = replay(&mut live, Duration::from_millis(if way_out == "look" { 60 } else { 0 }));
    match way_out {
        "error" => return,
        "panic" => panic!("the panic of the test"),
        _ => while !quit && live.tick().unwrap() != Flow::Quit {},
    }
    live.finish().unwrap();
}

/// Shows a stream, `pause` between two records; true if the user quit meanwhile.
fn replay(live: &mut Live, pause: Duration) -> bool {
    stream("leak.jsonl").iter().any(|record| {
        live.record(record).unwrap();
        std::thread::sleep(pause);
        live.tick().unwrap() == Flow::Quit
    })
}

#[track_caller]
fn check(way_out: &str, key: &str) {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    tcsetwinsize(&controller, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let before = tcgetattr(&controller).unwrap();
    let (mut child, _kept_open) = spawn(&controller, way_out);
    let output = converse(controller.try_clone().unwrap(), &mut child, key);
    assert!(output.contains("\x1b[?1049h") && output.contains(DRAWN), "{way_out}: {output}");
    let (_, after) = output.rsplit_once("\x1b[?1049l").unwrap_or_else(|| panic!("{way_out}: {output}"));
    assert!(after.contains("\x1b[?25h"), "{way_out}: the cursor is back");
    let summary = if key.is_empty() { "" } else { "48213 node server.js" };
    let said = if way_out == "panic" { "the panic of the test" } else { summary };
    assert!(after.contains(said), "{way_out}: {after}");
    let modes = |termios: &Termios| (termios.local_modes, termios.input_modes, termios.output_modes);
    assert_eq!(modes(&tcgetattr(&controller).unwrap()), modes(&before), "{way_out}");
    assert!(before.local_modes.contains(LocalModes::ISIG | LocalModes::ECHO));
}

fn spawn(controller: &OwnedFd, way_out: &str) -> (Child, OwnedFd) {
    let name = ptsname(controller, Vec::new()).unwrap();
    let open = || {
        rustix::fs::open(
            &name,
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY,
            rustix::fs::Mode::empty(),
        )
    };
    let terminal = || Stdio::from(open().unwrap());
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "terminal::live_on_a_terminal", "--nocapture"]).env(CHILD, way_out);
    // While nobody has the other side open, reading from ours fails.
    let kept_open = open().unwrap();
    (command.stdin(terminal()).stdout(terminal()).stderr(terminal()).spawn().unwrap(), kept_open)
}

/// Presses `key` until the process goes, from when the chart is on the screen; everything that was shown.
///
/// Only cells that changed are sent, so no longer text than what never stood there before can be waited for.
fn converse(controller: OwnedFd, child: &mut Child, key: &str) -> String {
    let mut terminal = std::fs::File::from(controller);
    let mut output = Vec::new();
    // Thousands of times what it takes.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("still running after {:?}", String::from_utf8_lossy(&output));
        }
        let gone = child.try_wait().unwrap().is_some();
        output.extend(available(&mut terminal));
        if gone {
            return String::from_utf8_lossy(&output).into_owned();
        }
        if String::from_utf8_lossy(&output).contains(DRAWN) {
            rustix::io::write(&terminal, key.as_bytes()).unwrap();
        }
    }
}

/// What can be read within 50 ms, or a good part of it: a view that is drawn all the time never pauses.
fn available(terminal: &mut std::fs::File) -> Vec<u8> {
    let mut output = Vec::new();
    let ready = |terminal: &std::fs::File| {
        let mut fds = [rustix::event::PollFd::new(terminal, rustix::event::PollFlags::IN)];
        let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        rustix::event::poll(&mut fds, Some(&timeout)).unwrap() > 0
    };
    while output.len() < PART && ready(terminal) {
        let mut bytes = [0; 4096];
        let n = terminal.read(&mut bytes).unwrap();
        output.extend_from_slice(&bytes[..n]);
    }
    output
}
