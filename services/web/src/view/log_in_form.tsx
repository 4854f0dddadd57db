/** A name and a password, of somebody who has an account. */

import { logIn, type Tokens } from "../state/accounts.js";
import { logInRefused } from "../text/account.js";
import { Field, PasswordField } from "./field.js";
import { useForm } from "./use_form.js";

interface Props {
  /** To begin with. */
  name: string;
  onTokens: (tokens: Tokens) => void;
}

export function LogInForm({ name, onTokens }: Props) {
  const { form, mistakes, isBusy, onSubmit, onInput } = useForm({
    fields: ["name", "password"] as const,
    check: (values) => ({
      ...(values.name === "" && { name: "Who are you?" }),
      ...(values.password === "" && { password: "Your password, please." }),
    }),
    send: async (values) => onTokens(await logIn(values.name, values.password)),
    refused: logInRefused,
  });
  return (
    <form ref={form} class="account-form" noValidate onSubmit={onSubmit} onInput={onInput}>
      <Field
        label="Name or e-mail"
        name="name"
        mistake={mistakes.name}
        defaultValue={name}
        autocomplete="username"
        autocapitalize="none"
        spellcheck={false}
        maxLength={254}
      />
      <PasswordField mistake={mistakes.password} autocomplete="current-password" />
      {mistakes.form !== undefined && (
        <p class="alert" role="alert">
          {mistakes.form}
        </p>
      )}
      <button type="submit" class="button button-primary button-wide" aria-disabled={isBusy}>
        {isBusy ? "Signing in…" : "Sign in"}
      </button>
    </form>
  );
}
