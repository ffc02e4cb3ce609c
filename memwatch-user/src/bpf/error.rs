//! Why the kernel's side cannot be loaded or spoken to.

use aya::{
    Ebpf, EbpfError,
    maps::{Map, MapError},
    programs::ProgramError,
};

use super::object;

/// Why the object could not be loaded or spoken to.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The build has none.
    #[error(transparent)]
    Object(#[from] object::NoObject),
    /// The object as a whole, or a map.
    #[error("cannot load the eBPF object: {0}; `memwatch-bpf doctor` says what this host allows")]
    Load(#[from] Box<EbpfError>),
    /// A program, mostly the verifier.
    #[error(
        "cannot load the eBPF program {name}: {source}; `memwatch-bpf doctor` says what this host allows"
    )]
    Program {
        /// Which.
        name: String,
        /// Why.
        source: Box<ProgramError>,
    },
    /// A map that the object should have.
    #[error("the eBPF object has no {0}: it is from another build; build again")]
    Missing(&'static str),
    /// Reading or writing a map.
    #[error("cannot use the eBPF map {name}: {source}")]
    Map {
        /// Which.
        name: &'static str,
        /// Why.
        source: Box<MapError>,
    },
    /// How many CPUs there are cannot be found out.
    #[error("cannot count the CPUs that maps have values for: {0}")]
    Cpus(#[source] std::io::Error),
    /// Its maps cannot be opened once more.
    #[error("cannot open the eBPF maps once more: {0}")]
    MoreDescriptors(#[source] std::io::Error),
    /// Programs that others go on with.
    #[error("cannot put the eBPF program {name} where others go on with it: {source}")]
    GoOn {
        /// Which.
        name: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel side's debug lines.
    #[error("cannot read the debug lines of the kernel side: {0}")]
    DebugLines(String),
    /// Waiting for the ring buffer.
    #[error("cannot wait for the ring buffer: {0}")]
    Ring(#[source] std::io::Error),
}

pub(super) fn typed<T: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<T, LoadError> {
    let map = ebpf.take_map(name).ok_or(LoadError::Missing(name))?;
    T::try_from(map).map_err(in_map(name))
}

pub(super) fn in_program(name: &str) -> impl Fn(ProgramError) -> LoadError {
    move |source| LoadError::Program { name: name.to_owned(), source: Box::new(source) }
}

pub(super) fn in_map(name: &'static str) -> impl Fn(MapError) -> LoadError {
    move |source| LoadError::Map { name, source: Box::new(source) }
}
