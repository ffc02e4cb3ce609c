//! Where the records go: JSON, plain lines or the live view; and what they mean for the exit status.

use std::{
    io::{self, IsTerminal, Stdout},
    time::Duration,
};

use anyhow::Result;

use super::{
    events::{Input, Stop},
    last_verdicts::LastVerdicts,
};
use crate::{
    cli::{
        args::{ColorArg, OutputArgs},
        job::{Watch, Whom},
        log,
    },
    host::own,
    report::{
        Sink,
        color::ColorChoice,
        exit_status::{Job, Outcome},
        json::Json,
        lines::{Lines, Verbosity},
        live::{Live, view::Flow},
        record::{Own, Record, Verdict},
        time::Time,
    },
};

/// How often the live view may draw.
const FRAME: Duration = Duration::from_millis(100);

/// Where the records go.
pub(super) struct Output {
    view: View,
    outcome: Outcome,
    last_verdicts: LastVerdicts,
}

enum View {
    Json(Json<Stdout>),
    Lines(Box<Lines<Stdout>>),
    Live(Box<Live>),
}

impl Output {
    /// The live view needs the terminal for itself: with a program that we started, lines it is.
    pub(super) fn open(watch: &Watch) -> Result<Self> {
        let stdout = io::stdout();
        let color = has_color(watch.output);
        let launches = matches!(watch.whom, Whom::Command(_));
        let live = stdout.is_terminal() && io::stdin().is_terminal() && !launches && !watch.quiet;
        let view = if watch.output.json {
            View::Json(Json::new(stdout))
        } else if live {
            // The terminal is the view's now.
            log::silence();
            View::Live(Box::new(Live::start(color)?))
        } else {
            View::Lines(Box::new(Lines::new(stdout, verbosity(watch), color)))
        };
        Ok(Self { view, outcome: Outcome::default(), last_verdicts: LastVerdicts::default() })
    }

    pub(super) fn records(&mut self, records: &[Record]) -> io::Result<()> {
        for record in records {
            self.outcome.record(record);
            self.last_verdicts.record(record);
            self.sink().record(record)?;
        }
        Ok(())
    }

    /// Ends the output; the exit status that the records amount to.
    pub(super) fn finish(&mut self) -> io::Result<u8> {
        self.sink().finish()?;
        Ok(self.outcome.exit_status(Job::Done))
    }

    /// Whether anyone's last verdict is `leak`.
    pub(super) fn has_leak(&self) -> bool {
        self.last_verdicts.has_leak()
    }

    /// The worst of everyone's last verdicts.
    pub(super) fn last_verdict(self) -> Option<Verdict> {
        self.last_verdicts.into_worst()
    }

    /// The exit status where nobody reads any more.
    pub(super) fn exit_status(&self) -> u8 {
        self.outcome.exit_status(Job::Done)
    }

    /// Waits until the view wants something: a key that stops us. Meanwhile keeps the picture fresh.
    pub(super) async fn wants(&mut self, now: impl Fn() -> Time) -> io::Result<Input> {
        let View::Live(live) = &mut self.view else { return std::future::pending().await };
        loop {
            live.own(Own { cpu_s: own::cpu_seconds(), rss: own::rss_bytes() });
            live.tick(now())?;
            if let Ok(flow) = tokio::time::timeout(FRAME, live.next_key()).await
                && flow? == Flow::Quit
            {
                return Ok(Input::Stop(Stop::Quit));
            }
        }
    }

    fn sink(&mut self) -> &mut dyn Sink {
        match &mut self.view {
            View::Json(json) => json,
            View::Lines(lines) => lines.as_mut(),
            View::Live(live) => live.as_mut(),
        }
    }
}

/// Whether standard output is to be coloured.
pub(crate) fn has_color(output: OutputArgs) -> bool {
    let choice = match output.color {
        ColorArg::Auto => ColorChoice::Auto,
        ColorArg::Always => ColorChoice::Always,
        ColorArg::Never => ColorChoice::Never,
    };
    choice.enabled(io::stdout().is_terminal(), std::env::var_os("NO_COLOR").as_deref())
}

fn verbosity(watch: &Watch) -> Verbosity {
    match watch.verbose {
        _ if watch.quiet => Verbosity::Quiet,
        0 => Verbosity::Normal,
        _ => Verbosity::Verbose,
    }
}
