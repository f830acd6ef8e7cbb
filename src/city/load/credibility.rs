//! Reads `weigh_senders` and `[credibility]` of `city.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{Pack, Source};
use crate::city::CredibilityRule;
use crate::model::Channel;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct CredibilityFile {
    /// By channel; 1 where it is left out.
    #[serde(default)]
    channel_weights: BTreeMap<String, Spanned<f64>>,
    /// Channels.
    #[serde(default)]
    anonymous_as_one: Vec<Spanned<String>>,
}

impl Pack<'_> {
    /// `None` where every report counts one.
    pub(super) fn credibility(
        &mut self,
        source: &Source,
        weighs: bool,
        file: Option<&Spanned<CredibilityFile>>,
    ) -> Option<CredibilityRule> {
        let mut rule = CredibilityRule::default();
        let Some(spanned) = file else { return weighs.then_some(rule) };
        if !weighs {
            let advice =
                "[credibility] has no effect without weigh_senders = true; set that, or leave this out";
            self.faults.push(source.fault(spanned, advice));
        }
        let file = spanned.get_ref();
        let keys = Channel::ALL.map(Channel::key).join(", ");
        for (key, weight) in &file.channel_weights {
            match Channel::from_key(key) {
                None => self
                    .faults
                    .push(source.fault(weight, format!("{key:?} is no channel; there are {keys}"))),
                Some(channel) if !rule.set_weight(channel, *weight.get_ref()) => {
                    self.faults.push(source.fault(weight, "a channel's weight is 1, 0.5 or 0.25"));
                }
                Some(_) => {}
            }
        }
        for key in &file.anonymous_as_one {
            match Channel::from_key(key.get_ref()) {
                None => {
                    let fault = format!("{:?} is no channel; there are {keys}", key.get_ref());
                    self.faults.push(source.fault(key, fault));
                }
                Some(channel) => rule.take_as_one(channel),
            }
        }
        weighs.then_some(rule)
    }
}
