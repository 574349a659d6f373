//! The web hook against a small server on loopback: what became of a request is told apart.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use littoral_connectors::config::HttpSink;
use littoral_connectors::http::{Outcome, Webhook};
use littoral_connectors::setting::Span;

/// Answers one connection after the other with the given status lines; none means to hang up without an answer.
fn server(answers: Vec<Option<&'static str>>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/act", listener.local_addr().unwrap());
    let thread = std::thread::Builder::new().name("server".into()).spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(n) = stream.read(&mut buffer) {
                request.extend_from_slice(&buffer[..n]);
                let text = String::from_utf8_lossy(&request).into_owned();
                if n == 0 || text.ends_with('}') {
                    break;
                }
            }
            requests.push(String::from_utf8(request).unwrap());
            if let Some(status) = answer {
                write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            }
        }
        requests
    });
    (url, thread.unwrap())
}

fn hook(url: &str) -> Webhook {
    Webhook::new(&HttpSink { url: url.into(), timeout: Some(Span(Duration::from_secs(2))) }).unwrap()
}

fn body() -> serde_json::Value {
    serde_json::json!({ "device": "a" })
}

#[test]
fn a_request_that_is_taken_is_delivered_with_its_key() {
    let (url, server) = server(vec![Some("204 No Content")]);
    assert!(matches!(hook(&url).post("key-1", &body(), 1), Outcome::Delivered));
    let request = server.join().unwrap().remove(0).to_lowercase();
    assert!(request.contains("idempotency-key: key-1") && request.contains("{\"device\":\"a\"}"), "{request}");
}

#[test]
fn a_busy_server_is_asked_again_and_one_that_refuses_is_not() {
    let (url, server) = self::server(vec![Some("503 Busy"), Some("200 OK")]);
    assert!(matches!(hook(&url).post("k", &body(), 3), Outcome::Delivered));
    assert_eq!(server.join().unwrap().len(), 2);
    let (url, server) = self::server(vec![Some("400 Bad Request")]);
    assert!(matches!(hook(&url).post("k", &body(), 3), Outcome::Refused(400)));
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn no_answer_is_unknown_and_no_connection_is_not_sent() {
    let (url, server) = server(vec![None]);
    assert!(matches!(hook(&url).post("k", &body(), 1), Outcome::Unknown(_)));
    server.join().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(matches!(hook(&format!("http://{closed}/")).post("k", &body(), 1), Outcome::NotSent(_)));
    assert!(Webhook::new(&HttpSink { url: "ftp://x".into(), timeout: None }).is_err());
}

#[test]
fn a_redirect_is_no_delivery() {
    let (url, server) = server(vec![Some("302 Found\r\nLocation: http://127.0.0.1:1/elsewhere")]);
    let outcome = hook(&url).post("k", &body(), 1);
    assert!(matches!(outcome, Outcome::Refused(302)), "{outcome:?}");
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn rows_of_one_epoch_have_keys_of_their_own_however_they_are_written() {
    use arrow::array::{Int64Array, RecordBatch};
    let (url, server) = server(vec![Some("200 OK"); 4]);
    let mut sink = littoral_connectors::http::open_sink(&HttpSink { url, timeout: None }).unwrap();
    for value in [vec![1, 2], vec![1], vec![3]] {
        let rows = RecordBatch::try_from_iter([("v", std::sync::Arc::new(Int64Array::from(value)) as _)]).unwrap();
        sink.write(7, &rows).unwrap();
    }
    let key = |r: &String| r.to_lowercase().split("idempotency-key: ").nth(1).unwrap().split('\r').next().unwrap().to_string();
    let keys: std::collections::BTreeSet<String> = server.join().unwrap().iter().map(key).collect();
    assert_eq!(keys.len(), 4, "{keys:?}");
}
