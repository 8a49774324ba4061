//! The regulators' alert feeds on the broker, `daen/1/feed/<tenant>/alerts`.
//!
//! Messages wait in the channel while there is no connection. What the broker loses nevertheless is not lost: each message carries the
//! number of its event, and the hub's `/api/events` has them all.

use super::analysis::FeedMessage;
use crate::config::link::{Link, LinkEvent, Session, back_off};
use crate::observation::NodeId;
use rumqttc::v5::mqttbytes::QoS;
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;

/// The feed is written, never read: nothing is to be kept for it.
const EXPIRY: Duration = Duration::from_secs(0);

/// Messages on their way at a time.
const WINDOW: u16 = 20;

/// First and longest pause between attempts to connect.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Publishes what comes until `shutdown` is ready or nobody is left to send.
pub async fn run(
    link: Link,
    hub: NodeId,
    mut messages: mpsc::Receiver<FeedMessage>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = std::pin::pin!(shutdown);
    let session = Session { client_id: format!("{hub}-feed"), last_will: None, expiry: EXPIRY, window: WINDOW };
    let mut attempt = 0;
    loop {
        let mut connection = link.connect(&session);
        let mut up = false;
        let problem = loop {
            tokio::select! {
                () = &mut shutdown => return,
                event = connection.next() => match event {
                    LinkEvent::Up(_) => {
                        up = true;
                        attempt = 0;
                    }
                    LinkEvent::Refused(problem) => tracing::error!(%problem, "the broker refuses the alert feed"),
                    LinkEvent::Down(problem) => break problem,
                    LinkEvent::Message(_) | LinkEvent::Delivered => {}
                },
                message = messages.recv(), if up => {
                    let Some(FeedMessage { topic, payload }) = message else { return };
                    if connection.client.try_publish(topic, QoS::AtLeastOnce, false, payload).is_err() {
                        tracing::warn!("alert feed: the link's queue is full, one message was dropped");
                    }
                }
            }
        };
        tracing::debug!(%problem, "alert feed: no connection");
        let pause = back_off(attempt, PAUSE.0, PAUSE.1, 0.5);
        attempt = attempt.saturating_add(1);
        tokio::select! {
            () = &mut shutdown => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
