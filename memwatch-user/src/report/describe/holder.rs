//! What holds what a heap grows by, in words.

use crate::report::{record::Holder, text::escape_untrusted};
use crate::units::{bytes, percent};

/// `held by Map contexts (closure of rememberRequest, middleware-map.js:8): 98 % of the growth, +1 600 Object {id, at}, 3.4 MB`.
#[must_use]
pub(super) fn line(holder: &Holder) -> String {
    let Holder { share, bytes: size, count, .. } = holder;
    let class = escape_untrusted(&holder.class);
    let what = if *count > 0 { format!("+{count} {class}, ") } else { String::new() };
    format!("{}: {} of the growth, {what}{}", held_by(holder), percent(*share), bytes(*size))
}

/// The same in at most `width` columns: with the share if there is room, else cut at the end, where the file is.
pub(super) fn within(holder: &Holder, width: usize) -> String {
    let place = held_by(holder);
    let whole = format!("{place}: {} of the growth", percent(holder.share));
    let columns = |text: &str| text.chars().count();
    if columns(&whole) <= width {
        return whole;
    }
    if columns(&place) <= width {
        return place;
    }
    place.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn held_by(holder: &Holder) -> String {
    format!("held by {}", escape_untrusted(&holder.place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::Taken;

    fn holder(count: i64) -> Holder {
        Holder {
            share: 0.981,
            bytes: 3_400_000,
            count,
            class: "Object {id, at}".to_owned(),
            place: "Map `contexts` (closure of rememberRequest, middleware-map.js:8)".to_owned(),
            function: Some("rememberRequest".to_owned()),
            file: Some("/srv/middleware-map.js".to_owned()),
            line: Some(8),
            taken: Taken::Running,
        }
    }

    #[test]
    fn a_holder_in_full_and_in_little_room() {
        let whole =
            "held by Map `contexts` (closure of rememberRequest, middleware-map.js:8): 98 % of the growth";
        assert_eq!(line(&holder(1600)), format!("{whole}, +1600 Object {{id, at}}, 3.4 MB"));
        assert_eq!(line(&holder(0)), format!("{whole}, 3.4 MB"));
        assert_eq!(within(&holder(1600), 200), whole);
        assert_eq!(within(&holder(1600), 76), whole.trim_end_matches(": 98 % of the growth"));
        assert_eq!(within(&holder(1600), 60), "held by Map `contexts` (closure of rememberRequest, middlew…");
        let hostile = Holder { place: "Map `\u{1b}[2J`".to_owned(), ..holder(1) };
        assert!(!line(&hostile).contains('\u{1b}'));
    }
}
