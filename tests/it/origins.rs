//! No page of another site acts or listens here: every unsafe address and both streams, with every kind
//! of `Origin` that a browser, or somebody who plays one, can send.

use axum::http::Method;
use pantau::api::{RULES, Rule};

use crate::support::app::{Setup, TestApp};
use crate::support::socket::Dial;

fn checked() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(|rule| rule.method != "GET" || rule.is_stream())
}

/// The status of a question with these headers, and whether a foreign page was the reason.
async fn ask(app: &TestApp, rule: &Rule, headers: &[(&str, &str)]) -> (u16, bool) {
    let path = rule.path.replace("{id}", "x").replace("{action}", "verify");
    let method: Method = rule.method.parse().unwrap();
    let query = if rule.path.ends_with(".sse") { "?bbox=1,1,2,2&zoom=99" } else { "" };
    let mut ask = app.ask(method, &format!("{path}{query}")).body("{}");
    for (name, value) in headers {
        ask = ask.header(name, value);
    }
    let answer = ask.send().await;
    (answer.status, answer.text().contains("foreign-origin"))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_our_own_pages_act_and_listen() {
    let app = Setup::default().start().await;
    let host = app.address.to_string();
    let port = app.address.port();
    let ours = format!("http://{host}");
    let foreign = [
        "null".to_owned(),
        String::new(),
        "http://evil.example".to_owned(),
        format!("http://evil.{host}"),
        format!("http://{host}.evil.example"),
        format!("HTTP://{host}"),
        format!("http://127.0.0.1.:{port}"),
        format!("http://127.0.0.1:{}", port.wrapping_add(1)),
        "http://127.0.0.1".to_owned(),
        format!("https://{host}"),
        format!("ws://{host}"),
        format!("http://localhost:{port}"),
        format!("{ours}/"),
        format!("{ours}, http://evil.example"),
    ];
    let mut n = 0;
    for rule in checked() {
        n += 1;
        let name = format!("{} {}", rule.method, rule.path);
        for origin in &foreign {
            let (status, is_foreign) = ask(&app, rule, &[("origin", origin)]).await;
            assert!(status == 403 && is_foreign, "{name} from {origin:?}: {status}");
        }
        for site in ["cross-site", "same-site", "", "SAME-ORIGIN"] {
            let (status, is_foreign) = ask(&app, rule, &[("sec-fetch-site", site)]).await;
            assert!(status == 403 && is_foreign, "{name} {site:?}: {status}");
            let (status, is_foreign) =
                ask(&app, rule, &[("origin", &ours), ("sec-fetch-site", site)]).await;
            assert!(status == 403 && is_foreign, "{name} ours, {site:?}: {status}");
        }
        // A program says nothing; our own page says so.
        for headers in [
            &[][..],
            &[("origin", &*ours)],
            &[("sec-fetch-site", "same-origin")],
            &[("origin", &*ours), ("sec-fetch-site", "same-origin")],
        ] {
            let (_, is_foreign) = ask(&app, rule, headers).await;
            assert!(!is_foreign, "{name} {headers:?}");
        }
    }
    assert!(n >= 12, "{n}");
    for origin in &foreign {
        if let Err(status) =
            (Dial { headers: &[("origin", origin)], ..Dial::default() }).connect(app.address).await
        {
            assert_eq!(status, 403, "{origin:?}");
        } else {
            panic!("a socket for {origin:?}");
        }
    }
    let own = Dial { headers: &[("origin", &ours)], ..Dial::default() }.connect(app.address).await;
    assert!(own.is_ok());
    drop(own);
    app.stop().await;
}
