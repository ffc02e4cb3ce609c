//! Addresses to functions, files and lines.

use std::{collections::HashMap, ffi::OsStr, os::unix::ffi::OsStrExt};

use blazesym::{
    Pid,
    symbolize::{
        Input, Symbolized, Symbolizer,
        source::{Process, Source},
    },
};

use crate::target::text::printable;

/// Addresses that are remembered: more than a process has call sites of note.
const MOST_REMEMBERED: usize = 20_000;

/// One frame of a native stack. Text of the target: fit to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frame {
    /// The function, demangled.
    pub function: Option<String>,
    /// The file that the code is in, as the process knows it.
    pub module: Option<String>,
    /// The source file, where there is debug information.
    pub file: Option<String>,
    /// The line.
    pub line: Option<u32>,
}

/// Names the addresses of one process.
pub(super) struct Names {
    process: Process,
    symbolizer: Symbolizer,
    known: HashMap<u64, Vec<Frame>>,
}

impl Names {
    /// Of the process `pid`. Files are opened through /proc/PID/map_files: whatever their names mean by now, and to whom.
    pub(super) fn of(pid: u32) -> Self {
        let mut process = Process::new(Pid::from(pid));
        // A file in the target's /tmp, which anyone may write.
        process.perf_map = false;
        Self { process, symbolizer: Symbolizer::new(), known: HashMap::new() }
    }

    /// The functions that the code at these addresses is of, innermost first, down to where JavaScript called them; more
    /// than one an address where calls were inlined.
    pub(super) fn name(&mut self, addresses: &[u64]) -> Vec<Frame> {
        let mut unknown: Vec<u64> =
            addresses.iter().copied().filter(|address| !self.known.contains_key(address)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if self.known.len() + unknown.len() > MOST_REMEMBERED {
            self.known.clear();
            unknown = addresses.to_vec();
        }
        self.look_up(&unknown);
        let frames = addresses.iter().flat_map(|address| self.known.get(address).into_iter().flatten());
        frames.take_while(|frame| frame.module.is_some()).cloned().collect()
    }

    fn look_up(&mut self, addresses: &[u64]) {
        if addresses.is_empty() {
            return;
        }
        let source = Source::Process(self.process.clone());
        let found = self.symbolizer.symbolize(&source, Input::AbsAddr(addresses)).unwrap_or_default();
        let mut found = found.into_iter();
        for address in addresses {
            let frames = found.next().map(frames).unwrap_or_default();
            let frames = if frames.is_empty() { vec![Frame::default()] } else { frames };
            self.known.insert(*address, frames);
        }
    }
}

fn frames(symbolized: Symbolized<'_>) -> Vec<Frame> {
    let Symbolized::Sym(symbol) = symbolized else { return Vec::new() };
    let module = symbol.module.as_deref().map(shown);
    let at = |code: Option<&blazesym::symbolize::CodeInfo<'_>>| {
        (code.map(|code| shown(code.to_path().as_os_str())), code.and_then(|code| code.line))
    };
    // The symbol is the outermost function; where its call stands is said with the first inlined one, and so on inwards.
    let mut places = vec![at(symbol.code_info.as_deref())];
    places.extend(symbol.inlined.iter().map(|inlined| at(inlined.code_info.as_ref())));
    let names = std::iter::once(&symbol.name).chain(symbol.inlined.iter().map(|inlined| &inlined.name));
    let mut frames: Vec<Frame> = names
        .zip(places)
        .map(|(name, (file, line))| Frame {
            function: Some(printable(name.as_bytes())),
            module: module.clone(),
            file,
            line,
        })
        .collect();
    frames.reverse();
    frames
}

fn shown(text: &OsStr) -> String {
    printable(text.as_bytes())
}
