//! Plans on disk, by build id and size of the file. A cache that cannot be used is as good as an empty one.
//!
//! Only directories and files that are ours and that nobody else can write are believed; and even then a plan is only a
//! hint, which the mapped file has to confirm.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::Plan;

/// Changes with whatever a plan means: files of another format are written anew.
const FORMAT: u32 = 8;
/// A plan has about 13 kB.
const MAX_FILE: u64 = 256 * 1024;

/// A directory of plans.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Entry<P> {
    format: u32,
    plan: P,
}

impl Cache {
    /// The user's cache: `$XDG_CACHE_HOME/memwatch-bpf`, else `/var/cache/memwatch-bpf` for root and
    /// `~/.cache/memwatch-bpf` for others. `None` if there is nowhere to put it.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let is_root = rustix::process::geteuid().is_root();
        let parent = absolute("XDG_CACHE_HOME")
            .or_else(|| is_root.then(|| "/var/cache".into()))
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
        Some(Self::at(parent.join("memwatch-bpf")))
    }

    /// The cache in `directory`, which is made when the first plan is stored.
    #[must_use]
    pub fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The plan for the file with `build_id` and `file_size` bytes, if there is one that is to be believed. It is not yet
    /// compared with the file.
    #[must_use]
    pub fn load(&self, build_id: &str, file_size: u64) -> Option<Plan> {
        let entry = self.read(build_id, file_size).inspect_err(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                log::warn!("the cached plan {build_id} is ignored: {error}");
            }
        });
        entry.ok()
    }

    /// Stores `plan`, if its file has a build id. Failure is a line in the log.
    pub fn store(&self, plan: &Plan) {
        if let Some(build_id) = &plan.build_id
            && let Err(error) = self.write(build_id, plan)
        {
            log::info!("the plan is not cached in {}: {error}", self.directory.display());
        }
    }

    /// Removes the plan for the file with `build_id` and `file_size` bytes.
    pub fn remove(&self, build_id: &str, file_size: u64) {
        if let Ok(path) = self.path(build_id, file_size)
            && let Err(error) = fs::remove_file(path)
        {
            log::info!("the cached plan {build_id} could not be removed: {error}");
        }
    }

    /// A build id becomes a file name only if it is nothing but hexadecimal digits. The size is in it because a stripped
    /// copy has the build id of the original: they would evict each other for ever.
    fn path(&self, build_id: &str, file_size: u64) -> io::Result<PathBuf> {
        let is_plain = !build_id.is_empty() && build_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_plain {
            Ok(self.directory.join(format!("{build_id}-{file_size}.json")))
        } else {
            Err(refused("no build id"))
        }
    }

    fn read(&self, build_id: &str, file_size: u64) -> io::Result<Plan> {
        let path = self.path(build_id, file_size)?;
        believe(&fs::symlink_metadata(&self.directory)?, fs::Metadata::is_dir)?;
        let file = open(&path)?;
        believe(&file.metadata()?, fs::Metadata::is_file)?;
        let mut text = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut text)?;
        let entry: Entry<Plan> = serde_json::from_slice(&text)?;
        if entry.format == FORMAT { Ok(entry.plan) } else { Err(refused("it has another format")) }
    }

    fn write(&self, build_id: &str, plan: &Plan) -> io::Result<()> {
        let path = self.path(build_id, plan.file_size)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        believe(&fs::symlink_metadata(&self.directory)?, fs::Metadata::is_dir)?;
        let text = serde_json::to_vec(&Entry { format: FORMAT, plan })?;
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = write_new(&temporary, &text).and_then(|()| fs::rename(&temporary, &path));
        written.inspect_err(|_| drop(fs::remove_file(&temporary)))
    }
}

/// Neither follows a link nor waits for whoever writes into a pipe.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // The umask may have taken more than was asked.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text)
}

/// Ours, of the right kind, and nobody else may write it.
fn believe(metadata: &fs::Metadata, is_right: impl Fn(&fs::Metadata) -> bool) -> io::Result<()> {
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    let is_closed = metadata.mode() & 0o022 == 0;
    if is_right(metadata) && is_ours && is_closed {
        Ok(())
    } else {
        Err(refused("it is not ours alone: others own it or may write it"))
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::{super::Unresolved, *};

    const ID: &str = "ec9f49303c267a64";
    const SIZE: u64 = 7;

    fn plan() -> Plan {
        Plan {
            build_id: Some(ID.to_owned()),
            file_size: SIZE,
            node_version: Some("20.20.2".to_owned()),
            v8_version: None,
            probes: Vec::new(),
            heap_limit: Err(Unresolved::NoExit),
            outside: Err(Unresolved::Key(7)),
            stacks: Err(Unresolved::Key(7)),
            survivors: Err(Unresolved::Key(7)),
            missing: Vec::new(),
        }
    }

    /// Runs `test` on a fresh cache that holds [`plan`], and removes it.
    fn with_cache(name: &str, test: impl FnOnce(&Cache, &Path)) {
        let directory = env::temp_dir().join(format!("memwatch-cache-{name}-{}", std::process::id()));
        let cache = Cache::at(directory.clone());
        cache.store(&plan());
        test(&cache, &directory.join(format!("{ID}-{SIZE}.json")));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_plan_comes_back_until_it_is_removed() {
        with_cache("back", |cache, file| {
            assert_eq!(cache.load(ID, SIZE), Some(plan()));
            assert_eq!(fs::read_dir(&cache.directory).unwrap().count(), 1);
            assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
            assert_eq!(cache.directory.metadata().unwrap().mode() & 0o777, 0o700);
            cache.remove(ID, SIZE);
            assert_eq!(cache.load(ID, SIZE), None);
        });
    }

    #[test]
    fn a_stripped_copy_has_its_own_plan() {
        with_cache("stripped", |cache, _| {
            let stripped = Plan { file_size: SIZE - 1, ..plan() };
            cache.store(&stripped);
            assert_eq!(cache.load(ID, SIZE), Some(plan()));
            assert_eq!(cache.load(ID, SIZE - 1), Some(stripped));
            cache.remove(ID, SIZE - 1);
            assert_eq!(cache.load(ID, SIZE), Some(plan()));
        });
    }

    #[test]
    fn what_is_not_sound_or_not_ours_alone_is_ignored_and_written_anew() {
        let text = |format: u32| serde_json::to_vec(&Entry { format, plan: plan() }).unwrap();
        with_cache("sound", |cache, file| {
            for bad in [b"{".to_vec(), Vec::new(), text(FORMAT + 1), vec![b' '; 300_000]] {
                fs::write(file, &bad).unwrap();
                assert_eq!(cache.load(ID, SIZE), None);
                cache.store(&plan());
                assert_eq!(cache.load(ID, SIZE), Some(plan()));
            }
            fs::set_permissions(file, Permissions::from_mode(0o620)).unwrap();
            assert_eq!(cache.load(ID, SIZE), None, "group may write the file");
            cache.store(&plan());
            fs::set_permissions(&cache.directory, Permissions::from_mode(0o777)).unwrap();
            assert_eq!(cache.load(ID, SIZE), None, "others may write the directory");
        });
    }

    #[test]
    fn links_and_strange_names_are_not_followed() {
        with_cache("links", |cache, file| {
            let elsewhere = cache.directory.join("elsewhere");
            fs::rename(file, &elsewhere).unwrap();
            std::os::unix::fs::symlink(&elsewhere, file).unwrap();
            assert_eq!(cache.load(ID, SIZE), None);
            for id in ["", "../elsewhere", "a/b", "ABCG"] {
                assert_eq!(cache.load(id, SIZE), None, "{id}");
            }
        });
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_no_error() {
        let cache = Cache::at("/proc/no/such".into());
        cache.store(&plan());
        assert_eq!(cache.load(ID, SIZE), None);
    }
}
