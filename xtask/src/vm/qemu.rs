//! QEMU: found or installed, and run until the guest says how its command ended.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use super::archive;
use super::guest::{Console, Guest, Script};
use super::kernel::Kernel;
use crate::repo;
use crate::run::{Cmd, cmd, complain, say};
use crate::setup::Apt;
use crate::toolchain::which;

const PROGRAM: &str = "qemu-system-x86_64";

/// What a guest takes besides QEMU: a shell for its first process, its modules' order, unpacked and packed.
const TOOLS: [&str; 4] = ["busybox-static", "kmod", "cpio", "xz-utils"];

/// A guest without a working accelerator hangs; one with boots in 2 s.
const PROBE: Duration = Duration::from_secs(20);

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Accel {
    /// KVM if a guest boots with it, else TCG. That `/dev/kvm` exists says nothing: some accept only their own guests.
    Auto,
    /// The processor.
    Kvm,
    /// QEMU's translator: works everywhere, 25 to 35 times slower.
    Tcg,
}

/// A QEMU that can be run.
pub(super) struct Qemu {
    program: PathBuf,
}

/// The QEMU on `PATH`, or Debian's.
pub(super) fn find_or_install() -> Result<Qemu> {
    fs::create_dir_all(repo::cache().join("vm")).context("cannot create .cache/vm")?;
    if which(PROGRAM).is_none() {
        install_qemu()?;
    }
    Apt::default().install(&TOOLS, &[])?;
    let program = which(PROGRAM).with_context(|| format!("{PROGRAM} is installed, but not on PATH"))?;
    Ok(Qemu { program })
}

/// From bookworm's backports, where bookworm has them: its own 7.2 excludes the backported qemu-utils that many
/// machines have. The suite is added for this one command, not to the system's sources.
fn install_qemu() -> Result<()> {
    const BACKPORTS: &str = "bookworm-backports";
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !release.contains("VERSION_CODENAME=bookworm") {
        return Apt::default().install(&["qemu-system-x86"], &[]);
    }
    let dir = repo::cache().join("vm/apt-backports");
    fs::create_dir_all(dir.join("lists/partial")).context("cannot create .cache/vm/apt-backports")?;
    let (main, security) = archive::mirrors()?;
    let suites = [(&main, "bookworm"), (&security, "bookworm-security"), (&main, BACKPORTS)];
    let list: String = suites.iter().map(|(mirror, suite)| archive::source(mirror, suite)).collect();
    fs::write(dir.join("sources.list"), list).context("cannot write .cache/vm/apt-backports/sources.list")?;
    Apt::with_options(private_sources(&dir)).install(&["qemu-system-x86"], &["-t", BACKPORTS])
}

fn private_sources(dir: &Path) -> [String; 3] {
    let at = |name: &str| dir.join(name).display().to_string();
    [
        format!("Dir::Etc::sourcelist={}", at("sources.list")),
        format!("Dir::Etc::sourceparts={}", at("none")),
        format!("Dir::State::lists={}", at("lists")),
    ]
}

impl Qemu {
    /// What to use when a person asked for `wanted`.
    pub(super) fn choose(&self, wanted: Accel, kernel: &Kernel) -> Result<Accel> {
        if wanted != Accel::Auto {
            return Ok(wanted);
        }
        let script = Script::write("exit 0")?;
        let guest = Guest { kernel, script: script.path(), timeout: PROBE };
        let works = Path::new("/dev/kvm").exists()
            && self.watch(&guest, Accel::Kvm).is_ok_and(|it| it.status() == Some(0));
        let chosen = if works { Accel::Kvm } else { Accel::Tcg };
        say(&format!("accel: {chosen:?}"));
        Ok(chosen)
    }

    /// Boots the guest and returns its command's exit status; shows the whole console when there is none.
    pub(super) fn run(&self, guest: &Guest<'_>, accel: Accel) -> Result<i32> {
        let console = self.watch(guest, accel)?;
        console.status().ok_or_else(|| {
            console.lines().iter().for_each(|line| complain(&format!("console: {line}")));
            anyhow!(
                "the guest ended, or was given up after {} s, before its command did",
                guest.timeout.as_secs()
            )
        })
    }

    fn watch(&self, guest: &Guest<'_>, accel: Accel) -> Result<Console> {
        let mut command = self.command(guest, accel).into_command();
        let child =
            command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().context("cannot start QEMU")?;
        follow(child, guest.timeout)
    }

    fn command(&self, guest: &Guest<'_>, accel: Accel) -> Cmd {
        let accel: &[&str] = match accel {
            Accel::Kvm => &["-accel", "kvm", "-cpu", "host"],
            _ => &["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"],
        };
        cmd(&self.program)
            .args([
                "-machine",
                "q35",
                "-smp",
                "2",
                "-m",
                "2048",
                "-nodefaults",
                "-no-reboot",
                "-display",
                "none",
            ])
            .args(accel)
            .args(["-serial", "stdio", "-fsdev"])
            .arg("local,id=root,path=/,security_model=none,readonly=on,multidevs=remap")
            .args(["-device", "virtio-9p-pci,fsdev=root,mount_tag=hostroot"])
            .arg("-kernel")
            .arg(&guest.kernel.image)
            .arg("-initrd")
            .arg(&guest.kernel.initramfs)
            .arg("-append")
            .arg(kernel_arguments(guest.script))
    }
}

/// `nokaslr` and no mitigations for speed under translation; `panic=-1` turns a panic into an end.
fn kernel_arguments(script: &Path) -> String {
    let fixed = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable";
    format!("{fixed} script={}", script.display())
}

/// Reads the console to its end, showing the command's lines; ends a guest that takes too long.
fn follow(mut child: Child, timeout: Duration) -> Result<Console> {
    let output = child.stdout.take().context("QEMU has no standard output")?;
    let (sender, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) && sender.send(line.clone()).is_ok() {
            line.clear();
        }
    });
    let console = collect(&lines, Instant::now() + timeout);
    // Ended by itself, or given up: either way it must not outlive us.
    drop(child.kill());
    child.wait().context("cannot wait for QEMU")?;
    drop(lines);
    reader.join().map_err(|_| anyhow!("reading the console panicked"))?;
    Ok(console)
}

fn collect(lines: &mpsc::Receiver<Vec<u8>>, deadline: Instant) -> Console {
    let mut console = Console::default();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => show(console.take(&String::from_utf8_lossy(&line))),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return console,
        }
        if console.status().is_some() {
            return console;
        }
    }
}

fn show(line: Option<String>) {
    if let Some(line) = line {
        say(&format!("  | {line}"));
    }
}
