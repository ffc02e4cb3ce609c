//! The licences of all dependencies, against the list that cargo-deny reads too.
//!
//! Here, because building cargo-deny takes longer than everything else in `ci` together; it stays the judge of
//! advisories and sources where it can be had ready-made.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;
use spdx::{Expression, ParseMode};

use super::Finding;
use crate::cargo::cargo;
use crate::repo;

const POLICY: &str = "deny.toml";

/// Checks every package that cargo resolves.
pub(super) fn check() -> Result<Vec<Finding>> {
    let policy =
        fs::read_to_string(repo::root().join(POLICY)).with_context(|| format!("cannot read {POLICY}"))?;
    let allowed = allowed(&policy)?;
    let metadata = cargo().args(["metadata", "--format-version=1", "--locked"]).ask()?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata wrote no JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let line = 1 + policy.lines().position(|line| line.starts_with("allow")).unwrap_or(0);
    let finding = |what| Finding { path: PathBuf::from(POLICY), line, what };
    Ok(packages.iter().filter_map(|package| objection(package, &allowed)).map(finding).collect())
}

/// The licences in the policy's `[licenses] allow`.
fn allowed(policy: &str) -> Result<Vec<String>> {
    let policy: toml::Table = policy.parse().with_context(|| format!("{POLICY} is no TOML"))?;
    let list =
        policy.get("licenses").and_then(|licenses| licenses.get("allow")).and_then(toml::Value::as_array);
    let list = list.with_context(|| format!("{POLICY} has no list `allow` in [licenses]"))?;
    Ok(list.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect())
}

/// What is wrong with the package's licence, if anything.
fn objection(package: &Value, allowed: &[String]) -> Option<String> {
    let name = package["name"].as_str()?;
    let Some(licence) = package["license"].as_str() else {
        return Some(format!("{name} states no licence, read it and replace the package"));
    };
    (!permits(licence, allowed))
        .then(|| format!("{name} is under {licence}, add it here or replace the package"))
}

fn permits(licence: &str, allowed: &[String]) -> bool {
    // Old manifests write `MIT/Apache-2.0`.
    let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else { return false };
    expression.evaluate(|required| allowed.contains(&required.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_evaluated() {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
        let cases = [
            ("MIT", true),
            ("MIT OR GPL-3.0-only", true),
            ("MIT/Apache-2.0", true),
            ("MIT AND GPL-3.0-only", false),
            ("(GPL-2.0-only OR MIT) AND Apache-2.0", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("no licence at all", false),
        ];
        for (licence, permitted) in cases {
            assert_eq!(permits(licence, &allowed), permitted, "{licence}");
        }
    }

    #[test]
    fn the_list_is_the_one_of_cargo_deny() {
        assert_eq!(allowed("[licenses]\nallow = [\"MIT\"]\n").unwrap(), ["MIT"]);
        assert!(allowed("[licenses]\n").is_err());
    }

    #[test]
    fn a_package_without_a_licence_is_named() {
        let package = serde_json::json!({ "name": "odd", "license": null });
        assert!(objection(&package, &[]).is_some_and(|what| what.starts_with("odd ")));
    }
}
