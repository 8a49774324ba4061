//! Imports point one way: the rules of ARCHITECTURE.md, "Who may import whom", held against every file below `src`.
//!
//! The test reads paths as they are written (`crate::…`, `daen::…`, `super::…`). It sees through groups
//! (`use crate::{a, b}`) and inner modules; a glob of the crate's root or a renamed root would hide an import and is
//! refused for that reason.

#![allow(clippy::unwrap_used)]

mod source;

use source::{Kind, Token};
use std::path::Path;

/// The words that every stage may use.
const VOCABULARY: &[&str] = &["units", "cell", "observation", "config"];

/// Each part of the crate and what it may name beyond itself and the vocabulary.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("radio", &[]),
    ("dsp", &[]),
    ("coding", &[]),
    ("l3", &[]),
    ("rat", &["radio", "dsp", "coding", "l3"]),
    ("rules", &[]),
    ("locate", &[]),
    ("synth", &["radio", "dsp", "coding", "l3", "rat"]),
    ("sensor", &["radio", "dsp", "rat", "rules", "synth"]),
    ("hub", &["rules", "locate"]),
    ("cli", &["radio", "dsp", "coding", "l3", "rat", "rules", "locate", "synth", "sensor", "hub"]),
];

/// Within the vocabulary, too, each file names only those before it.
const VOCABULARY_MAY_NAME: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("cell", &["units"]),
    ("observation", &["units", "cell"]),
    ("config", &["units", "cell", "observation"]),
];

/// Parts whose tests may use the test transmitters; nothing outside `#[cfg(test)]` may.
const TESTED_WITH_SYNTH: &[&str] = &["radio", "dsp", "rat"];

/// Crates that belong to some parts only (or, within a part, to one file), and why. What the shells of node and hub
/// have in common, the link to the broker and the word to stop, is an edge of its own.
const OUTER_CRATES: &[(&str, &[&str], &str)] = &[
    ("anyhow", &["cli"], "inner parts have error types with values"),
    (
        "tokio",
        &["sensor", "hub", "cli", "config.rs", "config/link.rs"],
        "async only at the edge; signal processing and rules run on plain threads",
    ),
    ("rusqlite", &["sensor", "hub"], "only the spool and the store keep things"),
    ("soapysdr", &["radio"], "one door to hardware, and it only receives"),
];

/// Parts that take time as an argument and so never read a clock.
const WITHOUT_CLOCK: &[&str] =
    &["units", "cell", "observation", "dsp", "coding", "l3", "rat", "rules", "locate", "synth"];
const CLOCKS: &[&str] = &["SystemTime", "Instant"];

/// The module of a file below `src`, and whether the file is there for tests alone.
fn module_of(path: &Path) -> (Vec<String>, bool) {
    let mut names: Vec<String> = path.with_extension("").iter().map(|n| n.to_string_lossy().into_owned()).collect();
    let for_tests = names.iter().any(|n| n == "tests");
    if names.last().is_some_and(|n| n == "mod") {
        names.pop();
    }
    (names, for_tests)
}

/// The part a module belongs to; the binary's own `main` counts as the command line.
fn part_of(module: &[String]) -> &str {
    match module.first().map(String::as_str) {
        Some("main") | None => "cli",
        Some(part) => part,
    }
}

struct Mention {
    line: usize,
    /// First name behind the crate's root.
    head: String,
    in_test: bool,
}

/// Every mention of something from the crate's root, and every outer crate or clock, with where it stands.
fn mentions(tokens: &[Token], module: &[String], file_for_tests: bool) -> (Vec<Mention>, Vec<Mention>) {
    struct Scope {
        name: Option<String>,
        test: bool,
    }
    let is = |i: usize, text: &str| tokens.get(i).is_some_and(|t| t.is(text));
    let path_follows = |i: usize| is(i, ":") && is(i + 1, ":");
    let (mut inner, mut outer) = (Vec::new(), Vec::new());
    let mut scopes: Vec<Scope> = Vec::new();
    let mut test_next = false;
    let mut i = 0;
    while i < tokens.len() {
        let token = &tokens[i];
        let in_test = file_for_tests || test_next || scopes.iter().any(|s| s.test);
        if token.is("#") && is(i + 1, "[") {
            let end = (i..tokens.len()).find(|&j| is(j, "]")).unwrap_or(tokens.len());
            let says = |word| (i..end).any(|j| is(j, word));
            test_next |= (is(i + 2, "cfg") && says("test") && !says("not")) || is(i + 2, "test");
            i = end + 1;
            continue;
        } else if token.is("{") {
            let named = i >= 2 && tokens[i - 2].is("mod");
            scopes.push(Scope { name: named.then(|| tokens[i - 1].text.clone()), test: test_next });
            test_next = false;
        } else if token.is("}") {
            scopes.pop();
        } else if token.is(";") {
            test_next = false;
        } else if token.kind == Kind::Word && !(i >= 2 && is(i - 1, ":") && is(i - 2, ":")) {
            let mention = |head: &str| Mention { line: token.line, head: head.to_owned(), in_test };
            match token.text.as_str() {
                "crate" | "daen" if path_follows(i + 1) => {
                    inner.extend(heads(tokens, i + 3).iter().map(|h| mention(h)));
                }
                "crate" | "daen" if is(i + 1, "as") => inner.push(mention("the root under another name")),
                "super" => {
                    let mut here: Vec<&str> = module.iter().map(String::as_str).collect();
                    here.extend(scopes.iter().filter_map(|s| s.name.as_deref()));
                    let mut j = i;
                    while is(j, "super") && path_follows(j + 1) {
                        here.pop();
                        j += 3;
                    }
                    if here.is_empty() && j > i {
                        inner.extend(heads(tokens, j).iter().map(|h| mention(h)));
                    }
                }
                word => outer.push(mention(word)),
            }
        } else if token.kind == Kind::Word {
            outer.push(Mention { line: token.line, head: token.text.clone(), in_test });
        }
        i += 1;
    }
    (inner, outer)
}

/// The first names of the path or group of paths that begins at `i`.
fn heads(tokens: &[Token], i: usize) -> Vec<String> {
    let Some(first) = tokens.get(i) else { return Vec::new() };
    if !first.is("{") {
        return vec![first.text.clone()];
    }
    let (mut depth, mut found, mut item_starts) = (0, Vec::new(), false);
    for token in &tokens[i..] {
        if token.is("{") {
            depth += 1;
            item_starts = depth == 1;
        } else if token.is("}") {
            depth -= 1;
            if depth == 0 {
                break;
            }
        } else if token.is(",") {
            item_starts = depth == 1;
        } else if item_starts {
            found.push(token.text.clone());
            item_starts = false;
        }
    }
    found
}

/// What a file does against the rules, one sentence each.
fn violations(path: &str, text: &str) -> Vec<String> {
    let (module, file_for_tests) = module_of(Path::new(path));
    let part = part_of(&module).to_owned();
    let Some((_, others)) = MAY_NAME.iter().chain(VOCABULARY_MAY_NAME).find(|(name, _)| *name == part) else {
        return vec![format!("{path}: part `{part}` has no line in this test's tables")];
    };
    let of_vocabulary = VOCABULARY.contains(&part.as_str());
    let (inner, outer) = mentions(&source::tokens(text), &module, file_for_tests);
    let mut wrong = Vec::new();
    for Mention { line, head, in_test } in inner {
        let allowed = head == part
            || others.contains(&head.as_str())
            || (!of_vocabulary && VOCABULARY.contains(&head.as_str()))
            || (part == "cli" && (head == "cli" || module.is_empty()))
            || (in_test && head == "synth" && TESTED_WITH_SYNTH.contains(&part.as_str()));
        if !allowed {
            wrong.push(format!("src/{path}:{line}: `{part}` must not name `{head}`"));
        }
    }
    for Mention { line, head, in_test } in outer.iter().filter(|m| !m.in_test) {
        debug_assert!(!in_test);
        if let Some((_, _, why)) = OUTER_CRATES
            .iter()
            .find(|(name, at, _)| name == head && !at.contains(&part.as_str()) && !at.contains(&path))
        {
            wrong.push(format!("src/{path}:{line}: `{part}` must not use the crate `{head}`: {why}"));
        }
        if CLOCKS.contains(&head.as_str()) && WITHOUT_CLOCK.contains(&part.as_str()) {
            wrong.push(format!("src/{path}:{line}: `{part}` must not read a clock (`{head}`): time is an argument"));
        }
    }
    wrong
}

#[test]
fn imports_point_one_way() {
    let files = source::source_files();
    assert!(files.len() > 20, "only {} source files found: this test looks in the wrong place", files.len());
    let wrong: Vec<String> = files
        .iter()
        .filter(|(path, _)| path != Path::new("lib.rs"))
        .flat_map(|(path, text)| violations(&path.to_string_lossy(), text))
        .collect();
    assert!(wrong.is_empty(), "imports that point the wrong way:\n{}", wrong.join("\n"));
}

#[test]
fn every_part_that_the_library_declares_has_its_rule() {
    let (_, lib) = source::source_files().into_iter().find(|(path, _)| path == Path::new("lib.rs")).unwrap();
    let tokens = source::tokens(&lib);
    let declared: Vec<&str> = tokens.windows(2).filter(|w| w[0].is("mod")).map(|w| w[1].text.as_str()).collect();
    assert!(declared.len() >= 12, "the table of contents was not understood: {declared:?}");
    for part in declared {
        assert!(MAY_NAME.iter().chain(VOCABULARY_MAY_NAME).any(|(name, _)| *name == part), "`{part}` has no rule");
    }
}

#[test]
fn a_planted_violation_is_found_however_it_is_written() {
    let planted = [
        ("hub/ingest.rs", "use crate::sensor::spool::Spool;", "`hub` must not name `sensor`"),
        ("hub/mod.rs", "fn f() { crate::radio::source::open(); }", "`hub` must not name `radio`"),
        ("hub/web/page.rs", "use super::super::super::rat::gsm;", "`hub` must not name `rat`"),
        ("sensor/mod.rs", "use crate::{config, hub::{store, ingest}};", "`sensor` must not name `hub`"),
        ("sensor/spool.rs", "mod inner { use super::super::super::hub::Store; }", "`sensor` must not name `hub`"),
        ("rules/engine.rs", "use crate::{\n    cell::CellKey,\n    rat::Receiver,\n};", "`rules` must not name `rat`"),
        ("l3/gsm/message.rs", "use crate::coding::crc;", "`l3` must not name `coding`"),
        ("units.rs", "use crate::observation::Item;", "`units` must not name `observation`"),
        ("dsp/mod.rs", "use crate::*;", "`dsp` must not name `*`"),
        ("dsp/mod.rs", "use crate as everything;", "`dsp` must not name `the root under another name`"),
        ("dsp/mod.rs", "let c = '\"'; use crate::rat; // \"", "`dsp` must not name `rat`"),
        ("rat/gsm/mod.rs", "use crate::synth::gsm::Beacon;", "`rat` must not name `synth`"),
        ("rules/mod.rs", "#[cfg(test)] mod tests { } use crate::synth::scene;", "`rules` must not name `synth`"),
        ("rules/mod.rs", "use anyhow::Context;", "`rules` must not use the crate `anyhow`"),
        ("dsp/mod.rs", "fn f() { tokio::spawn(async {}); }", "`dsp` must not use the crate `tokio`"),
        ("config/hub.rs", "use tokio::sync::mpsc;", "`config` must not use the crate `tokio`"),
        ("rules/engine.rs", "let now = std::time::SystemTime::now();", "`rules` must not read a clock"),
        ("newcomer/mod.rs", "", "part `newcomer` has no line"),
    ];
    for (path, text, expected) in planted {
        let found = violations(path, text);
        assert!(found.len() == 1 && found[0].contains(expected), "{path}: {text}\nfound {found:?}");
    }
}

#[test]
fn what_is_allowed_is_not_called_a_violation() {
    let fine = [
        ("hub/mod.rs", "use crate::observation::Item; use crate::rules::register; use super::config;"),
        ("rat/gsm/mod.rs", "#[cfg(test)]\nmod tests { use super::*; use crate::synth::gsm::Beacon; }"),
        ("rat/gsm/tests.rs", "use crate::synth::gsm::Beacon;"),
        ("rules/engine.rs", "// crate::hub is not named\n/* crate::hub /* nor */ here */ let text = \"crate::hub\";"),
        ("rules/engine.rs", "let raw = r#\"\"crate::hub\"#; let c = b'\\''; fn f<'a>(x: &'a str) {}"),
        ("sensor/spool.rs", "mod inner { use super::super::publish; pub(crate) struct S; }"),
        ("cli/demo.rs", "use daen::{hub, sensor}; use super::Cli; use anyhow::Context;"),
        ("main.rs", "mod cli; use crate::cli::Cli;"),
    ];
    for (path, text) in fine {
        assert_eq!(violations(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
