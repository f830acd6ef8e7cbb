//! What the wall must not miss.

use std::sync::Arc;

use super::hotspot::HotspotEvent;
use super::surges::Surge;
use crate::city::Text;
use crate::model::Seq;

/// An alarm, with the tick that raised it.
#[derive(Debug, Clone, PartialEq)]
pub enum Alarm {
    /// A hotspot was born, or doubled.
    Hotspot(Arc<HotspotEvent>),
    /// An area has far more reports today than usual.
    Surge(Arc<Surge>),
}

impl Alarm {
    pub fn seq(&self) -> Seq {
        match self {
            Alarm::Hotspot(event) => event.seq,
            Alarm::Surge(surge) => surge.seq,
        }
    }

    pub fn title(&self) -> &Text {
        match self {
            Alarm::Hotspot(event) => &event.title,
            Alarm::Surge(surge) => &surge.title,
        }
    }
}
