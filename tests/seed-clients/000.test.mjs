// Seed 000: its Angular component with `socket.io-client`, and `GET /chat`, on two edges. `000.md` has the list.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { io } from "socket.io-client";

import { curl } from "./curl.mjs";
import { until } from "./deadline.mjs";
import { Program } from "./program.mjs";
import { closeAll, connect, open } from "./socketio-client.mjs";
import { freePorts, start, token } from "./system.mjs";

const FRONT_END = "http://localhost:4200";
let system;
let clients = [];

before(async () => (system = await start({ variables: { CORS_ORIGIN: FRONT_END } })));
after(() => system?.stop());
afterEach(() => {
  closeAll(clients);
  clients = [];
});

/** `chat.component.ts` without its decorator and types. The address is all that changed. */
class ChatComponent {
  message = "";
  messages = [];

  constructor(address) {
    this.address = address;
  }

  ngOnInit() {
    // Connect to the backend socket server
    this.socket = io(this.address, { forceNew: true });

    // Listen for incoming messages
    this.socket.on("receiveMessage", (message) => {
      this.messages.push(message);
    });
  }

  sendMessage() {
    if (this.message.trim()) {
      // Emit the message to the server
      this.socket.emit("sendMessage", this.message);
      this.message = ""; // Clear the input field
    }
  }
}

/** The component on a page, once its socket is connected. */
async function component(edge) {
  const made = new ChatComponent(system.edges[edge].http);
  made.ngOnInit();
  clients.push({ close: () => made.socket.disconnect() });
  await until("the component is connected", () => made.socket.connected);
  return made;
}

/** A client of this document with a listener of ours. */
async function client(name, edge, options) {
  const made = await connect(name, system.edges[edge].http, options);
  clients.push(made);
  return made;
}

test("the component: what one user sends, all connected users receive, the sender too", async () => {
  const [one, two, three] = [await component(0), await component(1), await component(0)];
  one.message = "Hello from one";
  one.sendMessage();
  assert.equal(one.message, "", "the input field is cleared");
  for (const each of [one, two, three]) {
    await until("it is received", () => each.messages.length === 1);
    assert.deepEqual(each.messages, ["Hello from one"]);
  }
  two.message = "  and from two ";
  two.sendMessage();
  for (const each of [one, two, three]) {
    await until("the answer is received", () => each.messages.length === 2);
    assert.deepEqual(each.messages, ["Hello from one", "  and from two "], "each once, unaltered, in one order");
  }
});

test("an object comes back as an object", async () => {
  const [one, two] = [await client("one", 0), await client("two", 1)];
  const said = { user: "John", text: "Hello", when: 1697280000000, tags: ["a", "b"], more: { bold: true, none: null } };
  one.send("sendMessage", said);
  for (const each of [one, two]) assert.deepEqual(await each.hears("receiveMessage"), said);
  two.send("sendMessage", "a string");
  for (const each of [one, two]) {
    assert.deepEqual(await each.hearsMany("receiveMessage", 2), [said, "a string"], "a string stays a string");
  }
});

test("what looks like JSON or HTML in a string stays the string that it is", async () => {
  const [one, two] = [await client("one", 0), await client("two", 1)];
  const said = ['{"text":"no object"}', "[1]", "42", "null", "<b>&amp;</b>", "chào 👋\n\tzwei"];
  for (const text of said) one.send("sendMessage", text);
  for (const each of [one, two]) assert.deepEqual(await each.hearsMany("receiveMessage", said.length), said);
});

test("a new client hears what is said from then on, nothing older", async () => {
  const one = await client("one", 0);
  one.send("sendMessage", "before");
  await one.hears("receiveMessage", (text) => text === "before");
  const two = await client("two", 1);
  one.send("sendMessage", "from now on");
  assert.equal(await two.hears("receiveMessage"), "from now on");
});

test("a callback of the client is answered, once the message is stored", async () => {
  const one = await client("one", 0);
  const answer = await one.asks("sendMessage", "acknowledged?");
  assert.equal(typeof answer.messageId, "string");
  assert.equal(await one.hears("receiveMessage"), "acknowledged?");
});

test("who disconnects hears no more, and the others go on", async () => {
  const [one, two, three] = [await client("one", 0), await client("two", 1), await client("three", 0)];
  two.close();
  one.send("sendMessage", "without two");
  for (const each of [one, three]) assert.equal(await each.hears("receiveMessage"), "without two");
  assert.deepEqual(two.all("receiveMessage"), []);
});

test("a token is attached when the connection is made, and verified before it is established", async () => {
  const jwt = await token("jane", "Jane");
  for (const extraHeaders of [{ Cookie: `access_token=${jwt}` }, { Authorization: `Bearer ${jwt}` }]) {
    const [jane, guest] = [await client("jane", 1, { extraHeaders }), await client("guest", 0)];
    jane.send("sendMessage", "with a token");
    for (const each of [jane, guest]) assert.equal(await each.hears("receiveMessage"), "with a token");
    const forged = open("forged", system.edges[0].http, {
      extraHeaders: { Cookie: "access_token=forged" },
      reconnection: false,
    });
    clients.push(forged);
    await forged.hears("connect_error");
    assert.deepEqual(forged.all("connect"), []);
    closeAll([jane, guest]);
  }
});

test("GET /chat says that the service is running", async () => {
  for (const { http } of system.edges) {
    const answer = await curl(`${http}/chat`);
    assert.equal(answer.status, 200);
    assert.equal(answer.body, "Chat service is running");
  }
});

test("CORS: the front end of CORS_ORIGIN may ask with GET and POST, no other origin may", async () => {
  const polling = `${system.http}/socket.io/?EIO=4&transport=polling`;
  for (const address of [polling, `${system.http}/chat`, `${system.edges[1].http}/chat`]) {
    const answer = await curl("-H", `Origin: ${FRONT_END}`, address);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("access-control-allow-origin"), FRONT_END);
    const foreign = await curl("-H", "Origin: http://evil.example", address);
    // Absent, or the one that may: a browser compares.
    assert.ok([null, FRONT_END].includes(foreign.headers.get("access-control-allow-origin")));
  }
  for (const method of ["GET", "POST"]) {
    const asks = ["-H", `Origin: ${FRONT_END}`, "-H", `Access-Control-Request-Method: ${method}`];
    const preflight = await curl(
      "-X",
      "OPTIONS",
      ...asks,
      "-H",
      "Access-Control-Request-Headers: content-type",
      polling,
    );
    assert.ok(preflight.status === 200 || preflight.status === 204, `${preflight.status}`);
    assert.equal(preflight.headers.get("access-control-allow-origin"), FRONT_END);
    assert.match(preflight.headers.get("access-control-allow-methods"), new RegExp(`\\b${method}\\b|^\\*$`));
  }
});

test("PORT names the port, where no address is given", async () => {
  const [port] = await freePorts(1);
  const program = new Program(["edge", "--dev"], { PORT: String(port), ...system.beside });
  try {
    await program.ready(`http://127.0.0.1:${port}`);
    const [here, there] = [await connect("here", `http://127.0.0.1:${port}`), await client("there", 0)];
    clients.push(here);
    here.send("sendMessage", "from a third edge");
    assert.equal(await there.hears("receiveMessage"), "from a third edge");
  } finally {
    await program.stop();
  }
});
