/** Signing in, then the chat; and back, when the server does not take the token. */

import { Client, Failure, type Ending } from "@klatch/client";
import { useEffect, useState } from "preact/hooks";
import { findPeople } from "../state/accounts.js";
import { Chat } from "../state/chat.js";
import { socketUrl } from "../state/offer.js";
import { hashOf, openRoom } from "../state/route.js";
import { rememberedSession, type Session } from "../state/session.js";
import { ChatView } from "./chat_view.js";
import { SignIn } from "./sign_in.js";

const open = openRoom();

export function App() {
  const [session, setSession] = useState<Session | null>(rememberedSession);
  const [refusal, setRefusal] = useState<string | null>(null);

  if (session === null) {
    const enter = (entered: Session): void => {
      setRefusal(null);
      setSession(entered);
    };
    return <SignIn refusal={refusal} onSession={enter} />;
  }
  const leave = (why: string | null): void => {
    session.end();
    setRefusal(why);
    setSession(null);
  };
  return <SignedIn session={session} onLeave={leave} />;
}

function SignedIn({ session, onLeave }: { session: Session; onLeave: (why: string | null) => void }) {
  const [chat] = useState(() => chatFor(session, () => onLeave("Your session is over. Please sign in again.")));

  useEffect(() => {
    const off = chat.client.on("state", (state) => {
      if (state.is === "stopped" && state.ending !== null) onLeave(refusalOf(state.ending));
    });
    const stopFollowing = followWindow(chat);
    chat.client.connect();
    return () => {
      off();
      stopFollowing();
      chat.close();
    };
  }, [chat]);

  // Who comes next has rooms of their own.
  const signOut = (): void => {
    location.hash = hashOf(null);
    onLeave(null);
  };
  return <ChatView chat={chat} onSignOut={signOut} />;
}

function chatFor(session: Session, onOver: () => void): Chat {
  const token = async (): Promise<string> => {
    try {
      return await session.token();
    } catch (error) {
      if (error instanceof Failure && error.code === "not_authenticated") onOver();
      throw error;
    }
  };
  const client = new Client({ url: socketUrl(location), token });
  return new Chat(client, open, async (query, signal) => findPeople(await token(), query, signal));
}

/** The network is back, or the person is: no waiting for timers then. */
function followWindow(chat: Chat): () => void {
  const wake = (): void => chat.wake();
  const look = (): void => {
    if (document.visibilityState === "visible") wake();
  };
  addEventListener("online", wake);
  document.addEventListener("visibilitychange", look);
  return () => {
    removeEventListener("online", wake);
    document.removeEventListener("visibilitychange", look);
  };
}

function refusalOf({ code }: Ending): string {
  if (code === 4101) return "Your token has expired. Please sign in again.";
  if (code === 4200 || code === 1008) return "The server does not accept this token.";
  return "The server ended the connection and asked not to come back.";
}
