/** Signing in, then the chat; and back, when the server does not take the token. */

import { Client, type Ending } from "@klatch/client";
import { useEffect, useState } from "preact/hooks";
import { Chat } from "../state/chat.js";
import { forgetToken, rememberedToken, rememberToken, socketUrl } from "../state/identity.js";
import { hashOf, openRoom } from "../state/route.js";
import { ChatView } from "./chat_view.js";
import { SignIn } from "./sign_in.js";

const open = openRoom();

export function App() {
  const [chat, setChat] = useState<Chat | null>(() => chatFor(rememberedToken()));
  const [refusal, setRefusal] = useState<string | null>(null);

  const signOut = (why: string | null): void => {
    forgetToken();
    chat?.client.close();
    setRefusal(why);
    setChat(null);
  };

  // Who comes next has rooms of their own.
  const leave = (): void => {
    location.hash = hashOf(null);
    signOut(null);
  };

  useEffect(() => {
    if (chat === null) return;
    const off = chat.client.on("state", (state) => {
      if (state.is === "stopped" && state.ending !== null) signOut(refusalOf(state.ending));
    });
    const stopFollowing = followWindow(chat);
    chat.client.connect();
    return () => {
      off();
      stopFollowing();
    };
  }, [chat]);

  if (chat !== null) return <ChatView chat={chat} onSignOut={leave} />;
  return (
    <SignIn
      refusal={refusal}
      onToken={(token) => {
        rememberToken(token);
        setRefusal(null);
        setChat(chatFor(token));
      }}
    />
  );
}

function chatFor(token: string | null): Chat | null {
  return token === null ? null : new Chat(new Client({ url: socketUrl(location), token }), open);
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
