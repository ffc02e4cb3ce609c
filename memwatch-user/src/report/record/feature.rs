//! A feature that goes on or off later.

use serde::{Deserialize, Serialize};

use crate::vocabulary::Switch;

/// A feature went on or off after the hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// A name of [`super::Features`], or a program (`minor_mark`) that this build of V8 has no place for.
    pub name: String,
    /// What became of it.
    pub state: Switch,
    /// Why.
    pub reason: String,
}
