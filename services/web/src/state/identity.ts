/** Who one is: the token, kept for this tab, so that two tabs can be two people. */

export interface DemoPerson {
  userId: string;
  username: string;
  token: string;
}

const KEY = "klatch.token";

export function rememberedToken(): string | null {
  return sessionStorage.getItem(KEY);
}

export function rememberToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
}

/** The people that a server on trial offers; none where it is not one, or does not answer. */
export async function demoPeople(): Promise<DemoPerson[]> {
  try {
    const response = await fetch("/demo", { headers: { accept: "application/json" } });
    if (!response.ok) return [];
    const { people } = (await response.json()) as { people?: DemoPerson[] };
    return people ?? [];
  } catch {
    return [];
  }
}

/** Where this page's server takes WebSockets. */
export function socketUrl({ protocol, host }: Location): string {
  return `${protocol === "https:" ? "wss:" : "ws:"}//${host}/chat/ws`;
}
