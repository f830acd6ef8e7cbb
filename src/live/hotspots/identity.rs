//! Which new group is which old hotspot.
//!
//! A group found at a tick keeps the id of the hotspot that has more than half of its living members
//! in it. Where several claim one group, the one with most members there keeps its id, ties to the
//! older; the others end as merged into it. What no hotspot claims is born, and if at least half of
//! it was one hotspot before, it is a split from that one.
//!
//! Invariants: each hotspot either keeps exactly one group or ends; each group is kept by at most one
//! hotspot; the answer is a function of the two sets alone.

use super::HotspotId;
use crate::model::Seq;

/// A hotspot as the tick before left it.
pub(super) struct Old {
    pub id: HotspotId,
    /// Seqs of its reports, in ascending order.
    pub members: Vec<Seq>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Kept(HotspotId),
    Born { split_from: Option<HotspotId> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub id: HotspotId,
    /// The group that took its members.
    pub merged_into: Option<usize>,
}

/// Origins by group, and the hotspots that end, in the order given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Matching {
    pub origins: Vec<Origin>,
    pub ends: Vec<End>,
}

/// Matches `groups` (the seqs of their reports) with the hotspots of the tick before.
/// `lives` says whether a report still counts; those in groups do.
///
/// The answer for one hotspot or group depends on those alone that it shares members with, directly or
/// through others.
pub(super) fn match_groups(old: &[Old], groups: &[Vec<Seq>], lives: impl Fn(Seq) -> bool) -> Matching {
    let group_of = group_index(groups);
    let shares: Vec<Shares> = old.iter().map(|hotspot| shares(hotspot, &group_of, &lives)).collect();
    let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
    match_shares(&shares, &sizes)
}

/// The same from how many members each hotspot has in each group, and the sizes of the groups.
pub(super) fn match_shares(old: &[Shares], sizes: &[usize]) -> Matching {
    let claim = |shares: &Shares| {
        shares.groups.iter().find(|(_, n)| n * 2 > shares.living).map(|(group, _)| *group)
    };
    let claims: Vec<Option<usize>> = old.iter().map(claim).collect();
    let mut sharers: Vec<Vec<Sharer>> = vec![Vec::new(); sizes.len()];
    for (shares, claim) in old.iter().zip(&claims) {
        for (group, n) in &shares.groups {
            sharers[*group].push(Sharer { id: shares.id, n: *n, claims: *claim == Some(*group) });
        }
    }
    let origin = |group: usize| match most(sharers[group].iter().filter(|sharer| sharer.claims)) {
        Some(winner) => Origin::Kept(winner.id),
        None => {
            let from = most(sharers[group].iter()).filter(|from| from.n * 2 >= sizes[group]);
            Origin::Born { split_from: from.map(|from| from.id) }
        }
    };
    let origins: Vec<Origin> = (0..sizes.len()).map(origin).collect();
    let end = |(shares, claim): (&Shares, &Option<usize>)| match claim {
        Some(group) if origins[*group] == Origin::Kept(shares.id) => None,
        merged_into => Some(End { id: shares.id, merged_into: *merged_into }),
    };
    let ends = old.iter().zip(&claims).filter_map(end).collect();
    Matching { origins, ends }
}

/// A hotspot with members in a group.
#[derive(Debug, Clone, Copy)]
struct Sharer {
    id: HotspotId,
    n: usize,
    claims: bool,
}

/// The one with most members, ties to the older.
fn most<'a>(sharers: impl Iterator<Item = &'a Sharer>) -> Option<&'a Sharer> {
    sharers.max_by(|a, b| a.n.cmp(&b.n).then(b.id.cmp(&a.id)))
}

/// Every grouped report with its group, by seq.
fn group_index(groups: &[Vec<Seq>]) -> Vec<(Seq, usize)> {
    let members = groups.iter().enumerate().flat_map(|(i, group)| group.iter().map(move |seq| (*seq, i)));
    let mut index: Vec<(Seq, usize)> = members.collect();
    index.sort_unstable();
    index
}

/// Where the members of a hotspot are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shares {
    pub id: HotspotId,
    /// How many each group holds, by group; none holds none.
    pub groups: Vec<(usize, usize)>,
    /// Members that still count, in groups or not.
    pub living: usize,
}

fn shares(hotspot: &Old, group_of: &[(Seq, usize)], lives: &impl Fn(Seq) -> bool) -> Shares {
    let (mut groups, mut living) = (Vec::new(), 0);
    let mut rest = group_of;
    for member in &hotspot.members {
        rest = from_seq(rest, *member);
        match rest.first() {
            Some((seq, group)) if seq == member => groups.push(*group),
            _ => living += usize::from(lives(*member)),
        }
    }
    living += groups.len();
    groups.sort_unstable();
    let groups = groups.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
    Shares { id: hotspot.id, groups, living }
}

/// The index from `seq` on. Looks in steps that double, so that what is near is found at once.
fn from_seq(index: &[(Seq, usize)], seq: Seq) -> &[(Seq, usize)] {
    let mut bound = 1;
    while index.get(bound).is_some_and(|(other, _)| *other < seq) {
        bound *= 2;
    }
    let low = (bound / 2).min(index.len());
    let high = (bound + 1).min(index.len());
    &index[low + index[low..high].partition_point(|(other, _)| *other < seq)..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::hotspots::testing::cases;
    use proptest::prelude::*;

    fn id(born: u64) -> HotspotId {
        HotspotId { born: Seq(born), n: 0 }
    }

    fn members(seqs: &[u64]) -> Vec<Seq> {
        seqs.iter().map(|seq| Seq(*seq)).collect()
    }

    fn matching(old: &[(u64, &[u64])], groups: &[&[u64]], dead: &[u64]) -> Matching {
        let old: Vec<_> =
            old.iter().map(|(born, seqs)| Old { id: id(*born), members: members(seqs) }).collect();
        let groups: Vec<_> = groups.iter().map(|seqs| members(seqs)).collect();
        match_groups(&old, &groups, |seq| !dead.contains(&seq.0))
    }

    fn check(
        old: &[(u64, &[u64])],
        groups: &[&[u64]],
        dead: &[u64],
        origins: &[Origin],
        ends: &[(u64, Option<usize>)],
    ) {
        let ends = ends.iter().map(|(born, into)| End { id: id(*born), merged_into: *into }).collect();
        assert_eq!(matching(old, groups, dead), Matching { origins: origins.to_vec(), ends });
    }

    #[test]
    fn the_group_with_more_than_half_of_the_living_keeps_the_id() {
        let born = Origin::Born { split_from: None };
        let split = Origin::Born { split_from: Some(id(9)) };
        check(&[], &[&[1, 2]], &[], &[born], &[]);
        check(&[(9, &[1, 2, 3])], &[&[1, 2, 3, 4]], &[], &[Origin::Kept(id(9))], &[]);
        check(&[(9, &[1, 2, 3, 4, 5])], &[&[1, 2], &[3, 4, 5]], &[], &[split, Origin::Kept(id(9))], &[]);
        // Exactly half is not more than half, so both halves are new.
        check(&[(9, &[1, 2, 3, 4])], &[&[1, 2], &[3, 4]], &[], &[split, split], &[(9, None)]);
        // Those that left the window have no voice; those that are noise now have.
        check(&[(9, &[1, 2, 3, 4])], &[&[3, 4]], &[1, 2], &[Origin::Kept(id(9))], &[]);
        check(&[(9, &[1, 2, 3, 4])], &[&[3, 4]], &[], &[split], &[(9, None)]);
        check(&[(9, &[1, 2])], &[], &[], &[], &[(9, None)]);
        // One old member does not make a new group a split.
        check(&[(9, &[1, 2, 3, 4])], &[&[4, 5, 6, 7]], &[], &[born], &[(9, None)]);
    }

    #[test]
    fn the_largest_of_those_that_merge_keeps_its_id_and_ties_go_to_the_older() {
        let kept = |born| [Origin::Kept(id(born))];
        check(&[(8, &[1, 2]), (9, &[3, 4, 5])], &[&[1, 2, 3, 4, 5]], &[], &kept(9), &[(8, Some(0))]);
        check(&[(8, &[1, 2]), (9, &[3, 4])], &[&[1, 2, 3, 4]], &[], &kept(8), &[(9, Some(0))]);
    }

    proptest! {
        #![proptest_config(cases(500))]
        #[test]
        fn every_hotspot_keeps_one_group_or_ends(
            before in proptest::collection::vec(0..5_u64, 30),
            after in proptest::collection::vec(0..6_u64, 40),
            dying in proptest::collection::vec(any::<bool>(), 30),
        ) {
            let groups_of = |labels: &[u64]| -> Vec<Vec<u64>> {
                let group = |g: u64| (0..labels.len() as u64).filter(|i| labels[*i as usize] == g).collect();
                (1..6).map(group).filter(|g: &Vec<u64>| !g.is_empty()).collect()
            };
            let (old, new) = (groups_of(&before), groups_of(&after));
            let old: Vec<(u64, &[u64])> = old.iter().enumerate().map(|(i, g)| (i as u64, &g[..])).collect();
            let new: Vec<&[u64]> = new.iter().map(|g| &g[..]).collect();
            // Those in no group are dead or alive.
            let dead: Vec<u64> =
                (0..30).filter(|seq| after[*seq as usize] == 0 && dying[*seq as usize]).collect();
            let found = matching(&old, &new, &dead);
            for (born, seqs) in &old {
                let kept: Vec<usize> =
                    (0..new.len()).filter(|g| found.origins[*g] == Origin::Kept(id(*born))).collect();
                let ended = found.ends.iter().filter(|end| end.id == id(*born)).count();
                prop_assert_eq!(kept.len() + ended, 1);
                let living = seqs.iter().filter(|seq| !dead.contains(seq)).count();
                let there = |group: usize| seqs.iter().filter(|seq| new[group].contains(seq)).count();
                let claim = (0..new.len()).find(|group| there(*group) * 2 > living);
                for group in kept {
                    prop_assert_eq!(claim, Some(group));
                }
                for end in found.ends.iter().filter(|end| end.id == id(*born)) {
                    prop_assert_eq!(claim, end.merged_into);
                }
            }
        }
    }
}
