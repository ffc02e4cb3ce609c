//! A load on an HTTP server that remembers when each request was answered and how long that took: what happens now and
//! then can be told from what happens all the time, which no two runs one after another can on a machine that others use.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
/// An answer that takes longer than this never comes.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// One request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answered {
    /// When the answer was there, nanoseconds of the monotonic clock.
    pub(super) at_ns: u64,
    /// How long after the request.
    pub(super) took_ns: u64,
}

/// As many requests as the server on this port takes for `time` over so many connections, in the order of their answers.
pub(super) fn made(port: &str, connections: usize, time: Duration) -> Result<Vec<Answered>> {
    let mut connections: Vec<Connection> =
        (0..connections).map(|_| Connection::open(port)).collect::<Result<_>>()?;
    let until_ns = now_ns() + u64::try_from(time.as_nanos())?;
    let mut answered = Vec::new();
    while now_ns() < until_ns {
        for ready in ready(&connections)? {
            answered.extend(connections[ready].read()?);
        }
    }
    Ok(answered)
}

/// Which connections have something to read.
fn ready(connections: &[Connection]) -> Result<Vec<usize>> {
    let mut polled: Vec<PollFd> =
        connections.iter().map(|one| PollFd::new(&one.stream, PollFlags::IN)).collect();
    ensure!(poll(&mut polled, Some(&PATIENCE))? > 0, "the server does not answer");
    let is_ready = |(i, one): (usize, &PollFd)| (!one.revents().is_empty()).then_some(i);
    Ok(polled.iter().enumerate().filter_map(is_ready).collect())
}

/// Nanoseconds of the monotonic clock, which the tool's times are of as well.
fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// A connection with one request on its way.
struct Connection {
    stream: TcpStream,
    asked_ns: u64,
    answer: Vec<u8>,
}

impl Connection {
    fn open(port: &str) -> Result<Self> {
        let stream =
            TcpStream::connect(format!("127.0.0.1:{port}")).context("the server takes no connection")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut connection = Self { stream, asked_ns: 0, answer: Vec::new() };
        connection.ask()?;
        Ok(connection)
    }

    fn ask(&mut self) -> Result<()> {
        self.answer.clear();
        self.asked_ns = now_ns();
        self.stream.write_all(REQUEST).context("the server takes no request")
    }

    /// Reads what is there; if that completes the answer, asks again.
    fn read(&mut self) -> Result<Option<Answered>> {
        let mut some = [0; 4096];
        match self.stream.read(&mut some) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(count) => self.answer.extend_from_slice(&some[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("cannot read an answer"),
        }
        if !is_whole(&self.answer) {
            return Ok(None);
        }
        let at_ns = now_ns();
        let answered = Answered { at_ns, took_ns: at_ns - self.asked_ns };
        self.ask()?;
        Ok(Some(answered))
    }
}

/// Whether a body has the length that the head says.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is_there() {
        for (answer, expected) in [
            ("", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", false),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", true),
            ("HTTP/1.1 200 OK\r\n\r\nabc", false),
        ] {
            assert_eq!(is_whole(answer.as_bytes()), expected, "{answer:?}");
        }
    }
}
