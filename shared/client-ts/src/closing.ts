/** What the end of a connection means for the next one. */

/** After a close: come back, come back with another token, or not at all. */
export type Advice = "reconnect" | "renewToken" | "stayAway";

/** How a connection ended. */
export interface Ending {
  /** The WebSocket close code; 1006 where there was none. */
  code: number;
  reason: string;
  /** From `chat.goodbye`, where the server had the time to say it. */
  reconnectAfterMs?: number;
}

/**
 * What to do after a close code. The server's are in ranges: 4000 to 4099 reconnect and resume, 4100 to 4199 later or
 * differently, 4200 to 4299 stay away; below them are RFC 6455's own. What is not known is worth another try: a lost
 * network is 1006, and proxies have codes of their own.
 */
export function adviceFor(code: number): Advice {
  if (code >= 4200 && code <= 4299) return "stayAway";
  if (OURS_TO_MEND.has(code)) return "stayAway";
  return ABOUT_THE_TOKEN.has(code) ? "renewToken" : "reconnect";
}

/** The token's time is over: another one is welcome. */
export const TOKEN_EXPIRED = 4101;
/** The token is not one of the server's. */
export const BAD_TOKEN = 4200;

/** No token in time, and a token whose time is over. */
const ABOUT_THE_TOKEN: ReadonlySet<number> = new Set([4100, TOKEN_EXPIRED]);

/** We broke the protocol (RFC 6455, 7.4.1), and would again: a broken frame, no text, no UTF-8, too long. */
const OURS_TO_MEND: ReadonlySet<number> = new Set([1002, 1003, 1007, 1009]);
