//! A process that has set its title (`process.title = …`), and the arguments that it was started with.
//!
//! libuv writes the title over the arguments in the process's stack and fills the rest with NULs (`uv_set_process_title`,
//! src/unix/proctitle.c). Before that, when Node starts, it copies the arguments (`uv_setup_args`): an array of pointers
//! that ends with a null, the strings right behind it. The static variable `args_mem` leads there; it has a symbol in every
//! release that is not stripped.

use std::{fs::File, os::unix::fs::FileExt, path::PathBuf};

use crate::target::{elf::Elf, file, maps};

/// libuv's variable.
const COPIED: &str = "args_mem";
/// Arguments and bytes of them that are read: a script is among the first.
const MAX_ARGUMENTS: usize = 256;
const MAX_BYTES: usize = 16 << 10;

/// The title in `cmdline`, as /proc/PID/cmdline has it, of a process whose program is called `executable`; `None` if it still
/// shows the arguments.
pub(super) fn title(cmdline: &[u8], executable: &[u8]) -> Option<String> {
    let end = cmdline.iter().rposition(|byte| *byte != 0)? + 1;
    let (text, padding) = (&cmdline[..end], cmdline.len() - end);
    if text.contains(&0) {
        return None;
    }
    let name = text.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    // A program that was started without arguments.
    if padding <= 1 && name == executable {
        return None;
    }
    Some(String::from_utf8_lossy(text).into_owned())
}

/// The arguments that `pid`, which has set its title, was started with; `None` where its program does not tell.
pub(super) fn arguments(pid: u32) -> Option<Vec<String>> {
    let exe = PathBuf::from(format!("/proc/{pid}/exe"));
    let (name, elf) = (std::fs::read_link(&exe).ok()?, Elf::open(&exe).ok()?);
    let symbol = elf.symbols(&[COPIED], |name| name == COPIED).ok()?.into_iter().next()?;
    let maps = maps::of(pid).ok()?;
    let mut mappings = maps.iter().filter(|mapping| mapping.path == name);
    let bias = mappings.find_map(|mapping| elf.bias(mapping.start, mapping.offset))?;
    let memory = file::memory(pid).ok()?;
    let place = word(&read(&memory, symbol.address.wrapping_add(bias), 8)?, 0)?;
    copied(place, &read(&memory, place, MAX_BYTES)?)
}

/// The strings of the array at the address `place`, whose memory begins with `bytes`. Each has to follow the one before it.
fn copied(place: u64, bytes: &[u8]) -> Option<Vec<String>> {
    let count = (0..MAX_ARGUMENTS).position(|at| word(bytes, at) == Some(0))?;
    let mut expected = (count + 1) * 8;
    let mut arguments = Vec::new();
    for at in 0..count {
        let start = usize::try_from(word(bytes, at)?.checked_sub(place)?).ok()?;
        if start != expected {
            return None;
        }
        let Some(length) = bytes.get(start..)?.iter().position(|byte| *byte == 0) else { break };
        arguments.push(String::from_utf8_lossy(&bytes[start..start + length]).into_owned());
        expected = start + length + 1;
    }
    (!arguments.is_empty()).then_some(arguments)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at * 8..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
}

/// Up to `length` bytes at `address`: less where the process has no more there.
fn read(memory: &File, address: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    let read = memory.read_at(&mut bytes, address).ok()?;
    bytes.truncate(read);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_told_from_arguments() {
        for (cmdline, expected) in [
            (&b"node\0/srv/app.js\0"[..], None),
            (b"node\0", None),
            (b"/opt/node/bin/node\0", None),
            (b"", None),
            (b"\0\0", None),
            (b"next-server (v15.0.0)\0\0\0\0", Some("next-server (v15.0.0)")),
            (b"shop-web\0", Some("shop-web")),
            (b"no room for a nul", Some("no room for a nul")),
            (b"node\0\0\0\0\0", Some("node")),
        ] {
            assert_eq!(title(cmdline, b"node").as_deref(), expected, "{cmdline:?}");
        }
    }

    #[test]
    fn copied_arguments_follow_one_another() {
        let block = |pointers: &[u64], text: &[u8]| {
            let words = pointers.iter().flat_map(|word| word.to_le_bytes());
            words.chain(text.iter().copied()).collect::<Vec<u8>>()
        };
        let two = block(&[0x1018, 0x101d, 0], b"node\0/srv/app.js\0");
        assert_eq!(copied(0x1000, &two), Some(vec!["node".to_owned(), "/srv/app.js".to_owned()]));
        let elsewhere = block(&[0x1018, 0x2000, 0], b"node\0/srv/app.js\0");
        assert_eq!((copied(0x1000, &elsewhere), copied(0x1000, &two[..20])), (None, None));
        assert_eq!(copied(0, &[]), None);
    }
}
