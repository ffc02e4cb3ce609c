//! Addresses to functions, files and lines.

use std::{
    collections::HashMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

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

/// What was read of files is given back when nobody has asked for so long: 18 MB of one Node (measured).
const IDLE: Duration = Duration::from_secs(30);

/// The way to the thread that reads the symbols of files for everybody, once it runs: what was read of a file serves all processes
/// that run it, and cannot be shared between threads.
static READER: Mutex<Option<Sender<Question>>> = Mutex::new(None);

/// Addresses in a process, and whom to tell what they are of.
struct Question {
    pid: u32,
    addresses: Vec<u64>,
    answer: Sender<Vec<Vec<Frame>>>,
}

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
    pid: u32,
    known: HashMap<u64, Vec<Frame>>,
}

impl Names {
    /// Of the process `pid`.
    pub(super) fn of(pid: u32) -> Self {
        Self { pid, known: HashMap::new() }
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
        let mut found = ask(self.pid, addresses).into_iter();
        for address in addresses {
            let frames = found.next().filter(|frames| !frames.is_empty());
            self.known.insert(*address, frames.unwrap_or_else(|| vec![Frame::default()]));
        }
    }
}

/// The frames at each of the addresses; none if there is no answer.
fn ask(pid: u32, addresses: &[u64]) -> Vec<Vec<Frame>> {
    let (answer, answered) = mpsc::channel();
    let question = Question { pid, addresses: addresses.to_vec(), answer };
    let mut reader = READER.lock().unwrap_or_else(PoisonError::into_inner);
    if reader.is_none() {
        let (sender, questions) = mpsc::channel();
        let started = thread::Builder::new().name("symbols".to_owned()).spawn(move || read(&questions));
        *reader = started.map(|_| sender).ok();
    }
    let _no_thread = reader.as_ref().map(|reader| reader.send(question));
    drop(reader);
    answered.recv().unwrap_or_default()
}

/// Answers for as long as we run. A question that makes blazesym panic has no answer; the next one has.
fn read(questions: &Receiver<Question>) {
    let mut symbolizer = None;
    loop {
        match questions.recv_timeout(IDLE) {
            Ok(question) => {
                let with = symbolizer.take().unwrap_or_default();
                symbolizer = catch_unwind(AssertUnwindSafe(|| answer(with, &question))).ok();
            }
            Err(RecvTimeoutError::Timeout) => symbolizer = None,
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn answer(symbolizer: Symbolizer, question: &Question) -> Symbolizer {
    let _nobody_waits = question.answer.send(symbolized(&symbolizer, question));
    symbolizer
}

/// Files are opened through /proc/PID/map_files: whatever their names mean by now, and to whom.
fn symbolized(symbolizer: &Symbolizer, question: &Question) -> Vec<Vec<Frame>> {
    let mut process = Process::new(Pid::from(question.pid));
    // A file in the target's /tmp, which anyone may write.
    process.perf_map = false;
    let found = symbolizer.symbolize(&Source::Process(process), Input::AbsAddr(&question.addresses));
    found.unwrap_or_default().into_iter().map(frames).collect()
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
