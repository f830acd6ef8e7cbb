//! Those who report and those who act: they wait for an answer, and send again under the same key where
//! none came.

use pantau::edge::Desk;
use pantau::intake::{Ahead, Context, parse_action, parse_report};
use pantau::model::{
    Action, Command, Disposition, Idempotency, IncidentNo, NewMerge, Outcome, Receipt, Refusal, Seq,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::book::{KEYS_COUNT_MS, Promise};
use super::lines::End;
use super::time::{Ms, SECOND};
use super::world::{Event, World};

/// Then an answer is not waited for any more.
const PATIENCE: Ms = 20 * SECOND;
/// Done ones are remembered to be sent again.
const DONE_MAX: usize = 4;

/// What somebody wants, word for word.
#[derive(Debug, Clone)]
pub enum Wish {
    Report { body: Vec<u8>, keyed: bool },
    Action { incident: IncidentNo, action: Action, body: Vec<u8> },
    Merge(NewMerge),
    Split(NewMerge),
}

#[derive(Debug, Clone)]
pub struct Doing {
    pub wish: Wish,
    /// Text of the report or note of the action; the key, too.
    pub mark: String,
    pub told_before: Seq,
    /// The answer it had before, where it is sent again.
    pub had: Option<Receipt>,
    /// Its key, with another body: must be refused.
    pub other_body: bool,
}

#[derive(Debug, Default)]
pub struct Sender {
    pub doing: Option<Doing>,
    pub attempt: u32,
    /// What it does was sent, and neither answered nor given up.
    waits: bool,
    pub done: Vec<Doing>,
    /// After the healing: it has had its last wish.
    pub had_last: bool,
}

impl Sender {
    /// Waits for an answer no more.
    pub fn hang_up(&mut self) {
        self.attempt += 1;
        self.waits = false;
    }
}

/// Who is to be answered.
#[derive(Debug, Clone, Copy)]
pub struct ReplyTo {
    pub sender: usize,
    pub attempt: u32,
    /// The edge that passed it on.
    pub via: Option<usize>,
}

#[derive(Debug)]
pub enum Answer {
    Done(Receipt),
    Refused(Refusal),
    /// The body has faults.
    Faulty,
    /// Not now, for some reason.
    Unavailable,
}

impl Answer {
    pub fn of(outcome: Outcome) -> Answer {
        match outcome {
            Outcome::Accepted { receipt, .. } | Outcome::Repeat { receipt } => Answer::Done(receipt),
            Outcome::Refused(refusal) => Answer::Refused(refusal),
        }
    }
}

impl World {
    /// A sender begins something, or sends again what was not answered.
    pub fn wish(&mut self, sender: usize) {
        if self.senders[sender].waits {
            return;
        }
        if self.senders[sender].doing.is_none() {
            let Some(doing) = self.next_wish(sender) else { return };
            self.senders[sender].doing = Some(doing);
        }
        let state = &mut self.senders[sender];
        state.attempt += 1;
        state.waits = true;
        let attempt = state.attempt;
        self.agenda.put(self.now.ms() + PATIENCE, Event::NoAnswer { sender, attempt });
        let n_edges = self.edges.len();
        let via = (n_edges > 0 && self.chance.happens(0.3)).then(|| self.chance.below(n_edges));
        let first = via.map_or(End::Origin, End::Edge);
        if let Some(delay) = self.lines.send(End::Outside, first, &mut self.chance) {
            let to = ReplyTo { sender, attempt, via };
            let doing = self.senders[sender].doing.clone().map(Box::new);
            let doing = doing.expect("it was begun above");
            self.agenda.put(self.now.ms() + delay, Event::Arrives { to, doing, at: first });
        }
    }

    /// Comes back to a sender after a while.
    pub fn later(&mut self, sender: usize) {
        let gap = if self.is_healed() { 500 } else { self.plan.gap_ms.max(2) };
        let after = 1 + self.chance.below(2 * gap as usize) as Ms;
        self.agenda.put(self.now.ms() + after, Event::Wish { sender });
    }

    fn next_wish(&mut self, sender: usize) -> Option<Doing> {
        if self.is_healed() {
            if std::mem::replace(&mut self.senders[sender].had_last, true) {
                return None;
            }
        } else if self.wishes_left == 0 {
            return None;
        }
        self.wishes_left = self.wishes_left.saturating_sub(1);
        let (chance, is_last) = (&mut self.chance, self.healed_at.is_some());
        if !is_last && chance.happens(0.15) && !self.senders[sender].done.is_empty() {
            let mut again = chance.pick(&self.senders[sender].done).clone();
            again.other_body = chance.happens(0.3);
            return Some(again);
        }
        self.n_wishes += 1;
        let mark = format!("mark {}", self.n_wishes);
        let n_incidents = self.book.map().incident_count();
        let wish = if !is_last && n_incidents > 0 && self.chance.happens(0.35) {
            self.action(n_incidents, &mark)
        } else {
            let keyed = is_last || self.chance.happens(0.7);
            Wish::Report { body: self.report(sender, &mark), keyed }
        };
        Some(Doing { wish, mark, told_before: self.book.told, had: None, other_body: false })
    }

    fn report(&mut self, sender: usize, mark: &str) -> Vec<u8> {
        let (chance, centre) = (&mut self.chance, self.city.centre);
        // A small world makes things meet.
        let step = |chance: &mut pantau::cli::chance::Chance| chance.below(9) as f64 * 0.000_54;
        let category = chance.pick(&self.city.categories).key.clone();
        let mut body = json!({
            "category": if chance.happens(0.4) { "garbage".to_owned() } else { category },
            "lng": centre.lng() + step(chance), "lat": centre.lat() + step(chance),
            "description": mark,
        });
        if chance.happens(0.8) {
            body["reporter"] = json!({"device": format!("device {}", sender % 4)});
        }
        if chance.happens(0.15) {
            body["drill"] = true.into();
        }
        let map = self.book.map();
        let n = map.incident_count();
        if n > 0 && chance.happens(0.3) {
            let no = IncidentNo(1 + chance.below(n) as u32);
            if let Some(incident) = map.incident(no) {
                body["incident"] = map.ids().incident_uuid(no, incident.opened_at).to_string().into();
            }
        }
        if chance.happens(0.03) {
            body["lat"] = json!(91);
        }
        body.to_string().into_bytes()
    }

    fn action(&mut self, n_incidents: usize, mark: &str) -> Wish {
        let incident = IncidentNo(1 + self.chance.below(n_incidents) as u32);
        if self.chance.happens(0.25) {
            return self.merge(incident, n_incidents, mark);
        }
        let action = *self.chance.pick(&Action::ALL);
        let mut body = json!({"note": mark});
        if action == Action::Assign {
            body["agency"] = self.chance.pick(&self.city.agencies).key.clone().into();
        }
        match action {
            Action::Reject => body["disposition"] = self.chance.pick(&Disposition::ALL).key().into(),
            Action::Check => body["step"] = "measure".into(),
            _ => {}
        }
        if self.chance.happens(0.3) {
            let version = self.book.map().incident(incident).map_or(1, |i| i.version);
            body["version"] = version.into();
        }
        Wish::Action { incident, action, body: body.to_string().into_bytes() }
    }

    /// Two that nobody has looked at whether they fit; what was absorbed is set free as often.
    fn merge(&mut self, incident: IncidentNo, n_incidents: usize, mark: &str) -> Wish {
        let standing = self.book.map().standing_no(incident);
        let is_absorbed = standing != incident;
        let other = IncidentNo(1 + self.chance.below(n_incidents) as u32);
        let new = NewMerge {
            absorbed: incident,
            into: if is_absorbed { standing } else { other },
            version: None,
            note: Some(mark.to_owned()),
            actor: "staff".to_owned(),
        };
        if is_absorbed { Wish::Split(new) } else { Wish::Merge(new) }
    }

    /// A request reaches a node.
    pub fn arrives(&mut self, to: ReplyTo, doing: Box<Doing>, at: End) {
        if let End::Edge(edge) = at {
            let forwards = self.edges[edge].is_up();
            let delay = self.lines.send(at, End::Origin, &mut self.chance).filter(|_| forwards);
            if let Some(delay) = delay {
                self.agenda.put(self.now.ms() + delay, Event::Arrives { to, doing, at: End::Origin });
            }
            return;
        }
        if self.senders[to.sender].attempt != to.attempt {
            // Whoever sent it has given up; it is stored all the same.
            self.count("late requests");
        }
        match self.prepare(&doing) {
            Some(Ok(command)) => self.submit(to, command),
            Some(Err(_faults)) => self.reply(to, Answer::Faulty),
            None => self.reply(to, Answer::Unavailable),
        }
    }

    /// What the API does before it submits; `None` where nobody listens.
    fn prepare(&self, doing: &Doing) -> Option<Result<Command, String>> {
        let desk: &Desk = self.origin.desk.as_deref()?;
        let live = desk.moments().live();
        let now = pantau::clock::Clock::now(&*self.origin.clock).max(live.now());
        let faults = |faults: Vec<pantau::intake::FieldFault>| Err(format!("{faults:?}"));
        Some(match &doing.wish {
            Wish::Merge(new) => Ok(Command::Merge(Box::new(new.clone()))),
            Wish::Split(new) => Ok(Command::Split(Box::new(new.clone()))),
            Wish::Action { incident, action, body } => match parse_action(*action, body, &self.city) {
                Err(found) => faults(found),
                Ok(request) => {
                    let due_after_ms = live
                        .incident(*incident)
                        .and_then(|incident| self.city.category(incident.category).deadline_ms);
                    let action = request.for_incident(*incident, "staff".to_owned(), due_after_ms);
                    Ok(Command::Action(Box::new(action)))
                }
            },
            Wish::Report { body, keyed } => {
                let mut body = body.clone();
                if doing.other_body {
                    body.push(b' ');
                }
                let ids = self.ids.clone();
                let ctx = Context { city: &self.city, ids: &ids, now, ahead: Ahead::Refuse };
                match parse_report(&body, &ctx) {
                    Err(found) => faults(found),
                    Ok(submission) => {
                        let mut report = submission.report;
                        if let Some(no) = report.incident {
                            let Some(named) = live.any_incident(no) else {
                                return Some(Err("no such incident".to_owned()));
                            };
                            if self.city.category(named.category).sensitive {
                                report.coarse_place = Some(report.place.coarsened(self.city.coarse_res));
                            }
                        }
                        report.idempotency = keyed.then(|| Idempotency {
                            key: doing.mark.clone(),
                            body_digest: Sha256::digest(&body).into(),
                        });
                        Ok(Command::Report(Box::new(report)))
                    }
                }
            }
        })
    }

    /// Sends an answer on its way, through the edge that passed the question on.
    pub fn reply(&mut self, to: ReplyTo, answer: Answer) {
        let first = to.via.map_or(End::Outside, End::Edge);
        let mut delay = self.lines.send(End::Origin, first, &mut self.chance);
        if let Some(edge) = to.via {
            let on = self.lines.send(End::Edge(edge), End::Outside, &mut self.chance);
            delay = delay.zip(on).map(|(there, on)| there + on).filter(|_| self.edges[edge].is_up());
        }
        if let Some(delay) = delay {
            let era = self.era;
            self.agenda.put(self.now.ms() + delay, Event::Answered { to, answer, era });
        }
    }

    /// Nothing came back in time.
    pub fn no_answer(&mut self, sender: usize, attempt: u32) {
        if self.senders[sender].attempt == attempt && self.senders[sender].doing.is_some() {
            self.count("unanswered");
            self.try_again(sender);
        }
    }

    fn try_again(&mut self, sender: usize) {
        let state = &mut self.senders[sender];
        state.hang_up();
        let keyed = matches!(&state.doing, Some(Doing { wish: Wish::Report { keyed: true, .. }, .. }));
        if !keyed {
            // Nobody knows whether it is stored; sent again it could be there twice.
            state.doing = None;
            return self.later(sender);
        }
        self.count("retried");
        let after = 200 + self.chance.below(5_000) as Ms;
        self.agenda.put(self.now.ms() + after, Event::Wish { sender });
    }

    /// An answer reaches its sender.
    pub fn answered(&mut self, to: ReplyTo, answer: Answer) {
        let ReplyTo { sender, attempt, .. } = to;
        let state = &mut self.senders[sender];
        if state.attempt != attempt {
            return;
        }
        let Some(doing) = state.doing.take() else { return };
        state.hang_up();
        match answer {
            Answer::Unavailable => {
                state.doing = Some(doing);
                return self.try_again(sender);
            }
            Answer::Faulty => self.count("faulty"),
            Answer::Refused(Refusal::KeyReused) if doing.other_body => self.count("keys refused"),
            Answer::Refused(Refusal::KeyReused) => {
                self.book.fault(format!("{} was refused for a key that nobody used", doing.mark));
            }
            Answer::Refused(_) => self.count("refused"),
            Answer::Done(receipt) => self.done(sender, doing, receipt),
        }
        self.later(sender);
    }

    fn done(&mut self, sender: usize, doing: Doing, receipt: Receipt) {
        if let Some(had) = doing.had.filter(|had| *had == receipt || !self.is_expired(had)) {
            if doing.other_body {
                self.book.fault(format!("{} was taken again with another body", doing.mark));
            } else if had != receipt {
                self.book.fault(format!("{} was answered {had:?} and then {receipt:?}", doing.mark));
            }
            return self.count("answered alike");
        }
        if doing.had.is_some() {
            // The key counts for three days of the entries' time: by now this is another report.
            self.senders[sender].done.retain(|other| other.mark != doing.mark);
            return self.count("keys expired");
        }
        let Doing { mark, told_before, .. } = doing.clone();
        self.book.acknowledged(Promise { mark, receipt, told_before });
        if matches!(doing.wish, Wish::Report { keyed: true, .. }) {
            let done = &mut self.senders[sender].done;
            done.push(Doing { had: Some(receipt), ..doing });
            if done.len() > DONE_MAX {
                done.remove(0);
            }
        }
    }

    /// Whether a key counts no more, by the time of entries.
    fn is_expired(&self, had: &Receipt) -> bool {
        let Receipt::Report { received_at, .. } = had else { return false };
        self.book.map().now().since(*received_at) > KEYS_COUNT_MS
    }
}
