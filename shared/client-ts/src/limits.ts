/** Every limit of the SDK, by name, with its unit and default. What grows without one is a bug. */

export interface Limits {
  /** From opening the socket to `chat.welcome`. */
  connectMsMax: number;
  /** The first reconnect waits a random time up to this, each later one up to twice as long… */
  reconnectMsMin: number;
  /** …but never longer than this. The server's own hints (`chat.welcome`'s `retry`) replace both. */
  reconnectMsMax: number;
  /** A connection that held so long makes the count of attempts start anew; one that fell at once does not. */
  steadyMsMin: number;
  /** So long without hearing anything, and the server is asked whether it is there. */
  silenceMsMax: number;
  /** So long without any frame after asking, and the connection is given up as dead. */
  pongMsMax: number;
  /** From a request to its answer, reconnects included. */
  requestMsMax: number;
  /** Requests without an answer yet; one more is refused at once. */
  requestsMax: number;
  /** From handing a message over to giving up on it. Within the server's 7 days of remembered ids, by far. */
  sendMsMax: number;
  /** Messages handed over and not sent yet, over all rooms. */
  sendsMax: number;
  /** Message ids remembered a room, to drop what comes twice. */
  messageIdsMax: number;
  /** Frames of a room kept while it is being joined. */
  heldFramesMax: number;
  /** A token is renewed so long before its end. */
  renewBeforeMs: number;
}

export const defaultLimits: Readonly<Limits> = {
  connectMsMax: 10_000,
  reconnectMsMin: 250,
  reconnectMsMax: 30_000,
  steadyMsMin: 5_000,
  silenceMsMax: 25_000,
  pongMsMax: 10_000,
  requestMsMax: 20_000,
  requestsMax: 256,
  sendMsMax: 300_000,
  sendsMax: 1_000,
  messageIdsMax: 1_024,
  heldFramesMax: 1_024,
  renewBeforeMs: 60_000,
};
