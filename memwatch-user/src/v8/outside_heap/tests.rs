//! The code that tells where the books are, as the releases have it, byte for byte.

use super::*;

/// Bytes from their hexadecimal digits.
fn code(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// `GetHeapStatistics` of Node 18 (GCC): the external bytes are loaded twice, for a comparison with -1.
const STATISTICS_18: &str = "55 48 89 e5 41 56 41 55 49 89 fd 41 54 4c 8d a7 38 c6 00 00 53 4c 89 e7 48 89 f3 e8 b0 f1 1b 00 4c 89 e7 \
     48 89 43 68 e8 94 f1 1b 00 4c 89 e7 48 89 43 60 e8 68 f0 1b 00 4c 89 e7 48 89 43 20 e8 5c d7 1b 00 4c 89 \
     e7 48 89 43 10 e8 b0 d6 1b 00 4c 89 e7 48 89 03 e8 e5 d8 1b 00 4c 89 e7 48 89 43 18 e8 79 d8 1b 00 4c 89 \
     e7 48 89 43 08 e8 6d d1 1b 00 48 89 43 28 49 8b 85 98 d7 00 00 4c 8b 70 08 49 8b bd e0 d4 00 00 e8 92 5e \
     46 00 4c 01 f0 48 89 43 30 49 8b 85 60 c7 00 00 48 83 f8 ff 74 07 49 8b 85 60 c7 00 00 48 89 43 38 49 8b \
     85 98 d7 00 00 4c 89 e7 48 8b 40 10 48 89 43 40 e8 6c e1 1c 00 4c 89 e7 48 89 43 50 e8 60 e8 1c 00 c6 43 \
     48 00 48 89 43 58 e8 b3 5c 7b 00 48 8b 40 08 48 01 43 30 e8 a6 5c 7b 00 48 8b 40 10 48 01 43 40 5b 41 5c \
     41 5d 41 5e 5d c3";
/// Of Node 25 (Clang): -1 is stored on one path.
const STATISTICS_25: &str = "55 48 89 e5 41 57 41 56 41 55 41 54 53 50 48 89 f3 49 89 fc 4c 8d bf a8 d8 00 00 64 4c 8b 34 25 38 ff ff \
     ff e8 07 42 16 00 4c 89 ff e8 df cd 22 00 4c 89 ff e8 57 cd 22 00 48 89 43 68 4c 89 ff e8 1b cd 22 00 48 \
     89 43 60 4c 89 ff e8 4f ac 22 00 48 89 43 20 4c 89 ff e8 33 9e 22 00 48 89 43 10 4c 89 ff e8 67 9c 22 00 \
     48 89 03 4c 89 ff e8 ec 9e 22 00 48 89 43 18 4c 89 ff e8 90 9e 22 00 48 89 43 08 4c 89 ff e8 84 91 22 00 \
     48 89 43 28 49 8b 84 24 d0 e5 00 00 4c 8b 68 10 80 3d ff e0 ea 05 01 4c 89 e0 75 25 41 f6 84 24 98 d8 00 \
     00 01 4c 89 e0 75 17 41 80 bc 24 58 fa 00 00 00 0f 84 9a 00 00 00 49 8b 84 24 50 fa 00 00 48 8b b8 60 e4 \
     00 00 e8 37 bf 5a 00 4c 01 e8 48 89 43 30 49 8b 84 24 40 d9 00 00 48 83 f8 ff 74 0a 49 8b 84 24 40 d9 00 \
     00 eb 07 48 c7 c0 ff ff ff ff 48 89 43 38 49 8b 84 24 d0 e5 00 00 48 8b 40 18 48 89 43 40 4c 89 ff e8 65 \
     05 24 00 48 89 43 50 4c 89 ff e8 79 07 24 00 48 89 43 58 c6 43 48 00 e8 dc b4 b3 00 48 8b 40 10 48 01 43 \
     30 e8 cf b4 b3 00 48 8b 40 18 48 01 43 40 4c 89 f7 48 83 c4 08 5b 41 5c 41 5d 41 5e 41 5f 5d e9 d1 40 16 \
     00 e8 4c 68 c7 ff";
/// Of Node 26: the external bytes are what `Heap::backing_store_bytes` returns, which adds what another function does.
const STATISTICS_26: &str = "55 48 89 e5 41 57 41 56 41 55 41 54 53 50 48 89 f3 49 89 fc 4c 8d bf c0 f3 00 00 64 4c 8b 34 25 88 fe ff \
     ff e8 b7 84 16 00 4c 89 ff e8 3f 67 24 00 4c 89 ff e8 b7 66 24 00 48 89 43 68 4c 89 ff e8 7b 66 24 00 48 \
     89 43 60 4c 89 ff e8 9f 45 24 00 48 89 43 20 4c 89 ff e8 73 36 24 00 48 89 43 10 4c 89 ff e8 f7 35 24 00 \
     48 89 03 4c 89 ff e8 7c 37 24 00 48 89 43 18 4c 89 ff e8 d0 36 24 00 48 89 43 08 4c 89 ff e8 34 2d 24 00 \
     48 89 43 28 49 8b 84 24 c0 00 01 00 4c 8b 68 10 80 3d 48 ef 5e 06 01 4c 89 e0 75 25 41 f6 84 24 b0 f3 00 \
     00 01 4c 89 e0 75 17 41 80 bc 24 38 15 01 00 00 0f 84 8f 00 00 00 49 8b 84 24 30 15 01 00 48 8b b8 c8 ff \
     00 00 e8 d7 31 5c 00 4c 01 e8 48 89 43 30 4c 89 ff e8 78 45 24 00 48 89 43 38 49 8b 84 24 c0 00 01 00 48 \
     8b 40 18 48 89 43 40 4c 89 ff e8 cc 96 25 00 48 89 43 50 4c 89 ff e8 e0 98 25 00 48 89 43 58 4c 89 ff e8 \
     d4 a1 25 00 48 89 43 70 c6 43 48 00 e8 77 39 c4 00 48 8b 40 10 48 01 43 30 e8 6a 39 c4 00 48 8b 40 18 48 \
     01 43 40 4c 89 f7 48 83 c4 08 5b 41 5c 41 5d 41 5e 41 5f 5d e9 8c 83 16 00 e8 27 ef bf ff";
const BACKING_STORE_BYTES: (u64, &str) = (
    0xf4_0820,
    "55 48 89 e5 53 50 48 8b 9f b8 0a 00 00 48 8b bf a8 07 00 00 e8 f7 45 f7 ff 48 01 d8 48 83 c4 08 5b 5d c3",
);
const SWEEPER_GET_BYTES: (u64, &str) = (0xeb_4e30, "55 48 89 e5 48 8b 47 60 5d c3");

const GETTER_GCC: &str = "48 8b 87 78 ea 00 00 c3";
const GETTER_CLANG: &str = "55 48 89 e5 48 8b 87 40 f9 00 00 5d c3";
const GETTER_12: &str = "55 48 8b 87 d0 b1 00 00 48 89 e5 5d c3";
const FREE_GCC: &str = "f0 48 29 57 10 48 8b 7f 18 48 8b 07 ff 60 20";
const FREE_CLANG: &str = "55 48 89 e5 f0 48 29 57 08 48 8b 7f 10 48 8b 07 48 8b 40 20 5d ff e0";
const FREE_12: &str = "55 48 89 e5 f0 48 29 57 10 5d 48 89 f7 e9 5e dd fd ff";

/// Code that is called, as far as the tests have it.
fn read(address: u64) -> Option<Vec<u8>> {
    let known = [BACKING_STORE_BYTES, SWEEPER_GET_BYTES];
    known.iter().find(|(at, _)| *at == address).map(|(_, hex)| code(hex))
}

fn statistics_of(hex: &str, address: u64) -> Result<(u32, Sum), DecodeError> {
    statistics(Code { bytes: &code(hex), address }, &read)
}

#[test]
fn the_heap_and_the_external_bytes_are_found() {
    for (hex, address, heap, external) in [
        (STATISTICS_18, 0xd8_6800, 0xc638, (0xc760, None)),
        (STATISTICS_25, 0xbb_efe0, 0xd8a8, (0xd940, None)),
        (STATISTICS_26, 0xcf_c1c0, 0xf3c0, (0xfe78, Some((0xfb68, 0x60)))),
    ] {
        let (found, sum) = statistics_of(hex, address).unwrap();
        assert_eq!((found, split(&sum)), (heap, Some(external)), "{address:#x}");
    }
}

#[test]
fn the_allocator_and_its_count_are_found() {
    for (hex, offset) in [(GETTER_GCC, 0xea78), (GETTER_CLANG, 0xf940), (GETTER_12, 0xb1d0)] {
        assert_eq!(getter(Code { bytes: &code(hex), address: 0x1000 }, &read), Some(offset), "{hex}");
    }
    for (hex, offset) in [(FREE_GCC, 0x10), (FREE_CLANG, 8), (FREE_12, 0x10)] {
        assert_eq!(counted(Code { bytes: &code(hex), address: 0x1000 }), Some(offset), "{hex}");
    }
}

#[test]
fn what_is_no_getter_and_no_count_is_refused() {
    for (why, hex) in [
        ("an address", "48 8d 87 78 ea 00 00 c3"),
        ("half a word", "8b 87 78 ea 00 00 c3"),
        ("a word of the second argument", "48 8b 86 78 ea 00 00 c3"),
        ("a word behind a pointer", "48 8b 07 48 8b 40 08 c3"),
        ("a sum", "48 8b 07 48 03 47 08 c3"),
        ("two ways", "74 05 48 8b 47 08 c3 48 8b 47 10 c3"),
        ("a thread's word", "64 48 8b 87 78 ea 00 00 c3"),
        ("a word that is changed", "48 8b 47 08 48 f7 d8 c3"),
        ("no end", "48 8b 47 08"),
        ("for ever", "eb fe"),
        ("no code", ""),
    ] {
        assert_eq!(getter(Code { bytes: &code(hex), address: 0x1000 }, &read), None, "{why}");
    }
    for (why, hex) in [
        ("no lock", "48 29 57 10 c3"),
        ("another object", "f0 48 29 56 10 c3"),
        ("the object is replaced first", "48 89 f7 f0 48 29 57 10 c3"),
        ("half a word", "f0 29 57 10 c3"),
        ("something else is called first", "e8 00 00 00 00 f0 48 29 57 10 c3"),
        ("no count", "f0 48 21 57 10 c3"),
        ("no code", ""),
    ] {
        assert_eq!(counted(Code { bytes: &code(hex), address: 0x1000 }), None, "{why}");
    }
}

#[test]
fn statistics_that_are_not_understood_are_refused() {
    // mov rbx,rsi; lea rdi,[rdi+100h]; call; then as given. Returns.
    let with = |rest: &str| format!("48 89 f3 49 89 fd 48 8d bf 00 01 00 00 e8 00 10 00 00 {rest} c3");
    let known = "49 8b 45 20 48 89 43 38";
    let found = statistics_of(&with(known), 0x1000).unwrap();
    assert_eq!(found, (0x100, Sum::word(Place::At(0x20))));
    for (why, rest, expected) in [
        ("nothing is stored", "49 8b 45 20", DecodeError::External),
        ("it is not known what", "48 89 43 38", DecodeError::External),
        ("half of it", "49 8b 45 20 89 43 38", DecodeError::External),
        ("it is added to", "49 8b 45 20 48 89 43 38 48 01 43 38", DecodeError::External),
        (
            "another word is stored later",
            "49 8b 45 20 48 89 43 38 49 8b 45 28 48 89 43 38",
            DecodeError::External,
        ),
        ("a wide store overlaps", "49 8b 45 20 48 89 43 38 0f 11 43 30", DecodeError::External),
        ("two heaps", "49 8d 7d 08 e8 00 00 00 00 49 8b 45 20 48 89 43 38", DecodeError::Heap),
    ] {
        assert_eq!(statistics_of(&with(rest), 0x1000), Err(expected), "{why}");
    }
    assert_eq!(statistics_of("c3", 0x1000), Err(DecodeError::Heap));
    assert_eq!(statistics_of("eb fe", 0x1000), Err(DecodeError::External));
}

#[test]
fn all_of_it_makes_the_books() {
    let [statistics, allocator, free] = [STATISTICS_26, GETTER_CLANG, FREE_CLANG].map(code);
    let sources = Sources {
        heap_statistics: Code { bytes: &statistics, address: 0xcf_c1c0 },
        allocator: Code { bytes: &allocator, address: 0x1000 },
        free: Code { bytes: &free, address: 0x2000 },
    };
    let books = decode(&sources, &read).unwrap();
    let layout = books.layout([64, 0]);
    assert_eq!((layout.heap, layout.allocator, layout.array_buffers), (0xf3c0, 0xf940, 8));
    assert_eq!((layout.external, layout.counter, layout.counter_bytes), (0xfe78, 0xfb68, 0x60));
    assert_eq!(decode(&sources, &|_| None), Err(DecodeError::External));
    let no_getter = Sources { allocator: sources.free, ..sources };
    assert_eq!(decode(&no_getter, &read), Err(DecodeError::Allocator));
    let no_free = Sources { free: sources.allocator, ..sources };
    assert_eq!(decode(&no_free, &read), Err(DecodeError::ArrayBuffers));
}
