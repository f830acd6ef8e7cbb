//! Sums over incidents.

use std::ops::Deref;

use smallvec::SmallVec;

use super::keys::Key;
use super::member::Member;
use crate::model::{CategoryId, IncidentNo, LngLat};

/// Sums over some members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub count: u32,
    pub reports: u32,
    /// Sums of places in 1e-7 degree: integers, so that no order of changes shows.
    pub lng_e7: i64,
    pub lat_e7: i64,
}

impl Tally {
    pub(super) fn of(m: &Member) -> Tally {
        Tally {
            count: 1,
            reports: m.reports,
            lng_e7: i64::from(m.place.lng_e7()),
            lat_e7: i64::from(m.place.lat_e7()),
        }
    }

    pub(super) fn add(&mut self, other: &Tally) {
        self.count += other.count;
        self.reports += other.reports;
        self.lng_e7 += other.lng_e7;
        self.lat_e7 += other.lat_e7;
    }

    pub(super) fn subtract(&mut self, other: &Tally) {
        self.count -= other.count;
        self.reports -= other.reports;
        self.lng_e7 -= other.lng_e7;
        self.lat_e7 -= other.lat_e7;
    }
}

/// Counts by category, none of 0, in the order of ids. A usual city's are held in place.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct ByCategory(SmallVec<[(CategoryId, u32); 8]>);

impl Clone for ByCategory {
    fn clone(&self) -> ByCategory {
        ByCategory(SmallVec::from_slice(&self.0))
    }
}

impl Deref for ByCategory {
    type Target = [(CategoryId, u32)];

    fn deref(&self) -> &[(CategoryId, u32)] {
        &self.0
    }
}

impl ByCategory {
    fn add(&mut self, category: CategoryId, count: u32) {
        let i = self.0.iter().position(|(c, _)| *c >= category).unwrap_or(self.0.len());
        match self.0.get_mut(i) {
            Some((c, n)) if *c == category => *n += count,
            _ => self.0.insert(i, (category, count)),
        }
    }

    /// `count` must have been added before.
    fn subtract(&mut self, category: CategoryId, count: u32) {
        let i = self.0.iter().position(|(c, _)| *c == category).expect("what was added is there");
        self.0[i].1 -= count;
        if self.0[i].1 == 0 {
            self.0.remove(i);
        }
    }
}

/// What a cell shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    pub total: Tally,
    pub overdue: u32,
    pub by_category: ByCategory,
    /// Counts in the order of [`crate::model::Status::ALL`].
    pub by_status: [u32; 5],
    /// The member, where there is just one.
    pub only: Option<IncidentNo>,
}

impl Summary {
    pub(super) fn add(&mut self, key: Key, tally: &Tally) {
        self.total.add(tally);
        self.by_status[key.status()] += tally.count;
        self.overdue += u32::from(key.overdue()) * tally.count;
        self.by_category.add(key.category(), tally.count);
    }

    /// Adds the sums of other members.
    pub(super) fn add_all(&mut self, other: &Summary) {
        self.only =
            if self.total.count == 0 { other.only } else { self.only.filter(|_| other.total.count == 0) };
        self.total.add(&other.total);
        self.overdue += other.overdue;
        self.by_status.iter_mut().zip(other.by_status).for_each(|(sum, more)| *sum += more);
        other.by_category.iter().for_each(|(category, count)| self.by_category.add(*category, *count));
    }

    /// `tally` must have been added under `key` before.
    pub(super) fn subtract(&mut self, key: Key, tally: &Tally) {
        self.total.subtract(tally);
        self.by_status[key.status()] -= tally.count;
        self.overdue -= u32::from(key.overdue()) * tally.count;
        self.by_category.subtract(key.category(), tally.count);
    }

    pub(super) fn of(members: impl Iterator<Item = Member>) -> Summary {
        let mut sum = Summary::default();
        let mut categories = 0_u64;
        let mut counts = [0; 64];
        let mut last = None;
        for member in members {
            let category = usize::from(member.key.category().0);
            categories |= 1 << category;
            counts[category] += 1;
            sum.total.add(&Tally::of(&member));
            sum.by_status[member.key.status()] += 1;
            sum.overdue += u32::from(member.key.overdue());
            last = Some(member.no);
        }
        while categories != 0 {
            let category = categories.trailing_zeros() as u8;
            sum.by_category.0.push((CategoryId(category), counts[usize::from(category)]));
            categories &= categories - 1;
        }
        sum.only = last.filter(|_| sum.total.count == 1);
        sum
    }

    /// The mean of the members' places, rounded to 1e-7 degree. `None` of nothing.
    pub fn mean(&self) -> Option<LngLat> {
        let count = i64::from(self.total.count);
        if count == 0 {
            return None;
        }
        LngLat::from_e7(
            div_round(self.total.lng_e7, count) as i32,
            div_round(self.total.lat_e7, count) as i32,
        )
    }
}

/// Rounds half away from zero, alike on both sides of it.
fn div_round(sum: i64, count: i64) -> i64 {
    (sum + sum.signum() * (count / 2)) / count
}
