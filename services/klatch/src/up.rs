//! `klatch up`: the broker, the projector, the notifier, the accounts and the edge in one process, and nothing to
//! configure.
//!
//! Stopping goes against the flow: first the edge (nobody new, everybody told), then the others, last the broker. All of it
//! takes less than ten seconds.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use klatch_edge::config::DemoPerson;
use klatch_eventlog::Log;
use klatch_service::config::Layer;
use klatch_service::{Health, Metrics, shutdown, telemetry};
use tokio_util::sync::CancellationToken;

use crate::broker::{Access, Broker, User};
use crate::data_folder::DataFolder;
use crate::settings::{self, DataFlag, ListenFlag, NatsFlag, Settings};
use crate::supervision::Services;
use crate::{AnyError, demo, signer, watch};

// With the broker's own 2.5 s these make less than the 10 s that a stop may take.
const EDGE_DRAIN_MS_MAX: u64 = 4_500;
const EDGE_PATIENCE: Duration = Duration::from_millis(5_000);
const ACCOUNTS_PATIENCE: Duration = Duration::from_millis(500);
const NOTIFIER_DRAIN_MS_MAX: u64 = 250;
const NOTIFIER_PATIENCE: Duration = Duration::from_millis(500);
const PROJECTOR_PATIENCE: Duration = Duration::from_millis(1_500);

/// Run everything in one process: broker, projector, notifier, accounts, edge
///
/// Needs no configuration: it finds nats-server (or fetches it once), keeps everything in ./klatch-data and listens on
/// 127.0.0.1:5004. Ctrl-C or SIGTERM stops it within ten seconds, the broker last, with nothing lost.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  klatch up --dev                                 try it: open http://127.0.0.1:5004
  klatch up --data /var/lib/klatch --listen 0.0.0.0:5004
  klatch up --nats nats://10.0.0.5:4222           with a broker of your own

Without --dev, tokens are verified with edge.auth.keys; where there are none, with a key that is made in the data folder
and that `klatch token mint --user ID` signs with.")]
pub(crate) struct Args {
    #[command(flatten)]
    data: DataFlag,
    #[command(flatten)]
    listen: ListenFlag,
    #[command(flatten)]
    nats: NatsFlag,
    /// The nats-server to run [default: .tools/bin/nats-server, else the one on PATH, else a fetched one]
    #[arg(long, value_name = "PATH", conflicts_with = "nats")]
    nats_server: Option<PathBuf>,
    /// Add two demo people whose tokens anybody can make; on loopback addresses only
    #[arg(long)]
    dev: bool,
}

impl Args {
    fn layers(&self) -> Vec<Layer> {
        let nats_server = self.nats_server.iter().map(|path| Layer::one("--nats-server", "broker.nats_server", path));
        let flags = [self.data.layers(), self.listen.layers(), self.nats.layers(), nats_server.collect()];
        flags.concat()
    }
}

pub(crate) async fn run(args: Args, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    let mut settings = settings::read(file, args.layers())?.value;
    if args.dev {
        demo::apply(&mut settings)?;
    }
    telemetry::init(&settings.telemetry, "klatch")?;
    settings::tell_ignored_variables();
    let shutdown = shutdown::on_signals()?;
    let (health, metrics) = (Health::new(), Metrics::new());
    watch::serve(&settings.telemetry, &health, &metrics, &shutdown).await?;

    let Some(prepared) = shutdown.run_until_cancelled(prepare(&mut settings, &health)).await else {
        return Ok(ExitCode::SUCCESS);
    };
    let (folder, broker) = prepared?;
    let access = broker.as_ref().map(|broker| broker.access().clone());
    let served = serve(&settings, &folder, access.as_ref(), &health, metrics, &shutdown).await;
    if let Some(broker) = broker {
        broker.stop().await;
    }
    served.map(|()| ExitCode::SUCCESS)
}

/// Takes the data folder, starts the broker unless there is one, sees to a key.
async fn prepare(settings: &mut Settings, health: &Health) -> Result<(DataFolder, Option<Broker>), AnyError> {
    let folder = DataFolder::open(&settings.data).await?;
    // Before a key of our own is among them: only keys of the operator's name people that we don't know.
    settings.edge.auth.accounts = Some(settings.edge.auth.has_accounts());
    if settings.edge.auth.keys.is_empty() && settings.edge.auth.jwks_url.is_none() {
        settings.edge.auth.keys.push(signer::own_key(folder.path())?);
    }
    settings.edge.drain_ms_max = settings.edge.drain_ms_max.min(EDGE_DRAIN_MS_MAX);
    settings.notifier.drain_ms_max = settings.notifier.drain_ms_max.min(NOTIFIER_DRAIN_MS_MAX);
    if settings.broker.url.is_some() {
        return Ok((folder, None));
    }
    let condition = health.condition("nats-server", "starting");
    let broker = Broker::start(&folder, settings.broker.nats_server.clone(), condition).await?;
    Ok((folder, Some(broker)))
}

/// A connection each, under a user each: a fold under full load must not stand in the way of a command, and nobody is to
/// do what is another's.
struct Opened {
    edge: Log,
    projector: Log,
    eraser: Log,
    /// None where there are no accounts.
    accounts: Option<async_nats::Client>,
    notifier: Log,
}

async fn open(settings: &Settings, access: Option<&Access>) -> Result<Opened, AnyError> {
    let options = |user| settings.log_options(user, access);
    // First, for it creates the streams.
    let projector = Log::open(options(User::Projector)?).await?;
    let accounts = match settings.edge.auth.has_accounts() {
        true => Some(klatch_eventlog::connect(&options(User::Accounts)?).await?),
        false => None,
    };
    Ok(Opened {
        projector,
        eraser: Log::open(options(User::Eraser)?).await?,
        edge: Log::open(options(User::Edge)?).await?,
        accounts,
        notifier: Log::open(options(User::Notifier)?).await?,
    })
}

/// Runs the services until `shutdown`, or until one of them fails.
async fn serve(
    settings: &Settings,
    folder: &DataFolder,
    access: Option<&Access>,
    health: &Health,
    metrics: Metrics,
    shutdown: &CancellationToken,
) -> Result<(), AnyError> {
    let Some(opened) = shutdown.run_until_cancelled(Box::pin(open(settings, access))).await else { return Ok(()) };
    let Opened { edge: for_edge, projector: for_projector, eraser, accounts: for_accounts, notifier: for_notifier } =
        opened?;

    let announcement = Announcement {
        folder: folder.path().to_owned(),
        demo: settings.edge.demo.clone(),
        is_encrypted: settings.edge.tls.cert.is_some(),
        health: health.clone(),
    };
    // All of them before the first service starts: what is ready is announced once, and nothing may be missing then.
    let answering = for_accounts.is_some().then(|| health.condition("accounts", "starting"));
    let (telling, caught_up) = (health.condition("notifier", "starting"), health.condition("projector", "starting"));
    let mut services = Services::default();
    let (edge, edge_health, edge_metrics) = (settings.edge.clone(), health.clone(), metrics.clone());
    services.start("edge", EDGE_PATIENCE, |stop| async move {
        let bound = |addresses: &[SocketAddr]| announcement.make_when_ready(addresses);
        Ok(klatch_edge::run(edge, for_edge, edge_health, &edge_metrics, bound, stop).await?)
    });
    if let Some((client, answering)) = for_accounts.zip(answering) {
        let (accounts, accounts_metrics) = (settings.accounts(), metrics.clone());
        services.start("accounts", ACCOUNTS_PATIENCE, |stop| async move {
            Ok(klatch_accounts::run(accounts, client, stop, answering, &accounts_metrics).await?)
        });
    }
    let (notifier, notifier_metrics) = (settings.notifier.clone(), metrics.clone());
    services.start("notifier", NOTIFIER_PATIENCE, |stop| async move {
        Ok(klatch_notifier::run(notifier, for_notifier, stop, telling, &notifier_metrics).await?)
    });
    let projector = settings.projector.clone();
    services.start("projector", PROJECTOR_PATIENCE, |stop| async move {
        Ok(klatch_projector::run(projector, for_projector, eraser, stop, caught_up, &metrics).await?)
    });
    services.until(shutdown).await
}

/// What the person at the terminal wants to know.
struct Announcement {
    folder: PathBuf,
    demo: Vec<DemoPerson>,
    is_encrypted: bool,
    health: Health,
}

impl Announcement {
    /// Prints it once everything is ready.
    fn make_when_ready(self, addresses: &[SocketAddr]) {
        let addresses: Arc<[SocketAddr]> = addresses.into();
        tokio::spawn(async move {
            if self.health.settled().await.ready {
                // Nobody may be reading.
                let _ = io::stdout().lock().write_all(self.text(&addresses).as_bytes());
            }
        });
    }

    fn text(&self, addresses: &[SocketAddr]) -> String {
        let mut text = String::from("\n");
        let s = if self.is_encrypted { "s" } else { "" };
        for address in addresses {
            text.push_str(&format!("  Open http{s}://{address}\n"));
        }
        if let (Some(address), false) = (addresses.first(), self.demo.is_empty()) {
            text.push_str(&format!(
                "\n  Tokens of the demo people, for clients of your own (ws{s}://{address}/chat/ws):\n"
            ));
            for person in &self.demo {
                text.push_str(&format!("  {:<4} {}\n", person.user_id, person.token));
            }
        } else {
            text.push_str("\n  A token to sign in with: klatch token mint --user ID\n");
        }
        text.push_str(&format!("\n  Everything is kept in {}. Ctrl-C stops it.\n\n", self.folder.display()));
        text
    }
}
