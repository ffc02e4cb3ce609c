//! docs/json.md beside the types it describes: every example is a record, every record has an example, and the table of
//! a record names exactly the fields that its examples have.

use std::{collections::BTreeSet, fs};

use memwatch_user::report::record::{Body, End, Record};
use serde_json::Value;

/// The page, up to the answers of `heap`, which are no records.
fn page() -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/json.md")).unwrap();
    page.split("\n# Answers of").next().unwrap().to_owned()
}

/// The part of the page under each `## heading`, with the heading.
fn sections(page: &str) -> Vec<(&str, &str)> {
    page.split("\n## ").skip(1).filter_map(|section| section.split_once('\n')).collect()
}

fn examples(section: &str) -> Vec<&str> {
    section.lines().filter(|line| line.starts_with('{')).collect()
}

#[test]
fn every_example_is_a_record_and_comes_out_as_it_went_in() {
    for (name, section) in sections(&page()) {
        assert_ne!(examples(section).len(), 0, "{name}");
        for example in examples(section) {
            let record: Record =
                serde_json::from_str(example).unwrap_or_else(|error| panic!("{example}: {error}"));
            let value: Value = serde_json::from_str(example).unwrap();
            assert_eq!(serde_json::to_value(&record).unwrap(), value, "{name}");
            assert_eq!(
                (value["type"].as_str(), kind(&record.body).split('/').next()),
                (Some(name), Some(name))
            );
        }
    }
}

/// The record's type; and for `end`, how. A new variant does not compile until it has a name here, and does not pass
/// until it has an example.
const fn kind(body: &Body) -> &'static str {
    match body {
        Body::Hello(_) => "hello",
        Body::Isolate(_) => "isolate",
        Body::Feature(_) => "feature",
        Body::Gc(_) => "gc",
        Body::Stats(_) => "stats",
        Body::Starts(_) => "starts",
        Body::Memory(_) => "memory",
        Body::Heap(_) => "heap",
        Body::Leak(_) => "leak",
        Body::Verdict(_) => "verdict",
        Body::Governor(_) => "governor",
        Body::End(End::Exit { .. }) => "end/exit",
        Body::End(End::Signal { .. }) => "end/signal",
        Body::End(End::OomKill { .. }) => "end/oom-kill",
        Body::End(End::V8OutOfMemory { .. }) => "end/v8-out-of-memory",
        Body::End(End::Exec) => "end/exec",
        Body::End(End::Unknown) => "end/unknown",
        Body::Loss(_) => "loss",
        Body::Missed(_) => "missed",
        Body::Bye(_) => "bye",
    }
}

#[test]
fn every_record_has_an_example() {
    let page = page();
    let shown = sections(&page).into_iter().flat_map(|(_, section)| examples(section));
    let shown: BTreeSet<_> =
        shown.map(|example| kind(&serde_json::from_str::<Record>(example).unwrap().body)).collect();
    // serde names the variants that it knows when it is given another.
    let error =
        serde_json::from_str::<Record>(r#"{"schema":1,"ts":"2026-03-02T23:14:05Z","type":"?"}"#).unwrap_err();
    let error = error.to_string();
    let known: BTreeSet<_> = error.split('`').skip(3).step_by(2).collect();
    assert_eq!(shown.iter().map(|kind| kind.split('/').next().unwrap()).collect::<BTreeSet<_>>(), known);
    let ends = shown.iter().filter(|kind| kind.starts_with("end/")).count();
    let error = serde_json::from_str::<End>(r#"{"how":"?"}"#).unwrap_err().to_string();
    assert_eq!(ends, error.split('`').skip(3).step_by(2).count(), "{error}");
}

/// Fields that every record has, and those that hold what they like.
const COMMON: [&str; 5] = ["schema", "ts", "type", "pid", "start_time"];
const FREE: [&str; 1] = ["reasons"];

fn fields(prefix: &str, value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object.iter().filter(|(name, _)| !COMMON.contains(&name.as_str())) {
                let name = format!("{prefix}{name}");
                if !FREE.contains(&name.as_str()) && !name.starts_with("features.") {
                    let dot = if value.is_array() { "[]." } else { "." };
                    fields(&format!("{name}{dot}"), value, into);
                }
                into.insert(name);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(prefix, item, into)),
        _ => {}
    }
}

#[test]
fn the_tables_name_every_field() {
    for (name, section) in sections(&page()) {
        let mut shown = BTreeSet::new();
        for example in examples(section) {
            fields("", &serde_json::from_str(example).unwrap(), &mut shown);
        }
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let named: BTreeSet<_> = rows.map(str::to_owned).collect();
        assert_eq!(named, shown, "{name}");
    }
}
