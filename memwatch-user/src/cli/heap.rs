//! The `heap` commands: what was typed, checked.

use std::time::Duration;

use super::{
    heap_args::{HeapArgs, HeapCommand},
    output::OutputArgs,
    values::{Usage, duration, pid},
};

/// The longest that a process may be stopped when nobody says otherwise.
const AUTO_PAUSE: Duration = Duration::from_millis(50);
/// Takes of one comparison: what happened in between is asked with two or three.
const MOST_WAITS: usize = 2;

/// A question about the heap of a process.
#[derive(Clone, Debug)]
pub struct Heap {
    /// Whose.
    pub pid: u32,
    /// For how long it may be stopped; `None` if not at all.
    pub pause: Option<Duration>,
    /// Whether keys may be read.
    pub keys: bool,
    /// How to show it.
    pub output: OutputArgs,
    /// What is asked.
    pub question: Question,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// What is in it, and who holds it.
    Summary {
        /// What Node and V8 hold for themselves, too.
        internal: bool,
    },
    /// What grew.
    Diff(Wait),
    /// Why objects are alive.
    Paths(Wanted),
    /// What there is unusually much of.
    Find,
}

/// How long to wait between takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// So long, one or two times.
    Times(Vec<Duration>),
    /// Until Enter is pressed.
    UntilEnter,
}

/// Which objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Those of a class.
    Class(String),
    /// The one at an address.
    Address(u64),
}

/// Reads what was typed behind `heap`.
pub(super) fn heap(args: HeapArgs) -> Result<Heap, Usage> {
    let (take, question) = match args.question {
        None => (args.take, Question::Summary { internal: args.internal }),
        Some(HeapCommand::Diff(args)) => (args.take, Question::Diff(wait(&args.wait, args.until_enter)?)),
        Some(HeapCommand::Paths(args)) => (args.take, Question::Paths(wanted(args.what)?)),
        Some(HeapCommand::Find(args)) => (args.take, Question::Find),
    };
    let whose =
        take.pid.ok_or_else(|| Usage::new("whose heap? --pid PID; `memwatch-bpf heap --help` shows more"))?;
    Ok(Heap { pid: pid(&whose)?, pause: pause(&take.pause)?, keys: take.keys, output: take.output, question })
}

fn pause(text: &str) -> Result<Option<Duration>, Usage> {
    match text {
        "none" => Ok(None),
        "auto" => Ok(Some(AUTO_PAUSE)),
        _ => duration("--pause", text).map(Some),
    }
}

fn wait(text: &str, until_enter: bool) -> Result<Wait, Usage> {
    if until_enter {
        return Ok(Wait::UntilEnter);
    }
    let waits: Vec<Duration> =
        text.split(',').map(|part| duration("--wait", part)).collect::<Result<_, _>>()?;
    if waits.len() > MOST_WAITS {
        return Err(Usage::new(format!("--wait {text}: at most two times, for three takes")));
    }
    Ok(Wait::Times(waits))
}

fn wanted(text: String) -> Result<Wanted, Usage> {
    let Some(address) = text.strip_prefix('@') else { return Ok(Wanted::Class(text)) };
    let digits = address.strip_prefix("0x").unwrap_or(address);
    u64::from_str_radix(digits, 16).map(Wanted::Address).map_err(|_| {
        Usage::new(format!("{}: not an address in hexadecimal, such as @1f2e3d4c5b68", text.escape_debug()))
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{
        super::job::{Job, from_command_line},
        *,
    };

    fn parse(line: &str) -> Result<Heap, Usage> {
        match from_command_line(line.split(' ').map(OsString::from))? {
            Job::Heap(heap) => Ok(heap),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_question_has_its_command() {
        let asks = |line: &str| parse(line).unwrap().question;
        let times = |seconds: &[u64]| Wait::Times(seconds.iter().copied().map(Duration::from_secs).collect());
        assert_eq!(asks("memwatch-bpf heap --pid 7"), Question::Summary { internal: false });
        assert_eq!(asks("memwatch-bpf heap --pid 7 --internal"), Question::Summary { internal: true });
        assert_eq!(asks("memwatch-bpf heap find --pid 7"), Question::Find);
        assert_eq!(asks("memwatch-bpf heap diff --pid 7"), Question::Diff(times(&[60])));
        assert_eq!(asks("memwatch-bpf heap diff --pid 7 --wait 30s,20s"), Question::Diff(times(&[30, 20])));
        assert_eq!(asks("memwatch-bpf heap diff --pid 7 --until-enter"), Question::Diff(Wait::UntilEnter));
        let session = Question::Paths(Wanted::Class("Session".to_owned()));
        assert_eq!(asks("memwatch-bpf heap paths Session --pid 7"), session);
        assert_eq!(asks("memwatch-bpf heap paths @0x1f --pid 7"), Question::Paths(Wanted::Address(0x1f)));
    }

    #[test]
    fn a_pause_has_a_limit() {
        let pause =
            |text: &str| parse(&format!("memwatch-bpf heap --pid 7 --pause {text}")).map(|heap| heap.pause);
        assert_eq!(pause("none"), Ok(None));
        assert_eq!(pause("auto"), Ok(Some(Duration::from_millis(50))));
        assert_eq!(pause("5ms"), Ok(Some(Duration::from_millis(5))));
        assert!(pause("long").unwrap_err().to_string().contains("not a length of time"));
    }

    #[test]
    fn bad_input_is_one_line() {
        for (line, expected) in [
            ("memwatch-bpf heap", "--pid"),
            ("memwatch-bpf heap --pid x", "not a number"),
            ("memwatch-bpf heap diff --pid 7 --wait 1s,1s,1s", "at most two"),
            ("memwatch-bpf heap diff --pid 7 --wait 1s --until-enter", "cannot be used with"),
            ("memwatch-bpf heap paths --pid 7", "CLASS"),
            ("memwatch-bpf heap paths @zz --pid 7", "hexadecimal"),
        ] {
            let message = parse(line).unwrap_err().to_string();
            assert!(message.contains(expected) && !message.contains('\n'), "{line}: {message}");
        }
    }
}
