/** The code that shows whose address it is: then the account is there. */

import { Failure } from "@klatch/client";
import { useEffect, useState } from "preact/hooks";
import { register, verify, type Registration } from "../state/accounts.js";
import { CODE_DIGITS, codeMistake, codeRefused, nameMistake, registerRefused } from "../text/account.js";
import { Field } from "./field.js";
import { useForm } from "./use_form.js";

interface Props {
  /** What was just registered; `null` for somebody who comes back with a code. */
  registration: Registration | null;
  isTrial: boolean;
  /** The account is there, under this name. */
  onVerified: (name: string) => Promise<void>;
  onBack: () => void;
}

export function CodeForm({ registration, isTrial, onVerified, onBack }: Props) {
  const { form, mistakes, isBusy, onSubmit, onInput } = useForm({
    fields: ["name", "code"] as const,
    check: ({ name, code }) => ({
      name: registration === null && !name.includes("@") ? nameMistake(name) : undefined,
      code: codeMistake(digits(code)),
    }),
    send: async ({ name, code }) => {
      const who = registration?.username ?? name;
      await verify(who, digits(code));
      await onVerified(who);
    },
    refused: codeRefused,
  });
  useEffect(() => {
    form.current?.querySelector("input")?.focus();
  }, []);

  return (
    <>
      <h1>Your code, please.</h1>
      <p class="sign-in-lead">{whereItIs(registration, isTrial)}</p>
      <form ref={form} class="account-form" noValidate onSubmit={onSubmit} onInput={onInput}>
        {registration === null && (
          <Field
            label="Name or e-mail"
            name="name"
            mistake={mistakes.name}
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            maxLength={254}
          />
        )}
        <Field
          label="Code"
          name="code"
          class="code-input"
          hint="Good for ten minutes and five tries."
          mistake={mistakes.code}
          inputMode="numeric"
          autocomplete="one-time-code"
          maxLength={CODE_DIGITS + 4}
        />
        {mistakes.form !== undefined && (
          <p class="alert" role="alert">
            {mistakes.form}
          </p>
        )}
        <button type="submit" class="button button-primary button-wide" aria-disabled={isBusy}>
          {isBusy ? "One moment…" : "Continue"}
        </button>
        <div class="account-links">
          {registration !== null && <SendAgain registration={registration} />}
          <button type="button" class="link-button" onClick={onBack}>
            Start over
          </button>
        </div>
      </form>
    </>
  );
}

function SendAgain({ registration }: { registration: Registration }) {
  const [outcome, setOutcome] = useState<string | null>(null);
  const send = async (): Promise<void> => {
    setOutcome("Sending…");
    try {
      await register(registration);
      setOutcome("Another code is on its way.");
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      setOutcome(Object.values(registerRefused(error))[0] ?? null);
    }
  };
  return (
    <span role="status">
      {outcome ?? (
        <button type="button" class="link-button" onClick={() => void send()}>
          Send another code
        </button>
      )}
    </span>
  );
}

function whereItIs(registration: Registration | null, isTrial: boolean): string {
  if (isTrial) return "This server is on trial and sends no mail: every code is 123456.";
  if (registration === null) return `It is ${CODE_DIGITS} digits, in a mail that we sent you.`;
  return `We sent ${CODE_DIGITS} digits to ${registration.email}. If you have an account already, the mail says so.`;
}

/** Written with spaces or a dash, as some mails and people have it. */
function digits(code: string): string {
  return code.replaceAll(/[\s-]/g, "");
}
