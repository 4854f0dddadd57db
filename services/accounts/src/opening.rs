//! Register and verify: how an account comes about.
//!
//! Register does the same for a taken name as for a free one, in the same time: it hashes, stores a registration and
//! hands a letter over. That the name or the address is taken comes out when the code comes back (then the answer is the
//! one for a wrong code), and in the letter.

use klatch_domain::UserId;
use klatch_wire::Code;
use klatch_wire::account::{RegisterRequest, RegisterResponse, VerifyRequest, VerifyResponse, Who};
use klatch_wire::native::server::Failure;
use uuid::Uuid;

use crate::attempts::Tried;
use crate::bucket::{BucketError, Change, Held};
use crate::desk::{CHANGE_TRIES, Desk, failed};
use crate::name::{self, Email, Folded};
use crate::password::PASSWORD_BYTES_MAX;
use crate::record::{self, Account, EmailOwner, RegisteredNames};
use crate::registrations::{CODE_LIFETIME, CODE_TRIES, Registration, Registrations, expiry};

/// The code of every registration in development: the one that seed 003's clients know.
const DEV_CODE: &str = "123456";
/// Names that an address is looked for under, the newest ones.
const NAMES_MAX: usize = 3;

impl Desk {
    pub(crate) async fn register(&self, request: RegisterRequest) -> Result<RegisterResponse, Failure> {
        self.attempts.at_source(request.source)?;
        let invalid = |why: String| Failure::new(Code::InvalidField, why);
        let user_id = name::parse(&request.username).map_err(invalid)?;
        let email = match request.email.as_deref() {
            None => None,
            Some(text) => {
                let email = Email::parse(text);
                Some(email.ok_or_else(|| invalid("email is no address that a mail could be sent to".to_owned()))?)
            }
        };
        let (bytes, at_least) = (request.password.reveal().len(), self.config.password_bytes_min);
        if !(at_least..=PASSWORD_BYTES_MAX).contains(&bytes) {
            return Err(invalid(format!("password has {bytes} bytes, not {at_least} to {PASSWORD_BYTES_MAX}")));
        }
        self.attempts.of_registration(&Tried::Name(Folded::of(&user_id)))?;
        if let Some(email) = &email {
            self.attempts.of_registration(&Tried::Email(email.clone()))?;
        }
        let stamp = self.post.stamp(&user_id, email.as_ref())?;
        let password = self.hasher.hash(&request.password).await?;
        let code = self.fresh_code();
        let id = Uuid::new_v4();
        let registration = Registration {
            id,
            user_id: user_id.clone(),
            email,
            password,
            code: self.keys.hash_code(&id, &code),
            expires: expiry(self.clock.now()),
            tries_left: CODE_TRIES,
        };
        self.store(registration).await?;
        stamp.send(&code);
        Ok(RegisterResponse { username: user_id })
    }

    /// Stores a registration beside others of the same name, and, in the same batch, under which name to look for it
    /// where only its address is known.
    async fn store(&self, registration: Registration) -> Result<(), Failure> {
        let name = Folded::of(&registration.user_id);
        let key = record::registration(&name);
        for _ in 0..CHANGE_TRIES {
            let held = self.bucket.get::<Registrations>(&key).await.map_err(failed)?;
            let mut registrations = held.value.unwrap_or_default();
            registrations.add(registration.clone());
            let mut changes = vec![Change::put_for(CODE_LIFETIME, key.clone(), held.revision, &registrations)];
            if let Some(email) = &registration.email {
                let key = record::registered(email);
                let held = self.bucket.get::<RegisteredNames>(&key).await.map_err(failed)?;
                let mut names = held.value.unwrap_or_default().names;
                names.retain(|known| *known != name);
                names.insert(0, name.clone());
                names.truncate(NAMES_MAX);
                changes.push(Change::put_for(CODE_LIFETIME, key, held.revision, &RegisteredNames { names }));
            }
            match self.bucket.change(&changes).await {
                Err(BucketError::Conflict) => {}
                done => return done.map_err(failed),
            }
        }
        Err(failed(BucketError::Conflict))
    }

    pub(crate) async fn verify(&self, request: VerifyRequest) -> Result<VerifyResponse, Failure> {
        let (names, email) = match &request.who {
            Who::Username(username) => {
                let name = name::parse(username).ok().map(|user| Folded::of(&user));
                self.admit(request.source, &name.clone().map_or(Tried::Nobody, Tried::Name))?;
                (vec![name.ok_or_else(wrong_code)?], None)
            }
            Who::Email(text) => {
                let email = Email::parse(text);
                self.admit(request.source, &email.clone().map_or(Tried::Nobody, Tried::Email))?;
                let email = email.ok_or_else(wrong_code)?;
                let known = self.bucket.get::<RegisteredNames>(&record::registered(&email)).await.map_err(failed)?;
                let names = known.value.map(|known| known.names).filter(|names| !names.is_empty());
                (names.unwrap_or_else(|| vec![Folded::of_nobody(&email)]), Some(email))
            }
        };
        for name in names {
            if let Some(user_id) = self.redeem(&name, email.as_ref(), request.otp.reveal().trim()).await? {
                self.numbers.opened.inc();
                return Ok(VerifyResponse { user_id });
            }
        }
        Err(wrong_code())
    }

    /// Tries a code at the registrations of one name. A wrong one is counted, also where nothing waits: the work is the
    /// same.
    async fn redeem(&self, name: &Folded, email: Option<&Email>, code: &str) -> Result<Option<UserId>, Failure> {
        let key = record::registration(name);
        for _ in 0..CHANGE_TRIES {
            let held = self.bucket.get::<Registrations>(&key).await.map_err(failed)?;
            let mut registrations = held.value.unwrap_or_default();
            let is_meant = |waiting: &Registration| email.is_none() || waiting.email.as_ref() == email;
            let is_right = |waiting: &Registration| self.keys.is_code(waiting, code);
            let right = registrations.try_code(self.clock.now(), is_meant, is_right);
            let user_id = right.as_ref().map(|right| right.user_id.clone());
            let rest = Held { value: Some(registrations), revision: held.revision };
            let changes = match right {
                None => None,
                Some(right) => self.opening(name, right, &rest).await?,
            };
            let is_opened = changes.is_some();
            // A code that was right for what is somebody else's by now is spent, too.
            let counted = || vec![Change::put_for(CODE_LIFETIME, key.clone(), rest.revision, &rest.value)];
            match self.bucket.change(&changes.unwrap_or_else(counted)).await {
                Ok(()) => return Ok(user_id.filter(|_| is_opened)),
                Err(BucketError::Conflict) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(BucketError::Conflict))
    }

    /// The changes that make a registration an account, each at the revision that was read; none where its name or its
    /// address has one already.
    pub(crate) async fn opening(
        &self,
        name: &Folded,
        registration: Registration,
        rest: &Held<Registrations>,
    ) -> Result<Option<Vec<Change>>, Failure> {
        let account_key = record::account(name);
        let account = self.bucket.get::<Account>(&account_key).await.map_err(failed)?;
        if account.value.is_some() {
            return Ok(None);
        }
        let mut changes = vec![Change::delete(record::registration(name), rest.revision)];
        if let Some(email) = &registration.email {
            let key = record::email(email);
            let owner = self.bucket.get::<EmailOwner>(&key).await.map_err(failed)?;
            if owner.value.is_some() {
                return Ok(None);
            }
            changes.push(Change::put(key, owner.revision, &EmailOwner { user_id: registration.user_id.clone() }));
        }
        let opened = Account {
            user_id: registration.user_id,
            email: registration.email,
            password: registration.password,
            created: self.clock.now(),
        };
        changes.push(Change::put(account_key, account.revision, &opened));
        Ok(Some(changes))
    }

    fn fresh_code(&self) -> String {
        if self.config.dev_codes { DEV_CODE.to_owned() } else { format!("{:06}", rand::random_range(0..1_000_000_u32)) }
    }
}

/// One answer for every code that does nothing.
fn wrong_code() -> Failure {
    Failure::new(Code::InvalidField, "the code is wrong, used or expired")
}
