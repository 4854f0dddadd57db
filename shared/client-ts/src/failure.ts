/** Why something did not work: the server's codes, and the SDK's own beside them. */

import type { Code } from "./types.js";

/** What the SDK itself can fail with; every other code is the server's, one documented page each. */
export type LocalCode =
  /** No answer in time. It may have been done: the same id settles it. */
  | "timeout"
  /** The client was closed. */
  | "closed"
  /** A limit of the SDK was reached; nothing was sent. */
  | "too_many_pending"
  /** The frame is larger than the server takes; nothing was sent. */
  | "too_large";

/** A request or a message that failed. */
export class Failure extends Error {
  override readonly name = "Failure";
  /** Stable: to be compared with. The message is for people. */
  readonly code: Code | LocalCode;
  /** Whether the same again may work. */
  readonly retryable: boolean;
  /** When, if the server said so. */
  readonly retryAfterMs: number | undefined;

  constructor(code: Code | LocalCode, message: string, retryable: boolean, retryAfterMs?: number) {
    super(message);
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }

  static local(code: LocalCode, message: string): Failure {
    return new Failure(code, message, code === "timeout");
  }

  /** Reads the data of an `error` frame, whatever it lacks. */
  static fromFrame(data: Record<string, unknown>): Failure {
    const { code, message, retryable, retryAfterMs } = data;
    return new Failure(
      typeof code === "string" ? (code as Code) : "internal",
      typeof message === "string" ? message : "The server gave no reason.",
      retryable === true,
      typeof retryAfterMs === "number" ? retryAfterMs : undefined,
    );
  }
}
