//! The eBPF object that `build.rs` built and that this binary carries.

/// Empty when the build had no toolchain for eBPF. The loader parses ELF headers in place, hence the alignment.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/memwatch"));

/// This binary was built where the eBPF toolchain was missing or was told to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this build has no eBPF object: run `cargo xtask setup` and build again")]
pub struct NoObject;

/// The object as an ELF file, or [`NoObject`] when this build carries none.
pub const fn bytes() -> Result<&'static [u8], NoObject> {
    if OBJECT.is_empty() { Err(NoObject) } else { Ok(OBJECT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_an_elf_file_for_bpf_or_says_how_to_get_one() {
        /// `e_machine` of an ELF file for eBPF, from `linux/elf-em.h`.
        const EM_BPF: [u8; 2] = 247_u16.to_le_bytes();
        match bytes() {
            Ok(elf) => assert_eq!((&elf[..4], &elf[18..20]), (&b"\x7fELF"[..], &EM_BPF[..])),
            Err(error) => assert!(error.to_string().contains("cargo xtask setup")),
        }
    }
}
