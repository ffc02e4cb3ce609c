//! What watching costs an HTTP server under full load.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::Bench;
use super::footprint::cpu_seconds;
use super::node::Node;
use super::page::{Bar, COMPARED, Section, compared};
use super::pairs::Pairs;
use super::stats::median;
use super::tool::{BARE, Tool};
use super::traffic::Traffic;

/// Seconds of a measurement.
const SECONDS: u32 = 3;
/// The server and the load generator keep a processor each busy.
const CONNECTIONS: u32 = 16;
/// Requests a second: at least this times as many when attached.
const THROUGHPUT: Bar = Bar::AtLeast(0.99);
/// 99th percentile of the latency: at most this times as long.
const LATENCY: Bar = Bar::AtMost(1.02);
/// CPU time of a request: at most this times as much.
const CPU: Bar = Bar::AtMost(1.01);

/// What a load measured.
pub(super) struct Load {
    /// Requests a second.
    pub(super) per_s: f64,
    /// 99th percentile of the latency, seconds.
    pub(super) p99_s: f64,
}

/// A load, and what it took of the server.
pub(super) struct Served {
    pub(super) load: Load,
    /// CPU time a request, seconds: the machine's ups and downs are less in it than in requests a second.
    pub(super) cpu_s: f64,
}

/// The server with some of our features, and without us.
struct Compared {
    pairs: Pairs<Served>,
    traffic: Traffic,
    features: String,
}

/// The section.
pub(super) fn section(bench: &Bench) -> Result<Section> {
    let server = Node::start("server", &[])?;
    // Compiled and grown before it counts.
    load(&server.hello)?;
    let (defaults, bare) = (measure(bench, &server, &[])?, measure(bench, &server, &BARE)?);
    Ok(written(&defaults, &bare))
}

fn measure(bench: &Bench, server: &Node, arguments: &[&str]) -> Result<Compared> {
    let attach = || Tool::attach_with(&[server.pid()], &bench.cache, arguments);
    let (traffic, _) = Traffic::of(bench, server.pid(), arguments, || load(&server.hello))?;
    let mut features = String::new();
    let pairs = Pairs::measure(bench.rounds, |attached| {
        let tool = attached.then(attach).transpose()?;
        let measured = served(server)?;
        if let Some(tool) = tool {
            features = tool.features()?;
            tool.detach()?;
        }
        Ok(measured)
    })?;
    Ok(Compared { pairs, traffic, features })
}

fn written(defaults: &Compared, bare: &Compared) -> Section {
    let mut section = Section::new("http", "HTTP server under load").says(&format!(
        "A server that answers with 1.3 KB of JSON made anew for each request, on the loopback device, with as many \
         requests as it can take (wrk, {CONNECTIONS} connections, {SECONDS} s each time); attached and detached in \
         turn, with as many pairs of which neither is attached. Geometric means of the pairs' ratios. A bound counts all \
         hits. With the defaults (on are {}): {}. With `{}` (on are {}): {}.",
        defaults.features,
        defaults.traffic.text(),
        BARE.join(" "),
        bare.features,
        bare.traffic.text(),
    ));
    section.table(COMPARED, rows("the defaults", defaults).into_iter().chain(rows("without both", bare)));
    section
}

fn rows(what: &str, Compared { pairs, traffic, .. }: &Compared) -> [[String; 6]; 6] {
    let bound = |ratio: f64, bar: Bar| {
        ["its bound", "", "", &format!("{ratio:.5}"), "", &bar.judge(ratio)].map(str::to_owned)
    };
    let middle = |of: fn(&Served) -> f64| median(pairs.bare().map(of));
    let (p99_s, cpu_s) = (middle(|served| served.load.p99_s), middle(|served| served.cpu_s));
    let cost_s = traffic.share() / middle(|served| served.load.per_s);
    let (per_s, p99, cpu) = ("requests a second", "99th percentile, ms", "CPU time a request, µs");
    [
        compared(&format!("{what}: {per_s}"), pairs, |served| served.load.per_s, 1.0, THROUGHPUT),
        bound(1.0 - traffic.share(), THROUGHPUT),
        compared(&format!("{what}: {p99}"), pairs, |served| served.load.p99_s, 1e3, LATENCY),
        bound(1.0 + traffic.delay(p99_s) / p99_s, LATENCY),
        compared(&format!("{what}: {cpu}"), pairs, |served| served.cpu_s, 1e6, CPU),
        bound(1.0 + cost_s / cpu_s, CPU),
    ]
}

/// A load on the server, and what it took.
pub(super) fn served(server: &Node) -> Result<Served> {
    let before = cpu_seconds(server.pid())?;
    let load = load(&server.hello)?;
    let cpu_s = (cpu_seconds(server.pid())? - before) / (load.per_s * f64::from(SECONDS));
    Ok(Served { load, cpu_s })
}

/// As many requests as the server takes for [`SECONDS`].
pub(super) fn load(port: &str) -> Result<Load> {
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}"), "--latency"]);
    let out = wrk.arg(format!("http://127.0.0.1:{port}/")).output().context("cannot start wrk")?;
    let text = String::from_utf8_lossy(&out.stdout);
    ensure!(out.status.success() && !text.contains("Non-2xx"), "wrk failed: {text}");
    parse(&text).with_context(|| format!("wrk did not say what it measured: {text}"))
}

fn parse(text: &str) -> Option<Load> {
    let after = |what: &str| text.lines().find_map(|line| line.trim().strip_prefix(what)).map(str::trim);
    Some(Load { per_s: after("Requests/sec:")?.parse().ok()?, p99_s: seconds(after("99%")?)? })
}

/// `1.05s`, `2.33ms` or `812.00us`.
fn seconds(text: &str) -> Option<f64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let factor = match &text[unit..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    text[..unit].parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_understood() {
        let text =
            "  Latency Distribution\n     50%    2.33ms\n     99%  182.31ms\nRequests/sec:   5163.12\n";
        let load = parse(text).unwrap();
        assert!((load.per_s - 5163.12).abs() < 1e-9 && (load.p99_s - 0.18231).abs() < 1e-9);
        assert!(parse("unable to connect").is_none());
    }

    #[test]
    fn units_of_time() {
        for (text, expected) in
            [("812.00us", Some(0.000_812)), ("1.05s", Some(1.05)), ("7", None), ("7x", None)]
        {
            assert_eq!(
                seconds(text).map(|s| (s * 1e6).round()),
                expected.map(|s: f64| (s * 1e6).round()),
                "{text}"
            );
        }
    }
}
