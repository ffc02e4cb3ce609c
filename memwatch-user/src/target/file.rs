//! Other people's files, opened without doing anything to them.
//!
//! What a name leads to is looked at before it is opened: to open a device can do something, and to open a pipe wakes who
//! writes into it, and kills it when we close the pipe again. Only regular files are opened, and only so much is read.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

/// Opens `path`, if it leads to a regular file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    regular(openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens `path` as a process sees it whose root directory is `root`, if it leads to a regular file. Links, absolute ones
/// too, and `..` stay below `root`: without that a link in a container leads to the host's files (openat2(2), Linux 5.6).
pub(crate) fn open_below(root: &Path, path: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = openat(CWD, root, flags | OFlags::DIRECTORY, Mode::empty())?;
    regular(openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)?)
}

/// Reads `file`; an error if it has more than `most` bytes, also if it grows meanwhile.
pub(crate) fn read(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {most} bytes"));
    if file.metadata()?.len() > most {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

/// At most `most` bytes of a file in /proc, whose length is not known before it is read.
pub(crate) fn read_start(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The memory of the process `pid`, to be read. The error of who may not names the capabilities that it takes.
pub(crate) fn memory(pid: u32) -> io::Result<File> {
    File::open(format!("/proc/{pid}/mem")).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => io::Error::new(
            io::ErrorKind::PermissionDenied,
            "no permission: to read the memory of a process of another user takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
        ),
        _ => error,
    })
}

/// The very file that was looked at, whatever its name leads to by now.
fn regular(place: OwnedFd) -> io::Result<File> {
    let place = File::from(place);
    if !place.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    File::open(format!("/proc/self/fd/{}", place.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::{
        env, fs, fs::OpenOptions, os::unix::fs::symlink, path::PathBuf, process, thread, time::Duration,
    };

    use rustix::fs::{FileType, mknodat};

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let directory = env::temp_dir().join(format!("memwatch-{name}-{}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn pipes_and_devices_are_not_opened() {
        let directory = directory("file-pipe");
        let (pipe, link) = (directory.join("pipe"), directory.join("link"));
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        symlink("/dev/null", &link).unwrap();
        // Opening a pipe to write waits until somebody opens it to read.
        let writer = thread::spawn({
            let pipe = pipe.clone();
            move || drop(OpenOptions::new().write(true).open(pipe).unwrap())
        });
        thread::sleep(Duration::from_millis(50));
        let read =
            [&pipe, &link].map(|path| [open(path).is_err(), open_below(Path::new("/"), path).is_err()]);
        thread::sleep(Duration::from_millis(50));
        let woken = writer.is_finished();
        drop((!woken).then(|| File::open(&pipe).unwrap()));
        writer.join().unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!((read, woken), ([[true; 2]; 2], false));
    }

    #[test]
    fn what_is_longer_is_not_read() {
        let directory = directory("file-long");
        fs::write(directory.join("text"), "12345").unwrap();
        let file = open(&directory.join("text")).unwrap();
        assert_eq!(read(&file, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(&open(&directory.join("text")).unwrap(), 5).unwrap(), b"12345");
        assert_eq!(read_start(&directory.join("text"), 2).unwrap(), b"12");
        fs::remove_dir_all(&directory).unwrap();
    }
}
