//! Stacks with names.

/// One function on a stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    /// Its name; `None` if it has none or it is not known.
    pub function: Option<String>,
    /// Path, URL or other name of its script.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column, from 1.
    pub column: Option<u32>,
    /// What it is.
    pub kind: FrameKind,
    /// `line` is where it begins: where in it, and what was inlined into it there, is not known.
    pub is_doubtful: bool,
}

/// What a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameKind {
    /// JavaScript with a script.
    JavaScript,
    /// A function of V8's own.
    Builtin,
    /// It could not be read.
    Unknown,
}

impl Frame {
    /// A function that could not be read.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            function: None,
            file: None,
            line: None,
            column: None,
            kind: FrameKind::Unknown,
            is_doubtful: false,
        }
    }

    /// Whether it is known which function it is, and where in it.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.kind != FrameKind::Unknown && !self.is_doubtful
    }

    /// Whether it is the user's own: not Node's, not V8's.
    #[must_use]
    pub fn is_users(&self) -> bool {
        self.kind == FrameKind::JavaScript
            && !self.file.as_deref().is_some_and(|file| file.starts_with("node:"))
    }
}

/// How far out a stack is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StackEnd {
    /// To the outermost function.
    Complete,
    /// No JavaScript ran.
    Outside,
    /// It has more frames than are kept.
    Truncated,
    /// A frame could not be read.
    Broken,
}

/// A stack, innermost function first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stack {
    /// The functions.
    pub frames: Vec<Frame>,
    /// How far out it is known.
    pub end: StackEnd,
}

/// Which of a stack's frames is the place that it is told by: the innermost of the user's, else of Node's, else the
/// innermost.
#[must_use]
pub fn origin(frames: &[Frame]) -> usize {
    let first = |is_it: fn(&Frame) -> bool| frames.iter().position(is_it);
    first(Frame::is_users).or_else(|| first(|frame| frame.kind == FrameKind::JavaScript)).unwrap_or(0)
}
