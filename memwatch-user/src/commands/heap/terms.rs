//! Words of the answers for what questions return.

use crate::{
    heap::{
        names::{Class, ClassKind, Function},
        questions::Place,
    },
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

/// The fields of a place that tools use.
pub(super) struct Code {
    pub(super) function: Option<String>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
}

impl From<&Place> for Code {
    fn from(place: &Place) -> Self {
        let of = |field: fn(&Function) -> Option<String>| place.function.as_ref().and_then(field);
        Self {
            function: of(|function| function.name.clone()),
            file: of(|function| function.file.clone()),
            line: place.function.as_ref().and_then(|function| function.line),
        }
    }
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
