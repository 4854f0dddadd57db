//! Passwords: Argon2id on blocking threads, so many at a time, and the same work for an account that there is not.

use std::sync::Arc;
use std::time::Instant;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use klatch_wire::Code;
use klatch_wire::account::Hidden;
use klatch_wire::native::server::Failure;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::Semaphore;

/// OWASP's Password Storage Cheat Sheet, the first choice for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The longest password, in bytes.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1_024;

/// Hashes passwords. Clones share the turns.
#[derive(Debug, Clone)]
pub(crate) struct Hasher {
    turns: Arc<Semaphore>,
    /// A hash that no password has, to compare with where there is no account.
    decoy: Arc<str>,
    seconds: Histogram,
}

impl Hasher {
    /// Hashes at most so many at the same time.
    pub(crate) async fn new(at_once: usize, seconds: Histogram) -> Result<Hasher, Failure> {
        let hasher = Hasher { turns: Arc::new(Semaphore::new(at_once.max(1))), decoy: Arc::from(""), seconds };
        let mut nobodys = [0; 32];
        aws_lc_rs::rand::fill(&mut nobodys).map_err(|_| no_randomness())?;
        let decoy = hasher.hash(&Hidden::new(data_encoding::BASE64.encode(&nobodys))).await?;
        Ok(Hasher { decoy: Arc::from(decoy), ..hasher })
    }

    /// A PHC string with a fresh salt.
    pub(crate) async fn hash(&self, password: &Hidden) -> Result<String, Failure> {
        let password = password.clone();
        self.work(move || argon2().hash_password(password.reveal().as_bytes()).map(|hash| hash.to_string())).await
    }

    /// Whether it is the password of this hash. Without a hash it never is, and that takes as long.
    pub(crate) async fn verify(&self, password: &Hidden, hash: Option<&str>) -> Result<bool, Failure> {
        let is_anybodys = hash.is_some();
        let hash = hash.unwrap_or(&self.decoy).to_owned();
        let password = password.clone();
        let is_right = self.work(move || {
            let hash = PasswordHash::new(&hash)?;
            Ok(argon2().verify_password(password.reveal().as_bytes(), &hash).is_ok())
        });
        Ok(is_right.await? && is_anybodys)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> argon2::password_hash::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        let broken = |why: String| {
            tracing::error!(why, "a password can't be hashed");
            Failure::new(Code::Internal, "the password can't be checked: this is a fault of the server")
        };
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|error| broken(error.to_string()))?;
        let worked = tokio::task::spawn_blocking(move || {
            // Held by the work itself: it goes on when nobody waits for it any more.
            let _turn = turn;
            work()
        });
        let worked = worked.await.map_err(|error| broken(error.to_string()))?;
        self.seconds.observe(begun.elapsed().as_secs_f64());
        worked.map_err(|error| broken(error.to_string()))
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

pub(crate) fn no_randomness() -> Failure {
    Failure::new(Code::Internal, "the system has no randomness to give")
}

#[cfg(test)]
mod tests {
    use klatch_service::Metrics;

    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_alone_and_nobodys_fits_none() {
        let hasher = Hasher::new(1, Metrics::new().seconds("x", "x")).await.unwrap();
        let (right, wrong) = (Hidden::new("swordfish"), Hidden::new("Swordfish"));
        let hash = hasher.hash(&right).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hasher.hash(&right).await.unwrap(), "each has a salt of its own");
        assert!(hasher.verify(&right, Some(&hash)).await.unwrap());
        assert!(!hasher.verify(&wrong, Some(&hash)).await.unwrap());
        assert!(!hasher.verify(&right, None).await.unwrap());
        assert!(PasswordHash::new(&hasher.decoy).is_ok(), "what nobody's is compared with is worked on like any");
    }
}
