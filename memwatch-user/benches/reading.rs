//! What one full reading of a process costs, by how much it holds: a Node with so many MiB of objects.
//!
//! A reading is paced by this cost: it is done so seldom that all of it takes less than 0.7 % of one CPU.

use std::{
    env,
    hint::black_box,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use criterion::{Criterion, criterion_group, criterion_main};
use memwatch_common::outside::OutsideLayout;
use memwatch_user::{
    host::clock,
    sample::{Request, Sampler},
};

const VERSION: &str = "24.21.0";

/// Arrays of numbers, 1 MiB each in pages of ordinary size, until so much is resident.
const HOLD: &str = "const kept = [];
while (process.memoryUsage().rss < process.argv[1] * 2 ** 20)
  kept.push(Array.from({ length: 16 }, () => new Array(8192).fill(0.5)));
console.log('ready');
process.stdin.resume().on('end', () => process.exit(kept.length ? 0 : 1));";

/// A Node that holds something; ended when dropped.
struct Holder(Child);

impl Holder {
    fn new(mebibytes: &str) -> io::Result<Self> {
        let nodes = env::var_os("MEMWATCH_NODES").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/nodes")),
            PathBuf::from,
        );
        let mut command = Command::new(nodes.join(VERSION).join("bin/node"));
        command.args(["-e", HOLD, mebibytes]).env_remove("NODE_EXTRA_CA_CERTS").env_remove("NODE_OPTIONS");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        child.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line)).transpose()?;
        assert_eq!(line, "ready\n");
        Ok(Self(child))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn reading(c: &mut Criterion) {
    let mut group = c.benchmark_group("reading");
    for mebibytes in ["100", "1024"] {
        let node = Holder::new(mebibytes).unwrap_or_else(|error| panic!("no Node {VERSION}: {error}"));
        let read = || {
            Sampler::new(node.0.id(), None, OutsideLayout::UNKNOWN).read(clock::now(), &Request::everything())
        };
        assert!(read().resident.is_some(), "not read: root is needed to read another's memory");
        // `cargo xtask bench` reads these by their names.
        group.bench_function(format!("{mebibytes} MiB"), |b| b.iter(|| black_box(read())));
    }
    group.finish();
}

criterion_group!(
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(3));
    targets = reading
);
criterion_main!(benches);
