//! Rust source without its comments and strings, so that the checks see code and nothing else.

/// The source with comments and the insides of string and character literals replaced by spaces. Lines stay lines.
pub(super) fn code_only(source: &str) -> String {
    split(source).0
}

/// The string and character literals, with their quotes and the byte offsets at which they begin.
pub(super) fn literals(source: &str) -> Vec<(usize, &str)> {
    split(source).1
}

fn split(source: &str) -> (String, Vec<(usize, &str)>) {
    let (mut code, mut literals) = (String::with_capacity(source.len()), Vec::new());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let (comment, literal) = (comment(rest), literal(rest, &code));
        let (piece, after) = rest.split_at(comment.or(literal).unwrap_or(first.len_utf8()));
        if comment.or(literal).is_none() {
            code.push_str(piece);
        } else {
            code.extend(piece.chars().map(|c| if c == '\n' { c } else { ' ' }));
        }
        if comment.is_none() && literal.is_some() {
            literals.push((source.len() - rest.len(), piece));
        }
        rest = after;
    }
    (code, literals)
}

/// The length of the comment that the text starts with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    text.starts_with("/*").then(|| block(text))
}

/// Block comments nest.
fn block(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0, 0);
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the literal that the text starts with; `before` is the code so far.
fn literal(text: &str, before: &str) -> Option<usize> {
    let in_word = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    if text.starts_with('"') {
        return Some(quoted(text, '"'));
    }
    if text.starts_with('\'') && is_char(text) {
        return Some(quoted(text, '\''));
    }
    (text.starts_with('r') && (!in_word || before.ends_with('b') || before.ends_with('c')))
        .then(|| raw(text))?
}

/// `'a'` and `'\n'`, but not the lifetime `'a`.
fn is_char(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = !escaped && *c == quote;
        escaped = !escaped && *c == '\\';
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// `r"…"`, `r#"…"#` and so on.
fn raw(text: &str) -> Option<usize> {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    let body = text[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - body.len();
    Some(body.find(&end).map_or(text.len(), |at| start + at + end.len()))
}

/// The byte offsets at which the word stands by itself.
pub(super) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .filter(move |(at, _)| !code[..*at].ends_with(joins) && !code[at + word.len()..].starts_with(joins))
        .map(|(at, _)| at)
}

/// The number of the line that the offset is on.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text[..offset].matches('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_vanish_and_code_stays() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x \" y", 1)"#, "f(        , 1)"),
            (r##"f(r#"a " b"#, 1)"##, "f(          , 1)"),
            ("let c: char = '\"'; g", "let c: char =    ; g"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("let bar = var;", "let bar = var;"),
            ("'\\'' b", "     b"),
        ];
        for (source, code) in cases {
            assert_eq!(code_only(source), code, "{source}");
        }
    }

    #[test]
    fn literals_are_found_where_they_begin() {
        let source = "f(\"a\", 'b') // \"c\"\nr#\"d\"#";
        assert_eq!(literals(source), [(2, "\"a\""), (7, "'b'"), (19, "r#\"d\"#")]);
    }

    #[test]
    fn a_word_is_not_found_inside_another() {
        let found: Vec<usize> = words("unsafe_code unsafe { unsafe}", "unsafe").collect();
        assert_eq!(found, [12, 21]);
    }
}
