/** The token that says who is asking. */

/** Gives the token; asked again whenever the one before no longer holds. */
export type TokenSource = () => string | Promise<string>;

/**
 * How a token travels. A subprotocol (`klatch.bearer.<jwt>`) costs no extra frame, but a server refuses it before the
 * connection opens, and then a browser tells no reason. `chat.auth` as the first frame gets one.
 */
export type TokenPath = "subprotocol" | "frame";

export function subprotocols(token: string, path: TokenPath): string[] {
  return path === "subprotocol" ? ["klatch.v1", `klatch.bearer.${token}`] : ["klatch.v1"];
}

/** When a JWT ends (its `exp`, RFC 7519), in milliseconds since 1970. `null` where that can't be read. */
export function endOf(token: string): number | null {
  const payload = token.split(".")[1];
  if (payload === undefined) return null;
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
    const exp = (claims as { exp?: unknown } | null)?.exp;
    return typeof exp === "number" ? exp * 1_000 : null;
  } catch {
    return null;
  }
}
