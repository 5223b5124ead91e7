//! The program `scheduler-bench`: prints how long the scheduler takes.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use scheduler_bench::table::{self, Program};
use scheduler_bench::{growth, inputs};

/// Measure speed and memory of policy-simulate, beside crm_simulate where it is installed
#[derive(Parser, Debug)]
#[command(version, max_term_width = 100)]
struct Options {
    /// Folder with inputs (*.xml), which are measured together
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Program to measure [default: policy-simulate in the folder of this program]
    #[arg(long, value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// Pacemaker's program to compare with
    #[arg(long, value_name = "PROGRAM", default_value = "crm_simulate")]
    crm_simulate: PathBuf,
    /// Do not compare
    #[arg(long)]
    alone: bool,
    /// Sizes of generated inputs, as NODESxRESOURCES
    #[arg(long, value_name = "SIZE", value_delimiter = ',', value_parser = size,
          default_values = ["16x500", "32x1000", "64x2000"])]
    sizes: Vec<(usize, usize)>,
    /// Seconds after which a run is stopped; larger inputs of its kind are then skipped
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    limit: u64,
    /// Measure only how time and memory grow; write PREFIX.csv and PREFIX.svg
    #[arg(long, value_name = "PREFIX")]
    growth: Option<PathBuf>,
}

fn size(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('x').and_then(|(nodes, resources)| {
        let (nodes, resources) = (nodes.parse().ok()?, resources.parse().ok()?);
        (nodes > 0 && resources > 0).then_some((nodes, resources))
    });
    numbers.ok_or_else(|| "expected NODESxRESOURCES, such as 16x500".to_owned())
}

fn main() -> Result<()> {
    let options = Options::parse();
    let own = match options.program {
        Some(program) => program,
        None => std::env::current_exe()
            .context("cannot find the folder of this program; use --program")?
            .with_file_name("policy-simulate"),
    };
    let own = Program::new("policy-simulate", own);
    own.check().context(
        "policy-simulate is not there; build it: cargo build --release -p policy-simulate",
    )?;
    if let Some(prefix) = &options.growth {
        for line in growth::run(&own, prefix)? {
            println!("{line}");
        }
        return Ok(());
    }
    let mut programs = vec![own];
    if !options.alone {
        let other = Program::new(
            options.crm_simulate.display().to_string(),
            options.crm_simulate,
        );
        match other.check() {
            Ok(()) => programs.push(other),
            Err(error) => eprintln!("{error:#}: nothing to compare with"),
        }
    }
    let limit = Duration::from_secs(options.limit);
    for line in table::in_process()? {
        println!("{line}");
    }
    for (nodes, resources) in &options.sizes {
        for state in inputs::State::ALL {
            println!("{}", table::lint(*nodes, *resources, state)?);
        }
    }
    let mut table = table::Table::new(programs, limit);
    println!("{}", table.head());
    if let Some(corpus) = &options.corpus {
        println!("{}", table.corpus(corpus)?);
    }
    for (nodes, resources) in options.sizes {
        for state in inputs::State::ALL {
            for line in table.generated(nodes, resources, state)? {
                println!("{line}");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Options as clap::CommandFactory>::command().debug_assert();
        assert_eq!(size("16x500"), Ok((16, 500)));
        assert!(size("16").is_err() && size("0x5").is_err());
    }
}
