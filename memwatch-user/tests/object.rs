//! The object that was built has exactly the programs, maps and globals that `memwatch-common` names.

use std::{collections::BTreeSet, env};

use memwatch_common::names::{global, malloc_probe, map, mapping_probe, probe, tracepoint};
use memwatch_user::bpf::object as embedded;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

/// aya-log's own map.
const LOG_MAP: &str = "AYA_LOGS";
/// And its global.
const LOG_LEVEL: &str = "AYA_LOG_LEVEL";
/// `BPF_OBJ_NAME_LEN` is 16, with the NUL: the kernel cuts longer names, and tools show them cut.
const LONGEST_NAME: usize = 15;

/// `cargo xtask test` sets it to `1`: whatever its `setup` brings is there, or a test fails.
const IS_SET_UP: &str = "MEMWATCH_SET_UP";

/// A build without the toolchain for it has no object: then there is nothing to test, unless everything is set up.
#[expect(clippy::print_stdout, reason = "a test that is skipped says why")]
fn object_or_reason() -> Option<&'static [u8]> {
    let object = embedded::bytes().inspect_err(|error| println!("skipped: {error}")).ok();
    let is_set_up = env::var_os(IS_SET_UP).is_some_and(|value| value == "1");
    assert!(object.is_some() || !is_set_up, "all is set up, and the build has no eBPF object");
    object
}

/// Names of the symbols of `kind` in sections whose name begins with one of `prefixes`.
fn symbols(object: &object::File<'_>, kind: SymbolKind, prefixes: &[&str]) -> BTreeSet<String> {
    let in_section = |symbol: &object::Symbol<'_, '_>| {
        let section = symbol.section_index().and_then(|index| object.section_by_index(index).ok());
        section.is_some_and(|section| {
            section.name().is_ok_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        })
    };
    object
        .symbols()
        .filter(|symbol| symbol.kind() == kind && symbol.is_global() && in_section(symbol))
        .filter_map(|symbol| symbol.name().ok().map(str::to_owned))
        .collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_object_has_what_the_boundary_names_and_nothing_else() {
    let Some(bytes) = object_or_reason() else { return };
    let object = object::File::parse(bytes).unwrap();

    let programs = symbols(&object, SymbolKind::Text, &["uprobe", "uretprobe", "raw_tp", "fentry", "fexit"]);
    let tracepoints = tracepoint::ALL.map(|(program, _)| program);
    let mappings = [&mapping_probe::ENTRIES[..], &mapping_probe::EXITS, &mapping_probe::AFTER].concat();
    let mappings = mappings.into_iter().map(|(program, _)| program).chain([mapping_probe::BEFORE]);
    let mappings: Vec<&str> = mappings.collect();
    assert_eq!(programs, names(&[&probe::ALL[..], &malloc_probe::ALL, &tracepoints, &mappings].concat()));

    let maps = symbols(&object, SymbolKind::Data, &["maps"]);
    assert_eq!(maps, names(&[&map::ALL[..], &[LOG_MAP]].concat()));

    let globals = symbols(&object, SymbolKind::Data, &[".rodata"]);
    let known = [
        global::HAS_COOKIES,
        global::FOLLOW_ALL,
        global::TASK_LAYOUT,
        global::HAS_CHUNKS,
        global::TIMES_HITS,
    ];
    assert_eq!(globals, names(&[&known[..], &[LOG_LEVEL]].concat()));
    for name in programs.iter().chain(&maps) {
        assert!(name.len() <= LONGEST_NAME, "{name} is too long for the kernel");
    }
}

#[test]
fn the_licence_lets_the_programs_use_what_they_use() {
    let Some(bytes) = object_or_reason() else { return };
    let object = object::File::parse(bytes).unwrap();
    let licence = object.section_by_name("license").unwrap().data().unwrap();
    assert_eq!(licence, b"Dual MIT/GPL\0");
}
