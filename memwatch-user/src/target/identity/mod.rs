//! What a Node process is called: the names by which it can be chosen, and one that tells it from its neighbours.
//!
//! Everything is read from /proc, a bounded amount of it, and nothing is certain: a process may set its title at any time.

mod environment;
mod port;
mod script;
mod title;
mod unit;

use std::{
    ffi::OsStr,
    fmt, fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use globset::GlobMatcher;

use self::environment::{Environment, Pm2};
use super::{container, file, text::printable};

/// Bytes of a command line that are read: the kernel takes up to 6 MB (`_STK_LIM / 4 * 3`, fs/exec.c).
const MAX_CMDLINE: u64 = 64 << 10;
/// The longest part of a display name, in characters.
const MAX_PART: usize = 48;
/// As much of a container's id as `docker ps` shows.
const SHORT_ID: usize = 12;

/// What a process is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Name of the file that it runs, without its directory.
    executable: Vec<u8>,
    /// What it has called itself.
    title: Option<String>,
    /// Its script as typed, and with the directory.
    script: Option<(PathBuf, PathBuf)>,
    /// The npm package of its script, or else of its working directory.
    package: Option<String>,
    environment: Environment,
    /// Its systemd unit.
    unit: Option<String>,
    /// Where it listens.
    ports: Vec<u16>,
    /// Id of its container.
    container: Option<String>,
}

/// What made a process match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched {
    /// Its pid was given.
    Pid,
    /// It runs Node.
    Node,
    /// The name of its executable.
    Executable(String),
    /// What it has called itself (`process.title`).
    Title(String),
    /// The path or the name of its script.
    Script(String),
    /// The name in the `package.json` nearest to its script, or to its working directory.
    Package(String),
    /// What pm2 calls it.
    Pm2(String),
    /// Its systemd unit.
    Unit(String),
    /// It listens on this port.
    Port(u16),
    /// It runs in the container with this id.
    Container(String),
}

impl fmt::Display for Matched {
    /// `pid`, `node`, or which name it was, for example `script /srv/api.js`; free of control characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, name) = match self {
            Self::Pid => return f.write_str("pid"),
            Self::Node => return f.write_str("node"),
            Self::Port(port) => return write!(f, "port {port}"),
            Self::Executable(name) => ("executable", name),
            Self::Title(title) => ("title", title),
            Self::Script(path) => ("script", path),
            Self::Package(name) => ("package", name),
            Self::Pm2(name) => ("pm2 name", name),
            Self::Unit(name) => ("systemd unit", name),
            Self::Container(id) => ("container", id),
        };
        write!(f, "{what} {}", printable(name.as_bytes()))
    }
}

impl Identity {
    /// Reads what `pid` is called; `None` if it is gone, or we may not look at it.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let executable = fs::read_link(proc.join("exe")).ok()?;
        let executable = executable.file_name().unwrap_or_default().as_bytes();
        let executable = executable.strip_suffix(b" (deleted)").unwrap_or(executable).to_vec();
        let cmdline = file::read_start(&proc.join("cmdline"), MAX_CMDLINE).ok()?;
        let title = title::title(&cmdline, &executable);
        let arguments = if title.is_some() { title::arguments(pid) } else { Some(split(&cmdline)) };
        let environment = environment::of(pid);
        let directory = fs::read_link(proc.join("cwd")).unwrap_or_default();
        let script = script_of(&directory, &arguments.unwrap_or_default(), environment.pm2.as_ref());
        let home = script.as_ref().and_then(|(_, path)| path.parent()).unwrap_or(&directory);
        let package = script::package(&proc.join("root"), home);
        let cgroups = fs::read_to_string(proc.join("cgroup")).unwrap_or_default();
        Some(Self {
            unit: unit::unit(&cgroups).map(str::to_owned),
            ports: port::ports(pid),
            container: container::id(pid),
            executable,
            title,
            script,
            package,
            environment,
        })
    }

    /// Which of its names makes the process match, if one does.
    #[must_use]
    pub fn matches(&self, glob: &GlobMatcher) -> Option<Matched> {
        let text = |name: &Option<String>| name.clone().filter(|name| glob.is_match(name));
        let pm2 = self.environment.pm2.as_ref().map(|pm2| pm2.name.clone());
        let unit = |unit: &&String| {
            glob.is_match(unit) || unit.strip_suffix(".service").is_some_and(|name| glob.is_match(name))
        };
        let is_executable = glob.is_match(Path::new(OsStr::from_bytes(&self.executable)));
        let port = |port: &&u16| glob.is_match(format!(":{port}"));
        is_executable
            .then(|| Matched::Executable(printable(&self.executable)))
            .or_else(|| text(&self.title).map(Matched::Title))
            .or_else(|| text(&pm2).map(Matched::Pm2))
            .or_else(|| self.matched_script(glob))
            .or_else(|| text(&self.package).map(Matched::Package))
            .or_else(|| self.unit.as_ref().filter(unit).cloned().map(Matched::Unit))
            .or_else(|| self.ports.iter().find(port).copied().map(Matched::Port))
    }

    fn matched_script(&self, glob: &GlobMatcher) -> Option<Matched> {
        let (typed, path) = self.script.as_ref()?;
        let names = [typed, path, Path::new(path.file_name().unwrap_or_default())];
        let is_one = names.iter().any(|name| glob.is_match(name));
        is_one.then(|| Matched::Script(printable(path.as_os_str().as_bytes())))
    }

    /// A name that tells the process from its neighbours, as short as that allows: what a person gave it, the script with its
    /// directory, the number of a worker, the port, the container. Fit to be shown.
    #[must_use]
    pub fn display_name(&self) -> String {
        let Environment { pm2, worker, hostname } = &self.environment;
        let number = pm2.as_ref().map_or(worker, |pm2| &pm2.id).as_ref().map(|number| format!("#{number}"));
        let port = self.ports.first().map(|port| format!(":{port}"));
        let host = hostname
            .as_deref()
            .or_else(|| self.container.as_deref().map(|id| id.get(..SHORT_ID).unwrap_or(id)));
        let container = host.filter(|_| self.container.is_some()).map(|host| format!("@{host}"));
        let parts = self.given_names().into_iter().chain([number, port, container].into_iter().flatten());
        parts.map(|part| shortened(&part)).collect::<Vec<_>>().join(" ")
    }

    /// What it has called itself.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// The path of its script, fit to be shown.
    #[must_use]
    pub fn script(&self) -> Option<String> {
        self.script.as_ref().map(|(_, path)| printable(path.as_os_str().as_bytes()))
    }

    /// The npm package of its script, or else of its working directory.
    #[must_use]
    pub fn package(&self) -> Option<&str> {
        self.package.as_deref()
    }

    /// What pm2 calls it.
    #[must_use]
    pub fn pm2_name(&self) -> Option<&str> {
        self.environment.pm2.as_ref().map(|pm2| pm2.name.as_str())
    }

    /// Its systemd unit.
    #[must_use]
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// The TCP ports on which it listens.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Id of its container.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        self.container.as_deref()
    }

    /// What a person called it, then what it runs.
    fn given_names(&self) -> Vec<String> {
        if let Some(Pm2 { name, .. }) = &self.environment.pm2 {
            return vec![name.clone()];
        }
        // Of a title that repeats the command line (`node /srv/app.js`) the script says the same.
        let title = self.title.clone().filter(|title| !title.contains('/'));
        let unit = || self.unit.as_deref().map(|unit| unit.trim_end_matches(".service").to_owned());
        let owner = title.or_else(|| self.package.clone()).or_else(unit);
        let script = self.short_script().or_else(|| owner.is_none().then(|| printable(&self.executable)));
        owner.into_iter().chain(script).collect()
    }

    /// The script with its directory: every program has an `index.js`.
    fn short_script(&self) -> Option<String> {
        let (_, path) = self.script.as_ref()?;
        let names: Vec<_> = path.iter().rev().take(2).collect();
        let short: PathBuf = names.into_iter().rev().filter(|name| *name != "/").collect();
        Some(short.to_string_lossy().into_owned())
    }
}

/// Its script as typed, and with the directory it was typed in; else the one that pm2 started.
fn script_of(directory: &Path, arguments: &[String], pm2: Option<&Pm2>) -> Option<(PathBuf, PathBuf)> {
    // What pm2 starts in a cluster is a program of its own, which loads the script.
    let started = pm2.and_then(|pm2| pm2.script.as_deref());
    let typed = PathBuf::from(started.or_else(|| script::script(arguments))?);
    let path = script::absolute(directory, &typed);
    Some((typed, path))
}

fn split(cmdline: &[u8]) -> Vec<String> {
    cmdline.split(|byte| *byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}

/// Fit to be shown, and no longer than it may be: the end of a path says more than its beginning.
fn shortened(part: &str) -> String {
    let shown = printable(part.as_bytes());
    let length = shown.chars().count();
    if length <= MAX_PART {
        return shown;
    }
    shown.chars().skip(length - MAX_PART + 1).fold("…".to_owned(), |text, char| text + &char.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_script(path: &str) -> Identity {
        Identity {
            executable: b"node".to_vec(),
            script: Some((PathBuf::from("server.js"), PathBuf::from(path))),
            ..Identity::default()
        }
    }

    fn pm2(name: &str, id: &str) -> Environment {
        let pm2 = Pm2 { name: name.to_owned(), id: Some(id.to_owned()), script: None };
        Environment { pm2: Some(pm2), ..Environment::default() }
    }

    #[test]
    fn names_tell_processes_apart() {
        let some = |text: &str| Some(text.to_owned());
        let server = || with_script("/srv/shop/api/server.js");
        let hostname = |name: &str| Environment { hostname: some(name), ..Environment::default() };
        for (identity, expected) in [
            (server(), "api/server.js"),
            (with_script("/server.js"), "server.js"),
            (Identity { ports: vec![3000, 3001], ..server() }, "api/server.js :3000"),
            (Identity { package: some("@shop/api"), ..server() }, "@shop/api api/server.js"),
            (Identity { unit: some("shop.service"), ..server() }, "shop api/server.js"),
            (Identity { environment: pm2("shop", "3"), ..server() }, "shop #3"),
            (
                Identity { title: some("next-server (v15)"), script: None, package: some("web"), ..server() },
                "next-server (v15)",
            ),
            (Identity { title: some("node /srv/shop/api/server.js"), ..server() }, "api/server.js"),
            (Identity { executable: b"node\x1b".to_vec(), ..Identity::default() }, "node\\u{1b}"),
            (Identity { container: some(&"3f".repeat(32)), ..server() }, "api/server.js @3f3f3f3f3f3f"),
            (
                Identity { container: some("3f"), environment: hostname("shop-7d9f"), ..server() },
                "api/server.js @shop-7d9f",
            ),
            (Identity { environment: hostname("the-host"), ..server() }, "api/server.js"),
        ] {
            assert_eq!(identity.display_name(), expected);
        }
        let long = Identity { title: Some("x".repeat(90)), ..Identity::default() }.display_name();
        assert_eq!((long.chars().count(), long.starts_with('…')), (MAX_PART, true));
    }

    #[test]
    fn every_name_can_be_asked_for() {
        let matched = |identity: &Identity, glob: &str| {
            let glob = globset::Glob::new(glob).unwrap().compile_matcher();
            identity.matches(&glob).map(|matched| matched.to_string())
        };
        let identity = Identity {
            title: Some("shop-web (v15)".to_owned()),
            package: Some("@shop/web".to_owned()),
            unit: Some("shop.service".to_owned()),
            environment: pm2("front", "1"),
            ports: vec![3000],
            ..with_script("/srv/web/server.js")
        };
        for (glob, expected) in [
            ("node", Some("executable node")),
            ("shop-web*", Some("title shop-web (v15)")),
            ("front", Some("pm2 name front")),
            ("server.js", Some("script /srv/web/server.js")),
            ("/srv/web/*", Some("script /srv/web/server.js")),
            ("@shop/*", Some("package @shop/web")),
            ("shop", Some("systemd unit shop.service")),
            ("shop.service", Some("systemd unit shop.service")),
            (":3000", Some("port 3000")),
            ("nope", None),
        ] {
            assert_eq!(matched(&identity, glob).as_deref(), expected, "{glob}");
        }
    }

    #[test]
    fn we_have_a_name() {
        let us = Identity::of(std::process::id()).unwrap();
        assert!(!us.display_name().is_empty());
        assert_eq!(Identity::of(u32::MAX), None);
    }
}
