//! Reads source maps, on a thread of its own: a map of many megabytes takes tenths of a second, and a file may be on a file
//! system that never answers. Each file is kept once, however many scripts and processes name it.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, OnceLock, Weak,
        mpsc::{self, Receiver, Sender, SyncSender},
    },
    thread,
    time::Duration,
};

use super::decode::{DecodeError, Table};
use crate::target::{FileKey, file, text::printable};

/// The longest map that is read: those of bundles, with their sources in them, have some tens of megabytes.
const MAX_BYTES: u64 = 48 << 20;
/// Places in all maps together, of 20 bytes each.
const MAX_PLACES: usize = 3_000_000;
/// Files of which it is said that they are not used.
const MAX_REFUSED: usize = 64;
/// How long a script waits for its map: most are read in a millisecond.
const PATIENCE: Duration = Duration::from_millis(20);

/// Where a map comes to when it has been read; `None` if there is none that can be used.
pub(super) type Slot = Arc<OnceLock<Option<Arc<Table>>>>;

/// Which map.
#[derive(Debug)]
pub(super) enum Wanted {
    /// That of a file, as a process sees it whose root directory is `root`.
    File { root: PathBuf, path: PathBuf },
    /// A `data:` URL.
    Inline(String),
}

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("all source maps together have more than {MAX_PLACES} mappings")]
    Full,
}

struct Request {
    wanted: Wanted,
    slot: Slot,
    done: SyncSender<()>,
}

/// Asks for a map, and waits a moment for it.
pub(super) fn load(wanted: Wanted) -> Slot {
    static LOADER: LazyLock<Sender<Request>> = LazyLock::new(start);
    let slot = Slot::default();
    let (done, is_done) = mpsc::sync_channel(1);
    let request = Request { wanted, slot: Arc::clone(&slot), done };
    if LOADER.send(request).is_err() {
        let _refused = slot.set(None);
    }
    // Later, then: the slot is filled when it has been read.
    let _late = is_done.recv_timeout(PATIENCE);
    slot
}

fn start() -> Sender<Request> {
    let (sender, requests) = mpsc::channel();
    let spawned = thread::Builder::new().name("source maps".to_owned()).spawn(|| serve(requests));
    if let Err(error) = spawned {
        log::warn!("source maps are not read: {error}");
    }
    sender
}

fn serve(requests: Receiver<Request>) {
    let mut loader = Loader::default();
    for Request { wanted, slot, done } in requests {
        // Nobody else fills it, and nobody may wait any more.
        let _only_once = slot.set(loader.read(&wanted));
        let _gone = done.send(());
    }
}

#[derive(Default)]
struct Loader {
    tables: HashMap<FileKey, Weak<Table>>,
    /// Files that cannot be used: each is named once.
    refused: HashSet<PathBuf>,
    inline: Vec<Weak<Table>>,
}

impl Loader {
    /// What there is to use. A map that is not there is no news: packages come without theirs.
    fn read(&mut self, wanted: &Wanted) -> Option<Arc<Table>> {
        match wanted {
            Wanted::Inline(url) => self.inline(url),
            Wanted::File { root, path } => match file::open_below(root, path) {
                Ok(file) => self.file(&file, path),
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.refuse(path, &error.into()),
                Err(_) => None,
            },
        }
    }

    fn file(&mut self, file: &File, path: &Path) -> Option<Arc<Table>> {
        let key = FileKey::from(&file.metadata().ok()?);
        if let Some(known) = self.tables.get(&key).and_then(Weak::upgrade) {
            return Some(known);
        }
        let result =
            file::read(file, MAX_BYTES).map_err(LoadError::from).and_then(|bytes| self.decode(&bytes));
        match result {
            Ok(table) => {
                self.tables.retain(|_, table| table.strong_count() > 0);
                self.tables.insert(key, Arc::downgrade(&table));
                Some(table)
            }
            Err(error) => self.refuse(path, &error),
        }
    }

    fn inline(&mut self, url: &str) -> Option<Arc<Table>> {
        let table = self.decode(&data(url)?).ok()?;
        self.inline.retain(|table| table.strong_count() > 0);
        self.inline.push(Arc::downgrade(&table));
        Some(table)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Arc<Table>, LoadError> {
        let table = Table::decode(bytes)?;
        if self.places() + table.len() > MAX_PLACES { Err(LoadError::Full) } else { Ok(Arc::new(table)) }
    }

    fn refuse(&mut self, path: &Path, error: &LoadError) -> Option<Arc<Table>> {
        if self.refused.len() < MAX_REFUSED && self.refused.insert(path.to_owned()) {
            let path = printable(path.as_os_str().as_encoded_bytes());
            log::warn!(
                "the source map {path} is not used, so lines are those of the generated file: {error}"
            );
        }
        None
    }

    /// Places that are kept.
    fn places(&self) -> usize {
        let all = self.tables.values().chain(&self.inline);
        all.filter_map(Weak::upgrade).map(|table| table.len()).sum()
    }
}

/// The bytes of a `data:` URL.
fn data(url: &str) -> Option<Vec<u8>> {
    let (head, text) = url.strip_prefix("data:")?.split_once(',')?;
    let is_base64 = head.ends_with(";base64");
    is_base64.then(|| base64_simd::STANDARD.decode_to_vec(text.trim_ascii()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    const MAP: &str = r#"{"version":3,"sources":["a.ts"],"names":[],"mappings":"AAAA"}"#;

    #[test]
    fn a_file_is_kept_once() {
        let root = env::temp_dir().join(format!("memwatch-maps-{}", process::id()));
        fs::create_dir_all(&root).unwrap();
        for name in ["one.map", "other.map"] {
            fs::write(root.join(name), MAP).unwrap();
        }
        let mut loader = Loader::default();
        let mut read = |name: &str| {
            loader.read(&Wanted::File { root: root.clone(), path: PathBuf::from("/").join(name) }).unwrap()
        };
        let [first, again, other] = ["one.map", "one.map", "other.map"].map(&mut read);
        assert!(Arc::ptr_eq(&first, &again) && !Arc::ptr_eq(&first, &other));
        assert_eq!(loader.places(), 2);
        drop((first, again, other));
        assert_eq!(loader.places(), 0);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn urls_hold_base64() {
        assert_eq!(data("data:application/json;charset=utf-8;base64,e30=").unwrap(), b"{}");
        assert_eq!((data("data:nonsense"), data("data:text/plain,{}"), data("x")), (None, None, None));
    }
}
