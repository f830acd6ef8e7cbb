//! How early in each order the members below a node come.
//!
//! Computed when first asked for, and forgotten with every change below: who adds and changes pays nothing,
//! and who asks pays once for each node that changed since.

use std::cmp::Reverse;
use std::sync::OnceLock;

use super::{Leaf, Node};
use crate::live::keys::StatusSet;
use crate::live::rows::Rows;
use crate::live::sort::{Cursor, Sort};
use crate::model::{IncidentNo, Status};

/// The orders that this is known of: how new the newest are stands in the groups of branches.
const ORDERS: [Sort; 4] =
    [Sort::OldestFirst, Sort::LatestChangeFirst, Sort::MostReportsFirst, Sort::DueFirst];

type Ranks = [Cursor; ORDERS.len()];

/// The first rank in each of the orders, of the members of each status; the last possible where there is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct First([Ranks; Status::ALL.len()]);

impl First {
    const NONE: First = {
        let last = Cursor { value: i64::MAX, no: Reverse(IncidentNo(0)) };
        First([[last; ORDERS.len()]; Status::ALL.len()])
    };

    fn take(&mut self, status: usize, ranks: &Ranks) {
        for (first, rank) in self.0[status].iter_mut().zip(ranks) {
            *first = (*first).min(*rank);
        }
    }

    /// Of those with one of the statuses.
    pub fn of(&self, order: usize, statuses: StatusSet) -> Cursor {
        let asked = Status::ALL.into_iter().filter(|status| statuses.has(*status));
        asked.map(|status| self.0[status as usize][order]).min().unwrap_or(First::NONE.0[0][0])
    }
}

/// Of one node, once it was asked for.
#[derive(Debug, Default)]
pub(super) struct Least(OnceLock<Box<First>>);

/// A node is copied in order to be changed.
impl Clone for Least {
    fn clone(&self) -> Least {
        Least::default()
    }
}

impl Least {
    /// Which of the orders it is; `None` for that of the newest.
    pub fn order(sort: Sort) -> Option<usize> {
        match sort {
            Sort::NewestFirst => None,
            Sort::OldestFirst | Sort::LatestChangeFirst | Sort::MostReportsFirst | Sort::DueFirst => {
                ORDERS.iter().position(|order| *order == sort)
            }
        }
    }

    /// Something below has changed.
    pub fn forget(&mut self) {
        self.0.take();
    }
}

impl Node {
    /// `rows` are those of the same moment.
    pub(super) fn least(&self, rows: &Rows) -> &First {
        match self {
            Node::Leaf(leaf) => leaf.least.0.get_or_init(|| Box::new(of_members(leaf, rows))),
            Node::Branch(branch) => branch.least.0.get_or_init(|| {
                let mut least = First::NONE;
                for child in branch.children.iter().flatten() {
                    child.least(rows).0.iter().enumerate().for_each(|(i, ranks)| least.take(i, ranks));
                }
                Box::new(least)
            }),
        }
    }
}

fn of_members(leaf: &Leaf, rows: &Rows) -> First {
    let mut least = First::NONE;
    for incident in leaf.iter().filter_map(|member| rows.get(member.no)) {
        least.take(incident.status as usize, &ORDERS.map(|order| order.rank(incident)));
    }
    least
}
