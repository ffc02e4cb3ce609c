//! Whether a process can be read, and why not.

use std::{fs, io};

use super::TakeError;

/// An error if `pid` is gone or stopped.
pub(super) fn can_be_read(pid: u32) -> Result<(), TakeError> {
    match state(pid) {
        None | Some('Z' | 'X') => Err(TakeError::Gone { pid }),
        Some('T') => Err(TakeError::IsStopped { pid }),
        Some(_) => Ok(()),
    }
}

/// Why something of `pid` cannot be read.
pub(super) fn unreadable(pid: u32, error: &io::Error) -> TakeError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => TakeError::Forbidden { pid },
        _ => TakeError::Gone { pid },
    }
}

/// The letter of its state in /proc/PID/status.
fn state(pid: u32) -> Option<char> {
    field(pid, "State:")?.chars().next()
}

/// Who has `pid` under ptrace.
pub(super) fn tracer(pid: u32) -> Option<u32> {
    field(pid, "TracerPid:")?.parse().ok().filter(|tracer| *tracer != 0)
}

fn field(pid: u32, name: &str) -> Option<String> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    Some(status.lines().find_map(|line| line.strip_prefix(name))?.trim().to_owned())
}
