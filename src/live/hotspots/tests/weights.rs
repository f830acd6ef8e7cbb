//! How much each report counts, found among all reports anew.

use super::*;

impl World {
    /// What speaks against a report of a lane, found among all reports.
    pub(super) fn doubts(
        &self,
        r: &HotspotReport,
        lane: &[HotspotReport],
        parameters: &HotspotParameters,
        record: &HashMap<(SenderId, bool), u8>,
    ) -> Doubts {
        let within = |other: &HotspotReport, m: f64| great_circle_m(other.place, r.place) <= m;
        let rejections = |r: &HotspotReport| record.get(&(r.sender, r.drill)).copied().unwrap_or(0);
        let his = lane.iter().filter(|other| other.seq < r.seq && same_voice(other, r));
        let repeats = his.filter(|other| within(other, 2.0 * parameters.eps_m)).count().min(7) as u8;
        let channel = u8::from(r.channel == Channel::Social);
        let vague = u8::from(r.accuracy_m.is_some_and(|m| f64::from(m) > parameters.eps_m));
        let against = rejections(r) + channel + vague;
        let photo = u8::from(r.n_photos > 0).min(against);
        let others = lane.iter().filter(|other| other.sender != r.sender && other.sender.is_marked());
        let clean = others.filter(|other| rejections(other) == 0 && within(other, parameters.eps_m));
        let senders = clean.map(|other| other.sender).collect::<BTreeSet<_>>().len();
        let agreeing = senders.min(usize::from(against - photo)) as u8;
        Doubts { repeats, rejections: rejections(r), channel, vague, photo, agreeing }
    }

    /// How many reports of each sender, real ones and drills apart, speak against him.
    pub(super) fn record(&self) -> HashMap<(SenderId, bool), u8> {
        let is_young = |r: &&HotspotReport| {
            let windows = [self.city.category(r.category).hotspot, self.city.all_categories];
            windows.iter().any(|of| self.now.since(r.occurred_at) < of.window_ms)
        };
        let mut record = HashMap::new();
        let rejected = self.reports.iter().filter(|r| self.rejected.get(&r.incident) == Some(&true));
        for r in rejected.filter(is_young) {
            let n = record.entry((r.sender, r.drill)).or_insert(0_u8);
            *n = (*n + 1).min(7);
        }
        record
    }

    /// Whatever changed, each report of a lane has the doubts that a recount gives it, whether it is in a hotspot or
    /// not; each member of a hotspot the same, and their weights are the hotspot's.
    pub(super) fn check_weights(&self) -> Result<(), TestCaseError> {
        for lane in self.lanes() {
            let (reports, _) = self.counting(lane);
            let doubts: HashMap<Seq, Doubts> = reports.iter().map(|r| (r.seq, r.doubts)).collect();
            let mine = self.engine.lanes.iter().filter(|of| (of.layer, of.drill) == lane);
            let kept: HashMap<Seq, Doubts> =
                mine.flat_map(|of| of.reports()).map(|r| (r.seq, r.doubts)).collect();
            prop_assert_eq!(&kept, &doubts, "{:?}", lane);
            for hotspot in self.engine.board().live().filter(|h| (h.layer, h.drill) == lane) {
                let members = || hotspot.members.iter();
                for member in members() {
                    prop_assert_eq!(Some(&member.doubts), doubts.get(&member.seq), "{:?}", member.seq);
                }
                let weight: f64 = members().map(|member| member.doubts.weight()).sum();
                prop_assert!((hotspot.weight - weight).abs() < 1e-6, "{} is {}", hotspot.weight, weight);
            }
        }
        Ok(())
    }

    /// However often one says it, and with whatever: together it counts less than two, within the radius of each
    /// of his reports.
    pub(super) fn check_bound(&self) -> Result<(), TestCaseError> {
        for lane in self.lanes().filter(|_| self.city.credibility.is_some()) {
            let (reports, parameters) = self.counting(lane);
            for r in &reports {
                let near = |other: &&HotspotReport| {
                    same_voice(other, r) && great_circle_m(other.place, r.place) <= parameters.eps_m
                };
                let said: f64 = reports.iter().filter(near).map(|other| other.weight()).sum();
                prop_assert!(said < 2.0, "{} of {:?}", said, r.sender);
            }
        }
        Ok(())
    }
}

/// Whether two reports are of one sender, or may be: on the web nobody tells who leave no mark apart.
fn same_voice(a: &HotspotReport, b: &HotspotReport) -> bool {
    let unmarked = |r: &HotspotReport| r.channel == Channel::Web && !r.sender.is_marked();
    a.sender == b.sender || unmarked(a) && unmarked(b)
}
