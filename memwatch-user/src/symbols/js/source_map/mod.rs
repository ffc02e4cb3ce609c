//! Source maps: from a line of generated JavaScript to the user's own. Inline (a `data:` URL) or beside the script, read
//! below the target's root directory ([`loader`]) and reduced to what a look-up needs ([`decode`]).

mod decode;
mod loader;

use std::path::{Component, Path, PathBuf};

use self::loader::{Slot, Wanted};
use crate::target::text::printable;

/// A source map: ready to be asked, still being read, or not to be had.
#[derive(Debug)]
pub(super) struct SourceMap {
    slot: Slot,
    /// What relative names of sources are relative to.
    directory: PathBuf,
}

/// A place in the user's own source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Original {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) column: u32,
}

impl SourceMap {
    /// The map that the script at `script` names with `url`; `None` if that leads to no file. `root` is a file system as the
    /// target sees it.
    pub(super) fn load(script: &str, url: &str, root: &Path) -> Option<Self> {
        let script = Path::new(script);
        let directory = script.parent().filter(|_| script.is_absolute())?;
        if url.starts_with("data:") {
            let slot = loader::load(Wanted::Inline(url.to_owned()));
            return Some(Self { slot, directory: directory.to_owned() });
        }
        // Another scheme is for browsers.
        let path = directory.join(if url.contains("://") { None } else { Some(url) }?);
        let directory = path.parent()?.to_owned();
        Some(Self { slot: loader::load(Wanted::File { root: root.to_owned(), path }), directory })
    }

    /// Whether it is still being read: what is asked meanwhile has to be asked again.
    pub(super) fn is_pending(&self) -> bool {
        self.slot.get().is_none()
    }

    /// Where `line` and `column` (both from 1) of the script come from.
    pub(super) fn original(&self, line: u32, column: u32) -> Option<Original> {
        let table = self.slot.get()?.as_ref()?;
        let (source, source_line, source_column) =
            table.look_up(line.checked_sub(1)?, column.checked_sub(1)?)?;
        let file = normal(&self.directory.join(source.strip_prefix("file://").unwrap_or(source)));
        let file = printable(file.to_string_lossy().as_bytes());
        Some(Original { file, line: source_line + 1, column: source_column + 1 })
    }
}

/// Without `.` and `..`, as far as that can be told from the path alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => _ = normal.pop(),
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use std::{env, fs, os::unix::fs::symlink};

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    /// Line 2, column 3 of the script is line 10, column 5 of `../src/app.ts`.
    const MAP: &str = r#"{"version":3,"sources":["../src/app.ts"],"names":[],"mappings":";EASI"}"#;

    fn original(map: &SourceMap, line: u32, column: u32) -> Option<(String, u32, u32)> {
        map.original(line, column).map(|at| (at.file, at.line, at.column))
    }

    #[test]
    fn a_map_beside_the_script_is_read_below_the_root_only() {
        let root = env::temp_dir().join(format!("memwatch-map-{}", std::process::id()));
        fs::create_dir_all(root.join("srv/dist")).unwrap();
        fs::write(root.join("srv/dist/app.js.map"), MAP).unwrap();
        symlink("/srv/dist/app.js.map", root.join("srv/dist/link.map")).unwrap();
        symlink(env::current_exe().unwrap(), root.join("srv/dist/outside.map")).unwrap();
        for url in ["app.js.map", "link.map", "../../../../srv/dist/app.js.map"] {
            let map = SourceMap::load("/srv/dist/app.js", url, &root).unwrap();
            let there = ("/srv/src/app.ts".to_owned(), 10, 5);
            assert_eq!(original(&map, 2, 3), Some(there.clone()), "{url}");
            assert_eq!(original(&map, 2, 30), Some(there));
            assert_eq!((original(&map, 1, 1), original(&map, 3, 1)), (None, None));
        }
        mknodat(CWD, root.join("srv/dist/pipe.map"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for url in ["outside.map", "absent.map", "pipe.map", "."] {
            let map = SourceMap::load("/srv/dist/app.js", url, &root).unwrap();
            assert_eq!((map.is_pending(), original(&map, 2, 3)), (false, None), "{url}");
        }
        assert!(SourceMap::load("/srv/dist/app.js", "https://example.com/app.js.map", &root).is_none());
        assert!(SourceMap::load("evalmachine", "app.js.map", &root).is_none());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn an_inline_map_needs_no_file() {
        let url = "data:application/json;base64,eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbImEudHMiXSwibmFtZXMiOltdLCJtYXBwaW5ncyI6IkFBQUEifQ==";
        let map = SourceMap::load("/srv/a.js", url, Path::new("/none")).unwrap();
        assert_eq!(original(&map, 1, 1), Some(("/srv/a.ts".to_owned(), 1, 1)));
        let nonsense = SourceMap::load("/srv/a.js", "data:nonsense", Path::new("/none")).unwrap();
        assert_eq!(original(&nonsense, 1, 1), None);
    }
}
