//! Kernels: the newest package of a series, unpacked below `.cache/vm/kernels`, with an initramfs for it.

use std::error::Error;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result};

use super::archive::Archive;
use super::initramfs;
use crate::repo;
use crate::run::cmd;

/// Debian's name for the architecture of this machine.
const ARCH: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// A series of kernels, for instance 6.1, or the newest there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Series {
    /// The highest version in the archive.
    Newest,
    /// Major and minor number.
    Of(u32, u32),
}

/// What was typed is no series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoSeries;

impl Error for NoSeries {}

impl fmt::Display for NoSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("say MAJOR.MINOR, for instance 6.1, or `newest`")
    }
}

impl FromStr for Series {
    type Err = NoSeries;

    fn from_str(text: &str) -> Result<Self, NoSeries> {
        let numbers =
            text.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        match numbers {
            _ if text == "newest" => Ok(Self::Newest),
            Some((major, minor)) => Ok(Self::Of(major, minor)),
            None => Err(NoSeries),
        }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.pad("newest"),
            Self::Of(major, minor) => f.pad(&format!("{major}.{minor}")),
        }
    }
}

/// A kernel that can be booted.
pub(super) struct Kernel {
    /// The version, as `uname -r` has it.
    pub(super) name: String,
    /// The compressed image.
    pub(super) image: PathBuf,
    /// The file system that it starts with.
    pub(super) initramfs: PathBuf,
}

/// The newest kernel of the series, fetched if it is not here yet.
pub(super) fn fetch(archive: &Archive, series: &Series) -> Result<Kernel> {
    let package =
        newest(&archive.names(&series.pattern())?).with_context(|| format!("the archive has no {series}"))?;
    let name = package.trim_start_matches("linux-image-").to_owned();
    let dir = repo::cache().join("vm/kernels").join(&name);
    let root = dir.join("root");
    if !root.exists() {
        // Unpacked beside its place and renamed, so that an interrupted run leaves nothing that looks complete.
        let partial = dir.join(format!("partial.{}", std::process::id()));
        archive.unpack(&with_parts(archive, package)?, &partial)?;
        fs::rename(&partial, &root).with_context(|| format!("cannot create {}", root.display()))?;
    }
    let image = image(&root, &name).with_context(|| format!("no image in the package of {name}"))?;
    let initramfs = initramfs::build(&dir, &modules(&root, &name), &name)?;
    Ok(Kernel { name, image, initramfs })
}

impl Series {
    /// What the packages of the series are called.
    fn pattern(&self) -> String {
        match self {
            Self::Newest => format!("^linux-image-[0-9].*-{ARCH}$"),
            Self::Of(major, minor) => format!("^linux-image-{major}\\.{minor}\\.[0-9].*-{ARCH}$"),
        }
    }
}

/// The highest version among packages, without the variants for clouds and real time, which lack 9p or differ more.
fn newest(packages: &[String]) -> Option<String> {
    let plain =
        packages.iter().filter(|name| !["-cloud-", "-rt-"].iter().any(|variant| name.contains(variant)));
    plain.max_by_key(|name| numbers(name)).cloned()
}

fn numbers(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// Since 7.0 the package of an image holds only the names of those with the image and with the modules.
fn with_parts(archive: &Archive, package: String) -> Result<Vec<String>> {
    let parts = archive.depends(&package)?;
    let wanted =
        |name: &String| ["linux-binary-", "linux-modules-"].iter().any(|part| name.starts_with(part));
    Ok(parts.into_iter().filter(wanted).chain([package]).collect())
}

fn image(root: &Path, name: &str) -> Option<PathBuf> {
    let places = [format!("boot/vmlinuz-{name}"), format!("usr/lib/modules/{name}/vmlinuz")];
    places.iter().map(|place| root.join(place)).find(|path| path.exists())
}

/// The directory above `lib/modules`, with the list of what depends on what.
fn modules(root: &Path, name: &str) -> PathBuf {
    let merged = root.join("usr").join("lib/modules").join(name);
    if merged.is_dir() { root.join("usr") } else { root.to_owned() }
}

/// Writes the list of what depends on what, for `modprobe`.
pub(super) fn index_modules(above: &Path, name: &str) -> Result<()> {
    cmd("/sbin/depmod").arg("-b").arg(above).arg(name).ask().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_two_numbers_or_newest() {
        assert_eq!("6.12".parse(), Ok(Series::Of(6, 12)));
        assert_eq!("newest".parse(), Ok(Series::Newest));
        for bad in ["6", "6.x", "6.1.2", "", "latest"] {
            assert!(bad.parse::<Series>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_newest_is_by_number_and_no_variant() {
        let names = ["6.1.0-9-amd64", "6.1.0-56-amd64", "6.1.0-57-cloud-amd64", "6.1.0-58-rt-amd64"];
        let names = names.map(|name| format!("linux-image-{name}"));
        assert_eq!(newest(&names).as_deref(), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(newest(&[]), None);
    }
}
