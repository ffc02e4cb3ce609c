//! What the environment says that a process was started with: names that process managers give, and the host's name in a
//! container.

use std::path::Path;

use serde_json::Value;

use crate::target::file;

/// Bytes of an environment that are read; pm2's own variables come with some kilobytes.
const MAX_ENVIRONMENT: u64 = 1 << 20;

/// What the environment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Environment {
    /// What pm2 calls the process.
    pub(super) pm2: Option<Pm2>,
    /// Number of the worker in a cluster.
    pub(super) worker: Option<String>,
    /// Name of the host, as the container has it: the name of the pod, or what `docker ps` shows.
    pub(super) hostname: Option<String>,
}

/// What pm2 says of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pm2 {
    pub(super) name: String,
    /// Its number in `pm2 list`.
    pub(super) id: Option<String>,
    pub(super) script: Option<String>,
}

/// Reads that of `pid`; empty if we may not.
pub(super) fn of(pid: u32) -> Environment {
    let path = format!("/proc/{pid}/environ");
    file::read_start(Path::new(&path), MAX_ENVIRONMENT).map(|bytes| parse(&bytes)).unwrap_or_default()
}

fn parse(environ: &[u8]) -> Environment {
    let value = |name: &str| {
        let mut all = environ.split(|byte| *byte == 0);
        let found = all.find_map(|one| one.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        Some(String::from_utf8_lossy(found).into_owned()).filter(|text| !text.is_empty())
    };
    Environment {
        // Of a worker that pm2 keeps in a cluster all is in one variable (God/ClusterMode.js).
        pm2: value("pm2_env").and_then(|json| of_cluster(&json)).or_else(|| of_fork(&value)),
        worker: value("NODE_UNIQUE_ID"),
        hostname: value("HOSTNAME"),
    }
}

/// pm2 passes each field of its own as a variable (God/ForkMode.js). `name` alone could be anybody's.
fn of_fork(value: &impl Fn(&str) -> Option<String>) -> Option<Pm2> {
    let script = value("pm_exec_path")?;
    Some(Pm2 { name: value("name")?, id: value("pm_id"), script: Some(script) })
}

fn of_cluster(json: &str) -> Option<Pm2> {
    let fields: Value = serde_json::from_str(json).ok()?;
    let text = |field: &str| match fields.get(field)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Some(Pm2 { name: text("name")?, id: text("pm_id"), script: text("pm_exec_path") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pm2(name: &str, id: &str, script: &str) -> Pm2 {
        Pm2 { name: name.to_owned(), id: Some(id.to_owned()), script: Some(script.to_owned()) }
    }

    #[test]
    fn pm2_names_what_it_starts() {
        for (environ, expected) in [
            (
                &b"PATH=/bin\0name=shop\0pm_id=3\0pm_exec_path=/srv/a.js\0"[..],
                Some(pm2("shop", "3", "/srv/a.js")),
            ),
            (
                b"pm2_env={\"name\":\"api\",\"pm_id\":0,\"pm_exec_path\":\"/srv/b.js\"}\0",
                Some(pm2("api", "0", "/srv/b.js")),
            ),
            (b"name=not pm2's\0", None),
            (b"pm2_env={broken\0", None),
            (b"", None),
        ] {
            assert_eq!(parse(environ).pm2, expected);
        }
    }

    #[test]
    fn workers_and_hosts_are_named() {
        let Environment { worker, hostname, .. } =
            parse(b"NODE_UNIQUE_ID=2\0HOSTNAME=shop-7d9f\0XHOSTNAME=no");
        assert_eq!((worker.as_deref(), hostname.as_deref()), (Some("2"), Some("shop-7d9f")));
        assert_eq!(parse(b"HOSTNAME=\0").hostname, None);
    }
}
