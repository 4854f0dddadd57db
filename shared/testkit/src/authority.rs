//! An authority that signs certificates for tests, and puts them into files.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// Signs certificates that are good for this machine alone.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, each in a PEM file.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate's file.
    pub cert: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

impl Authority {
    /// A new one: nobody else's certificates are its own.
    pub fn new() -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("signed").pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// Its own certificate, as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes its own certificate into a file.
    pub fn write(&self, path: &Path) -> PathBuf {
        fs::write(path, &self.pem).expect("written");
        path.to_owned()
    }

    /// Writes a fresh certificate for 127.0.0.1 and localhost, and its key, into `<name>.pem` and `<name>.key` of a folder,
    /// over what is there.
    pub fn issue(&self, folder: &Path, name: &str) -> Certificate {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["127.0.0.1", "localhost"].map(String::from)).expect("good names");
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        let files = Certificate { cert: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
        fs::write(&files.cert, signed.pem()).expect("written");
        fs::write(&files.key, key.serialize_pem()).expect("written");
        files
    }
}

impl Default for Authority {
    fn default() -> Self {
        Authority::new()
    }
}
