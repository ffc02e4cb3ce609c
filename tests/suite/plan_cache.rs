//! A cached plan is a hint until the file says the same: one that is forged, stale or torn is not used, and replaced.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    machine,
    node::{self, Node},
    releases, scratch,
    tool::{self, Tool},
};
use serde_json::Value;

#[test]
fn a_forged_plan_is_not_armed() -> Result<()> {
    let _machine = machine::shared();
    let mut cached = Cached::new()?;
    let forgeries: [fn(&mut Value); 4] = [
        |probe| probe["file_offset"] = (probe["file_offset"].as_u64().unwrap_or(0) + 1).into(),
        |probe| {
            probe["symbol_ref"]["index"] = (probe["symbol_ref"]["index"].as_u64().unwrap_or(0) + 1).into();
        },
        |probe| probe["symbol"] = "free".into(),
        |probe| probe["at"] = if probe["at"] == "return" { "entry" } else { "return" }.into(),
    ];
    for forge in forgeries {
        let mut plan = serde_json::from_str::<Value>(&cached.plan)?;
        for probe in plan["plan"]["probes"].as_array_mut().context("no probes in a plan")? {
            forge(probe);
        }
        let forged = plan.to_string();
        ensure!(forged != cached.plan);
        cached.survives(&forged)?;
    }
    Ok(())
}

#[test]
fn a_torn_plan_is_replaced() -> Result<()> {
    let _machine = machine::shared();
    let mut cached = Cached::new()?;
    let half = cached.plan[..cached.plan.len() / 2].to_owned();
    for torn in ["", "{}", "\u{0}\u{1}", "[[[[", &half] {
        cached.survives(torn)?;
    }
    Ok(())
}

/// A target, and the plan that the tool has cached for it.
struct Cached {
    node: Node,
    home: PathBuf,
    file: PathBuf,
    plan: String,
}

impl Cached {
    fn new() -> Result<Self> {
        let node = node::start(releases::USUAL, "gc_storm")?.flag("--expose-gc").ready()?;
        let home = scratch::directory("cache")?;
        attach(&node, &home)?;
        let mut files = fs::read_dir(home.join("memwatch-bpf"))?;
        let file = files.next().context("no plan was cached")??.path();
        let plan = fs::read_to_string(&file)?;
        Ok(Self { node, home, file, plan })
    }

    /// With `text` in place of the plan collections come as ever, the target lives, and the plan is right again.
    fn survives(&mut self, text: &str) -> Result<()> {
        fs::write(&self.file, text)?;
        attach(&self.node, &self.home)?;
        self.node.healthy()?;
        ensure!(fs::read_to_string(&self.file)? == self.plan, "this is not replaced: {text}");
        Ok(())
    }
}

/// Attaches with the cache in `home`, until there are collections.
fn attach(node: &Node, home: &Path) -> Result<()> {
    let mut command = tool::command()?;
    command.env(tool::CACHE_HOME, home).args(["--pid", &node.pid().to_string(), "--json"]);
    let mut tool = Tool::spawn(&mut command)?;
    tool.wait_all("collection with both sizes", 5, |record| {
        tool::gc(record).is_some_and(|gc| gc.before_bytes.is_some() && gc.after_bytes.is_some())
    })?;
    tool.interrupt()?.done()
}
