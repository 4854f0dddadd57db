//! `/auth/…` and `/.well-known/jwks.json`: what browsers and programs ask the accounts, which do the work.
//!
//! Bodies are JSON objects, named so in `Content-Type`: a page of another origin can't send that without being asked for
//! (CORS). Fields that nobody knows are ignored, as seed 003's clients expect.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use klatch_wire::Code;
use klatch_wire::account::{
    AccountUser, Hidden, LoginRequest, LogoutRequest, MeRequest, PublicKey, RefreshRequest, RegisterRequest,
    RegisterResponse, Tokens, VerifyRequest, VerifyResponse, Who, name,
};
use klatch_wire::native::server::Failure;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::bearer::Bearer;
use super::problem::Problem;
use super::source::SourceAddress;
use crate::hub::Hub;

/// Bytes of a body at most.
pub(super) const BODY_BYTES_MAX: usize = 8 * 1024;
/// The cookie that carries an access token.
const COOKIE: &str = "access_token";
/// How long others may keep the keys, in words of RFC 9111.
const KEYS_KEPT: &str = "public, max-age=300";

/// A body that is a JSON object with these fields, among others.
pub(super) struct Object<T>(T);

impl<T: DeserializeOwned> FromRequest<Arc<Hub>> for Object<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, hub: &Arc<Hub>) -> Result<Self, Problem> {
        let body = Json::<Map<String, Value>>::from_request(request, hub).await.map_err(refused)?;
        let fields = serde_json::from_value(Value::Object(body.0));
        Ok(Object(fields.map_err(|error| Failure::new(Code::InvalidField, error.to_string()))?))
    }
}

fn refused(rejection: JsonRejection) -> Failure {
    let is_too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
    let code = if is_too_large { Code::TooLarge } else { Code::InvalidField };
    Failure::new(code, rejection.body_text())
}

#[derive(Deserialize)]
pub(super) struct Registering {
    username: String,
    email: Option<String>,
    password: Hidden,
}

#[derive(Deserialize)]
pub(super) struct Verifying {
    #[serde(flatten)]
    who: Named,
    otp: Otp,
}

#[derive(Deserialize)]
pub(super) struct SigningIn {
    #[serde(flatten)]
    who: Named,
    password: Hidden,
    #[serde(default)]
    cookie: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refreshing {
    refresh_token: Hidden,
    #[serde(default)]
    cookie: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SigningOut {
    refresh_token: Hidden,
}

/// Somebody by a name, or by an address.
#[derive(Deserialize)]
struct Named {
    username: Option<String>,
    email: Option<String>,
}

impl Named {
    fn who(self) -> Result<Who, Failure> {
        match (self.username, self.email) {
            (Some(username), _) => Ok(Who::Username(username)),
            (None, Some(email)) => Ok(Who::Email(email)),
            (None, None) => Err(Failure::new(Code::InvalidField, "username or email is missing")),
        }
    }
}

/// A code: digits, which some forms send as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Otp {
    Text(Hidden),
    Number(u32),
}

impl Otp {
    fn digits(self) -> Hidden {
        match self {
            Otp::Text(digits) => digits,
            Otp::Number(number) => Hidden::new(format!("{number:06}")),
        }
    }
}

/// What there is to say where there is nothing to give.
#[derive(Serialize)]
pub(super) struct Said {
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
}

/// `POST /auth/register`: 201, for a name that is taken as for one that is free.
pub(super) async fn register(
    State(hub): State<Arc<Hub>>,
    SourceAddress(source): SourceAddress,
    Object(body): Object<Registering>,
) -> Result<(StatusCode, Json<Said>), Problem> {
    let Registering { username, email, password } = body;
    let request = RegisterRequest { username, email, password, source };
    let registered: RegisterResponse = hub.ask_accounts(name::REGISTER, &request).await?;
    let message = "registered: bring the code that was sent to you to /auth/verify";
    Ok((StatusCode::CREATED, Json(Said { message, username: Some(registered.username.to_string()) })))
}

/// `POST /auth/verify`.
pub(super) async fn verify(
    State(hub): State<Arc<Hub>>,
    SourceAddress(source): SourceAddress,
    Object(body): Object<Verifying>,
) -> Result<Json<Said>, Problem> {
    let request = VerifyRequest { who: body.who.who()?, otp: body.otp.digits(), source };
    let _: VerifyResponse = hub.ask_accounts(name::VERIFY, &request).await?;
    Ok(Json(Said { message: "verified: sign in at /auth/login", username: None }))
}

/// `POST /auth/login`.
pub(super) async fn login(
    State(hub): State<Arc<Hub>>,
    SourceAddress(source): SourceAddress,
    headers: HeaderMap,
    Object(body): Object<SigningIn>,
) -> Result<Response, Problem> {
    let request = LoginRequest { who: body.who.who()?, password: body.password, source };
    give_tokens(&hub, &headers, name::LOGIN, &request, body.cookie).await
}

/// `POST /auth/refresh`.
pub(super) async fn refresh(
    State(hub): State<Arc<Hub>>,
    SourceAddress(source): SourceAddress,
    headers: HeaderMap,
    Object(body): Object<Refreshing>,
) -> Result<Response, Problem> {
    let request = RefreshRequest { refresh_token: body.refresh_token, source };
    give_tokens(&hub, &headers, name::REFRESH, &request, body.cookie).await
}

/// `POST /auth/logout`: the refresh token holds no more, and the cookie is gone.
pub(super) async fn logout(
    State(hub): State<Arc<Hub>>,
    SourceAddress(source): SourceAddress,
    headers: HeaderMap,
    Object(body): Object<SigningOut>,
) -> Result<Response, Problem> {
    let request = LogoutRequest { refresh_token: body.refresh_token, source };
    let () = hub.ask_accounts(name::LOGOUT, &request).await?;
    let gone = cookie(&headers, &Hidden::new(""), 0);
    Ok(([(header::SET_COOKIE, gone)], Json(Said { message: "signed out", username: None })).into_response())
}

/// `GET /auth/me`: who the token says, and what their account has beside, if they have one.
pub(super) async fn me(State(hub): State<Arc<Hub>>, Bearer(person): Bearer) -> Result<Json<AccountUser>, Problem> {
    let mut user = AccountUser { user_id: person.user_id.clone(), username: person.username, email: None };
    if hub.config.auth.has_accounts() {
        match hub.ask_accounts::<_, AccountUser>(name::ME, &MeRequest { asker: person.user_id }).await {
            Ok(account) => user.email = account.email,
            // A token of the operator's names people without an account.
            Err(failure) if failure.code == Code::NotFound => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(Json(user))
}

/// `GET /.well-known/jwks.json`: the keys of our own accounts, for others who are to believe their tokens.
pub(super) async fn jwks(State(hub): State<Arc<Hub>>) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Set<'a> {
        keys: &'a [PublicKey],
    }
    let published = match hub.verifier.published() {
        Some(published) => published,
        None => Arc::new(hub.ask_accounts(name::JWKS, &()).await?),
    };
    let about = [(header::CACHE_CONTROL, KEYS_KEPT)];
    Ok((about, Json(Set { keys: &published.keys })).into_response())
}

async fn give_tokens(
    hub: &Hub,
    headers: &HeaderMap,
    name: &str,
    request: &impl Serialize,
    wants_cookie: bool,
) -> Result<Response, Problem> {
    if wants_cookie && !super::credential::is_origin_allowed(&hub.config.origins, headers) {
        return Err(Failure::new(Code::Forbidden, "this origin may not have a cookie").into());
    }
    let tokens: Tokens = hub.ask_accounts(name, request).await?;
    let mut response = Json(&tokens).into_response();
    // RFC 6749, 5.1.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if wants_cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie(headers, &tokens.token, tokens.expires_in));
    }
    Ok(response)
}

/// No script reads it, no other site's form sends it, and but for this machine itself no plain connection carries it.
fn cookie(headers: &HeaderMap, token: &Hidden, max_age_s: u64) -> HeaderValue {
    let secure = if is_loopback(headers) { "" } else { "; Secure" };
    let text = format!("{COOKIE}={}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}", token.reveal());
    let mut value = HeaderValue::try_from(text).expect("a token is base64url and dots");
    value.set_sensitive(true);
    value
}

/// Whether the client asked for this very machine: browsers say so in `Host`, and no page can say otherwise.
fn is_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |it| it.0);
    name == "localhost" || name.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_goes_over_plain_connections_to_this_machine_only() {
        let cookie = |host: &str| {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            cookie(&headers, &Hidden::new("a.b.c"), 60).to_str().unwrap().to_owned()
        };
        for here in ["127.0.0.1:5004", "localhost", "localhost:1", "[::1]:5004", "127.0.0.1"] {
            assert_eq!(cookie(here), "access_token=a.b.c; Path=/; Max-Age=60; HttpOnly; SameSite=Lax", "{here}");
        }
        for elsewhere in ["chat.example.com", "127.0.0.1.example.com", "localhost.example.com:80", "192.0.2.1:80", ""] {
            assert!(cookie(elsewhere).ends_with("; SameSite=Lax; Secure"), "{elsewhere}");
        }
    }

    #[test]
    fn a_code_may_come_as_a_number_and_other_fields_may_come_too() {
        let read = |json: &str| serde_json::from_str::<Verifying>(json);
        let body = read(r#"{"email":"a@b.example","otp":12345,"remember":true}"#).unwrap();
        assert_eq!(body.otp.digits().reveal(), "012345");
        assert_eq!(body.who.who().unwrap(), Who::Email("a@b.example".into()));
        assert!(read(r#"{"username":"a"}"#).is_err());
        assert!(read(r#"{"username":7,"otp":"1"}"#).is_err());
        assert!(read(r#"{"otp":"1"}"#).unwrap().who.who().is_err());
    }
}
