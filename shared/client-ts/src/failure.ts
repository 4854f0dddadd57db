/** Why something did not work: the server's codes, and the SDK's own beside them. */

import type { FailureData } from "./frames.js";

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
  readonly code: string;
  /** Whether the same again may work. */
  readonly retryable: boolean;
  /** When, if the server said so. */
  readonly retryAfterMs: number | undefined;

  constructor(data: FailureData) {
    super(data.message);
    this.code = data.code;
    this.retryable = data.retryable;
    this.retryAfterMs = data.retryAfterMs;
  }

  static local(code: LocalCode, message: string): Failure {
    return new Failure({ code, message, retryable: code === "timeout" });
  }

  /** Reads the data of an `error` frame, whatever it lacks. */
  static fromFrame(data: Record<string, unknown>): Failure {
    return new Failure({
      code: typeof data["code"] === "string" ? data["code"] : "internal",
      message: typeof data["message"] === "string" ? data["message"] : "The server gave no reason.",
      retryable: data["retryable"] === true,
      ...(typeof data["retryAfterMs"] === "number" ? { retryAfterMs: data["retryAfterMs"] } : {}),
    });
  }
}
