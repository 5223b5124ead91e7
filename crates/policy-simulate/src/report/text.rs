//! The text format, line for line that of `crm_simulate` (scheduler-spec/06 §B.2).

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use policy_engine::Cluster;
use policy_engine::model::ScoreLine;
use policy_engine::output::Item;
use policy_engine::output::status::{self, details};
use policy_engine::output::summary::{self, Change};
use policy_engine::output::{items, scores};
use policy_engine::simulation::{Execution, Injected};

use super::{Report, Sink, StatusKind, Written};
use crate::arguments::Arguments;
use crate::failure::Failure;

/// The text report.
pub(super) struct Text<'a> {
    arguments: &'a Arguments,
    sink: Sink<'a>,
    err: &'a mut dyn Write,
    /// Something was printed, so that the next section is set off by an empty line.
    printed: bool,
}

impl<'a> Text<'a> {
    /// A report into `sink`.
    pub(super) fn new(
        arguments: &'a Arguments,
        sink: Sink<'a>,
        err: &'a mut dyn Write,
    ) -> Text<'a> {
        Text {
            arguments,
            sink,
            err,
            printed: false,
        }
    }

    fn quiet(&self) -> bool {
        self.arguments.output.quiet
    }

    fn write(&mut self, text: &str) -> Written {
        self.sink
            .write_all(text.as_bytes())
            .map_err(Failure::output)
    }

    fn spacer(&mut self) -> Written {
        if self.printed {
            self.write("\n")?;
        }
        self.printed = true;
        Ok(())
    }

    fn list(&mut self, title: &str, items: Vec<Item>) -> Written {
        let mut text = String::new();
        items::write(&[Item::List(title.into(), items)], 0, &mut text);
        self.write(&text)
    }

    fn counts(&mut self, cluster: &Cluster) -> Written {
        if cluster.options.maintenance_mode {
            self.write(
                "\n              *** Resource management is DISABLED ***\n  The cluster will not attempt to start, stop or recover services\n",
            )?;
            self.printed = true;
        }
        let counts = status::counts(cluster);
        if counts.disabled > 0 || counts.blocked > 0 {
            self.spacer()?;
            self.write(&format!(
                "{} of {} resource instances DISABLED and {} BLOCKED from further action due to failure\n",
                counts.disabled, counts.instances, counts.blocked
            ))?;
        }
        Ok(())
    }
}

fn lines<T: ToString>(lines: impl IntoIterator<Item = T>) -> Vec<Item> {
    let lines = lines.into_iter();
    lines.map(|line| Item::Line(line.to_string())).collect()
}

impl Report for Text<'_> {
    fn info(&mut self, text: &str) -> Written {
        if self.quiet() {
            return Ok(());
        }
        self.write(&format!("{text}\n"))
    }

    fn status(&mut self, kind: StatusKind, cluster: &Cluster) -> Written {
        if self.quiet() {
            return Ok(());
        }
        let title = match kind {
            StatusKind::Current => {
                self.counts(cluster)?;
                "Current cluster status"
            }
            StatusKind::Revised => "Revised Cluster Status",
        };
        self.spacer()?;
        let pending = kind == StatusKind::Current;
        let mut items = status::display(cluster, pending);
        let operations = &self.arguments.operations;
        if operations.show_attrs
            && let Some(attributes) = details::attributes_item(cluster)
        {
            items.extend([Item::Spacer, attributes]);
        }
        if operations.show_failcounts && kind == StatusKind::Current {
            items.push(Item::Spacer);
            items.extend(details::failure_items(cluster, super::date));
        }
        self.list(title, items)
    }

    fn injections(&mut self, injected: &Injected) -> Written {
        for problem in &injected.problems {
            self.warn(problem);
        }
        if self.quiet() {
            return Ok(());
        }
        self.spacer()?;
        self.list("Performing Requested Modifications", lines(&injected.lines))
    }

    fn scores(&mut self, cluster: &Cluster) -> Written {
        let operations = &self.arguments.operations;
        self.spacer()?;
        let plain = self.quiet() && operations.show_scores;
        let mut text = String::new();
        for line in &cluster.score_lines {
            // what is only information has neither indentation nor bullet
            let is_info = matches!(line, ScoreLine::Info(_));
            if is_info && self.quiet() {
                continue;
            }
            let depth = usize::from(!plain && !is_info);
            items::line(&scores::line(cluster, line), depth, &mut text);
        }
        if plain {
            return self.write(&text);
        }
        let title = match (operations.show_scores, operations.show_utilization) {
            (true, true) => "Assignment Scores and Utilization Information",
            (true, false) => "Assignment Scores",
            (false, _) => "Utilization Information",
        };
        self.write(&format!("{title}:\n{text}"))
    }

    fn changes(&mut self, changes: &[Change]) -> Written {
        if self.quiet() {
            return Ok(());
        }
        self.spacer()?;
        self.list("Transition Summary", lines(summary::lines(changes)))
    }

    fn execution(&mut self, execution: &Execution) -> Written {
        self.spacer()?;
        if self.quiet() {
            return Ok(());
        }
        self.list("Executing Cluster Transition", lines(&execution.steps))
    }

    fn timings(&mut self, timings: &[(PathBuf, Duration)]) -> Written {
        let timings = timings.iter().map(|(file, time)| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            format!("Testing {name} ... {:.2} secs", time.as_secs_f64())
        });
        self.list("Timings", lines(timings))
    }

    fn warn(&mut self, line: &str) {
        // Where both streams go to one place, earlier output stays first.
        let _ = self.sink.flush();
        let _ = writeln!(self.err, "{line}");
    }

    fn finish(&mut self, _code: i32) -> Written {
        self.sink.flush().map_err(Failure::output)
    }
}
