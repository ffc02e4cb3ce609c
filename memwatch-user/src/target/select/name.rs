//! What a process is called: its executable, its script, or the npm package the script belongs to.

use std::{
    fs::File,
    io::Read,
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
    path::{Component, Path, PathBuf},
};

use globset::GlobMatcher;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

use super::Matched;
use crate::target::{process, text::printable};

/// A `package.json` that is longer is not read.
const MAX_PACKAGE_JSON: u64 = 256 * 1024;
/// Directories above a script that are searched for a `package.json`.
const MAX_DEPTH: usize = 32;

/// Options of Node that take the next argument as their value (`node --help` of 12 to 26); options of V8 never do.
const WITH_VALUE: [&str; 21] = [
    "-C",
    "-r",
    "--conditions",
    "--cpu-prof-dir",
    "--diagnostic-dir",
    "--disable-warning",
    "--dns-result-order",
    "--env-file",
    "--env-file-if-exists",
    "--es-module-specifier-resolution",
    "--experimental-config-file",
    "--experimental-loader",
    "--icu-data-dir",
    "--import",
    "--input-type",
    "--loader",
    "--redirect-warnings",
    "--require",
    "--title",
    "--unhandled-rejections",
    "--watch-path",
];

/// Which of its names makes the process match, if one does: executable, script, package.
pub(super) fn matches(pid: u32, glob: &GlobMatcher) -> Option<Matched> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let executable = std::fs::read_link(proc.join("exe")).ok()?;
    let executable = executable.file_name().unwrap_or_default().as_bytes();
    let executable = executable.strip_suffix(b" (deleted)").unwrap_or(executable);
    if glob.is_match(Path::new(std::ffi::OsStr::from_bytes(executable))) {
        return Some(Matched::Executable(printable(executable)));
    }
    let arguments = process::cmdline(pid);
    let typed = Path::new(script(&arguments)?);
    let path = absolute(&std::fs::read_link(proc.join("cwd")).unwrap_or_default(), typed);
    let names = [typed, &path, Path::new(path.file_name().unwrap_or_default())];
    if names.iter().any(|name| glob.is_match(name)) {
        return Some(Matched::Script(printable(path.as_os_str().as_bytes())));
    }
    let package = package(&proc.join("root"), &path)?;
    glob.is_match(&package).then(|| Matched::Package(printable(package.as_bytes())))
}

/// The script among the arguments of a Node process: the first that is neither an option nor an option's value. `None`
/// if code was given on the command line, or nothing was.
fn script(arguments: &[String]) -> Option<&str> {
    let mut rest = arguments.iter().skip(1).map(String::as_str);
    while let Some(argument) = rest.next() {
        match argument {
            "--" => return rest.next(),
            "-" | "-e" | "--eval" | "-p" | "-pe" | "--print" | "-i" | "--interactive" => return None,
            option if WITH_VALUE.contains(&option) => {
                rest.next();
            }
            option if option.starts_with('-') => {}
            script => return Some(script),
        }
    }
    None
}

/// `path` seen from `directory`, without `.` and `..`.
fn absolute(directory: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in directory.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// Name in the `package.json` nearest to `script`, both as seen from `root`.
fn package(root: &Path, script: &Path) -> Option<String> {
    script.ancestors().skip(1).take(MAX_DEPTH).find_map(|directory| {
        let text = read_below(root, &directory.join("package.json"))?;
        let json: serde_json::Value = serde_json::from_str(&text).ok()?;
        json.get("name")?.as_str().map(str::to_owned)
    })
}

/// Reads a regular file. Links are resolved as the process itself would: without that a link in a container leads to the
/// host's files (openat2(2), Linux 5.6). Only what turns out to be a regular file is opened: to open a device can do
/// something, and to open a pipe wakes who writes into it.
fn read_below(root: &Path, path: &Path) -> Option<String> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = openat(CWD, root, flags | OFlags::DIRECTORY, Mode::empty()).ok()?;
    let place = File::from(openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT).ok()?);
    let metadata = place.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > MAX_PACKAGE_JSON {
        return None;
    }
    // The very file that was looked at, whatever its name leads to by now.
    let file = File::open(format!("/proc/self/fd/{}", place.as_raw_fd())).ok()?;
    let mut text = String::new();
    file.take(MAX_PACKAGE_JSON).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, thread, time::Duration};

    use rustix::fs::{FileType, mknodat};

    use super::*;

    #[test]
    fn the_script_is_the_first_argument_that_is_not_an_option() {
        for (line, expected) in [
            ("node app.js --port 80", Some("app.js")),
            ("node --max-old-space-size=300 -r ./hook.js app.js x", Some("app.js")),
            ("node --import tsx --inspect src/main.ts", Some("src/main.ts")),
            ("node -- -odd.js", Some("-odd.js")),
            ("node -e process.exit()", None),
            ("node -p 1", None),
            ("node", None),
            ("node --inspect", None),
            ("node -", None),
        ] {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(script(&arguments), expected, "{line}");
        }
    }

    #[test]
    fn paths_are_made_absolute_as_they_are_written() {
        for (directory, path, expected) in [
            ("/srv/app", "./index.js", "/srv/app/index.js"),
            ("/srv/app", "../b/../c.js", "/srv/c.js"),
            ("/srv/app", "/opt/x.js", "/opt/x.js"),
            ("/", "../../x.js", "/x.js"),
        ] {
            assert_eq!(absolute(Path::new(directory), Path::new(path)), PathBuf::from(expected));
        }
    }

    #[test]
    fn the_nearest_package_names_the_script_and_links_stay_below_the_root() {
        let root = std::env::temp_dir().join(format!("memwatch-name-{}", std::process::id()));
        std::fs::create_dir_all(root.join("srv/app/src")).unwrap();
        std::fs::create_dir_all(root.join("srv/linked")).unwrap();
        std::fs::write(root.join("srv/app/package.json"), r#"{"name":"@shop/api"}"#).unwrap();
        std::fs::write(root.join("srv/package.json"), r#"{"name":"outer"}"#).unwrap();
        std::os::unix::fs::symlink("/srv/app/package.json", root.join("srv/linked/package.json")).unwrap();
        let named = |script: &str| package(&root, Path::new(script));
        let found =
            [named("/srv/app/src/main.js"), named("/srv/linked/x.js"), named("/srv/x.js"), named("/x.js")];
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(
            found.each_ref().map(Option::as_deref),
            [Some("@shop/api"), Some("@shop/api"), Some("outer"), None]
        );
    }

    #[test]
    fn pipes_and_devices_are_not_opened() {
        let directory = std::env::temp_dir().join(format!("memwatch-name-pipe-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (pipe, link) = (directory.join("pipe"), directory.join("link"));
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        // Opening a pipe to write waits until somebody opens it to read.
        let writer = thread::spawn({
            let pipe = pipe.clone();
            move || drop(OpenOptions::new().write(true).open(pipe).unwrap())
        });
        thread::sleep(Duration::from_millis(50));
        let read = [&pipe, &link].map(|path| read_below(Path::new("/"), path));
        thread::sleep(Duration::from_millis(50));
        let woken = writer.is_finished();
        drop((!woken).then(|| File::open(&pipe).unwrap()));
        writer.join().unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!((read, woken), ([None, None], false));
    }
}
