//! Rebuilds the object when `bpf-linker` changes: cargo does not know that the linker is an input. And names the cfg by
//! which aya-build tells the target's machine.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(bpf_target_arch, values(\"x86_64\", \"aarch64\"))");
    if let Ok(linker) = which::which("bpf-linker") {
        println!("cargo:rerun-if-changed={}", linker.display());
    }
}
