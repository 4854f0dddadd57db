/** What makes an account: a name, an address that the code goes to, a password. */

import { register, type Registration } from "../state/accounts.js";
import { emailMistake, nameMistake, passwordMistake, PASSWORD_LETTERS_MIN, registerRefused } from "../text/account.js";
import { Field, PasswordField } from "./field.js";
import { useForm } from "./use_form.js";

interface Props {
  /** A server on trial sends no mail. */
  isTrial: boolean;
  onRegistered: (registration: Registration) => void;
  onCode: () => void;
}

export function RegisterForm({ isTrial, onRegistered, onCode }: Props) {
  const { form, mistakes, isBusy, onSubmit, onInput } = useForm({
    fields: ["username", "email", "password"] as const,
    check: ({ username, email, password }) => ({
      username: nameMistake(username),
      email: emailMistake(email, !isTrial),
      password: passwordMistake(password),
    }),
    send: async (registration) => {
      await register(registration);
      onRegistered(registration);
    },
    refused: registerRefused,
  });
  return (
    <form ref={form} class="account-form" noValidate onSubmit={onSubmit} onInput={onInput}>
      <Field
        label="Name"
        name="username"
        hint="What people call you, and find you by."
        mistake={mistakes.username}
        autocomplete="username"
        autocapitalize="none"
        spellcheck={false}
        maxLength={64}
      />
      <Field
        label="E-mail"
        name="email"
        type="email"
        hint={isTrial ? "Not needed here: this server is on trial." : "Your code goes there. Nobody else sees it."}
        mistake={mistakes.email}
        autocomplete="email"
        maxLength={254}
      />
      <PasswordField
        hint={`At least ${PASSWORD_LETTERS_MIN} letters, digits or signs. A few words make a good one.`}
        mistake={mistakes.password}
        autocomplete="new-password"
      />
      {mistakes.form !== undefined && (
        <p class="alert" role="alert">
          {mistakes.form}
        </p>
      )}
      <button type="submit" class="button button-primary button-wide" aria-disabled={isBusy}>
        {isBusy ? "One moment…" : "Create account"}
      </button>
      <button type="button" class="link-button" onClick={onCode}>
        I have a code already
      </button>
    </form>
  );
}
