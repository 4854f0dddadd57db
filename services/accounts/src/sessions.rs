//! Login, refresh, logout: sessions, and the tokens that stand for them.
//!
//! A refresh token is `<session>.<secret>`, and good once: each refresh gives the next one. One that comes again was
//! copied by somebody, and as nobody can tell which of the two is the thief, the session ends (RFC 9700, 4.14.2).
//!
//! But answers get lost, and two windows refresh at once. So the next token follows from the one before, under the accounts'
//! own key, and for a moment the one before is given that same next one again. Whoever copied it has then what its owner has,
//! and the session ends as soon as one of them goes on.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use klatch_domain::{Timestamp, UserId};
use klatch_wire::Code;
use klatch_wire::account::{AccountUser, Hidden, LoginRequest, LogoutRequest, RefreshRequest, Tokens, Who};
use klatch_wire::native::server::Failure;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::attempts::Tried;
use crate::bucket::{BucketError, Change};
use crate::desk::{CHANGE_TRIES, Desk, failed};
use crate::name::{self, Email, Folded};
use crate::password::{PASSWORD_BYTES_MAX, no_randomness};
use crate::record::{self, Account, EmailOwner, Session, Sessions, Spent};

const ID_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
/// Sessions of one account; a further one ends the oldest.
const SESSIONS_MAX: usize = 32;
/// So long a spent refresh token is given its successor again, in milliseconds: longer than any request takes.
const SPENT_FOR_MS: i64 = 30_000;
/// What bounds an access token's life, in seconds.
const TOKEN_LIFETIME_S: std::ops::RangeInclusive<u64> = 900..=3_600;

impl Desk {
    pub(crate) async fn login(&self, request: LoginRequest) -> Result<Tokens, Failure> {
        let name = match &request.who {
            Who::Username(username) => {
                let name = name::parse(username).ok().map(|user| Folded::of(&user));
                self.admit(request.source, &name.clone().map_or(Tried::Nobody, Tried::Name))?;
                name.unwrap_or_else(nobody)
            }
            Who::Email(text) => {
                let email = Email::parse(text);
                self.admit(request.source, &email.clone().map_or(Tried::Nobody, Tried::Email))?;
                match email {
                    Some(email) => self.name_at(&email).await?,
                    None => nobody(),
                }
            }
        };
        let account = self.account(&name).await?;
        if request.password.reveal().len() > PASSWORD_BYTES_MAX {
            return Err(wrong_password());
        }
        let hash = account.as_ref().map(|account| account.password.as_str());
        let is_right = self.hasher.verify(&request.password, hash).await?;
        let account = account.filter(|_| is_right).ok_or_else(wrong_password)?;
        let (id, secret) = (random::<ID_BYTES>()?, random::<SECRET_BYTES>()?);
        let now = self.clock.now();
        let session = Session {
            user_id: account.user_id.clone(),
            secret: digest(&secret),
            spent: None,
            began: now,
            expires: self.session_end(now),
        };
        self.begin(&id, &session).await?;
        self.tokens(account, &id, &secret)
    }

    /// Stores a session, and ends the oldest of the account's where there are too many, all in one batch.
    async fn begin(&self, id: &str, session: &Session) -> Result<(), Failure> {
        let key = record::sessions(&Folded::of(&session.user_id));
        for _ in 0..CHANGE_TRIES {
            let held = self.bucket.get::<Sessions>(&key).await.map_err(failed)?;
            let mut ids = held.value.unwrap_or_default().ids;
            ids.push(id.to_owned());
            let mut changes = vec![self.session_change(id, 0, session)];
            for oldest in ids.drain(..ids.len().saturating_sub(SESSIONS_MAX)) {
                let key = record::session(&oldest);
                let over = self.bucket.get::<Session>(&key).await.map_err(failed)?;
                changes.extend(over.value.map(|_| Change::delete(key, over.revision)));
            }
            changes.push(Change::put(key.clone(), held.revision, &Sessions { ids }));
            match self.bucket.change(&changes).await {
                Err(BucketError::Conflict) => {}
                done => return done.map_err(failed),
            }
        }
        Err(failed(BucketError::Conflict))
    }

    /// Whose address it is; else a name that nobody has.
    async fn name_at(&self, email: &Email) -> Result<Folded, Failure> {
        let owner = self.bucket.get::<EmailOwner>(&record::email(email)).await.map_err(failed)?.value;
        Ok(owner.map_or_else(|| Folded::of_nobody(email), |owner| Folded::of(&owner.user_id)))
    }

    pub(crate) async fn refresh(&self, request: RefreshRequest) -> Result<Tokens, Failure> {
        self.attempts.at_source(request.source)?;
        let (id, secret) = split(&request.refresh_token).ok_or_else(no_session)?;
        let key = record::session(id);
        for _ in 0..CHANGE_TRIES {
            let held = self.bucket.get::<Session>(&key).await.map_err(failed)?;
            let session = held.value.filter(|session| session.expires > self.clock.now()).ok_or_else(no_session)?;
            let next = self.keys.next_secret(id, secret);
            let now = self.clock.now();
            let is_repeat = was_just_spent(&session, secret, now) && is_secret(&session, &next);
            if !is_repeat && !is_secret(&session, secret) {
                match self.bucket.change(&[Change::delete(key.clone(), held.revision)]).await {
                    Ok(()) => {
                        tracing::warn!(user = %session.user_id, "a spent refresh token came again: its session is ended");
                        self.numbers.reused.inc();
                        return Err(no_session());
                    }
                    Err(BucketError::Conflict) => continue,
                    Err(error) => return Err(failed(error)),
                }
            }
            let account = self.account(&Folded::of(&session.user_id)).await?;
            let account = account.filter(|account| account.user_id == session.user_id).ok_or_else(no_session)?;
            if is_repeat {
                return self.tokens(account, id, &next);
            }
            let spent = Some(Spent { secret: session.secret, at: now });
            let renewed = Session { secret: digest(&next), spent, expires: self.session_end(now), ..session };
            match self.bucket.change(&[self.session_change(id, held.revision, &renewed)]).await {
                Ok(()) => return self.tokens(account, id, &next),
                // The same token came twice at once, and the other was first: the next look finds it just spent.
                Err(BucketError::Conflict) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(BucketError::Conflict))
    }

    /// Ends a session. A token that holds no more is none to complain about: the answer is the same.
    pub(crate) async fn logout(&self, request: LogoutRequest) -> Result<(), Failure> {
        self.attempts.at_source(request.source)?;
        let Some((id, secret)) = split(&request.refresh_token) else { return Ok(()) };
        let key = record::session(id);
        for _ in 0..CHANGE_TRIES {
            let held = self.bucket.get::<Session>(&key).await.map_err(failed)?;
            let now = self.clock.now();
            let is_its = |session: Session| is_secret(&session, secret) || was_just_spent(&session, secret, now);
            if !held.value.is_some_and(is_its) {
                return Ok(());
            }
            match self.bucket.change(&[Change::delete(key.clone(), held.revision)]).await {
                Err(BucketError::Conflict) => {}
                done => return done.map_err(failed),
            }
        }
        Err(failed(BucketError::Conflict))
    }

    fn tokens(&self, account: Account, id: &str, secret: &str) -> Result<Tokens, Failure> {
        let lifetime_s = self.config.token_lifetime_s.clamp(*TOKEN_LIFETIME_S.start(), *TOKEN_LIFETIME_S.end());
        let says = (self.config.issuer.as_str(), self.config.audience.as_str());
        let signed = self.keys.sign(says, &account.user_id, self.clock.now(), lifetime_s);
        let token = signed.map_err(|error| {
            tracing::error!(%error, "a token can't be signed");
            Failure::new(Code::Internal, "no token can be signed: this is a fault of the server")
        })?;
        let refresh_token = Hidden::new(format!("{id}.{secret}"));
        Ok(Tokens { token, refresh_token, expires_in: lifetime_s, user: AccountUser::from(account) })
    }

    fn session_change(&self, id: &str, revision: u64, session: &Session) -> Change {
        let lifetime = Duration::from_secs(self.config.session_lifetime_s.max(1));
        Change::put_for(lifetime, record::session(id), revision, session)
    }

    fn session_end(&self, now: Timestamp) -> Timestamp {
        let lifetime_ms = self.config.session_lifetime_s.max(1).saturating_mul(1_000);
        Timestamp::from_ms(now.as_ms().saturating_add(i64::try_from(lifetime_ms).unwrap_or(i64::MAX)))
    }
}

/// A name that no account has: looked up all the same, for the work.
fn nobody() -> Folded {
    Folded::of(&UserId::system())
}

/// One answer for whoever does not get in.
fn wrong_password() -> Failure {
    Failure::new(Code::NotAuthenticated, "the name or the password is wrong")
}

fn no_session() -> Failure {
    Failure::new(Code::NotAuthenticated, "the refresh token holds no more: sign in again")
}

fn random<const BYTES: usize>() -> Result<String, Failure> {
    let mut bytes = [0; BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| no_randomness())?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// Of 256 random bits a plain hash gives nothing away.
fn digest(secret: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(secret))
}

fn is_secret(session: &Session, secret: &str) -> bool {
    is_digest(&session.secret, secret)
}

fn was_just_spent(session: &Session, secret: &str, now: Timestamp) -> bool {
    let spent = session.spent.as_ref();
    spent.is_some_and(|spent| now.as_ms() < spent.at.as_ms() + SPENT_FOR_MS && is_digest(&spent.secret, secret))
}

fn is_digest(stored: &str, secret: &str) -> bool {
    stored.as_bytes().ct_eq(digest(secret).as_bytes()).into()
}

/// The session and the secret of what may be a refresh token; none of what can't: the session becomes a key.
fn split(token: &Hidden) -> Option<(&str, &str)> {
    let (id, secret) = token.reveal().split_once('.')?;
    let is = |part: &str, bytes: usize| BASE64URL_NOPAD.decode(part.as_bytes()).is_ok_and(|part| part.len() == bytes);
    (is(id, ID_BYTES) && is(secret, SECRET_BYTES)).then_some((id, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_refresh_token_becomes_a_key() {
        let (id, secret) = (random::<ID_BYTES>().unwrap(), random::<SECRET_BYTES>().unwrap());
        let token = |text: String| Hidden::new(text);
        assert_eq!(split(&token(format!("{id}.{secret}"))), Some((&*id, &*secret)));
        for bad in
            ["", ".", "a.b", ">.x", &id, &format!("{secret}.{id}"), &format!("{id}.{secret}.x"), &format!("*.{secret}")]
        {
            assert_eq!(split(&token(bad.to_owned())), None, "{bad}");
        }
    }
}
