//! A small hand-made BTF, and what becomes of it when it is cut or flipped.

use super::{kind, *};

/// Builds type information one type at a time.
#[derive(Default)]
struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
}

impl Builder {
    fn name(&mut self, name: &str) -> u32 {
        if self.strings.is_empty() {
            self.strings.push(0);
        }
        if name.is_empty() {
            return 0;
        }
        let at = self.strings.len();
        self.strings.extend(name.bytes().chain([0]));
        u32::try_from(at).unwrap()
    }

    fn add(&mut self, name: &str, info: u32, third: u32, body: &[u32]) {
        let name = self.name(name);
        for word in [name, info, third].iter().chain(body) {
            self.types.extend(word.to_ne_bytes());
        }
    }

    fn composite(&mut self, kind: u32, name: &str, members: &[(&str, u32, u32)]) {
        let body: Vec<u32> =
            members.iter().flat_map(|(name, id, bits)| [self.name(name), *id, *bits]).collect();
        let entries = u32::try_from(members.len()).unwrap();
        self.add(name, kind << 24 | entries, 64, &body);
    }

    fn finish(self) -> Vec<u8> {
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap();
        let (types, strings) = (length(&self.types), length(&self.strings));
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        for word in [24, 0, types, types, strings] {
            bytes.extend(word.to_ne_bytes());
        }
        [bytes, self.types, self.strings].concat()
    }
}

/// `task_struct` with `exit_code` in a union in a struct, both anonymous, and `thread.fsbase` behind a typedef.
fn sample() -> Vec<u8> {
    let mut btf = Builder::default();
    btf.add("int", kind::INT << 24, 4, &[32]);
    btf.composite(kind::STRUCT, "task", &[("tgid", 1, 0)]);
    btf.composite(kind::UNION, "", &[("alias", 1, 0), ("exit_code", 1, 0)]);
    btf.composite(kind::STRUCT, "", &[("padding", 1, 0), ("", 3, 32)]);
    btf.composite(kind::STRUCT, "thread_struct", &[("sp", 1, 0), ("fsbase", 1, 64)]);
    btf.add("thread_t", kind::TYPEDEF << 24, 5, &[]);
    btf.composite(
        kind::STRUCT,
        "task_struct",
        &[("state", 1, 0), ("", 4, 64), ("tgid", 1, 128), ("odd", 1, 131), ("thread", 6, 192)],
    );
    btf.finish()
}

#[test]
fn members_are_found_where_c_would_find_them() {
    let bytes = sample();
    let btf = Btf::parse(&bytes).unwrap();
    let cases = [
        ("state", 0),
        ("tgid", 16),
        ("padding", 8),
        ("exit_code", 12),
        ("thread", 24),
        ("thread.fsbase", 32),
    ];
    for (member, offset) in cases {
        assert_eq!(btf.member_offset("task_struct", member).unwrap(), offset, "{member}");
    }
    assert_eq!(btf.task_layout().unwrap(), TaskLayout { tgid: 16, exit_code: 12, thread_pointer: 32 });
}

#[test]
fn what_is_not_there_is_named() {
    let bytes = sample();
    let btf = Btf::parse(&bytes).unwrap();
    for member in ["tgi", "tgidx", "", "odd", "state.x", "thread.nothing"] {
        let error = btf.member_offset("task_struct", member).unwrap_err();
        assert!(matches!(error, BtfError::NoMember { .. }), "{member}: {error}");
    }
    assert!(matches!(btf.member_offset("task_struc", "tgid"), Err(BtfError::NoStruct(_))));
}

#[test]
fn bit_field_sizes_are_no_part_of_the_offset() {
    let mut btf = Builder::default();
    btf.composite(1 << 7 | kind::STRUCT, "s", &[("flags", 1, 3 << 24 | 16)]);
    let bytes = btf.finish();
    assert_eq!(Btf::parse(&bytes).unwrap().member_offset("s", "flags").unwrap(), 2);
}

#[test]
fn a_struct_that_contains_itself_ends() {
    let mut btf = Builder::default();
    btf.composite(kind::STRUCT, "s", &[("", 1, 0), ("", 1, 0)]);
    let bytes = btf.finish();
    let error = Btf::parse(&bytes).unwrap().member_offset("s", "x").unwrap_err();
    assert!(matches!(error, BtfError::Malformed(_)), "{error}");
}

/// Damaged input gives some answer or an error: it never panics and never runs away.
#[test]
fn damage_is_survived() {
    let whole = sample();
    for end in 0..whole.len() {
        assert!(Btf::parse(&whole[..end]).is_err(), "cut at {end}");
    }
    let Btf { types, strings } = Btf::parse(&whole).unwrap();
    for end in 0..types.len() {
        assert!(Btf { types: &types[..end], strings }.task_layout().is_err(), "types cut at {end}");
    }
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(btf) = Btf::parse(&bytes) else { continue };
        drop(btf.member_offset("task_struct", "exit_code"));
        drop(btf.member_offset("task_struct", "thread.fsbase"));
    }
}

#[test]
fn the_running_kernel() {
    let Ok(file) = File::open(VMLINUX) else { return };
    let layout = task_layout().unwrap();
    assert!(layout.tgid > 0 && layout.exit_code > 0 && layout.tgid != layout.exit_code, "{layout:?}");
    assert_eq!(task_layout_of(&file, usize::MAX).unwrap(), layout);
    assert!(task_layout_of(&file, 100).is_err());
}
