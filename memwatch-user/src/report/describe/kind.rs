//! A kind of memory in words.

use crate::vocabulary::Kind;

/// The kind as part of a sentence.
#[must_use]
pub(crate) const fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::JsHeap => "JavaScript heap",
        Kind::External => "external memory",
        Kind::Native => "native memory",
        Kind::Handles => "handles",
        Kind::Fds => "file descriptors",
        Kind::Isolates => "isolates",
        Kind::Fragmentation => "fragmentation",
        Kind::Load => "memory that follows the load",
        Kind::None => "memory",
    }
}
