/** What is not right with a name, an address, a password or a code: said before the server has to, and when it does. */

import type { Failure } from "@klatch/client";
import { explain } from "./failure.js";

/** By field, and for the whole form. */
export type Mistakes<Field extends string> = { [Name in Field | "form"]?: string | undefined };

/** As the server has it by default; a stricter one says so. */
export const PASSWORD_LETTERS_MIN = 8;
/** Digits of a code. */
export const CODE_DIGITS = 6;
/** Bytes, as UTF-8. */
const NAME_BYTES_MAX = 64;

export function nameMistake(name: string): string | undefined {
  if (name === "") return "What are you to be called?";
  if (name.startsWith("~")) return "Names that begin with ~ are the server’s own.";
  if (/[@/\\:<>"&]/.test(name)) return "Names have none of these: @ / \\ : < > \" &";
  if (name.includes("  ")) return "One space is enough.";
  if (new TextEncoder().encode(name).length > NAME_BYTES_MAX) return "That name is too long.";
  return undefined;
}

/** Whether it is read at all only a mail can tell. */
export function emailMistake(email: string, isNeeded: boolean): string | undefined {
  if (email === "") return isNeeded ? "Where is your code to go?" : undefined;
  return /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email) ? undefined : "This is no e-mail address, such as ada@example.org.";
}

export function passwordMistake(password: string): string | undefined {
  if (password === "") return "Without a password anybody could be you.";
  const left = PASSWORD_LETTERS_MIN - [...password].length;
  return left > 0 ? `Too short: ${left} more, please.` : undefined;
}

export function codeMistake(code: string): string | undefined {
  if (code === "") return "Which code did you get?";
  return /^\d{6}$/.test(code) ? undefined : `The code is ${CODE_DIGITS} digits.`;
}

export function logInRefused(failure: Failure): Mistakes<"name" | "password"> {
  // The server does not tell which of the two it is, nor whether there is such an account.
  if (failure.code === "not_authenticated") return { password: "The name or the password is not right." };
  return { form: explainAccount(failure) };
}

export function codeRefused(failure: Failure): Mistakes<"name" | "code"> {
  if (failure.code === "invalid_field") return { code: "This code is not right, or no longer good." };
  return { form: explainAccount(failure) };
}

/** The server's words begin with the field that they are about. */
export function registerRefused(failure: Failure): Mistakes<"username" | "email" | "password"> {
  const text = explainAccount(failure);
  const field = (["username", "email", "password"] as const).find((name) => failure.message.startsWith(name));
  return failure.code === "invalid_field" && field !== undefined ? { [field]: text } : { form: text };
}

function explainAccount(failure: Failure): string {
  if (failure.code === "rate_limited") return `Too many tries. Please wait ${inWords(failure.retryAfterMs ?? 60_000)}.`;
  if (failure.code === "not_found") return "This server has no accounts.";
  return explain(failure);
}

/** `a moment`, `20 seconds`, `3 minutes`. */
function inWords(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  if (seconds <= 2) return "a moment";
  return seconds < 90 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`;
}
