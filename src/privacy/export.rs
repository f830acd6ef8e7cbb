//! What is held about a person, as JSON that is given to them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::find::{Done, Found, FoundNote, FoundReport};
use crate::city::City;
use crate::model::{IdKey, Photo, ReportNo, Seq, TimeMs};

/// All of it, in the city's words and time.
pub fn export(found: &Found, city: &City, ids: &IdKey, now: TimeMs) -> Value {
    let code = |no: &ReportNo| ids.report_code(*no);
    json!({
        "city": city.name,
        "made_at": time(now, city),
        "tentang": "Semua data tentang Anda yang disimpan di Pantau kota ini.",
        "about": "All data about you that this city's Pantau holds.",
        "reports": found.reports.iter().map(|report| one(report, found, city, ids)).collect::<Vec<_>>(),
        "notes": other_notes(found).map(|note| note_json(note, city)).collect::<Vec<_>>(),
        "named_in_reports_of_others": found.mentions.iter().map(code).collect::<Vec<_>>(),
    })
}

/// Notes that quote the person and belong to no action.
fn other_notes(found: &Found) -> impl Iterator<Item = &FoundNote> {
    let actions = found.reports.iter().flat_map(|report| &report.actions);
    let of_actions: BTreeSet<Seq> = actions.map(|done| done.seq).collect();
    found.notes.iter().filter(move |note| !of_actions.contains(&note.seq))
}

fn note_json(note: &FoundNote, city: &City) -> Value {
    json!({"at": time(note.at, city), "text": note.text})
}

fn one(report: &FoundReport, found: &Found, city: &City, ids: &IdKey) -> Value {
    let (row, incident) = (&report.row, &report.incident);
    let category = city.category(row.category);
    let private = &row.private;
    let quotes = |done: &Done| found.notes.iter().any(|note| note.seq == done.seq);
    let action = |done: &Done| {
        json!({
            "at": time(done.at, city),
            "action": done.action,
            "status_after": done.to.key(),
            "note": done.note.as_ref().filter(|_| quotes(done)),
        })
    };
    json!({
        "code": ids.report_code(row.no),
        "report": ids.report_uuid(row.no, row.received_at).to_string(),
        "received_at": time(row.received_at, city),
        "occurred_at": time(row.occurred_at, city),
        "category": category.key,
        "category_name": category.name,
        "place": {
            "lng": row.place.lng(),
            "lat": row.place.lat(),
            "accuracy_m": report.accuracy_m,
            "area": row.area.map(|area| city.areas.get(area).name.clone()),
        },
        "channel": row.channel.key(),
        "drill": row.drill,
        "name": private.name,
        "phone": private.phone,
        "email": private.email,
        "text": private.description,
        "photos": private.photos.iter().map(|photo| json!({
            "file": file_of(photo),
            "width": photo.width,
            "height": photo.height,
        })).collect::<Vec<_>>(),
        "incident": {
            "incident": ids.incident_uuid(incident.no, incident.opened_at).to_string(),
            "status": incident.status.key(),
            "agency": incident.agency.map(|agency| city.agency(agency).name.clone()),
            "opened_at": time(incident.opened_at, city),
            "closed_at": incident.closed_at.map(|at| time(at, city)),
            "actions": report.actions.iter().map(action).collect::<Vec<_>>(),
        },
    })
}

/// The name of a photo's file beside the export.
pub fn file_of(photo: &Photo) -> String {
    format!("{}.jpg", photo.name)
}

/// In the city's time, with its offset.
fn time(at: TimeMs, city: &City) -> String {
    let zoned = at.timestamp().to_zoned_datetime(city.time_zone.clone());
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}
