//! Who looks at which incident, and who edits it: in memory only, for as long as their sockets are open.
//!
//! Nothing of it is an entry, and nothing outlives the process. Invariants:
//!
//! - Only people who signed in and may see incidents have a [`Seat`]; who has none is on no board.
//! - A seat that is dropped has left: whoever holds it need not say goodbye.
//! - Nobody is shown at an incident that they may not see, nor to a reader who may not see it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::frame::Frame;
use super::wire::{PersonBody, ServerMessage};
use crate::access::{Object, Permission, Reach, Via, Who, may};
use crate::clock::Clock;
use crate::live::LiveMap;
use crate::model::{IncidentNo, Projection, TimeMs};

/// Places on the board. Who comes later is told so; they see the others, and are not seen.
pub const PLACES_MAX: usize = 200;
/// Of one person, in windows and tabs; the further ones are not shown.
pub const PLACES_OF_ONE_MAX: usize = 8;

/// The board of one node.
pub struct Presence {
    clock: Arc<dyn Clock>,
    board: Mutex<Board>,
    /// Called after each change, under no lock.
    changed: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Board {
    seats_given: u64,
    /// By the number of the seat.
    places: BTreeMap<u64, Person>,
}

/// Somebody, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// As the journal remembers who acted.
    pub who: Arc<str>,
    /// As people call them.
    pub name: Arc<str>,
    /// `None`: at none.
    pub incident: Option<At>,
    pub editing: bool,
    /// From when on they are there.
    pub since: TimeMs,
}

/// The incident that somebody is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub no: IncidentNo,
    pub uuid: Uuid,
}

/// The board holds no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// What one socket says of its reader. Dropped, it is as if it had never been.
pub struct Seat {
    presence: Arc<Presence>,
    no: u64,
    who: Arc<Who>,
    name: Arc<str>,
}

impl Presence {
    /// `changed` is called after each change, by whoever made it: it shall not wait.
    pub fn new(clock: Arc<dyn Clock>, changed: impl Fn() + Send + Sync + 'static) -> Arc<Presence> {
        Arc::new(Presence { clock, board: Mutex::default(), changed: Box::new(changed) })
    }

    /// Whether somebody is shown to others and told of them: who signed in, and may see incidents. No
    /// program, no wall, nobody who is not known.
    pub fn is_for(who: &Who) -> bool {
        who.via == Via::Session && who.reach(Permission::SeeIncident) != Reach::No
    }

    /// A seat; nothing is shown of it before it says where it is. `None` for whom presence is not for.
    pub fn seat(self: &Arc<Presence>, who: &Arc<Who>, name: &str) -> Option<Seat> {
        Presence::is_for(who).then(|| {
            let mut board = self.lock();
            board.seats_given += 1;
            Seat { presence: self.clone(), no: board.seats_given, who: who.clone(), name: name.into() }
        })
    }

    /// Everybody, one row a person and incident; who came first stands first.
    pub fn people(&self) -> Vec<Person> {
        let mut rows: BTreeMap<(Arc<str>, Option<At>), Person> = BTreeMap::new();
        for person in self.lock().places.values() {
            let row = rows.entry((person.who.clone(), person.incident)).or_insert_with(|| person.clone());
            row.editing |= person.editing;
            row.since = row.since.min(person.since);
        }
        let mut people: Vec<Person> = rows.into_values().collect();
        people.sort_by_key(|person| person.since);
        people
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        // The board is whole after every statement.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Where its person is from now on; at an incident that is not on the map any more, or not theirs to
    /// see, they are at none.
    ///
    /// # Errors
    /// Where the board holds no more; then this seat is not on it.
    pub fn look(&self, incident: Option<Uuid>, editing: bool, map: &LiveMap) -> Result<(), Full> {
        let at = incident.and_then(|uuid| at(uuid, map)).filter(|at| sees(&self.who, *at, map));
        let editing = editing && at.is_some();
        let now = self.presence.clock.now();
        let mut board = self.presence.lock();
        match board.places.get_mut(&self.no) {
            Some(place) if (place.incident, place.editing) == (at, editing) => return Ok(()),
            Some(place) => {
                if place.incident != at {
                    place.since = now;
                }
                (place.incident, place.editing) = (at, editing);
            }
            None => {
                let who: Arc<str> = self.who.name.as_str().into();
                let own = board.places.values().filter(|person| person.who == who).count();
                if board.places.len() >= PLACES_MAX || own >= PLACES_OF_ONE_MAX {
                    return Err(Full);
                }
                let name = self.name.clone();
                board.places.insert(self.no, Person { who, name, incident: at, editing, since: now });
            }
        }
        drop(board);
        (self.presence.changed)();
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.presence.lock().places.remove(&self.no).is_some() {
            (self.presence.changed)();
        }
    }
}

/// What one reader may be told of `people`: of everybody, whoever may see every incident; else of those
/// who are at an incident that the reader may see.
pub fn seen_by(who: &Who, people: &[Person], map: &LiveMap) -> Vec<Person> {
    let may_know = |person: &&Person| match who.reach(Permission::SeeIncident) {
        Reach::All => true,
        Reach::Own => person.incident.is_some_and(|at| sees(who, at, map)),
        Reach::No => false,
    };
    people.iter().filter(may_know).cloned().collect()
}

/// The message that tells of them.
pub fn frame(people: &[Person]) -> Frame {
    let rows = people.iter().map(|person| PersonBody {
        who: &person.who,
        name: &person.name,
        incident: person.incident.map(|at| at.uuid.hyphenated().to_string()),
        editing: person.editing,
        since: person.since,
    });
    Frame::of(&ServerMessage::Presence { people: rows.collect() })
}

/// The incident on the map that a UUID names, if all of the UUID is right.
fn at(uuid: Uuid, map: &LiveMap) -> Option<At> {
    let no = map.ids().incident_of_uuid(uuid)?;
    let incident = map.incident(no)?;
    (map.ids().incident_uuid(no, incident.opened_at) == uuid).then_some(At { no, uuid })
}

fn sees(who: &Who, at: At, map: &LiveMap) -> bool {
    map.incident(at.no).is_some_and(|incident| {
        let (agency, area) = (incident.agency, incident.area(Projection::Staff));
        may(Some(who), Permission::SeeIncident, Object::Incident { agency, area }).is_ok()
    })
}
