//! Words of the answers for what questions return.

use crate::{
    heap::names::{Class, ClassKind},
    units,
};

/// A kind of classes as records name it.
pub(super) fn kind(kind: ClassKind) -> String {
    let name = match kind {
        ClassKind::Object => "object",
        ClassKind::Closure => "closure",
        ClassKind::Array => "array",
        ClassKind::String => "string",
        ClassKind::Code => "code",
        ClassKind::System => "system",
    };
    name.to_owned()
}

/// A class as it is called where there is no column for its shape.
pub(super) fn full_name(class: &Class) -> String {
    class.full_name()
}

/// A change in words, as node-memwatch has it.
pub(super) fn size(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    format!("{sign}{}", units::bytes(bytes.unsigned_abs()))
}
