//! TLS for clients: the certificate, read again whenever its files change, and the handshake.
//!
//! A new certificate holds for connections from then on; those that are there go on. Files that can't be used change
//! nothing: the last good certificate stays, and the log says why.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::transport::Transport;

/// The first byte of a handshake (RFC 8446, 5.1: a record's content type).
const HANDSHAKE: u8 = 22;
/// To a client that does not encrypt. No browser can be led elsewhere from here: which address it should have taken only
/// the operator knows.
const NO_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 50\r\n\r\n\
    This port speaks TLS alone: use https:// or wss://";

/// TLS for clients. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and what leads from it to an authority that clients know, as PEM. With it and `key`, every address
    /// speaks TLS and nothing else.
    pub cert: Option<PathBuf>,
    /// The certificate's key, as PEM.
    pub key: Option<PathBuf>,
    /// Milliseconds between two looks at whether the files have changed.
    pub look_ms: u64,
}

impl Default for TlsConfig {
    fn default() -> Self {
        TlsConfig { cert: None, key: None, look_ms: 10_000 }
    }
}

/// A certificate that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BadCertificate {
    /// Half of it is set.
    #[error("edge.tls.cert and edge.tls.key belong together: one of them is not set")]
    Half,
    /// A file can't be read, or holds none.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// They don't go together, or TLS has no use for them.
    #[error("the certificate in {} can't be used with the key in {}: {why}", cert.display(), key.display())]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        why: rustls::Error,
    },
}

/// The certificate in use.
#[derive(Debug)]
pub(crate) struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    look_every: Duration,
    in_use: RwLock<Arc<ServerConfig>>,
}

/// Which the two files are, and when they were changed last, in seconds and nanoseconds. Not when they were written: that
/// can be copied along with a file, and stays as it is when a file becomes readable.
type Changed = [Option<(u64, i64, i64)>; 2];

impl Certificate {
    /// Reads it; none where there is to be no TLS.
    pub(crate) fn open(config: &TlsConfig) -> Result<Option<Certificate>, BadCertificate> {
        let (cert, key) = match (&config.cert, &config.key) {
            (None, None) => return Ok(None),
            (Some(cert), Some(key)) => (cert.clone(), key.clone()),
            _ => return Err(BadCertificate::Half),
        };
        let in_use = RwLock::new(read(&cert, &key)?);
        let look_every = Duration::from_millis(config.look_ms.max(1));
        Ok(Some(Certificate { cert, key, look_every, in_use }))
    }

    /// Reads the files again whenever they have changed, for as long as it is polled.
    pub(crate) async fn keep(self: Arc<Self>) {
        let mut known = self.changed();
        loop {
            tokio::time::sleep(self.look_every).await;
            let this = Arc::clone(&self);
            // Panics of a blocking thread are told by themselves; the next look comes.
            known = tokio::task::spawn_blocking(move || this.look(known)).await.unwrap_or(known);
        }
    }

    /// One look. Whoever writes two files is met between them: what does not fit is told, and read again at the next change.
    fn look(&self, known: Changed) -> Changed {
        let changed = self.changed();
        if changed == known {
            return known;
        }
        match read(&self.cert, &self.key) {
            Ok(new) => {
                *self.in_use.write().unwrap_or_else(PoisonError::into_inner) = new;
                tracing::info!(cert = %self.cert.display(), "new connections get the new certificate");
            }
            Err(error) => {
                tracing::error!(%error, "the new certificate can't be used: the one before stays in use");
            }
        }
        changed
    }

    fn changed(&self) -> Changed {
        [&self.cert, &self.key].map(|path| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.ino(), file.ctime(), file.ctime_nsec()))
        })
    }

    /// The handshake. A client that does not encrypt is told so.
    pub(crate) async fn secure(&self, mut tcp: TcpStream) -> io::Result<Transport> {
        let mut first = [0];
        if tcp.peek(&mut first).await? == 1 && first != [HANDSHAKE] {
            tcp.write_all(NO_TLS).await?;
            tcp.shutdown().await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak TLS"));
        }
        let config = Arc::clone(&self.in_use.read().unwrap_or_else(PoisonError::into_inner));
        let (tcp, session) = TlsAcceptor::from(config).accept(tcp).await?.into_inner();
        Ok(Transport::tls(tcp, session))
    }
}

fn read(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, BadCertificate> {
    let bad = |path: &Path, why: rustls::pki_types::pem::Error| BadCertificate::File {
        path: path.to_owned(),
        why: why.to_string(),
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect);
    let chain = chain.map_err(|why| bad(cert, why))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|why| bad(key, why))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret));
    let mut config = config.map_err(|why| BadCertificate::Pair { cert: cert.to_owned(), key: key.to_owned(), why })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use klatch_testkit::Authority;

    use super::*;

    #[test]
    fn the_answer_to_who_does_not_encrypt_is_as_long_as_it_says() {
        let text = std::str::from_utf8(NO_TLS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }

    #[test]
    fn a_broken_file_changes_nothing_and_a_good_one_after_it_does() {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let files = authority.issue(folder.path(), "edge");
        let config = TlsConfig { cert: Some(files.cert.clone()), key: Some(files.key.clone()), ..TlsConfig::default() };
        let certificate = Certificate::open(&config).unwrap().unwrap();
        let in_use = || Arc::clone(&certificate.in_use.read().unwrap());
        let (first, known) = (in_use(), certificate.changed());
        assert_eq!(certificate.look(known), known);
        assert!(Arc::ptr_eq(&first, &in_use()), "read again without a change");

        // Another's key: as between the two writes of a renewal.
        let written = std::fs::metadata(&files.key).unwrap().modified().unwrap();
        let other = authority.issue(folder.path(), "other").key;
        // The kernel's clock for files goes by ticks of some milliseconds.
        while certificate.changed() == known {
            std::fs::copy(&other, &files.key).unwrap();
            // Its time is copied along, as by `cp --preserve`.
            std::fs::File::options().write(true).open(&files.key).unwrap().set_modified(written).unwrap();
        }
        let broken = certificate.look(known);
        assert_ne!(broken, known);
        assert!(Arc::ptr_eq(&first, &in_use()), "a pair that does not fit is in use");

        while certificate.changed() == broken {
            authority.issue(folder.path(), "edge");
        }
        certificate.look(broken);
        assert!(!Arc::ptr_eq(&first, &in_use()), "the new pair is not in use");
    }

    #[test]
    fn what_can_not_be_used_is_told_with_its_file() {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let [one, two] = ["one", "two"].map(|name| authority.issue(folder.path(), name));
        let open = |cert: &Path, key: &Path| {
            let config = TlsConfig { cert: Some(cert.to_owned()), key: Some(key.to_owned()), ..TlsConfig::default() };
            Certificate::open(&config).map(|certificate| certificate.is_some()).map_err(|error| error.to_string())
        };
        assert_eq!(open(&one.cert, &one.key), Ok(true));
        let error = open(&one.cert, &two.key).unwrap_err();
        assert!(error.contains("one.pem") && error.contains("two.key"), "{error}");
        let error = open(&folder.path().join("none.pem"), &one.key).unwrap_err();
        assert!(error.contains("none.pem"), "{error}");
        let half = TlsConfig { cert: Some(one.cert), ..TlsConfig::default() };
        assert!(matches!(Certificate::open(&half), Err(BadCertificate::Half)));
        assert!(Certificate::open(&TlsConfig::default()).unwrap().is_none());
    }
}
