//! Plans of small ELF files, made here, that have V8's names on a few bytes of code.

use std::{fs, path::PathBuf};

use memwatch_common::names::probe;

use super::*;
use crate::{
    target::{FileKey, elf::Elf},
    v8::outside_heap::{ALLOCATOR, CLASSES, HEAP_STATISTICS},
};

/// All functions that have a program, and those whose code is read.
const NAMES: [&str; 17] = [
    "_ZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceE",
    "_ZN2v88internal4Heap8ScavengeEv",
    "_ZN2v88internal4Heap11MarkCompactEv",
    "_ZN2v88internal4Heap13SizeOfObjectsEv",
    "_ZN2v88internal4Heap14MinorMarkSweepEv",
    "_ZN2v88internal20MarkCompactCollector15StartCompactionEv",
    "_ZN2v88internal4Heap23StartIncrementalMarkingEi",
    "_ZN2v88internal4Heap23FatalProcessOutOfMemoryEPKc",
    "_ZN2v88internal4Heap5SetUpEv",
    "_ZN2v88internal4Heap8TearDownEv",
    "_ZN2v88internal13MainAllocator15AllocateRawSlowEi",
    "_ZN2v88internal19NewLargeObjectSpace11AllocateRawEi",
    "_ZN2v88internal4Heap11MaxReservedEv",
    HEAP_STATISTICS,
    ALLOCATOR,
    CLASSES[0][0],
    CLASSES[0][1],
];
/// `push rbp; mov rbp,rsp; pop rbp; ret; ret`: two exits; and Node 16's `MaxReserved`.
const CODE: [u8; 7] = [0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3, 0xc3];
const MAX_RESERVED: [u8; 16] =
    [0x48, 0x8b, 0x47, 0x60, 0x48, 0x8b, 0x57, 0x78, 0x48, 0x8d, 0x04, 0x40, 0x48, 0x01, 0xd0, 0xc3];
/// `mov rbx,rsi; mov r13,rdi; lea rdi,[rdi+100h]; call …; mov rax,[r13+20h]; mov [rbx+38h],rax; ret`, a getter, and a
/// locked subtraction.
const STATISTICS: [u8; 27] = [
    0x48, 0x89, 0xf3, 0x49, 0x89, 0xfd, 0x48, 0x8d, 0xbf, 0, 1, 0, 0, 0xe8, 0, 0, 0, 0, 0x49, 0x8b, 0x45,
    0x20, 0x48, 0x89, 0x43, 0x38, 0xc3,
];
const GETTER: [u8; 5] = [0x48, 0x8b, 0x47, 0x08, 0xc3];
const FREE: [u8; 6] = [0xf0, 0x48, 0x29, 0x57, 0x10, 0xc3];
/// Bytes between the starts of functions, and where the code is: linked, and in the file.
const STRIDE: usize = 32;
const ADDRESS: u64 = 0x40_1000;
const OFFSET: usize = 0x200;

fn words(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A section header: name, type, address and range in the file, the section it refers to, size of an entry.
fn section(name: u64, kind: u64, address: u64, range: (usize, usize), link: u64, entry: u64) -> Vec<u8> {
    words(&[name | kind << 32, 2, address, range.0 as u64, range.1 as u64, link, 8, entry])
}

fn body(name: &str) -> &'static [u8] {
    match name {
        HEAP_STATISTICS => &STATISTICS,
        ALLOCATOR => &GETTER,
        _ if name == CLASSES[0][1] => &FREE,
        _ if name.contains("MaxReserved") => &MAX_RESERVED,
        _ => &CODE,
    }
}

/// An executable with `names` in its dynamic symbol table, each on its own piece of code.
fn executable(names: &[&str]) -> Vec<u8> {
    let mut code = Vec::new();
    let (mut strings, mut symbols) = (vec![0], vec![0; 24]);
    for (name, place) in names.iter().zip(0..) {
        let mut body = body(name).to_vec();
        body.resize(STRIDE, 0xcc);
        code.extend(body);
        // st_name, STT_FUNC, section 1; address; size.
        symbols.extend(words(&[
            strings.len() as u64 | 2 << 32 | 1 << 48,
            ADDRESS + place * STRIDE as u64,
            STRIDE as u64,
        ]));
        strings.extend(name.bytes().chain([0]));
    }
    code.resize(code.len() + 128, 0xcc);
    let data = b"\0node.js/v16.20.2\0\x009.4.146.26-node.26\0";
    let mut file = vec![0; OFFSET];
    let mut put = |bytes: &[u8]| {
        let start = file.len();
        file.extend_from_slice(bytes);
        file.resize(file.len().next_multiple_of(8), 0);
        (start, bytes.len())
    };
    let places = [put(&code), put(&symbols), put(&strings), put(data), put(b"\0.text\0.rodata\0")];
    let sections = [
        vec![0; 64],
        section(1, 1, ADDRESS, places[0], 0, 0),
        section(0, 11, 0, places[1], 3, 24),
        section(0, 3, 0, places[2], 0, 0),
        section(7, 1, 0, places[3], 0, 0),
        section(0, 3, 0, places[4], 0, 0),
    ];
    let table = put(&sections.concat()).0 as u64;
    // ELF64, little-endian; ET_EXEC for x86-64; one program header, six section headers, names in the last.
    let header = words(&[0x0001_0102_464c_457f, 0, 2 | 62 << 16 | 1 << 32, 0, 64, table]);
    let sizes = words(&[64 << 32 | 56 << 48, 1 | 64 << 16 | 6 << 32 | 5 << 48]);
    let segment =
        words(&[1 | 5 << 32, OFFSET as u64, ADDRESS, ADDRESS, code.len() as u64, code.len() as u64, 0x1000]);
    for (at, bytes) in [(0, header), (48, sizes), (64, segment)] {
        file[at..at + bytes.len()].copy_from_slice(&bytes);
    }
    file
}

/// Runs `test` on the image of a file with `names`. There is no build id in it; the image is given one.
fn with_image(test_name: &str, names: &[&str], test: impl FnOnce(&Image)) {
    let path = std::env::temp_dir().join(format!("memwatch-plan-{test_name}-{}", std::process::id()));
    fs::write(&path, executable(names)).unwrap();
    let elf = Elf::open(&path).unwrap();
    let key = FileKey::from(&elf.file().metadata().unwrap());
    let build_id = Some("abcd".to_owned());
    test(&Image { open_path: path.clone(), path: "test".to_owned(), key, build_id, bias: 0, elf });
    fs::remove_file(path).unwrap();
}

fn mismatch(plan: &Plan, image: &Image) -> bool {
    matches!(check::check(plan, image), Err(PlanError::Mismatch { .. }))
}

#[test]
fn all_programs_get_a_place_in_the_order_of_attaching() {
    with_image("all", &NAMES, |image| {
        let (plan, source) = prepare(image, None).unwrap();
        assert_eq!(source, Source::Symbols);
        assert_eq!(plan.missing, []);
        assert_eq!(plan.node_version.as_deref(), Some("16.20.2"));
        assert_eq!(plan.v8_version.as_deref(), Some("9.4.146.26-node.26"));
        assert_eq!(plan.heap_layout().limit.max_old_generation, 0x78);
        let outside = plan.outside_layout();
        assert_eq!((outside.heap, outside.external), (0x100, 0x20));
        assert_eq!((outside.allocator, outside.array_buffers), (8, 0x10));
        assert_eq!(outside.classes, [STRIDE as u64 - 16, 0]);
        let last = plan.probes.last().unwrap();
        assert_eq!((last.program.as_str(), last.file_offset), (probe::GC_ENTER, OFFSET as u64));
        assert!(last.emulated && last.bytes.starts_with(&CODE));
        let ends = plan.probes.iter().filter(|site| site.program == probe::GC_EXIT);
        let ends: Vec<_> = ends.map(|site| (site.at, site.file_offset - OFFSET as u64)).collect();
        assert_eq!(ends, [(At::Exits, 5), (At::Exits, 6)]);
    });
}

#[test]
fn a_cached_plan_is_used_and_a_wrong_one_replaced() {
    let directory: PathBuf = std::env::temp_dir().join(format!("memwatch-plan-cache-{}", std::process::id()));
    let cache = Cache::at(directory.clone());
    with_image("cached", &NAMES, |image| {
        let (plan, first) = prepare(image, Some(&cache)).unwrap();
        let (again, second) = prepare(image, Some(&cache)).unwrap();
        let mut forged = plan.clone();
        forged.probes[0].file_offset += 1;
        cache.store(&forged);
        let (anew, third) = prepare(image, Some(&cache)).unwrap();
        assert_eq!([first, second, third], [Source::Symbols, Source::Cache, Source::Symbols]);
        assert_eq!([&again, &anew], [&plan, &plan]);
        assert_eq!(cache.load("abcd", image.key.size), Some(plan));
    });
    fs::remove_dir_all(directory).unwrap();
}

type Forge = fn(&mut Plan);

#[test]
fn no_forgery_passes() {
    with_image("forged", &NAMES, |image| {
        let plan = prepare(image, None).unwrap().0;
        let forgeries: [(&str, Forge); 14] = [
            // The second instruction, with its true bytes.
            ("middle of a function", |plan| {
                let site = &mut plan.probes[0];
                site.file_offset += 1;
                site.bytes.rotate_left(1);
            }),
            ("other bytes", |plan| plan.probes[0].bytes[0] = 0x90),
            ("another function", |plan| plan.probes[0].symbol_ref = plan.probes[1].symbol_ref),
            ("no symbol", |plan| plan.probes[0].symbol_ref.index = u32::MAX),
            ("entry for return", |plan| plan.probes[0].at = At::Entry),
            ("an unknown program", |plan| plan.probes[0].program = "other".to_owned()),
            ("a probe left out", |plan| drop(plan.probes.pop())),
            ("an exit left out", |plan| drop(plan.probes.remove(plan.probes.len() - 2))),
            ("another function's cold part", |plan| {
                let of_another = plan.probes[0].symbol_ref;
                for site in plan.probes.iter_mut().filter(|site| site.program == probe::GC_EXIT) {
                    site.cold_ref = Some(of_another);
                }
            }),
            ("another order", |plan| plan.probes.reverse()),
            ("another limit", |plan| {
                if let Ok(limit) = &mut plan.heap_limit {
                    limit.formula.max_semi_space += 8;
                }
            }),
            ("other books", |plan| {
                if let Ok(books) = &mut plan.outside {
                    books.books.external += 8;
                }
            }),
            ("another allocator", |plan| {
                if let Ok(books) = &mut plan.outside {
                    books.classes[1] = 8;
                }
            }),
            ("books of fewer symbols", |plan| {
                if let Ok(books) = &mut plan.outside {
                    books.symbols.clear();
                }
            }),
        ];
        for (name, forge) in forgeries {
            let mut forged = plan.clone();
            forge(&mut forged);
            assert_ne!(forged, plan, "{name}");
            assert!(mismatch(&forged, image), "{name}");
        }
        assert!(check::check(&plan, image).is_ok());
    });
}

#[test]
fn what_is_optional_may_be_missing_and_is_named() {
    let few: Vec<&str> = NAMES
        .iter()
        .copied()
        .filter(|name| !["SetUp", "Max", "GetArray"].iter().any(|left_out| name.contains(left_out)))
        .collect();
    with_image("few", &few, |image| {
        let plan = prepare(image, None).unwrap().0;
        let missing: Vec<_> = plan.missing.iter().map(|missing| missing.program.as_str()).collect();
        assert_eq!(missing, [probe::HEAP_SET_UP]);
        assert_eq!(plan.heap_limit, Err(Unresolved::no_symbol("Heap::MaxReserved")));
        assert_eq!(plan.outside, Err(Unresolved::no_symbol(ALLOCATOR)));
        assert_eq!(plan.heap_layout(), HeapLayout::UNKNOWN);
        let mut elsewhere = plan;
        elsewhere.file_size += 1;
        assert!(mismatch(&elsewhere, image), "a stripped copy with the same build id");
    });
}

#[test]
fn without_what_it_takes_there_is_no_plan() {
    with_image("partly", &NAMES[..3], |image| {
        let error = prepare(image, None).unwrap_err();
        assert!(matches!(&error, PlanError::Incomplete { .. }), "{error}");
    });
    with_image("stripped", &["_ZN2v82V810GetVersionEv"], |image| match prepare(image, None).unwrap_err() {
        PlanError::Stripped(stripped) => {
            assert_eq!(stripped.node_version.as_deref(), Some("16.20.2"));
            assert_eq!(stripped.missing.len(), 13);
        }
        other => panic!("{other}"),
    });
}
