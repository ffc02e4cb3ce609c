//! Files whose headers promise more than anybody should read: none of them may be read whole, or take our memory.

use std::{env, fs::File, io::ErrorKind, os::unix::fs::FileExt, path::PathBuf, process, time::Duration};

use object::elf::{PT_NOTE, SHT_DYNSYM, SHT_STRTAB};

use super::{Deadline, Elf, ElfError};

/// More than there is memory, and more than is read in a day.
const TERABYTE: u64 = 1 << 40;
/// Where sections have their bytes.
const DATA: u64 = 0x1_0000;
/// A name that V8 has.
const NAME: &str = "_ZN2v88internal4Heap14CollectGarbageE";

/// A section header: its type, the bytes it describes, and the section with its names.
struct Section {
    kind: u32,
    offset: u64,
    size: u64,
    link: u32,
}

/// A sparse file of an ELF header, one segment, and sections; removed when dropped.
struct Hostile {
    path: PathBuf,
    file: File,
}

impl Hostile {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("memwatch-elf-{name}-{}", process::id()));
        Self { file: File::create(&path).unwrap(), path }
    }

    fn write(&self, offset: u64, bytes: &[u8]) {
        self.file.write_all_at(bytes, offset).unwrap();
    }

    fn headers(&self, segments: u16, sections: u16) {
        let mut header = [0; 64];
        header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(16, &[2, 0, 62, 0, 1]);
        put(32, &64_u64.to_le_bytes());
        put(40, &0x1000_u64.to_le_bytes());
        put(52, &64_u16.to_le_bytes());
        put(54, &56_u16.to_le_bytes());
        put(56, &segments.to_le_bytes());
        put(58, &64_u16.to_le_bytes());
        put(60, &sections.to_le_bytes());
        put(62, &sections.min(1).to_le_bytes());
        self.write(0, &header);
    }

    fn segment(&self, kind: u32, size: u64) {
        let words = [u64::from(kind) | 4 << 32, DATA, 0, 0, size, 0, 4];
        self.write(64, &words.map(u64::to_le_bytes).concat());
    }

    fn sections(&self, sections: &[Section]) {
        for (at, Section { kind, offset, size, link }) in (1..).zip(sections) {
            let words = [u64::from(*kind) << 32, 0, 0, *offset, *size, u64::from(*link), 0, 24];
            self.write(0x1000 + at * 64, &words.map(u64::to_le_bytes).concat());
        }
        self.headers(1, u16::try_from(sections.len() + 1).unwrap());
    }

    fn with_symbols(&self, names: &[u8], count: u32, name_of: impl Fn(u32) -> u32) {
        let symbols = DATA + 0x0100_0000;
        self.write(DATA, names);
        let symbol = |at| {
            let words = [u64::from(name_of(at)) | 0x12 << 32 | 1 << 48, u64::from(at), 9];
            words.map(u64::to_le_bytes).concat()
        };
        self.write(symbols, &(0..count).flat_map(symbol).collect::<Vec<u8>>());
        self.sections(&[
            Section { kind: SHT_STRTAB, offset: DATA, size: names.len() as u64, link: 0 },
            Section { kind: SHT_DYNSYM, offset: symbols, size: u64::from(count) * 24, link: 1 },
        ]);
    }

    fn open(&self) -> Result<Elf, ElfError> {
        Elf::open(&self.path)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
    }
}

#[test]
fn notes_of_a_terabyte_are_left_alone() {
    let hostile = Hostile::new("note");
    hostile.headers(1, 0);
    hostile.segment(PT_NOTE, TERABYTE);
    hostile.file.set_len(DATA + TERABYTE).unwrap();
    assert_eq!(hostile.open().unwrap().build_id, None);
}

#[test]
fn names_of_a_terabyte_are_refused() {
    let hostile = Hostile::new("names");
    hostile.file.set_len(DATA + TERABYTE).unwrap();
    hostile.sections(&[
        Section { kind: SHT_STRTAB, offset: DATA, size: TERABYTE, link: 0 },
        Section { kind: SHT_DYNSYM, offset: DATA, size: 48, link: 1 },
    ]);
    let elf = hostile.open().unwrap();
    let refusals = [
        elf.dynamic_names_contain(["v8"]).unwrap_err().to_string(),
        elf.symbols(&[NAME], |_| true).unwrap_err().to_string(),
        elf.exports("malloc").unwrap_err().to_string(),
    ];
    for refusal in refusals {
        assert!(refusal.starts_with("its table of names (1048576 MiB) is larger"), "{refusal}");
    }
}

#[test]
fn tables_of_a_million_headers_are_refused() {
    let hostile = Hostile::new("headers");
    hostile.headers(1, 0);
    // With a count of 0 the first section header has the number, in its size.
    hostile.write(0x1000 + 32, &(1_u64 << 20).to_le_bytes());
    hostile.file.set_len(1 << 30).unwrap();
    assert!(matches!(hostile.open(), Err(ElfError::TooLarge("table of sections"))));
    let hostile = Hostile::new("segments");
    hostile.headers(4096, 0);
    hostile.file.set_len(1 << 20).unwrap();
    assert!(matches!(hostile.open(), Err(ElfError::TooLarge("table of segments"))));
}

/// Whatever is in it, and however slow what it lies on.
#[test]
fn a_file_is_read_for_so_long_and_no_longer() {
    let hostile = Hostile::new("slow");
    hostile.with_symbols(format!("\0{NAME}\0").as_bytes(), 1, |_| 1);
    let elf = hostile.open().unwrap();
    let found = || elf.symbols(&[NAME], |_| true).map(|found| found.len());
    {
        let _over = Deadline::within(Duration::ZERO);
        assert_eq!(found().unwrap_err().kind(), ErrorKind::TimedOut);
        {
            let _enough = Deadline::within(Duration::from_secs(3600));
            assert_eq!(found().unwrap(), 1);
        }
        assert_eq!(found().unwrap_err().kind(), ErrorKind::TimedOut);
    }
    assert_eq!(found().unwrap(), 1);
}

#[test]
fn twenty_thousand_wanted_symbols_are_refused() {
    let different = Hostile::new("different");
    let names: Vec<String> = (0..20_000).map(|at| format!("\0{NAME}{at:05}")).collect();
    let stride = names[0].len();
    different.with_symbols(names.concat().as_bytes(), 20_000, |at| at * u32::try_from(stride).unwrap() + 1);
    let same = Hostile::new("same");
    same.with_symbols(format!("\0{NAME}\0").as_bytes(), 20_000, |_| 1);
    for hostile in [different, same] {
        let error = hostile.open().unwrap().symbols(&[NAME], |_| true).unwrap_err().to_string();
        assert!(error.starts_with("its number of wanted symbols"), "{error}");
    }
}
