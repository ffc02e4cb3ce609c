//! Attaching, reporting, detaching: what has to work on every kernel of the support matrix, emulated ones too.

use anyhow::{Context as _, Result, ensure};
use memmap2::MmapMut;
use memwatch_common::target::TaskLayout;
use memwatch_tests::{
    kernel, machine, node, releases,
    tool::{self, Tool},
};
use memwatch_user::{
    bpf::multi,
    host::kernel::Kernel,
    native::direct::Direct,
    report::record::{Body, State},
};

use crate::{compare::watch_and_compare, native_memory};

#[test]
fn every_collection_is_reported_as_v8_says() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::start(releases::USUAL, "mixed_load")?.traced().ready()?;
    let errors = watch_and_compare(&mut node, 2, 20)?;
    ensure!(errors.len() >= 20);
    Ok(())
}

#[test]
fn hello_says_what_is_watched() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("idle")?;
    let mut tool = Tool::start(&["--pid", &node.pid().to_string(), "--json"])?;
    let record = tool.attached(node.pid())?;
    let Body::Hello(hello) = record.body else { unreachable!("attached() waits for a hello") };
    ensure!(hello.node_version.as_deref() == Some(releases::USUAL), "{:?}", hello.node_version);
    ensure!(hello.v8_version.is_some_and(|version| version.starts_with("12.4.")));
    ensure!(hello.build_id.is_some_and(|id| id.len() == 40 && id.chars().all(|c| c.is_ascii_hexdigit())));
    ensure!((hello.libc.as_deref(), hello.allocator.as_deref()) == (Some("glibc"), Some("glibc")));
    ensure!(hello.cmdline.len() == 2 && hello.cmdline[1] == node::fixture("idle").display().to_string());
    ensure!((&hello.features.gc, &hello.features.heap_limit) == (&State::On, &State::On));
    Ok(())
}

#[test]
fn ctrl_c_detaches_and_leaves_nothing() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running("mixed_load")?;
    let mut tool = Tool::watch(&[node.pid()])?;
    tool.wait("a collection", |record| tool::gc(record).is_some())?;
    let held = kernel::held_by(tool.pid())?;
    ensure!(!held.programs.is_empty() && held.alive()? == held, "{held:?}");
    let finished = tool.interrupt()?;
    finished.done()?;
    held.wait_until_gone()?;
    let last = finished.records()?.pop();
    ensure!(matches!(last.map(|record| record.body), Some(Body::Bye(bye)) if bye.reason == "interrupted"));
    node.healthy()
}

/// Programs for the allocator are loaded by another way than V8's, and only when they are needed.
#[test]
fn blocks_of_malloc_are_followed_where_the_kernel_has_cookies() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running("mixed_load")?;
    let mut tool = Tool::start(&["--pid", &node.pid().to_string(), "--json", "--native", "full"])?;
    let said = tool.wait("a word about blocks", |record| match &record.body {
        Body::Governor(governor) => governor.mode == "full",
        Body::Feature(feature) => feature.name == "native_sites",
        _ => false,
    })?;
    let has_cookies = Kernel::running().version.at_least(5, 15);
    ensure!(matches!(said.body, Body::Governor(_)) == has_cookies, "{said:?}");
    tool.interrupt()?.done()?;
    node.healthy()
}

/// An older kernel refuses what it does not know with the same error as a newer one what is wrong.
#[test]
fn links_of_many_probes_are_found_where_they_are() -> Result<()> {
    let kernel = Kernel::running();
    ensure!(!multi::is_supported() || kernel.version.at_least(6, 6), "{}", kernel.release);
    ensure!(multi::is_supported() || !kernel.version.at_least(6, 10), "{}", kernel.release);
    Ok(())
}

/// The functions that programs are put on have to be there, and the programs have to pass the verifier.
#[test]
#[expect(clippy::print_stdout, reason = "which of the two ways was taken")]
fn what_a_process_maps_itself_is_followed() -> Result<()> {
    let direct = Direct::start(native_memory::kernel(), TaskLayout::UNKNOWN, None)?;
    let (own, size) = (std::process::id(), 5 << 12);
    println!("mappings are seen in the kernel: {}", direct.attached()?);
    direct.follow(own, "", None);
    ensure!(direct.mapped(own).is_empty() && direct.refusal(own).is_none(), "{:?}", direct.refusal(own));
    let memory = MmapMut::map_anon(size)?;
    let start = memory.as_ptr() as u64;
    let is_followed = || direct.mapped(own).iter().any(|one| one.range == (start..start + size as u64));
    ensure!(is_followed(), "{:?} and {:?}", direct.mapped(own), direct.losses(own));
    let function = direct.mapped(own).into_iter().find_map(|one| one.by?.function).context("by nobody")?;
    ensure!(function.contains("memmap2"), "{function}");
    drop(memory);
    ensure!(!is_followed(), "{:?}", direct.mapped(own));
    direct.stop();
    Ok(())
}
