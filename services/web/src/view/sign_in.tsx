/** Who are you? Somebody with an account, or about to have one; one of the people of a demo; or whoever a token says. */

import { Failure } from "@klatch/client";
import { useEffect, useState } from "preact/hooks";
import { logIn, type Registration } from "../state/accounts.js";
import { offer, type Offer } from "../state/offer.js";
import { sessionOfAccount, sessionOfToken, type Session } from "../state/session.js";
import { CodeForm } from "./code_form.js";
import { DemoPeople } from "./demo_people.js";
import { LogInForm } from "./log_in_form.js";
import { RegisterForm } from "./register_form.js";
import { TokenForm } from "./token_form.js";
import { Wordmark } from "./wordmark.js";

interface Props {
  refusal: string | null;
  onSession: (session: Session) => void;
}

type Step =
  | { is: "logIn"; name: string; note: string | null }
  | { is: "register" }
  | { is: "code"; registration: Registration | null };

export function SignIn({ refusal, onSession }: Props) {
  const [offered, setOffered] = useState<Offer | null>(null);
  const [step, setStep] = useState<Step>({ is: "logIn", name: "", note: null });
  useEffect(() => {
    void offer().then(setOffered);
  }, []);

  const isTrial = offered !== null && offered.demo.length > 0;
  const verified = async (name: string, password: string | undefined): Promise<void> => {
    try {
      if (password !== undefined) return onSession(sessionOfAccount(await logIn(name, password)));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
    setStep({ is: "logIn", name, note: "Your account is there. Your password, and you are in." });
  };
  return (
    <main class="sign-in">
      <div class="sign-in-card">
        <Wordmark />
        {step.is === "code" ? (
          <CodeForm
            registration={step.registration}
            isTrial={isTrial}
            onVerified={(name) => verified(name, step.registration?.password)}
            onBack={() => setStep({ is: "register" })}
          />
        ) : (
          <Entrance refusal={refusal} offered={offered} step={step} onStep={setStep} onSession={onSession} />
        )}
      </div>
    </main>
  );
}

interface EntranceProps extends Props {
  offered: Offer | null;
  step: Exclude<Step, { is: "code" }>;
  onStep: (step: Step) => void;
}

function Entrance({ refusal, offered, step, onStep, onSession }: EntranceProps) {
  const enter = (token: string): void => onSession(sessionOfToken(token));
  const note = step.is === "logIn" ? step.note : null;
  return (
    <>
      <h1>Come in, sit down.</h1>
      <p class="sign-in-lead">Klatch is a place to talk. Who are you?</p>
      {refusal !== null && note === null && (
        <p class="alert" role="alert">
          {refusal}
        </p>
      )}
      {note !== null && (
        <p class="good-news" role="status">
          {note}
        </p>
      )}
      {offered?.hasAccounts && <Accounts isTrial={offered.demo.length > 0} step={step} onStep={onStep} onSession={onSession} />}
      {offered !== null && offered.demo.length > 0 && <DemoPeople people={offered.demo} onToken={enter} />}
      {offered !== null && <TokenForm isOpen={!offered.hasAccounts && offered.demo.length === 0} onToken={enter} />}
    </>
  );
}

interface AccountsProps extends Pick<EntranceProps, "step" | "onStep" | "onSession"> {
  isTrial: boolean;
}

function Accounts({ isTrial, step, onStep, onSession }: AccountsProps) {
  const choices: { title: string; to: Step }[] = [
    { title: "Sign in", to: { is: "logIn", name: "", note: null } },
    { title: "Create an account", to: { is: "register" } },
  ];
  return (
    <section aria-label="Your account">
      <fieldset class="kinds kinds-two">
        <legend class="unseen">Do you have an account?</legend>
        {choices.map(({ title, to }) => (
          <label key={to.is} class="kind">
            <input type="radio" name="account" checked={step.is === to.is} onChange={() => onStep(to)} />
            <span>{title}</span>
          </label>
        ))}
      </fieldset>
      {step.is === "logIn" ? (
        <LogInForm key={step.name} name={step.name} onTokens={(tokens) => onSession(sessionOfAccount(tokens))} />
      ) : (
        <RegisterForm
          isTrial={isTrial}
          onRegistered={(registration) => onStep({ is: "code", registration })}
          onCode={() => onStep({ is: "code", registration: null })}
        />
      )}
    </section>
  );
}
