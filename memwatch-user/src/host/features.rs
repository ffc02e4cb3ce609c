//! What the running kernel can do for us, found by asking it, not by its version: distributions backport.

use std::path::Path;

use aya::{maps::MapType, programs::ProgramType, sys};

use super::{btf, kernel::KernelVersion};

/// Where the kernel lists the PMU that makes uprobes without tracefs.
pub const UPROBE_PMU: &str = "/sys/bus/event_source/devices/uprobe/type";

/// What the running kernel can do. A plain value: whoever needs an older kernel makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of independent yes and no answers")]
pub struct Features {
    /// `BPF_MAP_TYPE_RINGBUF` (5.8). Without it there are no events, and nothing can be watched.
    pub ring_buffer: bool,
    /// A probe can carry a cookie that names its attachment (5.15). Without it a file known under several names is
    /// counted once only by attaching it once.
    pub attach_cookie: bool,
    /// Uprobes through `perf_event_open` (4.17), which need no tracefs. Without them there are no probes.
    pub uprobe_pmu: bool,
    /// One link has many uprobes and goes at once (6.6 with its later updates). Without it windows on the allocator slow a
    /// busy target down for up to a second each.
    pub uprobe_multi: bool,
    /// Raw tracepoints (4.17). Without them exec, exit and OOM kills are not seen as they happen.
    pub raw_tracepoints: bool,
    /// The kernel describes its own types (`CONFIG_DEBUG_INFO_BTF`). Without it exit codes are not known.
    pub btf: bool,
}

/// One of [`Features`], by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FeatureName {
    /// [`Features::ring_buffer`].
    RingBuffer,
    /// [`Features::attach_cookie`].
    AttachCookie,
    /// [`Features::uprobe_pmu`].
    UprobePmu,
    /// [`Features::uprobe_multi`].
    UprobeMulti,
    /// [`Features::raw_tracepoints`].
    RawTracepoints,
    /// [`Features::btf`].
    Btf,
}

impl Features {
    /// Asks the kernel. Where it refuses to answer (no right to use BPF), the version decides.
    ///
    /// The answer on cookies comes from aya's own probes, which loading needs anyway: they run once a process. `uprobe_multi`
    /// is asked by who can load programs.
    #[must_use]
    pub fn probe(kernel: KernelVersion, uprobe_multi: bool) -> Self {
        Self {
            ring_buffer: sys::is_map_supported(MapType::RingBuf).unwrap_or(kernel.at_least(5, 8)),
            attach_cookie: cookies(kernel),
            uprobe_pmu: Path::new(UPROBE_PMU).exists(),
            uprobe_multi,
            raw_tracepoints: sys::is_program_supported(ProgramType::RawTracePoint)
                .unwrap_or(kernel.at_least(4, 17)),
            btf: Path::new(btf::VMLINUX).exists(),
        }
    }

    /// The same without `missing`: how an older kernel is tested on a newer one.
    #[must_use]
    pub fn without(mut self, missing: &[FeatureName]) -> Self {
        for &name in missing {
            *self.field(name) = false;
        }
        self
    }

    fn field(&mut self, name: FeatureName) -> &mut bool {
        match name {
            FeatureName::RingBuffer => &mut self.ring_buffer,
            FeatureName::AttachCookie => &mut self.attach_cookie,
            FeatureName::UprobePmu => &mut self.uprobe_pmu,
            FeatureName::UprobeMulti => &mut self.uprobe_multi,
            FeatureName::RawTracepoints => &mut self.raw_tracepoints,
            FeatureName::Btf => &mut self.btf,
        }
    }
}

/// aya takes a refusal to answer for a no: where it may not ask, the version decides.
fn cookies(kernel: KernelVersion) -> bool {
    let aya = aya::features();
    if aya.bpf_cookie() && aya.bpf_perf_link() {
        return true;
    }
    sys::is_program_supported(ProgramType::KProbe).is_err() && kernel.at_least(5, 15)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn each_feature_can_be_assumed_missing() {
        let all = Features {
            ring_buffer: true,
            attach_cookie: true,
            uprobe_pmu: true,
            uprobe_multi: true,
            raw_tracepoints: true,
            btf: true,
        };
        let mut left = all;
        for name in FeatureName::value_variants() {
            let without = all.without(&[*name]);
            assert_ne!(without, all, "{name:?}");
            left = left.without(&[*name]);
        }
        let none = all.without(FeatureName::value_variants());
        assert_eq!(left, none);
        assert!(!none.ring_buffer && !none.btf);
    }

    #[test]
    fn names_on_the_command_line() {
        let names: Vec<String> = FeatureName::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value)
            .map(|value| value.get_name().to_owned())
            .collect();
        let all = ["ring-buffer", "attach-cookie", "uprobe-pmu", "uprobe-multi", "raw-tracepoints", "btf"];
        assert_eq!(names, all);
    }

    /// With rights or without: the answers agree with the kernel's version on kernels that are not backports.
    #[test]
    fn a_new_kernel_has_what_its_version_promises() {
        let kernel = super::super::kernel::Kernel::running().version;
        let features = Features::probe(kernel, false);
        assert!(features.ring_buffer || !kernel.at_least(5, 8));
        assert!(features.attach_cookie || !kernel.at_least(5, 15));
    }
}
