//! How a city weighs what is reported through each channel, where it weighs reports at all.

use crate::model::Channel;

/// Weights of channels and what halvings make them.
pub const CHANNEL_WEIGHTS: [(f64, u8); 3] = [(1.0, 0), (0.5, 1), (0.25, 2)];

/// What the city pack says of channels. The rest of the rule is the same in every city.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CredibilityRule {
    halvings: [u8; Channel::ALL.len()],
    as_one: [bool; Channel::ALL.len()],
}

impl CredibilityRule {
    /// Lets reports of a channel count with one of [`CHANNEL_WEIGHTS`]; `false` where it is none of them.
    pub fn set_weight(&mut self, channel: Channel, weight: f64) -> bool {
        let known = CHANNEL_WEIGHTS.iter().find(|(known, _)| *known == weight);
        if let Some((_, halvings)) = known {
            self.halvings[channel as usize] = *halvings;
        }
        known.is_some()
    }

    /// Takes all who report through a channel without phone, e-mail and device key for one sender, who repeats
    /// himself where he is near.
    pub fn take_as_one(&mut self, channel: Channel) {
        self.as_one[channel as usize] = true;
    }

    pub fn halvings(&self, channel: Channel) -> u8 {
        self.halvings[channel as usize]
    }

    pub fn takes_as_one(&self, channel: Channel) -> bool {
        self.as_one[channel as usize]
    }
}
