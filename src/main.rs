//! The one binary: `daen SUBCOMMAND`; each subcommand is a file below `cli`.

#![forbid(unsafe_code)]

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Many errors name their cause themselves; what has been said is not said again.
            let mut said = String::new();
            for cause in error.chain().map(ToString::to_string).filter(|cause| !cause.is_empty()) {
                if !said.contains(&cause) {
                    said = if said.is_empty() { cause } else { format!("{said}: {cause}") };
                }
            }
            eprintln!("daen: {said}");
            ExitCode::FAILURE
        }
    }
}
