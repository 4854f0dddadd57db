// Seed 003: register, verify, login by curl, then `socket.io-client` with the token, on two edges. `003.md` has the
// list.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { io } from "socket.io-client";

import { curl, postJson } from "./curl.mjs";
import { holds } from "./listener.mjs";
import { closeAll, connect, listen, open } from "./socketio-client.mjs";
import { start, token } from "./system.mjs";

const PASSWORD = "correct horse battery staple";
/** The code that the document's service knows, and `--dev` too. */
const OTP = "123456";
let system;
let clients = [];
let number = 0;

before(async () => (system = await start()));
after(() => system?.stop());
afterEach(() => {
  closeAll(clients);
  clients = [];
});

const post = (path, body, edge = 0) => postJson(`${system.edges[edge].http}${path}`, body);

/** A name that nobody has. */
const newName = (name) => `${name}-${(number += 1)}`;

/** Somebody registered, verified and logged in, through one edge or the other: what login answered. */
async function signedUp(name) {
  const username = newName(name);
  succeeds(await post("/auth/register", { username, email: `${username}@example.com`, password: PASSWORD }, 0));
  succeeds(await post("/auth/verify", { username, otp: OTP }, 1));
  const login = await post("/auth/login", { username, password: PASSWORD }, 0);
  assert.equal(login.status, 200, login.body);
  return { username, ...login.json };
}

/** Connects as the document does. */
async function online(person, edge) {
  const client = await connect(person.username, system.edges[edge].http, { auth: { token: person.token } });
  clients.push(client);
  return client;
}

test("POST /auth/register → /auth/verify → /auth/login → io(…, { auth: { token } })", async () => {
  const username = newName("ann");
  succeeds(await post("/auth/register", { username, email: `${username}@example.com`, password: PASSWORD }));
  succeeds(await post("/auth/verify", { username, otp: OTP }, 1));
  const login = await post("/auth/login", { username, password: PASSWORD });
  assert.equal(login.status, 200);
  assert.equal(login.json.token.split(".").length, 3, "a JSON Web Token");
  assert.equal(typeof login.json.refreshToken, "string");
  assert.ok(login.json.expiresIn > 0);
  assert.equal(login.json.user.username, username);
  for (const { http } of system.edges) {
    const your_jwt_token = login.json.token;
    const socket = io(http, {
      auth: { token: your_jwt_token },
    });
    const client = listen(username, socket);
    clients.push(client);
    await client.hears("connect");
  }
});

test("e-mail address in place of the name, no e-mail address at all, and fields that nobody knows", async () => {
  const username = newName("ben");
  const email = `${username}@example.com`;
  succeeds(await post("/auth/register", { username, email, password: PASSWORD, phone: "+49 30 1234", role: "admin" }));
  succeeds(await post("/auth/verify", { email, otp: OTP, remember: true }));
  const login = await post("/auth/login", { email, password: PASSWORD, device: { os: "Angular" } }, 1);
  assert.equal(login.status, 200);
  assert.equal(login.json.user.username, username);
  const alone = newName("no-mail");
  succeeds(await post("/auth/register", { username: alone, password: PASSWORD }));
  succeeds(await post("/auth/verify", { username: alone, otp: OTP }));
  assert.equal((await post("/auth/login", { username: alone, password: PASSWORD })).status, 200);
});

test("a wrong code is 400 and leaves the account unverified; the right one then works, once", async () => {
  const username = newName("cleo");
  await post("/auth/register", { username, password: PASSWORD });
  assert.equal((await post("/auth/verify", { username, otp: "000000" })).status, 400);
  const early = await post("/auth/login", { username, password: PASSWORD });
  assert.equal(early.status, 401);
  assert.equal(early.json.token, undefined);
  succeeds(await post("/auth/verify", { username, otp: OTP }));
  assert.equal((await post("/auth/verify", { username, otp: OTP })).status, 400, "a code is used up");
  assert.equal((await post("/auth/login", { username, password: PASSWORD })).status, 200);
});

test("the sixth try is refused, the right code too, and on the other edge as well", async () => {
  const username = newName("dora");
  await post("/auth/register", { username, password: PASSWORD });
  for (let tries = 1; tries <= 5; tries += 1) {
    assert.equal((await post("/auth/verify", { username, otp: `00000${tries}` }, tries % 2)).status, 400);
  }
  for (const edge of [0, 1]) assert.equal((await post("/auth/verify", { username, otp: OTP }, edge)).status, 400);
  assert.equal((await post("/auth/login", { username, password: PASSWORD })).status, 401);
});

test("a wrong password is 401; an unknown or unverified account is answered alike", async () => {
  const known = await signedUp("eve");
  const unverified = newName("eve");
  await post("/auth/register", { username: unverified, password: PASSWORD });
  const answers = [
    await post("/auth/login", { username: known.username, password: "wrong password" }),
    await post("/auth/login", { username: newName("nobody"), password: "wrong password" }),
    await post("/auth/login", { username: unverified, password: "wrong password" }),
    await post("/auth/login", { username: unverified, password: PASSWORD }),
    await post("/auth/login", { email: "nobody@example.com", password: PASSWORD }),
  ];
  for (const answer of answers) assert.equal(answer.status, 401);
  areAlike(answers);
});

test("a code for an unknown account, and one used up, are answered as a wrong code is", async () => {
  const known = await signedUp("fay");
  const pending = newName("fay");
  await post("/auth/register", { username: pending, password: PASSWORD });
  const answers = [
    await post("/auth/verify", { username: pending, otp: "000000" }),
    await post("/auth/verify", { username: newName("nobody"), otp: OTP }),
    await post("/auth/verify", { username: known.username, otp: OTP }),
  ];
  for (const answer of answers) assert.equal(answer.status, 400);
  areAlike(answers);
});

test("registering a taken name doesn't tell that it is taken, and takes nothing from its owner", async () => {
  const known = await signedUp("gil");
  const body = (username) => ({ username, password: "another password here" });
  const answers = [
    await post("/auth/register", body(newName("gil"))),
    await post("/auth/register", body(known.username)),
  ];
  for (const answer of answers) succeeds(answer);
  areAlike(answers);
  await post("/auth/verify", { username: known.username, otp: OTP });
  assert.equal((await post("/auth/login", { username: known.username, password: PASSWORD })).status, 200);
  assert.equal((await post("/auth/login", body(known.username))).status, 401);
});

test("what is no request is 400", async () => {
  for (const [path, bodies] of Object.entries({
    "/auth/register": [{}, { username: "x" }, { password: PASSWORD }, { username: 5, password: PASSWORD }, []],
    "/auth/verify": [{}, { username: "x" }, { otp: OTP }],
    "/auth/login": [{}, { username: "x" }, { username: "x", password: 5 }],
  })) {
    for (const body of bodies) assert.equal((await post(path, body)).status, 400, `${path} ${JSON.stringify(body)}`);
  }
  const broken = await curl(
    "-X",
    "POST",
    "-H",
    "Content-Type: application/json",
    "-d",
    "{",
    `${system.http}/auth/login`,
  );
  assert.equal(broken.status, 400);
});

test("sendMessage { sender, receiver, text } is delivered to the receiver, on any edge, with the documented fields", async () => {
  const [ann, ben] = [await signedUp("ann"), await signedUp("ben")];
  const [a, b, stranger] = [await online(ann, 0), await online(ben, 1), await online(await signedUp("cora"), 1)];
  a.send("sendMessage", { sender: ann.username, receiver: ben.username, text: "Hello Ben" });
  const message = await b.hears("receiveMessage");
  holds(message, { sender: ann.username, receiver: ben.username, text: "Hello Ben" });
  assert.equal(typeof message.messageId, "string");
  assert.ok(Math.abs(new Date(message.timestamp) - Date.now()) < 60_000, `${message.timestamp}`);
  b.send("sendMessage", { sender: ben.username, receiver: ann.username, text: "Hello Ann" });
  assert.deepEqual((await a.hears("receiveMessage")).text, "Hello Ann");
  a.send("sendMessage", { sender: ann.username, receiver: ben.username, text: "again" });
  assert.deepEqual(
    (await b.hearsMany("receiveMessage", 2)).map(({ text }) => text),
    ["Hello Ben", "again"],
  );
  assert.equal(a.all("receiveMessage").length, 1, "the sender has written it, and is not told");
  assert.deepEqual(stranger.all("receiveMessage"), []);
});

test("a callback of the client is answered", async () => {
  const [ann, ben] = [await signedUp("ann"), await signedUp("ben")];
  const [a, b] = [await online(ann, 0), await online(ben, 1)];
  const answer = await a.asks("sendMessage", { sender: ann.username, receiver: ben.username, text: "stored?" });
  assert.equal(answer.messageId, (await b.hears("receiveMessage")).messageId);
});

test("all of the receiver's devices get it", async () => {
  const [ann, ben] = [await signedUp("ann"), await signedUp("ben")];
  const [a, ...devices] = [await online(ann, 0), await online(ben, 0), await online(ben, 1)];
  a.send("sendMessage", { sender: ann.username, receiver: ben.username, text: "to both" });
  for (const device of devices) assert.equal((await device.hears("receiveMessage")).text, "to both");
});

test("queued while the receiver is away, delivered in order on reconnect, once", async () => {
  const [ann, ben, cora] = [await signedUp("ann"), await signedUp("ben"), await signedUp("cora")];
  const [a, c] = [await online(ann, 0), await online(cora, 1)];
  const texts = ["one", "two", "three", "four", "five"];
  for (const text of texts) a.send("sendMessage", { sender: ann.username, receiver: ben.username, text });
  await a.asks("sendMessage", { sender: ann.username, receiver: ben.username, text: "six" });
  await c.asks("sendMessage", { sender: cora.username, receiver: ben.username, text: "from Cora" });

  const first = await online(ben, 1);
  const queued = await first.hearsMany("receiveMessage", 7);
  const from = (sender) => queued.filter((message) => message.sender === sender).map(({ text }) => text);
  assert.deepEqual(from(ann.username), [...texts, "six"]);
  assert.deepEqual(from(cora.username), ["from Cora"]);
  assert.equal(new Set(queued.map(({ messageId }) => messageId)).size, 7);
  first.close();

  const second = await online(ben, 0);
  a.send("sendMessage", { sender: ann.username, receiver: ben.username, text: "seven" });
  assert.equal((await second.hears("receiveMessage")).text, "seven", "nothing of before comes again");
});

test("both write first, at the same time, on two edges: it is one conversation, in one order", async () => {
  const [ann, ben] = [await signedUp("ann"), await signedUp("ben")];
  const [a, b] = [await online(ann, 0), await online(ben, 1)];
  await Promise.all([
    a.asks("sendMessage", { sender: ann.username, receiver: ben.username, text: "from Ann" }),
    b.asks("sendMessage", { sender: ben.username, receiver: ann.username, text: "from Ben" }),
  ]);
  assert.equal((await a.hears("receiveMessage")).text, "from Ben");
  assert.equal((await b.hears("receiveMessage")).text, "from Ann");
});

test("a token that does not hold is a connect_error", async () => {
  const good = (await signedUp("ann")).token;
  const [head, body] = good.split(".");
  for (const forged of ["your_jwt_token", `${head}.${body}.`, `${head}.${body}.AAAA`, "", 5]) {
    const client = open("forged", system.http, { auth: { token: forged }, reconnection: false });
    clients.push(client);
    assert.equal(typeof (await client.hears("connect_error")).message, "string");
    assert.deepEqual(client.all("connect"), []);
  }
});

test("accounts' tokens name their key, which is published; /auth/me says who one is", async () => {
  const ann = await signedUp("ann");
  const { kid } = JSON.parse(Buffer.from(ann.token.split(".")[0], "base64url"));
  for (const { http } of system.edges) {
    const { json } = await curl(`${http}/.well-known/jwks.json`);
    assert.equal(json.keys.find((key) => key.kid === kid)?.alg, "EdDSA");
    const me = await curl("-H", `Authorization: Bearer ${ann.token}`, `${http}/auth/me`);
    assert.equal(me.status, 200);
    assert.equal(me.json.username, ann.username);
    assert.equal((await curl(`${http}/auth/me`)).status, 401);
  }
});

test("somebody with a token of the command line's is a person as well", async () => {
  const [ann, guest] = [await signedUp("ann"), { username: newName("guest") }];
  guest.token = await token(guest.username, "A Guest");
  const [a, g] = [await online(ann, 0), await online(guest, 1)];
  a.send("sendMessage", { sender: ann.username, receiver: guest.username, text: "welcome" });
  holds(await g.hears("receiveMessage"), { sender: ann.username, receiver: guest.username, text: "welcome" });
});

function succeeds({ status, body }) {
  assert.ok(status >= 200 && status < 300, `${status} ${body}`);
}

/** The same answer, byte for byte, but for what names the request itself. */
function areAlike(answers) {
  const shape = ({ status, body }) => `${status} ${body.replace(/"(instance|requestId|username)":"[^"]*"/, "")}`;
  for (const answer of answers) assert.equal(shape(answer), shape(answers[0]));
}
