//! The dependencies keep the rules of `deny.toml`, on machines without cargo-deny as well: licences, banned crates and
//! sources. What it leaves to cargo-deny: the text of licence files, and known weaknesses.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Whether a licence expression (SPDX: `OR`, `AND`, `WITH`, brackets, and the old `/` for `OR`) can be met with the
/// allowed licences alone.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any_of(&words, &mut at, allowed)?;
    if at == words.len() { Ok(met) } else { Err(format!("`{expression}` is no licence expression")) }
}

fn any_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let mut met = all_of(words, at, allowed)?;
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all_of(words, at, allowed)?;
    }
    Ok(met)
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let mut met = one(words, at, allowed)?;
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed)?;
    }
    Ok(met)
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let word = *words.get(*at).ok_or("the licence expression ends too early")?;
    *at += 1;
    if word == "(" {
        let met = any_of(words, at, allowed)?;
        if words.get(*at) != Some(&")") {
            return Err("a bracket is not closed".to_owned());
        }
        *at += 1;
        return Ok(met);
    }
    if words.get(*at) == Some(&"WITH") {
        // An exception only ever widens what its licence permits, but a name of its own has to be allowed by it.
        let with = format!("{word} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
        return Ok(allowed.contains(&with));
    }
    Ok(allowed.contains(word))
}

fn strings(value: &toml::Value) -> BTreeSet<String> {
    value.as_array().expect("a list").iter().map(|v| v.as_str().expect("a text").to_owned()).collect()
}

#[test]
fn every_dependency_keeps_the_rules_of_deny_toml() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules: toml::Table = std::fs::read_to_string(root.join("deny.toml")).unwrap().parse().unwrap();
    let allowed = strings(&rules["licenses"]["allow"]);
    let banned: BTreeSet<&str> =
        rules["bans"]["deny"].as_array().unwrap().iter().map(|ban| ban["crate"].as_str().unwrap()).collect();
    assert!(allowed.len() > 3 && banned.len() > 3, "deny.toml was not understood");

    // Offline: what was built is here, and a test asks no network.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root)
        .output()
        .unwrap();
    if !output.status.success() {
        println!("skipped: cargo could not list the dependencies: {}", String::from_utf8_lossy(&output.stderr).trim());
        return;
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "only {} packages: the list was not understood", packages.len());
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        match package["license"].as_str().map(|expression| is_met(expression, &allowed)) {
            Some(Ok(true)) => {}
            Some(Ok(false)) => wrong.push(format!("{name}: its licence {} is not allowed", package["license"])),
            Some(Err(why)) => wrong.push(format!("{name}: {why}")),
            None => wrong.push(format!("{name}: names no licence")),
        }
        if banned.contains(name) {
            wrong.push(format!("{name}: banned"));
        }
        // Only this package itself has no source; everything else is from a registry, nothing from a git address.
        match package["source"].as_str() {
            Some(source) if source.starts_with("registry+") => {}
            None if name == "daen" => {}
            source => wrong.push(format!("{name}: comes from {source:?}, not from the registry")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn licence_expressions_are_read_with_their_brackets_and_choices() {
    let allowed: BTreeSet<String> = ["MIT", "ISC", "Unicode-3.0"].iter().map(|s| (*s).to_owned()).collect();
    let cases = [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT OR GPL-3.0-only", true),
        ("GPL-3.0-only/MIT", true),
        ("MIT AND GPL-3.0-only", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(GPL-2.0 OR Apache-2.0) AND Unicode-3.0", false),
        ("Apache-2.0 WITH LLVM-exception OR ISC", true),
        ("Apache-2.0 WITH LLVM-exception", false),
    ];
    for (expression, expected) in cases {
        assert_eq!(is_met(expression, &allowed), Ok(expected), "{expression}");
    }
    for broken in ["", "MIT OR", "(MIT", "MIT MIT"] {
        assert!(is_met(broken, &allowed).is_err(), "{broken}");
    }
}
