//! Real nats-servers that make one JetStream between them, for one test: three with routes to each other, or a single one.
//!
//! Each can be killed, frozen, stopped and started by itself; who leads a stream can be asked and changed. Clients are not
//! told of the other servers' addresses: what a test puts in between (a proxy, a cut) is not gone round.

use std::time::Duration;

use crate::{NatsServer, NatsServerBuilder, eventually, free_port};

/// Three servers on one machine elect their leaders within seconds; under load it was seen to take twenty.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// One answer of the JetStream API.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How a test's servers are to be; [`NatsCluster::builder`] begins one.
#[derive(Debug, Clone)]
pub struct NatsClusterBuilder {
    size: usize,
    server: NatsServerBuilder,
}

impl NatsClusterBuilder {
    /// So many servers: 1, or 3 by default.
    pub fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// How each of them is to be.
    pub fn server(mut self, server: NatsServerBuilder) -> Self {
        self.server = server;
        self
    }

    /// Starts them and waits until JetStream answers on each.
    ///
    /// # Panics
    /// When one doesn't come up, or they don't find together within a minute.
    pub async fn start(self) -> NatsCluster {
        let routes: Vec<String> = (0..self.size).map(|_| format!("nats-route://127.0.0.1:{}", free_port())).collect();
        let mut nodes = Vec::with_capacity(self.size);
        for route in &routes {
            let server = match (self.size, route.strip_prefix("nats-route://")) {
                (2.., Some(listen)) => {
                    let name = format!("klatch-test-{}", routes[0].rsplit(':').next().unwrap_or_default());
                    let cluster = format!(
                        "cluster {{ name: {name:?}, listen: {listen:?}, no_advertise: true, routes: {routes:?} }}"
                    );
                    self.server.clone().extra_config(&cluster)
                }
                _ => self.server.clone(),
            };
            nodes.push(server.start().await);
        }
        let cluster = NatsCluster { nodes };
        cluster.until_ready().await;
        cluster
    }
}

/// Running nats-servers with one JetStream. Dropping it kills them all (-9) and removes their folders.
#[derive(Debug)]
pub struct NatsCluster {
    nodes: Vec<NatsServer>,
}

impl NatsCluster {
    /// Three servers with everything as by default.
    pub async fn start() -> NatsCluster {
        NatsCluster::builder().start().await
    }

    /// Begins to describe one.
    pub fn builder() -> NatsClusterBuilder {
        NatsClusterBuilder { size: 3, server: NatsServer::builder() }
    }

    /// How many servers there are, dead ones too.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// One of them.
    pub fn node(&self, number: usize) -> &NatsServer {
        &self.nodes[number]
    }

    /// One of them, to be killed or started.
    pub fn node_mut(&mut self, number: usize) -> &mut NatsServer {
        &mut self.nodes[number]
    }

    /// Where clients connect: every server's address, separated by commas.
    pub fn url(&self) -> String {
        let urls: Vec<String> = self.nodes.iter().map(NatsServer::url).collect();
        urls.join(",")
    }

    /// A fresh client connection, to any server that runs.
    ///
    /// # Panics
    /// When none takes it.
    pub async fn client(&self) -> async_nats::Client {
        let urls: Vec<String> = self.nodes.iter().map(NatsServer::url).collect();
        match async_nats::connect(urls).await {
            Ok(client) => client,
            Err(error) => panic!("no connection to {}: {error}\n{}", self.url(), self.log()),
        }
    }

    /// What all of them have logged so far, one after the other.
    pub fn log(&self) -> String {
        self.nodes.iter().map(NatsServer::log).collect::<Vec<_>>().join("\n")
    }

    /// Waits until JetStream answers on every server that runs: in a cluster, until they have elected who leads it.
    ///
    /// # Panics
    /// When that takes more than a minute.
    pub async fn until_ready(&self) {
        for node in self.nodes.iter().filter(|node| node.pid().is_some()) {
            eventually(READY_WITHIN, &format!("JetStream to answer on {}", node.url()), || async {
                let client = async_nats::connect(node.url()).await.map_err(|error| error.to_string())?;
                ask(&client, "INFO").await.map(drop)
            })
            .await;
        }
    }

    /// Waits until every copy of a stream has what its leader has.
    ///
    /// # Panics
    /// When that takes more than a minute.
    pub async fn until_current(&self, stream: &str) {
        let client = self.client().await;
        let copies = self.size().saturating_sub(1);
        eventually(READY_WITHIN, &format!("every copy of {stream} to be current"), || async {
            let info = ask(&client, &format!("STREAM.INFO.{stream}")).await?;
            let current = info.matches("\"current\":true").count();
            if current >= copies { Ok(()) } else { Err(info) }
        })
        .await;
    }

    /// Which server leads a stream; none while there is no leader, or the stream doesn't exist.
    pub async fn leader_of(&self, stream: &str) -> Option<usize> {
        let client = self.client().await;
        let info = ask(&client, &format!("STREAM.INFO.{stream}")).await.ok()?;
        self.nodes.iter().position(|node| info.contains(&format!("\"leader\":\"{}\"", node.name())))
    }

    /// Asks a stream's leader to step down. Says in words why that can't be had just now.
    pub async fn step_down(&self, stream: &str) -> Result<(), String> {
        let client = self.client().await;
        ask(&client, &format!("STREAM.LEADER.STEPDOWN.{stream}")).await.map(drop)
    }
}

/// One question to the JetStream API, and its answer as JSON; an error of the API is an error.
async fn ask(client: &async_nats::Client, name: &str) -> Result<String, String> {
    let asking = client.request(format!("$JS.API.{name}"), bytes::Bytes::new());
    let answer = match tokio::time::timeout(ANSWER_WITHIN, asking).await {
        Ok(answer) => answer.map_err(|error| error.to_string())?,
        Err(_) => return Err("no answer in time".to_owned()),
    };
    let text = String::from_utf8_lossy(&answer.payload).into_owned();
    if text.contains("\"err_code\"") { Err(text) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream;

    use super::*;

    async fn with_stream() -> (NatsCluster, jetstream::Context) {
        let cluster = NatsCluster::start().await;
        let context = jetstream::new(cluster.client().await);
        let config = jetstream::stream::Config {
            name: "S".into(),
            subjects: vec!["s.>".into()],
            num_replicas: 3,
            ..Default::default()
        };
        eventually(READY_WITHIN, "a stream with three copies", || context.create_stream(config.clone())).await;
        (cluster, context)
    }

    async fn publish(context: &jetstream::Context) -> u64 {
        let acknowledged = eventually(READY_WITHIN, "a publish to be acknowledged", || async {
            context
                .publish("s.one", "kept".into())
                .await
                .map_err(|error| error.to_string())?
                .await
                .map_err(|error| error.to_string())
        });
        acknowledged.await.sequence
    }

    async fn led(cluster: &NatsCluster) -> usize {
        let leader = || async { cluster.leader_of("S").await.ok_or("nobody") };
        eventually(READY_WITHIN, "somebody to lead", leader).await
    }

    #[tokio::test]
    async fn the_leader_can_be_asked_changed_and_killed_and_what_was_stored_stays() {
        let (mut cluster, context) = with_stream().await;
        let first = publish(&context).await;
        let before = led(&cluster).await;
        cluster.step_down("S").await.expect("a leader steps down");
        let after = eventually(READY_WITHIN, "another leader", || async {
            cluster.leader_of("S").await.filter(|leader| *leader != before).ok_or("the same, or nobody")
        })
        .await;

        cluster.node_mut(after).kill();
        let left = eventually(READY_WITHIN, "one of the two left to lead", || async {
            cluster.leader_of("S").await.filter(|leader| *leader != after).ok_or("the dead one, or nobody")
        })
        .await;
        assert_ne!(left, after);
        let second = publish(&context).await;
        assert!(second > first, "{second} after {first}");
        cluster.node_mut(after).restart().await;
        cluster.until_ready().await;
        cluster.until_current("S").await;
        let stream = context.get_stream("S").await.expect("the stream is there");
        assert_eq!(stream.get_raw_message(first).await.expect("it is there").payload, "kept");
    }

    #[tokio::test]
    async fn without_two_of_three_nothing_is_led() {
        let (mut cluster, context) = with_stream().await;
        publish(&context).await;
        cluster.node_mut(0).kill();
        cluster.node_mut(1).kill();
        eventually(READY_WITHIN, "nobody to lead", || async {
            match cluster.leader_of("S").await {
                None => Ok(()),
                Some(leader) => Err(leader),
            }
        })
        .await;
        cluster.node_mut(0).restart().await;
        cluster.node_mut(1).restart().await;
        led(&cluster).await;
        publish(&context).await;
    }

    #[tokio::test]
    async fn a_single_server_is_a_cluster_of_one() {
        let cluster = NatsCluster::builder().size(1).start().await;
        assert_eq!((cluster.size(), cluster.leader_of("S").await), (1, None));
        assert_eq!(cluster.url(), cluster.node(0).url());
    }
}
