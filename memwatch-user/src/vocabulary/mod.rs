//! The words of the report, each defined once: `detect` thinks in them, records carry them (docs/json.md), `report` prints
//! them. No I/O, no policy, no other module of this program.

/// Defines an enum together with the word of each variant in records, so that no second list of the words exists.
macro_rules! words {
    ($(#[$about:meta])* pub enum $name:ident { $($(#[$meaning:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$meaning])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// All of them, in their order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its word in records.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

mod collection;
mod feature;
mod heap;
mod kind;
mod level;
pub(crate) mod reason;
mod resource;
mod site;
mod unit;

pub use collection::GcKind;
pub use feature::Switch;
pub use heap::Taken;
pub use kind::Kind;
pub use level::Level;
pub use reason::{Counted, Question, Reason, Seen};
pub use resource::Resource;
pub use site::{Code, Measure, TakenBy};
pub use unit::Unit;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_what_the_record_says() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_string(kind).unwrap(), format!("\"{}\"", kind.word()));
        }
        let read: Vec<GcKind> = serde_json::from_str(r#"["scavenge","minor-mark","mark-compact"]"#).unwrap();
        assert_eq!(read, GcKind::ALL);
    }
}
