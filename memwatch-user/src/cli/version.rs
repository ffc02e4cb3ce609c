//! Which build this is.

use std::sync::LazyLock;

use crate::bpf::object;

/// What `--version` prints behind the program's name. What the build knew comes from `build.rs`.
pub(super) fn long() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(text);
    &TEXT
}

fn text() -> String {
    let programs = match object::bytes() {
        Ok(object) => format!("{} kB", object.len() / 1000),
        Err(_) => "missing, so that this build cannot watch".to_owned(),
    };
    format!(
        "{}\ncommit: {}\nbuild: {}\neBPF programs: {programs}",
        env!("CARGO_PKG_VERSION"),
        env!("MEMWATCH_COMMIT"),
        env!("MEMWATCH_BUILD"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_value_and_no_path() {
        let text = long();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with(char::is_numeric) && lines.len() == 4, "{text}");
        assert!(
            lines[1..].iter().all(|line| line.split_once(": ").is_some_and(|(_, value)| !value.is_empty()))
        );
        assert!(!text.contains('/'), "{text}");
    }
}
