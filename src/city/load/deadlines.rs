//! Reads what `categories.toml` says of clocks.

use serde::Deserialize;
use toml::Spanned;

use super::super::{Deadlines, Length};
use super::{Fault, Pack, Source};
use crate::model::ESCALATION_MAX;

/// Warning and ladder: `[clocks]` for all categories, and in `[category.deadlines]` for one.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LadderFile {
    warn_percent: Option<Spanned<i64>>,
    escalate: Option<Spanned<Vec<String>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DeadlinesFile {
    verify: Option<Spanned<String>>,
    assign: Option<Spanned<String>>,
    start: Option<Spanned<String>>,
    resolve: Option<Spanned<String>>,
    warn_percent: Option<Spanned<i64>>,
    escalate: Option<Spanned<Vec<String>>>,
}

const LENGTH_RULE: &str = "a length is a whole number and one of m, h, d (time that passes), wh, wd (working hours, \
                           working days), for instance 30m or 3wd, up to ten years";

impl Pack<'_> {
    /// The deadlines of a category; `of_all` holds where it says nothing of its own.
    pub(super) fn deadlines(
        &mut self,
        source: &Source,
        file: &DeadlinesFile,
        of_all: &LadderFile,
    ) -> Deadlines {
        let DeadlinesFile { verify, assign, start, resolve, warn_percent, escalate } = file;
        // In the order of `Step::ALL`.
        let steps = [verify, assign, start, resolve].map(|text| self.length(source, text.as_ref()));
        let warn_percent = warn_percent.as_ref().or(of_all.warn_percent.as_ref());
        let warn_percent = warn_percent.and_then(|percent| self.percent(source, percent));
        let escalate = escalate.as_ref().or(of_all.escalate.as_ref());
        let escalate = escalate.map_or([None; 2], |rungs| self.ladder(source, rungs));
        Deadlines { steps, warn_percent, escalate }
    }

    fn length(&mut self, source: &Source, text: Option<&Spanned<String>>) -> Option<Length> {
        let text = text?;
        let length = Length::parse(text.get_ref());
        if length.is_none() {
            self.faults.push(source.fault(text, LENGTH_RULE));
        }
        length
    }

    fn percent(&mut self, source: &Source, percent: &Spanned<i64>) -> Option<u8> {
        let read = u8::try_from(*percent.get_ref()).ok().filter(|n| (1..=99).contains(n));
        if read.is_none() {
            self.fault_once(source.fault(percent, "warn_percent must be 1 to 99, for instance 75"));
        }
        read
    }

    /// What is said for all categories is read for each, and faulty once.
    fn fault_once(&mut self, fault: Fault) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    fn ladder(&mut self, source: &Source, rungs: &Spanned<Vec<String>>) -> [Option<Length>; 2] {
        let said = rungs.get_ref();
        let mut ladder = [None; ESCALATION_MAX as usize];
        if said.len() > ladder.len() {
            let rule =
                "escalate has at most two lengths: after so long the supervisor is told, then the head";
            self.fault_once(source.fault(rungs, rule));
            return ladder;
        }
        for (rung, text) in ladder.iter_mut().zip(said) {
            *rung = Length::parse(text);
            if rung.is_none() {
                self.fault_once(
                    source.fault(rungs, format!("escalate: {text:?} is no length; {LENGTH_RULE}")),
                );
            }
        }
        ladder
    }
}
