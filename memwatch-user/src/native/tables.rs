//! The tables by which stacks are walked, of each file once however many processes run it: Node's take 5 MB, and two walkers a
//! process would each keep them (49 MB for four followed processes, measured).

use std::{
    collections::HashMap,
    fs::File,
    io,
    ops::Deref,
    os::unix::fs::MetadataExt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use crate::target::elf::{Elf, Unwind};

/// The largest `.eh_frame` among Node 12 to 26 has 3.9 MB.
const MOST_BYTES: u64 = 8 << 20;

/// Those in use, by file.
static IN_USE: Mutex<Option<HashMap<FileId, Weak<Unwind>>>> = Mutex::new(None);

/// A file, in the state that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileId {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl FileId {
    fn of(file: &File) -> io::Result<Self> {
        let stat = file.metadata()?;
        let modified = (stat.mtime(), stat.mtime_nsec());
        Ok(Self { device: stat.dev(), inode: stat.ino(), size: stat.size(), modified })
    }
}

/// Those of `elf`; `None` if they cannot be read.
pub(super) fn of(elf: &Elf) -> Option<Arc<Unwind>> {
    let id = FileId::of(elf.file()).ok()?;
    let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    let in_use = in_use.get_or_insert_default();
    if let Some(tables) = in_use.get(&id).and_then(Weak::upgrade) {
        return Some(tables);
    }
    in_use.retain(|_, tables| tables.strong_count() > 0);
    let tables = Arc::new(elf.unwind(MOST_BYTES).ok()?);
    in_use.insert(id, Arc::downgrade(&tables));
    Some(tables)
}

/// The bytes of one of them; of none, there are none.
#[derive(Default)]
pub(super) struct Bytes {
    tables: Arc<Unwind>,
    of: Option<fn(&Unwind) -> &[u8]>,
}

impl Bytes {
    /// Of the section that `of` takes; `None` if the file has none.
    pub(super) fn new(tables: &Arc<Unwind>, of: fn(&Unwind) -> &[u8]) -> Option<Self> {
        (!of(tables).is_empty()).then(|| Self { tables: Arc::clone(tables), of: Some(of) })
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.of.map_or(&[], |of| of(&self.tables))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_in_memory_once_for_as_long_as_somebody_walks_by_it() {
        let path = std::env::current_exe().unwrap();
        let open = || Elf::open(&path).unwrap();
        let (first, second) = (of(&open()).unwrap(), of(&open()).unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        let bytes = Bytes::new(&first, |tables| &tables.eh_frame.bytes).unwrap();
        drop((first, second));
        assert!(bytes.len() > 1000 && Arc::ptr_eq(&bytes.tables, &of(&open()).unwrap()));
        let id = FileId::of(open().file()).unwrap();
        drop(bytes);
        assert!(IN_USE.lock().unwrap().as_ref().unwrap()[&id].upgrade().is_none());
    }
}
