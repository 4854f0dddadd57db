/** The TypeScript SDK of Klatch. */

export { Client, type ClientEvents, type ClientOptions, type ConnectionState } from "./client.js";
export { adviceFor, type Advice, type Ending } from "./closing.js";
export { systemClock, type Clock, type Timer } from "./clock.js";
export type { OpenSocket, Socket } from "./connection.js";
export type { Off } from "./emitter.js";
export { Failure, type LocalCode } from "./failure.js";
export * from "./frames.js";
export { freshId } from "./ids.js";
export { defaultLimits, type Limits } from "./limits.js";
export type { Outgoing } from "./outbox.js";
export type { Detached } from "./rooms.js";
export { endOf, type TokenSource } from "./token.js";
export type * from "./types.js";
