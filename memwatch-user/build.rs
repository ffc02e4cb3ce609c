//! Builds the eBPF object from source into `OUT_DIR/memwatch`, where `src/bpf/object.rs` embeds it, and notes which build this
//! is for `--version`.
//!
//! Without a toolchain for it (or with `AYA_BUILD_SKIP=1`) the object is empty and the build says so: `cargo check`,
//! documentation and editors need none of it.

#[path = "../xtask/src/toolchain.rs"]
mod toolchain;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use object::build::elf::{Builder, SectionData};
use object::elf::SHT_STRTAB;
use toolchain::{Toolchain, which};

const EBPF_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../memwatch-ebpf");
const TARGET_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target");
/// The binary of memwatch-ebpf.
const OBJECT: &str = "memwatch";
const BOOTSTRAP: &str = "RUSTC_BOOTSTRAP";
const OUT_DIR: &str = "OUT_DIR";

fn main() -> Result<()> {
    println!("cargo:rerun-if-env-changed=AYA_BUILD_SKIP");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../xtask/src/toolchain.rs");
    println!("cargo:rerun-if-changed=../Cargo.lock");
    println!("cargo:rustc-env=MEMWATCH_COMMIT={}", commit());
    println!("cargo:rustc-env=MEMWATCH_BUILD={}", build_of());
    if env::var_os("AYA_BUILD_SKIP").is_some_and(|skip| skip == "1" || skip == "true") {
        return without_object("AYA_BUILD_SKIP is set");
    }
    let Some(toolchain) = Toolchain::installed() else {
        return without_object("no toolchain for eBPF; run `cargo xtask setup`");
    };
    if which("bpf-linker").is_none() {
        return without_object("no bpf-linker on PATH; run `cargo xtask setup`");
    }
    build(toolchain)
}

/// Profile, target and compiler, for example `release, x86_64-unknown-linux-gnu, rustc 1.95.0`.
fn build_of() -> String {
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| "unknown".to_owned());
    let version = output(&variable("RUSTC"), &["--version"]).unwrap_or_else(|| "rustc unknown".to_owned());
    // Without the compiler's own commit and date.
    let version = version.split(" (").next().unwrap_or_default().to_owned();
    format!("{}, {}, {version}", variable("PROFILE"), variable("TARGET"))
}

/// The commit that is built. Only builds for release ask: the others would be made anew at every commit.
fn commit() -> String {
    if env::var("PROFILE").is_ok_and(|profile| profile != "release") {
        return "not recorded in development builds".to_owned();
    }
    let Some(commit) = output("git", &["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown, built without git".to_owned();
    };
    let reference = output("git", &["symbolic-ref", "HEAD"]).unwrap_or_default();
    // Not the index: git writes it whenever it is asked for changes, and each time all would be compiled anew.
    for file in ["HEAD", &reference] {
        let path = output("git", &["rev-parse", "--git-path", file]);
        if let Some(path) = path.filter(|path| Path::new(path).is_file()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let changes = output("git", &["--no-optional-locks", "status", "--porcelain", "--untracked-files=no"]);
    if changes.is_none_or(|changes| changes.is_empty()) { commit } else { format!("{commit}, with changes") }
}

/// What `program` prints, if it can be had.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// aya-build reads `RUSTC_BOOTSTRAP` and `OUT_DIR` from its own environment and its cargo inherits the former, but a process
/// cannot set a variable of its own without unsafe code, and `[env]` of `.cargo/config.toml` would set it for every build
/// script of the host as well, some of which ask for it. So this program runs itself once more with both set: one directory
/// for all profiles, in each of which the object would otherwise be compiled anew, with all that it depends on.
fn build(toolchain: Toolchain) -> Result<()> {
    let shared = shared_directory()?;
    if env::var_os(OUT_DIR).is_none_or(|set| set != shared) {
        fs::create_dir_all(&shared).with_context(|| format!("cannot create {}", shared.display()))?;
        let mut again = Command::new(env::current_exe()?);
        again.env(OUT_DIR, &shared).envs(toolchain.bootstrap().map(|value| (BOOTSTRAP, value)));
        ensure!(
            again.status()?.success(),
            "building the eBPF object with toolchain `{}` failed",
            toolchain.name()
        );
        return without_debug_sections(&shared.join(OBJECT), &object_path()?);
    }
    let package = aya_build::Package { name: "memwatch-ebpf", root_dir: EBPF_DIR, ..Default::default() };
    aya_build::build_ebpf([package], aya_build::Toolchain::Custom(toolchain.name()))
}

/// `target/bpf`; for each machine whose registers the programs read.
fn shared_directory() -> Result<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(TARGET_DIR).into(), PathBuf::from);
    let machine =
        env::var("CARGO_CFG_TARGET_ARCH").context("no CARGO_CFG_TARGET_ARCH: run this through cargo")?;
    Ok(target.join("bpf").join(machine))
}

/// Of 1.9 MB, 1.4 are DWARF and its relocations, which the loader would parse at each start. The kernel is told of types
/// and lines by `.BTF` and `.BTF.ext`, which stay.
fn without_debug_sections(from: &Path, to: &Path) -> Result<()> {
    let elf = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    let mut builder = Builder::read64(&*elf).context("the eBPF object is no ELF file")?;
    for section in &mut builder.sections {
        section.delete = section.name.starts_with(b".debug_") || section.name.starts_with(b".rel.debug_");
    }
    builder.delete_orphans();
    // LLVM has names of sections and of symbols in one table; what is written has two.
    let names = builder.sections.add();
    names.name = b".shstrtab"[..].into();
    names.sh_type = SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    builder.write(&mut stripped).context("cannot write the eBPF object")?;
    fs::write(to, stripped).with_context(|| format!("cannot write {}", to.display()))
}

fn without_object(why: &str) -> Result<()> {
    println!("cargo:warning=this build has no eBPF object and cannot watch: {why}");
    fs::write(object_path()?, []).context("cannot write the empty eBPF object")
}

/// Where `src/bpf/object.rs` embeds it from.
fn object_path() -> Result<PathBuf> {
    let out_dir = env::var_os(OUT_DIR).context("OUT_DIR is not set: run this through cargo")?;
    Ok(Path::new(&out_dir).join(OBJECT))
}
