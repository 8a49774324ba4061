//! Who may ask, and what the answer allows the browser to do.

use super::{Desk, Problem};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// Nothing but what this program serves: no inline script or style, no frames, forms only to itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Checks the host and, for anything that changes something, that the request comes from one of our own pages; adds the headers.
pub(super) async fn check(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let problem = refuse(request.method(), request.headers(), &desk.config.hosts);
    let mut response = match problem {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert("permissions-policy", HeaderValue::from_static("geolocation=(), camera=(), microphone=()"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refuse(method: &Method, headers: &HeaderMap, hosts: &[String]) -> Option<Problem> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    if !is_ours(host, hosts) {
        let problem = "this hub does not answer under that name; add it to the hub's list of hosts if it is right";
        return Some(Problem::new(StatusCode::MISDIRECTED_REQUEST, problem));
    }
    if method == Method::GET || method == Method::HEAD {
        return None;
    }
    let same_origin = match (headers.get("sec-fetch-site").map(HeaderValue::as_bytes), text(header::ORIGIN)) {
        (Some(site), _) => site == b"same-origin",
        (None, Some(origin)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        (None, None) => false,
    };
    let problem = "this action came from another site's page, or from a program that does not say from where; use the hub's own page";
    (!same_origin).then(|| Problem::new(StatusCode::FORBIDDEN, problem))
}

/// `localhost`, a plain address, or a name from the configuration; any port.
fn is_ours(host: &str, hosts: &[String]) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _)) => v6,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok() || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(method: Method, headers: &[(&'static str, &'static str)]) -> Option<StatusCode> {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
        refuse(&method, &headers, &["hub.example".to_owned()]).map(|problem| problem.status)
    }

    #[test]
    fn pages_answer_under_an_address_localhost_and_the_configured_name_only() {
        for host in ["127.0.0.1:8440", "[::1]:8440", "localhost", "localhost:80", "hub.example", "HUB.example:443"] {
            assert_eq!(verdict(Method::GET, &[("host", host)]), None, "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:80", ""] {
            assert_eq!(verdict(Method::GET, &[("host", host)]), Some(StatusCode::MISDIRECTED_REQUEST), "{host}");
        }
    }

    #[test]
    fn actions_are_taken_from_our_own_pages_only() {
        let post = |headers: &[(&'static str, &'static str)]| {
            let headers: Vec<_> = headers.iter().copied().chain([("host", "127.0.0.1:8440")]).collect();
            verdict(Method::POST, &headers)
        };
        assert_eq!(post(&[("sec-fetch-site", "same-origin")]), None);
        assert_eq!(post(&[("origin", "http://127.0.0.1:8440")]), None);
        // A proxy in front may change the host; the browser's own word counts.
        assert_eq!(post(&[("sec-fetch-site", "same-origin"), ("origin", "https://hub.example")]), None);
        assert_eq!(
            post(&[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8440")]),
            Some(StatusCode::FORBIDDEN)
        );
        assert_eq!(post(&[("sec-fetch-site", "same-site")]), Some(StatusCode::FORBIDDEN));
        assert_eq!(post(&[("origin", "http://evil.example")]), Some(StatusCode::FORBIDDEN));
        assert_eq!(post(&[("origin", "null")]), Some(StatusCode::FORBIDDEN));
        assert_eq!(post(&[]), Some(StatusCode::FORBIDDEN));
    }
}
