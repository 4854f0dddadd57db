/** What a server offers to whoever comes: accounts, or people to try it as. */

export interface DemoPerson {
  userId: string;
  username: string;
  token: string;
}

export interface Offer {
  /** Those of a server on trial; none anywhere else. */
  demo: readonly DemoPerson[];
  /** Whether one can sign up and in; else tokens come from whoever runs the server. */
  hasAccounts: boolean;
}

/** Longer than an edge needs to say that it has no accounts. */
const PATIENCE_MS = 2_000;

export async function offer(): Promise<Offer> {
  const [demo, hasAccounts] = await Promise.all([demoPeople(), areThereAccounts()]);
  return { demo, hasAccounts };
}

/** Where this page's server takes WebSockets. */
export function socketUrl({ protocol, host }: Location): string {
  return `${protocol === "https:" ? "wss:" : "ws:"}//${host}/chat/ws`;
}

async function demoPeople(): Promise<readonly DemoPerson[]> {
  try {
    const response = await fetch("/demo", { headers: { accept: "application/json" } });
    if (!response.ok) return [];
    const { people } = (await response.json()) as { people?: DemoPerson[] };
    return people ?? [];
  } catch {
    return [];
  }
}

/** Their keys are public, and nowhere to be found where there are no accounts. What is away only now comes back. */
async function areThereAccounts(): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const { status } = await fetch("/.well-known/jwks.json", { headers: { accept: "application/json" }, signal });
    return status !== 404;
  } catch {
    return true;
  }
}
