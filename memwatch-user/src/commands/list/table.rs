//! The list for people: numbers to the right, names to the left, and no column that would be empty.

use std::fmt::Write as _;

use super::{Listing, Row};
use crate::units;

/// As much of a container's id as `docker ps` shows.
const SHORT_ID: usize = 12;
/// What is shown for a value that is not known.
const UNKNOWN: &str = "?";

impl Listing {
    pub(super) fn text(&self) -> String {
        let mut text =
            if self.rows.is_empty() { "no Node.js process found\n".to_owned() } else { self.table() };
        if self.unseen > 0 {
            // A string takes everything.
            let _never = writeln!(
                text,
                "processes that could not be examined: {} (no permission; run as root to see all)",
                self.unseen
            );
        }
        text
    }

    fn table(&self) -> String {
        let has_containers = self.rows.iter().any(|row| row.container.is_some());
        let heading = ["PID", "NODE", "MEMORY", "CONTAINER", "NAME"].map(str::to_owned);
        let table: Vec<[String; 5]> =
            std::iter::once(heading).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 4] = std::array::from_fn(width);
        let line = |[pid, node, memory, container, name]: &[String; 5]| {
            let [pid_width, node_width, memory_width, container_width] = widths;
            let container =
                if has_containers { format!("{container:container_width$}  ") } else { String::new() };
            format!("{pid:>pid_width$}  {node:node_width$}  {memory:>memory_width$}  {container}{name}\n")
        };
        table.iter().map(line).collect()
    }
}

impl Row {
    fn cells(&self) -> [String; 5] {
        let known = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
        let container = self.container.as_deref().map(|id| id.get(..SHORT_ID).unwrap_or(id));
        [
            self.pid.to_string(),
            known(self.node_version.clone()),
            known(self.rss.map(units::bytes)),
            container.unwrap_or("-").to_owned(),
            self.name.clone(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::time::Time;

    fn row(pid: u32, name: &str) -> Row {
        Row {
            pid,
            start_time: Time::from_unix_ms(0),
            name: name.to_owned(),
            node_version: Some("22.23.3".to_owned()),
            rss: Some(142_000_000),
            container: None,
            title: None,
            script: None,
            package: None,
            pm2_name: None,
            unit: None,
            ports: Vec::new(),
        }
    }

    #[test]
    fn columns_are_aligned_and_none_is_empty() {
        let other = Row { node_version: None, rss: None, ..row(7, "api/server.js :3000") };
        let listing = Listing { rows: vec![row(48213, "shop #3"), other.clone()], unseen: 0 };
        let expected = "  PID  NODE       MEMORY  NAME\n\
                        48213  22.23.3  142.0 MB  shop #3\n    7  ?               ?  api/server.js :3000\n";
        assert_eq!(listing.text(), expected);
        let inside = Row { container: Some("3f".repeat(32)), ..other };
        let text = Listing { rows: vec![inside], unseen: 0 }.text();
        assert!(text.contains("CONTAINER") && text.contains("  3f3f3f3f3f3f  api"), "{text}");
    }

    #[test]
    fn what_could_not_be_seen_is_said() {
        let listing = Listing { rows: Vec::new(), unseen: 12 };
        let expected = "no Node.js process found\nprocesses that could not be examined: 12 (no permission; run as root to see all)\n";
        assert_eq!(listing.text(), expected);
        let mut json = Vec::new();
        Listing { rows: vec![row(7, "shop")], unseen: 1 }.write_json(&mut json).unwrap();
        let lines: Vec<serde_json::Value> =
            json.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        assert_eq!((&lines[0]["type"], &lines[0]["name"]), (&"process".into(), &"shop".into()));
        assert_eq!((&lines[1]["type"], &lines[1]["processes"]), (&"unseen".into(), &1.into()));
    }
}
