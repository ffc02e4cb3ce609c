//! What the text of a function does with a variable. A variable is seen by many closures; the one to be named is that which
//! puts something into it.

/// How closely a function deals with a variable, the closest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// Not at all, or its text is not known.
    None,
    /// It mentions it.
    Mentions,
    /// It puts something into it.
    Fills,
}

/// Calls that put something into what they are called on, or into a part of it.
const FILLING: [&str; 10] = [
    ".set(",
    ".push(",
    ".add(",
    ".unshift(",
    ".on(",
    ".once(",
    ".addListener(",
    ".append(",
    ".enqueue(",
    ".splice(",
];
/// Characters behind the name that are looked at.
const STATEMENT: usize = 200;

/// What the function with this `text` does with the variable `name`.
pub(super) fn of(text: &str, name: &str) -> Use {
    let mentions = text.match_indices(name).filter(|(at, _)| is_word(text, *at, name.len()));
    mentions.map(|(at, _)| at_mention(&text[at + name.len()..])).max().unwrap_or(Use::None)
}

fn is_word(text: &str, at: usize, len: usize) -> bool {
    let is_part = |char: char| char.is_alphanumeric() || "_$".contains(char);
    // `.sessions` is a property, `...sessions` is the variable.
    let before = &text[..at];
    let is_property = before.ends_with('.') && !before.ends_with("...");
    len > 0 && !is_property && !before.ends_with(is_part) && !text[at + len..].starts_with(is_part)
}

/// By what follows the name up to the end of the statement.
fn at_mention(rest: &str) -> Use {
    let end = rest.char_indices().nth(STATEMENT).map_or(rest.len(), |(at, _)| at);
    let statement = rest[..end].split([';', '\n']).next().unwrap_or_default();
    if FILLING.iter().any(|call| statement.contains(call)) || is_assigned(statement) {
        Use::Fills
    } else {
        Use::Mentions
    }
}

/// Whether the name, its elements or its properties are assigned to: `=`, `+=`, `||=`, not `==` or `=>`.
fn is_assigned(statement: &str) -> bool {
    let Some(at) = statement.find('=') else { return false };
    let (before, behind) = (&statement[..at], &statement[at + 1..]);
    let is_target = !before.contains(['(', ')', '{', '}', ',', '!', '<', '>']);
    is_target && !behind.starts_with(['=', '>'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fills_a_variable_is_told_from_who_mentions_it() {
        for (text, expected) in [
            ("(id) { sessions.set(id, new Session(id)); }", Use::Fills),
            ("() { sessions[id] = 1 }", Use::Fills),
            ("() { sessions.list.push(1) }", Use::Fills),
            ("() { sessions ||= [] }", Use::Fills),
            ("() { for (const s of sessions) console.log(s) }", Use::Mentions),
            ("() { return sessions.size == 3 }", Use::Mentions),
            ("() { sessions.forEach(s => s.close()) }", Use::Mentions),
            ("() { oldsessions.push(1); this.sessions.push(2) }", Use::None),
            ("() { f(...sessions) }", Use::Mentions),
            ("", Use::None),
        ] {
            assert_eq!(of(text, "sessions"), expected, "{text}");
        }
        assert_eq!(of("x", ""), Use::None);
    }
}
