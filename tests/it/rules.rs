//! What may be done to an incident, as the center's people and the reporters meet it.

use pantau::access::Role;
use pantau::model::TRANSITIONS;
use serde_json::{Value, json};

use crate::http::{report, with};
use crate::policy::{OWN_AGENCY, OWN_AREA, spot};
use crate::support::app::{Answer, Setup, TestApp};

/// A server on which nobody is staff for coming from its own machine.
async fn strict() -> TestApp {
    Setup { trust_loopback: false, ..Setup::default() }.start().await
}

async fn act(app: &TestApp, token: &str, incident: &Value, action: &str, body: Value) -> Answer {
    let path = format!("/api/v1/incidents/{}/{action}", incident.as_str().unwrap());
    app.post(&path, body.to_string()).bearing(token).send().await
}

async fn detail(app: &TestApp, token: &str, incident: &Value) -> Value {
    let path = format!("/api/v1/incidents/{}", incident.as_str().unwrap());
    app.get(&path).bearing(token).send().await.ok()
}

/// What whoever holds the code is told.
async fn track(app: &TestApp, receipt: &Value) -> Value {
    let path = format!("/api/v1/reports/{}", receipt["code"].as_str().unwrap());
    app.get(&path).by_the_public().send().await.ok()
}

fn steps(told: &Value) -> Vec<&str> {
    told["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_transitions_is_given_out_as_it_is() {
    let app = strict().await;
    let told = app.get("/api/v1/transitions").by_the_public().send().await.ok();
    let rows = told.as_array().unwrap();
    assert_eq!(rows.len(), TRANSITIONS.len());
    for (told, row) in rows.iter().zip(TRANSITIONS) {
        assert_eq!(told["action"], row.action.key());
        assert_eq!((&told["from"], &told["to"]), (&json!(row.from.key()), &json!(row.to.key())));
        assert_eq!(told["four_eyes"], row.four_eyes);
    }
    let reject = &rows[1];
    assert_eq!(reject["requires"], json!(["note", "disposition"]), "{reject}");
    assert_eq!(reject["permission"], "reject");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_version_is_told_what_changed_who_did_it_and_when() {
    let app = strict().await;
    let [ani, budi] = [(); 2].map(|()| app.token(Role::Operator, "", ""));
    let incident = app.report(&report("garbage")).await["incident"].clone();
    act(&app, &ani, &incident, "verify", json!({"version": 1})).await.ok();
    let stale = act(&app, &budi, &incident, "verify", json!({"version": 1})).await.problem(409);
    assert_eq!(stale["type"], "/problems/version");
    let current = &stale["current"];
    assert_eq!((&current["version"], &current["status"]), (&json!(2), &json!("verified")));
    assert_eq!((&current["action"], &current["agency"]), (&json!("verify"), &json!("dlh")));
    assert!(current["by"].as_str().unwrap().starts_with("token:"), "{current}");
    let now = detail(&app, &ani, &incident).await;
    assert_eq!(current["at"], now["properties"]["updated_at"]);
    assert!(stale["detail"].as_str().unwrap().contains(current["by"].as_str().unwrap()), "{stale}");
    // Where it is not the version but the status, the same is told.
    let refused = act(&app, &budi, &incident, "verify", json!({})).await.problem(409);
    assert_eq!((&refused["type"], &refused["current"]), (&json!("/problems/transition"), current));
    // A report that joined is nobody's deed.
    app.report(&with(report("garbage"), json!({"incident": incident}))).await;
    let stale = act(&app, &budi, &incident, "start", json!({"version": 2})).await.problem(409);
    assert_eq!((&stale["current"]["action"], &stale["current"]["by"]), (&json!("report"), &Value::Null));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_says_what_it_was_and_it_is_counted() {
    let app = strict().await;
    let ani = app.token(Role::Operator, "", "");
    let receipt = app.report(&report("garbage")).await;
    let incident = &receipt["incident"];
    let missing = act(&app, &ani, incident, "reject", json!({"reason": "dua kali"})).await;
    assert_eq!(missing.pointers(422), ["/disposition"]);
    let body = json!({"reason": "dua kali", "disposition": "duplicate"});
    let done = act(&app, &ani, incident, "reject", body).await.ok();
    assert_eq!(done["properties"]["disposition"], "duplicate");
    let line = done["properties"]["log"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&line["disposition"], &line["note"]), (&json!("duplicate"), &json!("dua kali")));
    let list = app.get("/api/v1/incidents?status=rejected").bearing(&ani).send().await.ok();
    assert_eq!(list["features"][0]["properties"]["disposition"], "duplicate");
    let stats = async || app.get("/api/v1/stats").bearing(&ani).send().await.ok()["by_disposition"].clone();
    let counted = stats().await;
    assert_eq!((&counted["duplicate"], &counted["prank"]), (&json!(1), &json!(0)), "{counted}");
    let public = app.get("/api/v1/stats").by_the_public().send().await.ok();
    assert_eq!(public["by_disposition"], Value::Null);
    // It is said of what is rejected only.
    let open = act(&app, &ani, incident, "reopen", json!({})).await.ok();
    assert_eq!(open["properties"]["disposition"], Value::Null);
    assert_eq!(stats().await["duplicate"], 0);
    assert_eq!(steps(&track(&app, &receipt).await), ["received", "rejected", "reopened"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_an_agencys_it_sends_back_with_a_word_and_the_reporter_is_told() {
    let app = strict().await;
    let ani = app.token(Role::Operator, "", "");
    let dlh = app.token(Role::Agency, OWN_AGENCY, "");
    let receipt = app.report(&with(report("garbage"), spot(&app, true))).await;
    let incident = &receipt["incident"];
    let routed = detail(&app, &ani, incident).await["properties"]["routing"].clone();
    assert_eq!(routed["agency"], "dlh");
    assert!(routed["why"]["id"].as_str().unwrap().contains("ditangani DLH"), "{routed}");
    act(&app, &ani, incident, "verify", json!({})).await.ok();
    act(&app, &dlh, incident, "start", json!({})).await.ok();
    assert_eq!(act(&app, &dlh, incident, "return", json!({})).await.pointers(422), ["/note"]);
    let body = json!({"note": "jalan provinsi", "agency": "pupr"});
    let returned = act(&app, &dlh, incident, "return", body.clone()).await.ok();
    let properties = &returned["properties"];
    assert_eq!((&properties["returned"], &properties["agency"]), (&json!(true), &Value::Null));
    assert_eq!(properties["status"], "verified", "nobody works on it any more");
    // It is not the agency's any more, and is not there for it.
    assert_eq!(act(&app, &dlh, incident, "return", body).await.status, 404);
    let log = detail(&app, &ani, incident).await["properties"]["log"].clone();
    assert_eq!(log.as_array().unwrap().last().unwrap()["suggested"], "pupr");
    let listed = async |query: &str| {
        let path = format!("/api/v1/incidents?{query}");
        app.get(&path).bearing(&ani).send().await.ok()["numberMatched"].clone()
    };
    assert_eq!((listed("returned=true").await, listed("returned=false").await), (json!(1), json!(0)));
    let public = app.get("/api/v1/incidents?returned=true").by_the_public().send().await;
    assert_eq!(public.pointers(400), ["returned"]);
    let seen = app.get("/api/v1/incidents").by_the_public().send().await.ok();
    assert_eq!(seen["features"][0]["properties"]["returned"], Value::Null);
    let again = act(&app, &ani, incident, "return", json!({"note": "x"})).await.problem(409);
    assert_eq!(again["type"], "/problems/unassigned");
    let told = track(&app, &receipt).await;
    assert_eq!(told["agency"], Value::Null);
    let last = told["steps"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["step"], "returned");
    let words = last["text"]["id"].as_str().unwrap();
    assert!(words.contains("Dinas Lingkungan Hidup") && words.contains("kami sedang mencari"), "{words}");
    assert!(!told.to_string().contains("jalan provinsi"), "{told}");

    let assigned = act(&app, &ani, incident, "assign", json!({"agency": "pupr"})).await.ok();
    assert_eq!(assigned["properties"]["returned"], Value::Null);
    assert_eq!(listed("returned=true").await, json!(0));
    let told = track(&app, &receipt).await;
    assert_eq!(steps(&told), ["received", "verified", "started", "returned", "assigned"]);
    assert!(told["steps"][0]["text"]["en"].as_str().unwrap().contains("Environment Agency"), "{told}");
    assert_eq!(told["agency"], "pupr");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_confirms_what_they_resolved_themselves() {
    let app = strict().await;
    let [ani, budi] = [(); 2].map(|()| app.token(Role::Operator, "", ""));
    let receipt = app.report(&report("garbage")).await;
    let incident = &receipt["incident"];
    act(&app, &ani, incident, "verify", json!({})).await.ok();
    act(&app, &budi, incident, "confirm", json!({})).await.problem(409);
    act(&app, &ani, incident, "resolve", json!({})).await.ok();
    let own = act(&app, &ani, incident, "confirm", json!({})).await.problem(409);
    assert_eq!(own["type"], "/problems/four-eyes");
    assert!(own["detail"].as_str().unwrap().contains("somebody else"), "{own}");
    let done = act(&app, &budi, incident, "confirm", json!({"note": "sudah dilihat"})).await.ok();
    let confirmed = done["properties"]["confirmed"].clone();
    assert_eq!(confirmed["at"], done["properties"]["updated_at"]);
    assert!(confirmed["by"].as_str().unwrap().starts_with("token:"), "{confirmed}");
    let twice = act(&app, &budi, incident, "confirm", json!({})).await.problem(409);
    assert_eq!(twice["type"], "/problems/confirmed");
    // A note changes nothing of it, opening again does.
    let noted = act(&app, &ani, incident, "note", json!({"note": "terima kasih"})).await.ok();
    assert_eq!(noted["properties"]["confirmed"], confirmed);
    let open = act(&app, &ani, incident, "reopen", json!({})).await.ok();
    assert_eq!(open["properties"]["confirmed"], Value::Null);
    // Whoever resolves it then must not confirm it.
    act(&app, &budi, incident, "resolve", json!({})).await.ok();
    act(&app, &budi, incident, "confirm", json!({})).await.problem(409);
    act(&app, &ani, incident, "confirm", json!({})).await.ok();
    let told = track(&app, &receipt).await;
    let expected = ["received", "verified", "resolved", "confirmed", "reopened", "resolved", "confirmed"];
    assert_eq!(steps(&told), expected);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_reach_the_reporter_and_notes_do_not() {
    let app = strict().await;
    let ani = app.token(Role::Operator, "", "");
    let dlh = app.token(Role::Agency, OWN_AGENCY, "");
    let tim = app.token(Role::Responder, "", OWN_AREA);
    let receipt = app.report(&with(report("garbage"), spot(&app, true))).await;
    let incident = &receipt["incident"];
    act(&app, &ani, incident, "note", json!({"note": "kanari dalam"})).await.ok();
    act(&app, &ani, incident, "note", json!({"note": "Kami cek hari ini.", "public": true})).await.ok();
    act(&app, &dlh, incident, "answer", json!({"note": "Truk berangkat jam 9."})).await.ok();
    // Out in the field one writes notes, and answers nobody.
    act(&app, &tim, incident, "note", json!({"note": "kanari lapangan"})).await.ok();
    for body in [json!({"note": "halo", "public": true}), json!({"note": "halo"})] {
        let action = if body["public"] == true { "note" } else { "answer" };
        assert_eq!(act(&app, &tim, incident, action, body).await.status, 403);
    }
    let told = track(&app, &receipt).await;
    let answers = told["answers"].as_array().unwrap();
    let said: Vec<_> = answers.iter().map(|a| (a["text"].as_str().unwrap(), &a["agency"])).collect();
    assert_eq!(said, [("Kami cek hari ini.", &Value::Null), ("Truk berangkat jam 9.", &json!("dlh"))]);
    assert!(!told.to_string().contains("kanari") && !told.to_string().contains("token:"), "{told}");
    assert_eq!(steps(&told), ["received"]);
    // Staff see which is which.
    let log = detail(&app, &ani, incident).await["properties"]["log"].clone();
    let line = |n: usize| log[n]["action"].as_str().unwrap();
    assert_eq!([line(1), line(2), line(3)], ["note", "answer", "answer"]);
    assert_eq!((&log[2]["public"], &log[3]["speaker"]), (&json!(true), &json!("dlh")));

    // Whoever reports the same later reads the answers too, and that they are not alone.
    let joined = app.report(&with(report("garbage"), json!({"incident": incident}))).await;
    let told = track(&app, &joined).await;
    assert_eq!((steps(&told), told["answers"].as_array().unwrap().len()), (vec!["joined"], 2));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_of_a_checklist_are_ticked_timed_and_can_be_taken_back() {
    let app = strict().await;
    let ani = app.token(Role::Operator, "", "");
    let dlh = app.token(Role::Agency, OWN_AGENCY, "");
    let incident = app.report(&with(report("garbage"), spot(&app, true))).await["incident"].clone();
    let list = detail(&app, &ani, &incident).await["properties"]["checklist"].clone();
    let keys: Vec<&str> =
        list.as_array().unwrap().iter().map(|step| step["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["measure", "hazard", "haul", "drain", "after"]);
    assert!(list.as_array().unwrap().iter().all(|step| step["done_at"].is_null()), "{list}");
    assert!(list[0]["name"]["id"].as_str().unwrap().contains("Foto"), "{list}");
    let wrong = act(&app, &dlh, &incident, "check", json!({"step": "paint"})).await;
    assert_eq!(wrong.pointers(422), ["/step"]);
    assert!(wrong.text().contains("measure, hazard"), "{}", wrong.text());
    let done = act(&app, &dlh, &incident, "check", json!({"step": "haul", "done": true})).await.ok();
    let step = &done["properties"]["checklist"][2];
    assert_eq!((&step["key"], &step["done_at"]), (&json!("haul"), &done["properties"]["updated_at"]));
    assert!(step["after_s"].as_i64().unwrap() >= 0 && step["by"].is_string(), "{step}");
    let back = act(&app, &ani, &incident, "check", json!({"step": "haul", "done": false})).await.ok();
    assert_eq!(back["properties"]["checklist"][2]["done_at"], Value::Null);
    let log = &back["properties"]["log"];
    assert_eq!(
        (&log[1]["step"], &log[1]["done"], &log[2]["done"]),
        (&json!("haul"), &json!(true), &json!(false))
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_stands_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || Setup::in_folder(folder.path()).start().await;
    let app = start().await;
    let receipts = [app.report(&report("garbage")).await, app.report(&report("water")).await];
    let [heap, pipe] = [&receipts[0]["incident"], &receipts[1]["incident"]];
    app.act(heap, "reject", &json!({"note": "x", "disposition": "ghost"})).await;
    app.act(pipe, "return", &json!({"note": "x"})).await;
    app.act(pipe, "check", &json!({"step": "extent"})).await;
    app.act(pipe, "answer", &json!({"note": "Kami cek."})).await;
    let seen = async |app: &TestApp| {
        let mut seen = Vec::new();
        for (receipt, incident) in [(&receipts[0], heap), (&receipts[1], pipe)] {
            let id = incident.as_str().unwrap();
            let mut told =
                [app.get(&format!("/api/v1/incidents/{id}")).send().await.ok(), track(app, receipt).await];
            told.iter_mut().for_each(|told| told["seq"] = Value::Null);
            seen.extend(told);
        }
        seen
    };
    let before = seen(&app).await;
    assert_eq!(before[0]["properties"]["disposition"], "ghost");
    assert_eq!(before[2]["properties"]["returned"], true);
    app.stop().await;
    // From the snapshot of the live map, and without it from the tables.
    for without in [false, true] {
        if without {
            std::fs::remove_file(folder.path().join("live.snapshot")).unwrap();
        }
        let app = start().await;
        assert_eq!(seen(&app).await, before, "without a snapshot: {without}");
        app.stop().await;
    }
    let found = pantau::journal::verify(folder.path(), &mut |_, _| {}).unwrap();
    assert_eq!(found.faults, []);
}
