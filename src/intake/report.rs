//! The JSON body of a report, from bytes to a [`NewReport`] or the list of all its faults.

use uuid::Uuid;

use super::fault::Faults;
use super::json::{Fields, Object};
use super::place::{checked_place, known_category, route, unknown_word};
use super::sender::sender_of;
use super::text::{Lines, checked_email, checked_phone, checked_text};
use super::{
    ACCURACY_M_MAX, Ahead, Context, DESCRIPTION_CHARS_MAX, DEVICE_CHARS_MAX, FieldFault, LEAD_MS_MAX,
    NAME_CHARS_MAX, OCCURRED_AT_MIN, REPORT_BODY_BYTES_MAX,
};
use crate::model::{CategoryId, Channel, IncidentNo, LngLat, NewReport, ReportPrivate, SenderId, TimeMs};

/// A report as it was submitted, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// Without an idempotency key: that stands in a header, the caller adds it.
    pub report: NewReport,
    /// The UUID given in `incident`. The number in the report is what the UUID can only mean;
    /// whether that incident exists and has exactly this UUID is for the caller to check.
    pub incident: Option<Uuid>,
}

const FIELDS: [&str; 10] = [
    "category",
    "lng",
    "lat",
    "accuracy_m",
    "description",
    "occurred_at",
    "incident",
    "reporter",
    "channel",
    "drill",
];
const REPORTER_FIELDS: [&str; 4] = ["name", "phone", "email", "device"];

/// Reads a report. Null stands for absent in every field.
///
/// # Errors
/// All faults at once, at most [`FAULTS_MAX`](super::FAULTS_MAX); only a body that is not a JSON object has just one.
pub fn parse_report(body: &[u8], ctx: &Context) -> Result<Submission, Vec<FieldFault>> {
    if body.len() > REPORT_BODY_BYTES_MAX {
        let detail = format!("the report has {} bytes; the most is {REPORT_BODY_BYTES_MAX}", body.len());
        return Err(vec![FieldFault { pointer: String::new(), detail }]);
    }
    let object = Object::of_body(body).map_err(|fault| vec![fault])?;
    let mut faults = Faults::default();
    let submission = read(Fields::new(object, "", &FIELDS, &mut faults), ctx);
    faults.into_result()?;
    Ok(submission.expect("a report without faults is whole"))
}

/// `None` only where a required field has a fault.
fn read(mut fields: Fields, ctx: &Context) -> Option<Submission> {
    let category = category(&mut fields, ctx);
    let place = place(&mut fields, ctx);
    let accuracy_m = accuracy_m(&mut fields);
    let description = fields.text("description").and_then(|text| {
        fields.keep("description", checked_text(&text, DESCRIPTION_CHARS_MAX, Lines::Many)).flatten()
    });
    let occurred_at = occurred_at(&mut fields, ctx);
    let (uuid, incident) = incident(&mut fields, ctx).unzip();
    let (sender, mut private) = reporter(&mut fields, ctx);
    let channel = channel(&mut fields);
    let drill = fields.flag("drill").unwrap_or(false);
    private.description = description;

    let (category, place) = (category?, place?);
    let route = route(ctx.city, category, place);
    let report = NewReport {
        category,
        place,
        coarse_place: route.coarse_place,
        accuracy_m,
        occurred_at,
        area: route.area,
        incident,
        agency: route.agency,
        due_after_ms: route.due_after_ms,
        sender,
        channel,
        drill,
        private,
        idempotency: None,
        import: None,
    };
    Some(Submission { report, incident: uuid })
}

fn category(fields: &mut Fields, ctx: &Context) -> Option<CategoryId> {
    let known: Vec<&str> = ctx.city.categories.iter().map(|c| c.key.as_str()).collect();
    fields.require("category", &format!("one of {}", known.join(", ")));
    let key = fields.text("category")?;
    fields.keep("category", known_category(ctx.city, &key))
}

fn place(fields: &mut Fields, ctx: &Context) -> Option<LngLat> {
    fields.require("lng", "degrees east, for instance 127.38");
    fields.require("lat", "degrees north, for instance 0.79");
    let (lng, lat) = (fields.number("lng"), fields.number("lat"));
    match checked_place(lng?, lat?, ctx.city) {
        Ok(place) => Some(place),
        Err(faults) => {
            faults.into_iter().for_each(|(field, detail)| fields.fault(field, detail));
            None
        }
    }
}

fn accuracy_m(fields: &mut Fields) -> Option<u32> {
    let metres = fields.number("accuracy_m")?;
    let value = if (0.0..=ACCURACY_M_MAX).contains(&metres) {
        Ok(metres.round() as u32)
    } else {
        Err(format!("{metres} is outside 0 to {ACCURACY_M_MAX} metres"))
    };
    fields.keep("accuracy_m", value)
}

fn occurred_at(fields: &mut Fields, ctx: &Context) -> Option<TimeMs> {
    let text = fields.text("occurred_at")?;
    let value = TimeMs::parse_rfc3339(&text)
        .ok_or_else(|| {
            "is not an RFC 3339 time with an offset, for instance 2026-11-24T09:30:00+09:00".to_owned()
        })
        .and_then(|at| checked_time(at, ctx));
    fields.keep("occurred_at", value)
}

/// The time a report may claim: not absurdly old, not ahead of now; a small lead is taken as now.
pub(super) fn checked_time(at: TimeMs, ctx: &Context) -> Result<TimeMs, String> {
    if at < OCCURRED_AT_MIN {
        return Err(format!("{at} is before 1900; give the time of the incident"));
    }
    if at <= ctx.now || ctx.ahead == Ahead::Take {
        return Ok(at);
    }
    if at.since(ctx.now) > LEAD_MS_MAX {
        return Err(format!(
            "{at} is more than 5 minutes ahead; it is {} now: check clock and time zone",
            ctx.now
        ));
    }
    Ok(ctx.now)
}

fn incident(fields: &mut Fields, ctx: &Context) -> Option<(Uuid, IncidentNo)> {
    let text = fields.text("incident")?;
    let value = Uuid::parse_str(&text)
        .map_err(|_| "is not a UUID; leave it out to open a new incident".to_owned())
        .and_then(|uuid| {
            let no = ctx.ids.incident_of_uuid(uuid);
            no.map(|no| (uuid, no)).ok_or_else(|| "there is no such incident".to_owned())
        });
    fields.keep("incident", value)
}

fn reporter(fields: &mut Fields, ctx: &Context) -> (Option<SenderId>, ReportPrivate) {
    let Some(object) = fields.object("reporter") else { return (None, ReportPrivate::default()) };
    let mut fields = Fields::new(object, "/reporter", &REPORTER_FIELDS, fields.faults());
    let mut read = |name, check: fn(&str) -> Result<Option<String>, String>| {
        let text = fields.text(name)?;
        fields.keep(name, check(&text)).flatten()
    };
    let name = read("name", |text| checked_text(text, NAME_CHARS_MAX, Lines::One));
    let phone = read("phone", checked_phone);
    let email = read("email", checked_email);
    let device = read("device", |text| checked_text(text, DEVICE_CHARS_MAX, Lines::One));
    let sender = sender_of(ctx.ids, phone.as_deref(), email.as_deref(), device.as_deref());
    (sender, ReportPrivate { name, phone, email, ..ReportPrivate::default() })
}

/// `import` is not for submissions: it stands for no alarm and no deadline.
fn channel(fields: &mut Fields) -> Channel {
    let read = fields.text("channel").and_then(|key| {
        let value = Channel::from_key(&key).filter(|c| *c != Channel::Import).ok_or_else(|| {
            let known: Vec<&str> =
                Channel::ALL.iter().filter(|c| **c != Channel::Import).map(|c| c.key()).collect();
            unknown_word("channel", &key, &known)
        });
        fields.keep("channel", value)
    });
    read.unwrap_or(Channel::Web)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::intake::testing::{NOW, blank, ctx, ids, named, ternate};
    use crate::model::SECOND_MS;

    const GOOD: &str = r#"{"category":"garbage","lng":127.38,"lat":0.79}"#;

    fn faults(body: &[u8]) -> Vec<String> {
        named(&parse_report(body, &ctx(ternate())).err().unwrap_or_default())
    }

    /// Each fault found begins with the one expected.
    fn check(body: impl AsRef<[u8]>, expected: &[&str]) {
        let found = faults(body.as_ref());
        let body = String::from_utf8_lossy(&body.as_ref()[..body.as_ref().len().min(200)]);
        assert_eq!(found.len(), expected.len(), "{body}: {found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{body}: {found}");
        }
    }

    /// A good report with one more field.
    fn with(field: &str) -> String {
        format!("{},{field}}}", GOOD.trim_end_matches('}'))
    }

    #[test]
    fn a_report_is_placed_and_routed_by_the_city_pack() {
        let city = ternate();
        let read = |body: &str| parse_report(body.as_bytes(), &ctx(city)).unwrap().report;
        let plain = read(GOOD);
        let category = city.category(plain.category);
        assert_eq!(category.key, "garbage");
        assert_eq!((plain.agency, plain.due_after_ms), (category.agency, category.deadline_ms));
        assert_eq!(city.areas.get(plain.area.unwrap()).code.len(), "82.71.04.1003".len());
        assert_eq!((plain.coarse_place, plain.occurred_at, plain.sender), (None, None, None));
        assert_eq!((plain.channel, plain.drill), (Channel::Web, false));

        let sensitive = read(&GOOD.replace("garbage", "social"));
        assert_eq!(sensitive.coarse_place, Some(sensitive.place.coarsened(city.coarse_res)));
    }

    #[test]
    fn all_optional_fields_are_taken() {
        let uuid = ids().incident_uuid(IncidentNo(7), NOW);
        let body = with(&format!(
            r#""accuracy_m":12.4,"description":" Sampah\nmenumpuk ","occurred_at":"2026-11-24T12:00:00+09:00",
            "incident":"{uuid}","reporter":{{"name":"Ani","phone":"0812 3456 7890","email":"ani@example.org","device":"d1"}},
            "channel":"phone","drill":true"#
        ));
        let submission = parse_report(body.as_bytes(), &ctx(ternate())).unwrap();
        let report = submission.report;
        assert_eq!((submission.incident, report.incident), (Some(uuid), Some(IncidentNo(7))));
        assert_eq!((report.accuracy_m, report.channel, report.drill), (Some(12), Channel::Phone, true));
        assert_eq!(report.occurred_at, TimeMs::parse_rfc3339("2026-11-24T03:00:00Z"));
        assert_eq!(report.private.description.as_deref(), Some("Sampah\nmenumpuk"));
        assert_eq!(report.private.name.as_deref(), Some("Ani"));
        assert_eq!(report.sender, sender_of(ids(), Some("+6281234567890"), None, None));
    }

    #[test]
    fn null_and_blank_stand_for_absent() {
        let body =
            with(r#""description":" ","occurred_at":null,"reporter":null,"incident":null,"drill":null"#);
        let report = parse_report(body.as_bytes(), &ctx(ternate())).unwrap().report;
        assert_eq!(report, parse_report(GOOD.as_bytes(), &ctx(ternate())).unwrap().report);
    }

    #[test]
    fn what_is_not_a_json_object_has_one_fault_that_says_where() {
        check("", &[": the body is empty"]);
        check("  ", &[": the body is empty"]);
        check("lng=1", &[": not JSON: expected value at line 1 column 1"]);
        check("[1]", &[": must be a JSON object, not a list"]);
        check("null", &[": must be a JSON object, not null"]);
        check(&GOOD[..20], &[": the JSON ends too early, at line 1 column 20"]);
        check("{\n\"lng\":NaN}", &[": JSON has no NaN and no Infinity, at line 2 column"]);
        check(r#"{"lng": -Infinity}"#, &[": JSON has no NaN and no Infinity, at line 1 column"]);
        check(format!("{GOOD} x"), &[": not JSON: trailing characters at line 1 column"]);
        check(b"{\"category\":\"\xff\"}", &[": the body is not UTF-8: byte 14 is wrong"]);
        check(vec![b'a'; 10 << 20], &[": the report has 10485760 bytes; the most is 65536"]);
        let many: Vec<String> = (0..=65).map(|i| format!("\"f{i}\":1")).collect();
        check(format!("{{{}}}", many.join(",")), &[": not JSON: more than 64 fields"]);
    }

    #[test]
    fn every_fault_is_named_at_once() {
        check(
            r#"{"category":"pothole","lng":"127","lat":1e999,"descripton":"x","a/b~":1,"drill":"yes","drill":1}"#,
            &[
                "/descripton: there is no such field; did you mean \"description\"?",
                "/a~1b~0: there is no such field; the fields are category, lng,",
                "/drill: stands twice",
                "/category: there is no category \"pothole\"; choose one of garbage, traffic, water",
                "/lng: must be a number, not a string",
                "/lat: 1e999 is too large",
                "/drill: must be true or false, not a string",
            ],
        );
        check("{}", &["/category: is missing", "/lng: is missing", "/lat: is missing"]);
        check(r#"{"category":null,"lng":1}"#, &["/category: is missing", "/lat: is missing"]);
        check(
            r#"{"category":"water","longitude":127.4,"latitude":0.8}"#,
            &[
                "/longitude: there is no such field; did you mean \"lng\"?",
                "/latitude: there is no such field; did you mean \"lat\"?",
                "/lng: is missing",
                "/lat: is missing",
            ],
        );
        let unknown: Vec<String> = (0..60).map(|i| format!("\"f{i}\":1")).collect();
        let found = faults(format!("{{{}}}", unknown.join(",")).as_bytes());
        assert_eq!(found.len(), crate::intake::FAULTS_MAX + 1);
        assert_eq!(found.last().unwrap(), ": and 31 more faults");
    }

    #[test]
    fn a_wrong_place_is_explained() {
        let at = |lng: &str, lat: &str| format!(r#"{{"category":"water","lng":{lng},"lat":{lat}}}"#);
        check(at("0.79", "127.38"), &["/lng: lng 0.79 and lat 127.38 are probably swapped"]);
        check(at("127.38", "5.0"), &["/lng: the place 127.38, 5 lies outside Ternate City"]);
        check(at("500", "-100"), &["/lng: longitude 500 is outside", "/lat: latitude -100 is outside"]);
        check(
            at("[127]", "{}"),
            &["/lng: must be a number, not a list", "/lat: must be a number, not an object"],
        );
        let found = parse_report(at("-6.2", "106.8").as_bytes(), &ctx(blank())).unwrap_err();
        assert!(found[0].detail.contains("probably swapped"), "{found:?}");
        assert!(parse_report(at("-180", "-90").as_bytes(), &ctx(blank())).is_ok());
    }

    #[test]
    fn every_field_has_its_limit() {
        let letters = |n: usize| "é".repeat(n);
        check(with(&format!(r#""description":"{}""#, letters(4_000))), &[]);
        check(
            with(&format!(r#""description":"{}""#, letters(4_001))),
            &["/description: has 4001 characters; the most is 4000"],
        );
        check(with(r#""description":"a\u0007b""#), &["/description: holds the control character U+0007"]);
        check(with(r#""description":"\ud800""#), &["/description: not a JSON string"]);
        check(
            with(&format!(r#""description":{}1{}"#, "[".repeat(9_000), "]".repeat(9_000))),
            &["/description: must be a string, not a list"],
        );
        check(with(r#""accuracy_m":-1"#), &["/accuracy_m: -1 is outside 0 to 100000 metres"]);
        check(with(r#""accuracy_m":100000.5"#), &["/accuracy_m: 100000.5 is outside"]);
        check(with(r#""incident":"7""#), &["/incident: is not a UUID"]);
        check(
            with(r#""incident":"00000000-0000-0000-0000-000000000000""#),
            &["/incident: there is no such incident"],
        );
        check(
            with(r#""channel":"import""#),
            &["/channel: there is no channel \"import\"; choose one of web, app,"],
        );
        check(with(r#""channel":"fax""#), &["/channel: there is no channel \"fax\""]);
        check(with(r#""reporter":"Ani""#), &["/reporter: must be an object, not a string"]);
        check(
            with(&format!(
                r#""reporter":{{"name":"{}","phone":"call me","email":"ani@","device":"a\nb","fone":"1"}}"#,
                letters(201)
            )),
            &[
                "/reporter/fone: there is no such field; did you mean \"phone\"?",
                "/reporter/name: has 201 characters; the most is 200",
                "/reporter/phone: is not a phone number",
                "/reporter/email: is not an e-mail address",
                "/reporter/device: holds the control character U+000A",
            ],
        );
        for email in ["a@b", "@b.id", "a b@c.id", "a@b@c.id", "a@.id"] {
            check(with(&format!(r#""reporter":{{"email":"{email}"}}"#)), &["/reporter/email: is not"]);
        }
    }

    #[test]
    fn a_time_may_lead_by_five_minutes_and_is_then_now() {
        let at = |ms: i64| with(&format!(r#""occurred_at":"{}""#, NOW.plus_ms(ms)));
        let read = |body: &str, ahead| {
            let ctx = Context { ahead, ..ctx(ternate()) };
            parse_report(body.as_bytes(), &ctx).map(|s| s.report.occurred_at.unwrap().since(NOW))
        };
        assert_eq!(read(&at(-SECOND_MS), Ahead::Refuse), Ok(-SECOND_MS));
        assert_eq!(read(&at(LEAD_MS_MAX), Ahead::Refuse), Ok(0));
        assert_eq!(read(&at(LEAD_MS_MAX + 1), Ahead::Take), Ok(LEAD_MS_MAX + 1));
        check(
            at(LEAD_MS_MAX + 1),
            &["/occurred_at: 2026-11-24T04:05:00.001Z is more than 5 minutes ahead"],
        );
        check(
            with(r#""occurred_at":"1899-12-31T23:59:59Z""#),
            &["/occurred_at: 1899-12-31T23:59:59Z is before 1900"],
        );
        check(with(r#""occurred_at":"2026-11-24""#), &["/occurred_at: is not an RFC 3339 time"]);
        check(with(r#""occurred_at":1795492800"#), &["/occurred_at: must be a string, not a number"]);
    }

    /// JSON-like text: fields of ours with values of any kind, cut anywhere.
    fn almost_a_report() -> impl Strategy<Value = String> {
        let value = prop::sample::select(vec![
            "null",
            "true",
            "1e999",
            "-0.0",
            "127.38",
            "0.79",
            "\"garbage\"",
            "\"\\ud800\"",
            "{}",
            "[[{}]]",
            "NaN",
            "\"2026-11-24T04:00:00Z\"",
            "{\"phone\":\"0\"}",
            "\"é\"",
        ]);
        let name = prop::sample::select([FIELDS.as_slice(), &REPORTER_FIELDS, &["x", "\u{0}"]].concat());
        prop::collection::vec((name, value), 0..12).prop_flat_map(|members| {
            let members: Vec<String> = members.iter().map(|(n, v)| format!("\"{n}\":{v}")).collect();
            let body = format!("{{{}}}", members.join(","));
            (0..=body.len()).prop_map(move |end| body.get(..end).unwrap_or(&body).to_owned())
        })
    }

    proptest! {
        #[test]
        fn no_body_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), body in almost_a_report()) {
            for body in [&bytes[..], body.as_bytes()] {
                let _ = parse_report(body, &ctx(ternate()));
                let _ = crate::intake::parse_action(crate::model::Action::Assign, body, ternate());
            }
        }
    }
}
